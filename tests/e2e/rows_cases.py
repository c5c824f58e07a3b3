#!/usr/bin/python3
"""Rows of the configuration that no other test holds to their word, one server for all of them."""
import atexit
import os
import select
import smtplib
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BASE, DNS_PORT, DOMAIN, MX_PORT, SMTP_PORT, World  # noqa: E402

POLICY = """\
port {mx_port}
name-server {net}.53:{dns_port}
provider plain.test { mx {net}.10; }
provider nodsn.test { mx {net}.11; }
provider one.test { mx {net}.12! {net}.13; }
provider two.test { mx {net}.14! {net}.15; }
name nomx.test nodata
provider tracked.test { mx {net}.17; }
provider never.test { mx {net}.16; reply rcpt always "450 4.2.1 come back never" }
"""
# the listener and the right to relay in their old forms; the name server behind a relay that looks at the questions
OLD_BASE = BASE.replace("smtp-listener {net}.1:{smtp_port}", "smtp-ip {net}.1\nsmtp-port {smtp_port}").replace(
    "name-server {net}.53:", "name-server {net}.54:").replace("\talways-allow-relaying yes\n", "")
DUMMY_PORT = 2613
CONFIG = """\
edns-udp-length 1400
domain-suffix plain.test
mailmerge-expands-undefined-variables no
dummy-smtp-ip {net}.5
dummy-smtp-port 2613
always-allow-relaying yes
alias pal@mta.posthaste.test friend@plain.test
smtp-source-ip {net}.200
<virtual-mta v1>
	include {folder}/of-vmta
</virtual-mta>
<smtp-pattern-list replies>
	include {folder}/of-replies
</smtp-pattern-list>
<domain never.test>
	smtp-pattern-list replies
	retry-after 1h
</domain>
<domain plain.test>
	max-rcpt-per-message 2
</domain>
<domain tracked.test>
	add-fbl-id yes
</domain>
<domain nomx.test>
	bounce-upon-no-mx yes
</domain>
<domain pipelined.test>
	smtp-hosts [{net}.22]
</domain>
<domain unpipelined.test>
	smtp-hosts [{net}.23]
	ignore-pipelining yes
</domain>
<domain gone.test>
	smtp-hosts [{net}.24]
	retry-after 1s
	expire-after 2s
</domain>
<source {net}.5>
	include {folder}/of-source
	process-x-schedule yes
</source>
<source {net}.6>
	process-x-schedule yes
	retain-x-schedule yes
</source>
<source {net}.7>
	allow-mailmerge yes
	allow-chunking no
	allow-smtputf8 no
	log-connections yes
	log-commands yes
</source>
<source {net}.8>
	max-rcpt-per-message 1
	disconnect-on-transient-error yes
</source>
<domain full.test>
	smtp-hosts [{net}.20]
	connect-timeout 1s
	retry-after 1h
</domain>
<domain chatty.test>
	smtp-hosts [{net}.21]
	smtp-multiple-line-response-timeout 1s
	retry-after 1h
</domain>
<domain nodsn.test>
	include {folder}/of-domain
</domain>
<domain one.test>
	mx-connection-attempts 1
	retry-after 1h
</domain>
"""
INCLUDED = {"vmta": "smtp-source-ip {net}.201\n", "source": "auto-qualify-domain no\n", "domain": "ignore-dsn yes\n",
            "replies": "reply /come back never/ bounce-rcpt\n"}
_world = []


class Relay:
    """Between dnsd and the name server; `sizes`: what the questions said may come back, 0 without EDNS."""

    def __init__(self, net):
        self.sizes, self.server = [], (f"{net}.53", DNS_PORT)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((f"{net}.54", DNS_PORT))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        askers = {}
        while True:
            data, who = self.socket.recvfrom(65536)
            if who == self.server:
                self.socket.sendto(data, askers.get(data[:2], who))
                continue
            askers[data[:2]] = who
            # an OPT record is the last one: root name, type 41, its class is the size
            has_opt = struct.unpack(">H", data[10:12])[0] == 1 and data[-11:-8] == b"\0\0\x29"
            self.sizes.append(struct.unpack(">H", data[-8:-6])[0] if has_opt else 0)
            self.socket.sendto(data, self.server)


def chatter(server):
    """Greets whoever comes with a line after the other, and never with the last."""
    while True:
        client = server.accept()[0]
        try:
            while True:
                client.sendall(b"220-and\r\n")
                time.sleep(0.1)
        except OSError:
            client.close()


def take_mail(server, early):
    """Offers PIPELINING; notes of each MAIL whether anything came behind it before it was answered."""
    while True:
        client = server.accept()[0]
        lines = client.makefile("rb", buffering=0)
        client.sendall(b"220 patient\r\n")
        while line := lines.readline():
            verb = line[:4].upper()
            if verb == b"MAIL":
                early.append(bool(select.select([client], [], [], 0.5)[0]))
            client.sendall({b"EHLO": b"250-patient\r\n250 PIPELINING\r\n", b"DATA": b"354 go\r\n"}.get(verb, b"250 ok\r\n"))
            if verb == b"DATA":
                while lines.readline() != b".\r\n":
                    pass
                client.sendall(b"250 taken\r\n")
            if verb == b"QUIT":
                break
        client.close()


class Odd:
    """A host that takes no connection any more, without refusing one; one that never ends its greeting; two that see
    whether commands come before they are due."""

    def __init__(self, net):
        self.full = socket.create_server((f"{net}.20", MX_PORT), backlog=0)
        self.inside = socket.create_connection((f"{net}.20", MX_PORT), 10)  # all that its queue holds
        self.chatty = socket.create_server((f"{net}.21", MX_PORT))
        threading.Thread(target=chatter, args=(self.chatty,), daemon=True).start()
        self.early = {}
        for name, i in (("pipelined", 22), ("unpipelined", 23)):
            server = socket.create_server((f"{net}.{i}", MX_PORT))
            self.early[name] = []
            threading.Thread(target=take_mail, args=(server, self.early[name]), daemon=True).start()


def world():
    if not _world:
        w = World(policy=POLICY, config=CONFIG, domain=DOMAIN, base=OLD_BASE, dump=True)
        for name, text in INCLUDED.items():
            with open(f"{w.folder}/of-{name}", "w") as f:
                f.write(w.fill(text))
        w.relay, w.odd = Relay(w.net), Odd(w.net)
        w.__enter__()
        atexit.register(w.close, False)
        _world.append(w)
    return _world[0]


def client(source=None):
    net = world().net
    return smtplib.SMTP(f"{net}.1", SMTP_PORT, timeout=30, source_address=source and (f"{net}.{source}", 0))


def send(rcpt, source=None, header="Subject: x", rcpt_options=()):
    with client(source) as s:
        s.sendmail("a@posthaste.test", [rcpt], f"{header}\r\n\r\nhello\r\n".encode(), rcpt_options=rcpt_options)


def record(rcpt):
    return wait_for(f"the record of {rcpt}", lambda: [r for r in world().ph.records("d") if r["rcpt"] == rcpt])[0]


def arrived(rcpt):
    """The message that came for that recipient, as bytes."""
    found = wait_for(f"{rcpt} arrives", lambda: [a for a in world().mx.log() if a.rcpt == rcpt])[0]
    return open(f"{world().mx.folder}/dump/{found.number}.eml", "rb").read()


@case("ignore-dsn yes: a host that offers DSN is taken for one that does not, so the mail is relayed, not passed on with it")
def ignore_dsn():
    for name in ("plain", "nodsn"):
        send(f"dsn@{name}.test")
    expect_equal([record(f"dsn@{name}.test")["dsnAction"] for name in ("plain", "nodsn")], ["delivered", "relayed"], "dsnAction")


@case("auto-qualify-domain: a lone local part is one at domain-suffix, with no it is no address")
def qualify():
    send("lone")
    record("lone@plain.test")
    try:
        send("alone", source=5)
        expect(False, "a lone local part was taken")
    except smtplib.SMTPRecipientsRefused as e:
        expect_equal(e.recipients["alone"][0] // 100, 5, "the refusal")


@case("retain-x-schedule yes: the field stays in the message; otherwise it is left out")
def retain_schedule():
    header = "X-Schedule: 2020-01-01 00:00:00 / 2099-01-01 00:00:00\r\nSubject: x"
    send("out@plain.test", source=5, header=header)
    send("kept@plain.test", source=6, header=header)
    expect(b"x-schedule" not in arrived("out@plain.test").lower(), "the field was not left out")
    expect(b"x-schedule" in arrived("kept@plain.test").lower(), "the field was not kept")


@case("mx-connection-attempts 1: the queue waits when its first host fails, and tries no second")
def attempts():
    send("u@one.test")
    send("u@two.test")
    record("u@two.test")
    wait_for("one.test waits", lambda: (q := world().ph.json("explain", "one.test").get("queue")) and q[0]["state"] == "RETRY")
    expect_equal(world().mx.provider("one.test")["connections_total"], 0, "connections to its second host")


@case("allow-chunking no and allow-smtputf8 no: neither is offered nor taken")
def extensions():
    with client() as s:
        s.ehlo()
        expect(s.has_extn("chunking") and s.has_extn("smtputf8"), f"offered to others: {s.esmtp_features}")
    with client(7) as s:
        s.ehlo()
        expect(not s.has_extn("chunking") and not s.has_extn("smtputf8"), f"offered: {s.esmtp_features}")
        expect_equal(s.docmd("MAIL", "FROM:<a@posthaste.test> SMTPUTF8")[0] // 100, 5, "SMTPUTF8")
        s.mail("a@posthaste.test")
        s.rcpt("bdat@plain.test")
        expect_equal(s.docmd("BDAT", "0 LAST")[0] // 100, 5, "BDAT")


@case("log-connections and log-commands: who comes and goes and what is said is in the log, of that source alone")
def logs():
    send("logged@plain.test", source=7)
    send("silent@plain.test", source=5)
    record("silent@plain.test")
    net = world().net
    for text in (f"event=connect client={net}.7", f"event=disconnect client={net}.7", "logged@plain.test", "2.1.5 Recipient"):
        wait_for(f"{text} in the log", lambda: text in world().ph.said())
    for text in (f"client={net}.5", "silent@plain.test"):
        expect(text not in world().ph.said(), f"{text} is in the log")


@case("disconnect-on-transient-error: where another is told 452 the connection ends")
def disconnects():
    with client(8) as s:
        s.ehlo()
        s.mail("a@posthaste.test")
        expect_equal(s.rcpt("one@plain.test")[0], 250, "the first recipient")
        try:
            expect(False, f"the second was answered: {s.rcpt('two@plain.test')}")
        except smtplib.SMTPServerDisconnected:
            pass


@case("mailmerge-expands-undefined-variables no: what has no value stays as it is written")
def undefined_variables():
    with client(7) as s:
        s.ehlo()
        for line, code in (("XMRG FROM:<a@posthaste.test>", 250), ('XDFN a="A"', 250), ("RCPT TO:<merged@plain.test>", 250),
                           ("XPRT 1 LAST", 354), ("Subject: [a][b]\r\n\r\nx\r\n.", 250)):
            s.send(line + "\r\n")
            expect_equal(s.getreply()[0], code, line)
    expect(b"\r\nSubject: A[b]\r\n" in arrived("merged@plain.test"), "the subject")


@case("ignore-pipelining yes: no command goes out before the one before it was answered")
def unpipelined():
    for name in ("pipelined", "unpipelined"):
        send(f"u@{name}.test")
        record(f"u@{name}.test")
    expect_equal(world().odd.early, {"pipelined": [True], "unpipelined": [False]}, "commands behind MAIL")


@case("bounce-upon-no-mx yes: a domain that has neither exchanger nor address bounces at once")
def no_mx():
    send("u@nomx.test")
    found = wait_for("the bounce", lambda: [r for r in world().ph.records("b") if r["rcpt"] == "u@nomx.test"])[0]
    expect_equal(found["dsnStatus"][0], "5", f"{found['dsnStatus']} {found['dsnDiag']}")


@case("add-fbl-id yes: what goes out can be known again, also where nothing reads reports")
def tracked():
    send("u@plain.test")
    send("u@tracked.test")
    expect_equal([b"\r\nx-fblid:" in arrived(f"u@{name}.test").lower() for name in ("plain", "tracked")], [False, True], "X-FBLId")


@case("what a file says that is included in a block holds in that block: a rule of <smtp-pattern-list>")
def included():
    send("u@never.test")
    wait_for("the bounce", lambda: [r for r in world().ph.records("b") if r["rcpt"] == "u@never.test"])


@case("expire-after is bounce-after, max-rcpt-per-message is max-rcpt-per-transaction")
def old_limits():
    send("u@gone.test")
    wait_for("the bounce", lambda: [r for r in world().ph.records("b") if r["rcpt"] == "u@gone.test"])
    rcpts = [f"many{i}@plain.test" for i in range(4)]
    with client() as s:
        s.sendmail("a@posthaste.test", rcpts, b"Subject: many\r\n\r\nhello\r\n")
    for rcpt in rcpts:
        record(rcpt)
    numbers = [a.number for a in world().mx.log() if a.rcpt in rcpts]
    expect_equal(sorted(numbers.count(n) for n in set(numbers)), [2, 2], "recipients of the transactions")


@case("smtp-source-ip of the server and of a VirtualMTA are where mail comes from; alias of the server forwards")
def old_sources():
    send("ours@plain.test")
    send("its@plain.test", header="x-virtual-mta: v1\r\nSubject: x")
    send("pal@mta.posthaste.test")
    for rcpt in ("ours@plain.test", "its@plain.test", "friend@plain.test"):
        record(rcpt)
    net = world().net
    peers = {a.rcpt: a.peer for a in world().mx.log()}
    expect_equal((peers["ours@plain.test"], peers["its@plain.test"]), (f"{net}.200", f"{net}.201"), "source addresses")


@case("connect-timeout and smtp-multiple-line-response-timeout end what never answers and what never ends its answer")
def timeouts():
    for name in ("full", "chatty"):
        send(f"u@{name}.test")
    for name in ("full", "chatty"):
        wait_for(f"{name} waits", lambda: "timed out" in world().ph.pmtactl("explain", f"{name}.test").stdout)


def answers(address):
    try:
        with socket.create_connection(address, 10) as s:
            return s.recv(3) == b"220"
    except ConnectionRefusedError:
        return False


@case("dummy-smtp-ip and smtp-ip: the listeners are at those addresses and at no other")
def addresses():
    net = world().net
    found = {(i, port): answers((f"{net}.{i}", port)) for i in (1, 5) for port in (SMTP_PORT, DUMMY_PORT)}
    expect_equal(found, {(1, SMTP_PORT): True, (1, DUMMY_PORT): False, (5, SMTP_PORT): False, (5, DUMMY_PORT): True}, "who answers")


@case("smtp-ip and smtp-port are a listener; edns-udp-length is what the name server is told")
def old_listener():
    send("edns@plain.test")
    record("edns@plain.test")
    expect_equal(set(world().relay.sizes), {1400}, "the sizes in questions")


@case("all of it is accounted for")
def audit():
    world().ph.pmtactl("delete", "--queue=*")
    world().drained()
    world().ph.audit()


if __name__ == "__main__":
    main()
