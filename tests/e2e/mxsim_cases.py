"""The simulator itself: what its README promises, for the other tests believe it."""
import os
import smtplib
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from mxsim import Mxsim  # noqa: E402
from posthaste import BUILD, DNS_PORT, MX_PORT, Acks, fill, unique_net  # noqa: E402

TOP = "port {mx_port}\nname-server {net}.53:{dns_port}\n"


class Sim:
    """mxsim in a folder that goes away, with clients."""

    def __init__(self, policy, dump=False):
        self.net = unique_net()
        self.folder = tempfile.TemporaryDirectory(prefix="mxsim-")
        self.names = {"net": self.net, "mx_port": MX_PORT, "dns_port": DNS_PORT}
        self.mx = Mxsim(BUILD, self.folder.name, fill(TOP + policy, self.names), dump)

    def __enter__(self):
        self.mx.start()
        return self

    def __exit__(self, *_):
        self.mx.stop()
        self.folder.cleanup()

    def smtp(self, last=10):
        s = smtplib.SMTP(f"{self.net}.{last}", MX_PORT, timeout=60)
        s.ehlo("client.test")
        return s

    def inject(self, *words):
        path = self.folder.name + "/acks"
        subprocess.run([BUILD + "/tests/inject", "-q", "-s", f"{self.net}.10:{MX_PORT}", "-a", path, *words], check=True,
                       stdout=subprocess.DEVNULL, timeout=60)
        return Acks(path)

    def query(self, name, kind, transport="udp", seconds=30):
        """(rcode, answers, flags) of an MX (15) or A (1) query."""
        question = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0" + struct.pack(">HH", kind, 1)
        message = struct.pack(">HHHHHH", 7, 0x120, 1, 0, 0, 0) + question
        stream = transport == "tcp"
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as s:
            s.settimeout(seconds)
            s.connect((f"{self.net}.53", DNS_PORT))
            s.sendall((struct.pack(">H", len(message)) if stream else b"") + message)
            reply = s.recv(65536)[2 if stream else 0:]
        _, flags, _, answers, _, _ = struct.unpack(">HHHHHH", reply[:12])
        return flags & 15, answers, flags


def message(ident="x", body=b"text"):
    return b"X-Id: " + ident.encode() + b"\r\n\r\n" + body + b"\r\n"


@case("mxsim counts messages, recipients and duplicates, and its hash is the injector's")
def counts():
    with Sim("provider a.test { mx {net}.10; }") as s:
        acks = s.inject("-n", "500", "-r", "3", "-t", "u%r@a.test")
        expect_equal(len(acks.pairs()), 1500, "acknowledged")
        stats = s.mx.stats()
        expect_equal((stats["messages"], stats["recipients"], stats["duplicates"]), (500, 1500, 0), "counts")
        expect({(a.id, a.rcpt, a.hash) for a in s.mx.log()} ==
               {(i, r, h) for i, (h, _, rs) in acks.acked.items() for r in rs}, "the log differs from the injector's")
        s.inject("-n", "10", "-r", "3", "-t", "u%r@a.test")
        expect_equal(s.mx.stats()["duplicates"], 30, "duplicates after sending ten again")


@case("mxsim keeps limits of connections, messages a connection, recipients and size with the provider's text")
def limits():
    with Sim('provider a.test { mx {net}.10; max-connections 2 "421 4.7.0 too many of you"; '
             'max-messages-per-connection 2 "421 4.7.1 enough"; max-recipients 2 "452 4.5.3 two"; '
             'max-size 1000 "552 5.3.4 big"; }') as s:
        first, second = s.smtp(), s.smtp()
        try:
            s.smtp()
            expect(False, "a third connection was taken")
        except smtplib.SMTPResponseException as e:
            expect_equal((e.smtp_code, e.smtp_error), (421, b"4.7.0 too many of you"), "refusal")
        refused = first.sendmail("a@b.test", [f"r{i}@a.test" for i in range(3)], message())
        expect_equal(list(refused), ["r2@a.test"], "recipients refused")
        try:
            first.sendmail("a@b.test", ["r@a.test"], message(body=b"x" * 2000))
        except smtplib.SMTPDataError as e:
            expect_equal(e.smtp_code, 552, "size")
        first.sendmail("a@b.test", ["r@a.test"], message("y"))
        expect_equal(first.docmd("MAIL FROM:<a@b.test>")[0], 421, "third message")
        expect_equal(s.mx.provider("a.test")["connections_max"], 2, "highest connections")
        second.close()


def refused(function, *words):
    """The provider's reply to what it does not take."""
    try:
        function(*words)
    except smtplib.SMTPResponseException as e:
        return e.smtp_code, e.smtp_error
    return None


@case("mxsim keeps rates of connections and messages and connections of one source, and takes its time to answer")
def rates():
    with Sim('provider a.test { mx {net}.10; max-message-rate 1/1h "451 4.7.1 one an hour"; latency 50ms; }\n'
             'provider b.test { mx {net}.11; max-connection-rate 1/1h "421 4.7.0 one an hour"; }\n'
             'provider c.test { mx {net}.12; max-connections-per-source 1 "421 4.7.0 one of yours"; }') as s:
        began = time.monotonic()
        with s.smtp() as c:
            c.sendmail("a@b.test", ["r@a.test"], message())
            expect(time.monotonic() - began >= 0.3, "greeting, EHLO, MAIL, RCPT, DATA and dot came without latency")
            expect_equal(refused(c.sendmail, "a@b.test", ["r@a.test"], message("y")), (451, b"4.7.1 one an hour"), "message")
        expect_equal(s.mx.recipients(), 1, "recipients")
        s.smtp(11).close()
        expect_equal(refused(s.smtp, 11), (421, b"4.7.0 one an hour"), "connection")
        with s.smtp(12):
            expect_equal(refused(s.smtp, 12), (421, b"4.7.0 one of yours"), "a second one of this source")
            other = smtplib.SMTP(f"{s.net}.12", MX_PORT, timeout=60, source_address=(f"{s.net}.99", 0))
            expect_equal(other.ehlo("client.test")[0], 250, "one of another")
            other.close()
        expect_equal(s.mx.provider("a.test")["rate_refused"], 1, "counted")


@case("mxsim's percentages are the same at every run, and 5xx at rcpt the same for a recipient at every attempt")
def percentages():
    seen = []
    for _ in range(2):
        with Sim('provider a.test { mx {net}.10; reply rcpt 20% "550 5.1.1 who"; reply dot 10% "451 4.3.0 later"; }') as s:
            acks = s.inject("-n", "400", "-c", "1", "-t", "u%r@a.test")
            seen.append((sorted(acks.acked), sorted(acks.refused)))
            no_user = [i for i, (_, reply, _) in acks.refused.items() if "451" not in reply]
            expect(50 < len(no_user) < 110, f"{len(no_user)} of 400 unknown users with 20 %")
    expect(seen[0] == seen[1], "two runs differ")


@case("mxsim greylists a pair until the time is over")
def greylist():
    with Sim('provider a.test { mx {net}.10; greylist 300ms "450 4.2.0 wait"; }') as s:
        with s.smtp() as c:
            c.docmd("MAIL FROM:<a@b.test>")
            expect_equal(c.docmd("RCPT TO:<r@a.test>"), (450, b"4.2.0 wait"), "first attempt")
            wait_for("it is taken", lambda: c.docmd("RCPT TO:<r@a.test>")[0] == 250)


@case("mxsim drops before and after counting, stalls, delays and answers malformed as told")
def rules():
    with Sim("provider a.test { mx {net}.10; drop dot match:drop@*; drop accepted match:lost@*; "
             "malformed dot match:bad@* no-code; malformed rcpt match:nul@* nul; delay rcpt match:slow@* 200ms; "
             "reply rcpt match:two@* \"550 first\\n550 second\"; malformed rcpt match:split@* split; }") as s:
        for user, counted in (("drop", 0), ("lost", 1), ("bad", 1)):
            try:
                s.smtp().sendmail("a@b.test", [f"{user}@a.test"], message(user))
            except (smtplib.SMTPException, ConnectionError):
                pass
            expect_equal(s.mx.recipients(), counted, f"counted after {user}")
        with s.smtp() as c:
            c.docmd("MAIL FROM:<a@b.test>")
            expect_equal(c.docmd("RCPT TO:<nul@a.test>"), (250, b"o\0k"), "reply with a NUL")
            expect_equal(c.docmd("RCPT TO:<two@a.test>"), (550, b"first\nsecond"), "two lines")
            expect_equal(c.docmd("RCPT TO:<split@a.test>")[0], 250, "byte by byte")
            expect_equal(c.docmd("RCPT TO:<slow@a.test>")[0], 250, "late")
        p = s.mx.provider("a.test")
        expect_equal((p["dropped"], p["malformed"]), (2, 3), "dropped and malformed")


@case("mxsim notes what a client does wrong")
def violations():
    with Sim("provider a.test { mx {net}.10; extensions none; }") as s:
        with socket.create_connection((f"{s.net}.10", MX_PORT), 60) as c:
            c.sendall(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<r@a.test>\r\nDATA\r\n")
            received = b""
            while b"354" not in received:
                received += c.recv(4096)
            c.sendall(b"X-Id: v\r\n\r\nbare\nlf\rcr\0nul\xff" + b"x" * 1100 + b"\r\n.\r\n")
            wait_for("it was taken", lambda: s.mx.recipients() == 1)
        expect_equal(set(s.mx.violations()),
                     {"violation_pipelined", "violation_bare_lf", "violation_bare_cr", "violation_nul",
                      "violation_long_line", "violation_eight_bit"}, "violations")


@case("mxsim's dump is the message as it came, by DATA and by BDAT in odd pieces")
def dump():
    text = b"X-Id: d\r\n\r\n.\r\n..\r\n.x\r\nend\r\n"
    with Sim("provider a.test { mx {net}.10; }", dump=True) as s:
        with s.smtp() as c:
            c.sendmail("a@b.test", ["r@a.test"], text)
        with socket.create_connection((f"{s.net}.10", MX_PORT), 60) as c:
            head = b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<q@a.test>\r\n"
            c.sendall(head + b"BDAT 7\r\n" + text[:7] + b"BDAT 0\r\n" + b"BDAT %d LAST\r\n" % (len(text) - 7) + text[7:])
            wait_for("both", lambda: s.mx.recipients() == 2)
        log = s.mx.log()
        expect_equal([s.mx.message(a) for a in log], [text, text], "dumps")
        expect_equal(len({a.hash for a in log}), 1, "hashes")


@case("mxsim's name server answers MX, A, CNAME, null MX, NXDOMAIN, SERVFAIL, truncation and TCP")
def names():
    with Sim("provider a.test { mx {net}.10 {net}.11; }\nname alias.test cname a.test\nname null.test null-mx\n"
             "name fail.test servfail\nname cut.test truncate\nname cut.test mx 5 mx1.a.test\nname safe.test ad\n"
             "name safe.test a {net}.10\nname gone.test drop") as s:
        expect_equal(s.query("a.test", 15)[:2], (0, 2), "MX")
        expect_equal(s.query("A.TEST", 15)[:2], (0, 2), "MX in capitals")
        expect_equal(s.query("mx2.a.test", 1)[:2], (0, 1), "A")
        expect_equal(s.query("alias.test", 15)[:2], (0, 3), "CNAME and what it leads to")
        expect_equal(s.query("null.test", 15)[:2], (0, 1), "null MX")
        expect_equal(s.query("fail.test", 15)[0], 2, "SERVFAIL")
        expect_equal(s.query("other.test", 15)[0], 3, "NXDOMAIN")
        expect(s.query("cut.test", 15)[2] & 0x200, "not truncated")
        expect_equal(s.query("cut.test", 15, "tcp")[:2], (0, 1), "over TCP")
        expect(s.query("safe.test", 1)[2] & 0x20, "AD is not set")
        try:
            s.query("gone.test", 1, seconds=1)
            expect(False, "an answer came")
        except TimeoutError:
            pass


@case("mxsim reloads its policy: a provider goes down and comes back, counts stay")
def reload():
    policy = TOP + "provider a.test { mx {net}.10; }\n"
    with Sim("provider a.test { mx {net}.10; }") as s:
        s.inject("-n", "5", "-t", "u%r@a.test")
        s.mx.reload(fill(policy.replace("mx {net}", "down; mx {net}"), s.names))
        try:
            s.smtp()
            expect(False, "it is still up")
        except ConnectionRefusedError:
            pass
        s.mx.reload(fill(policy, s.names))
        s.inject("-n", "5", "-i", "again", "-t", "u%r@a.test")
        expect_equal(s.mx.recipients(), 10, "recipients")


@case("mxsim carries 2,000 connections at a time and 10,000 messages over them")
def speed():
    with Sim("provider a.test { mx {net}.10; }") as s:
        s.inject("-n", "10000", "-c", "2000", "-t", "u%r@a.test")
        stats = s.mx.stats()
        expect_equal(stats["recipients"], 10000, "recipients")
        expect(stats["connections_max"] >= 1900, f"{stats['connections_max']} connections at a time")


if __name__ == "__main__":
    main()
