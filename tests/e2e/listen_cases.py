#!/usr/bin/python3
"""Slots for clients: how many there are, how many a group may have, who waits; and what is logged of a session."""
import os
import smtplib
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import POLICY, World  # noqa: E402

# clients of {net}.21 and {net}.22 are in groups; two processes share all limits
CONFIG = """\
total-max-smtp-in 8
smtp-server-threads 32
<source-group few>
	max-smtp-in 2
</source-group>
<source-group kept>
	reserved-smtp-in 3
</source-group>
<source {net}.21>
	source-group few
</source>
<source {net}.22>
	source-group kept
</source>
<source logged>
	log-data yes
	log-commands no
</source>
<smtp-listener {net}.1:2611>
	await-slot yes
</smtp-listener>
smtp-listener {net}.1:2612 source=logged
"""
AWAIT = """\
total-max-smtp-in 3
smtp-server-threads 32
smtp-await-slot yes
"""


class Caller:
    """A client from one address; said: the start of its greeting, or None as long as nothing came."""

    def __init__(self, w, source=1, port=2526):
        self.socket = socket.create_connection((f"{w.net}.1", port), 10, source_address=(f"{w.net}.{source}", 0))

    def said(self, seconds=10.0):
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1000)[:3].decode()
        except socket.timeout:
            return None

    def quit(self):
        self.socket.sendall(b"QUIT\r\n")
        self.socket.settimeout(10)
        while self.socket.recv(1000):
            pass
        self.socket.close()

    def close(self):
        self.socket.close()


def close_all(callers):
    for c in callers:
        c.close()


def is_idle(w):
    return w.ph.json("show", "status")["status"]["conn"]["smtpIn"]["cur"] == 0


def fill(w, n, source=1, port=2526):
    """They come all at once, so which of them is let in is open: those who are, first."""
    callers = [Caller(w, source, port) for _ in range(n)]
    return callers, sorted(c.said() or "none" for c in callers)


def one_more(w):
    """A caller that was let in, or None."""
    caller = Caller(w, 22, 2526)
    if caller.said() == "220":
        return caller
    caller.close()
    return None


@case("total-max-smtp-in holds over all processes together, and the next one is told 452")
def total():
    # in the group "kept" nothing is kept from it
    with World(policy=POLICY, config=CONFIG) as w:
        wait_for("nobody is connected", lambda: is_idle(w))
        callers, said = fill(w, 8, 22)
        expect_equal(said, ["220"] * 8, "the first eight")
        more, said = fill(w, 4, 22)
        expect_equal(said, ["452"] * 4, "four more")
        callers[0].quit()
        # the slot is free when its process has seen the end
        again = wait_for("a place for one more", lambda: one_more(w))
        close_all(callers + more + [again])
        w.ph.audit()


@case("a source-group has no more than max-smtp-in, and reserved-smtp-in is kept for its own")
def groups():
    with World(policy=POLICY, config=CONFIG) as w:
        wait_for("nobody is connected", lambda: is_idle(w))
        few, said = fill(w, 2, 21)
        expect_equal(said, ["220"] * 2, "two of max-smtp-in 2")
        more, said = fill(w, 1, 21)
        expect_equal(said, ["452"], "max-smtp-in 2")
        # eight, two are gone, three are kept: three are left for others
        others, said = fill(w, 5, 1)
        expect_equal(said, ["220"] * 3 + ["452"] * 2, "others")
        kept, said = fill(w, 4, 22)
        expect_equal(said, ["220"] * 3 + ["452"], "reserved-smtp-in 3")
        few[0].quit()
        other, said = fill(w, 1, 1)
        expect_equal(said, ["220"], "a slot of nobody's reserve")
        close_all(few + more + others + kept + other)
        w.ph.audit()


@case("with await-slot a client waits for its turn, in the listener's queue or for its group, and then is served")
def awaits():
    with World(policy=POLICY, config=CONFIG) as w:
        wait_for("nobody is connected", lambda: is_idle(w))
        few, said = fill(w, 2, 21)
        expect_equal(said, ["220"] * 2, "two of the group")
        waiting = Caller(w, 21, 2611)
        expect_equal(waiting.said(0.5), None, "the third waits")
        other = Caller(w, 1, 2611)
        expect_equal(other.said(), "220", "another is not held up by it")
        few[0].quit()
        expect_equal(waiting.said(), "220", "its turn")
        close_all(few + [waiting, other])
    with World(policy=POLICY, config=CONFIG) as w:
        wait_for("nobody is connected", lambda: is_idle(w))
        kept, said = fill(w, 8, 22)
        expect_equal(said, ["220"] * 8, "all slots")
        waiting = [Caller(w, 22, 2611) for _ in range(3)]
        expect_equal([c.said(0.3) for c in waiting], [None] * 3, "all wait")
        for c in kept[:3]:
            c.quit()
        expect_equal([c.said() for c in waiting], ["220"] * 3, "all are served")
        # whoever waits hinders nobody from stopping
        last = Caller(w, 22, 2611)
        expect_equal(last.said(0.2), None, "one more waits")
        close_all(kept[3:] + waiting)
        expect_equal(last.said(), "220", "slots that were dropped are free as well")
        last.close()
        w.ph.audit()


@case("smtp-await-slot lets clients of every listener wait")
def awaits_globally():
    with World(policy=POLICY, config=AWAIT) as w:
        wait_for("nobody is connected", lambda: is_idle(w))
        callers, said = fill(w, 3)
        expect_equal(said, ["220"] * 3, "three")
        waiting = Caller(w)
        expect_equal(waiting.said(0.5), None, "the fourth waits")
        callers[1].quit()
        expect_equal(waiting.said(), "220", "its turn")
        close_all(callers + [waiting])


@case("the slots of a process that died are free again, and a reload changes the limits at once")
def dies():
    with World(policy=POLICY, config=CONFIG) as w:
        wait_for("nobody is connected", lambda: is_idle(w))
        callers, said = fill(w, 8, 22)
        expect_equal(said, ["220"] * 8, "all slots")
        for pid in list(w.ph.daemons()["injectd"]):
            os.kill(pid, 9)
        close_all(callers)

        def is_served():
            try:
                found, said = fill(w, 8, 22)
            except OSError:
                return False
            close_all(found)
            return said == ["220"] * 8
        wait_for("eight are served again", is_served, 30)
        w.ph.write_config(w.config.replace("total-max-smtp-in 8", "total-max-smtp-in 5"))
        wait_for("the reload", lambda: w.ph.pmtactl("reload", check=False).returncode == 0, 20)

        def five():
            found, said = fill(w, 6, 22)
            close_all(found)
            return said == ["220"] * 5 + ["452"]
        wait_for("five slots", five, 10)
        w.ph.audit()


@case("log-data logs every byte of a session in hexadecimal, but no password")
def log_data():
    with World(policy=POLICY, config=CONFIG + "<smtp-user alice>\npassword secret\n</smtp-user>\n") as w:
        c = Caller(w, 1, 2612)
        c.said()
        for line in (b"EHLO client.test\r\n", b"AUTH CRAM-MD5\r\n", b"QUFBQUFBQUFBQUFB\r\n", b"NOOP xyzzy\r\n", b"QUIT\r\n"):
            c.socket.sendall(line)
            c.said()
        c.close()
        other = Caller(w)
        other.said()
        other.socket.sendall(b"NOOP quiet\r\n")
        other.said()
        other.close()
        row = "4e 4f 4f 50 20 78 79 7a 7a 79 0d 0a"
        wait_for("NOOP as hexadecimal", lambda: f'rd 0000 {row} "NOOP xyzzy.."' in w.ph.said(), 10)
        said = w.ph.said()
        expect("wr 0000 32 32 30 20" in said, "the greeting")
        expect("QUFBQUFB" not in said and "51 55 46 42" not in said, "the response of AUTH is shown")
        expect("quiet" not in said, "logged where nobody asked for it")


DIALECT_BASE = """\
host-name mta.posthaste.test
postmaster postmaster@posthaste.test
smtp-listener {net}.1:{smtp_port}
name-server {net}.53:{dns_port}
<spool {folder}/spool>
</spool>
log-file {folder}/log/pmta.log
<acct-file {folder}/acct/acct.csv>
	records d, b
	record-fields d *, recordId, header_X-Id
	record-fields b *, recordId, header_X-Id
</acct-file>
<smtp-server>
	max-smtp-in 3
	allow-unencrypted-plain yes
</smtp-server>
<source *>
	max-message-size 12345
</source>
<source trusted>
	relay yes
</source>
<virtual-mta v1>
</virtual-mta>
<virtual-mta v2>
</virtual-mta>
<virtual-mta-pool p>
	virtual-mta v2
</virtual-mta-pool>
smtp-listener {net}.1:2621 source=trusted
<smtp-listener {net}.1:2622>
	source trusted
	virtual-mta v1
</smtp-listener>
<smtp-listener {net}.1:2623>
	source trusted
	virtual-mta-pool p
</smtp-listener>
<smtp-user alice>
	password secret
</smtp-user>
"""


@case("the dialect's rows of servers, sources and listeners are honoured")
def dialect():
    with World(policy=POLICY, base=DIALECT_BASE) as w:
        wait_for("nobody is connected", lambda: is_idle(w))
        callers, said = fill(w, 4)
        expect_equal(said, ["220"] * 3 + ["452"], "<smtp-server> max-smtp-in")
        close_all(callers)
        wait_for("nobody is connected", lambda: is_idle(w))
        with smtplib.SMTP(f"{w.net}.1", 2526, timeout=20) as s:
            s.ehlo("client.test")
            expect("PLAIN" in s.esmtp_features["auth"], "<smtp-server> allow-unencrypted-plain")
            expect_equal(s.esmtp_features["size"], "12345", "<source *>")
            s.mail("a@sender.test")
            expect_equal(s.rcpt("b@gmail.test")[0], 550, "without relay yes")
        for port, name in ((2621, "by-source"), (2622, "by-vmta"), (2623, "by-pool")):
            with smtplib.SMTP(f"{w.net}.1", port, timeout=20) as s:
                s.sendmail("a@sender.test", ["b@gmail.test"], f"X-Id: {name}\r\n\r\nx\r\n")
        found = {r["header_X-Id"]: (r["vmta"], r["vmtaPool"]) for r in w.ph.wait_records(3, "d")}
        expect_equal(found["by-vmta"][0], "v1", "virtual-mta of a listener")
        expect_equal(found["by-pool"], ("v2", "p"), "virtual-mta-pool of a listener")
        expect(found["by-source"][0] not in ("v1", "v2"), "a listener without one")
        w.ph.audit()


DUMMY = """\
dummy-smtp-ip {net}.5
dummy-smtp-port 2613
"""
DUMMY_MORE = """\
total-max-smtp-in 4
dummy-smtp-ip {net}.5
dummy-smtp-port 2613
dummy-smtp-await-slot yes
dummy-smtp-has-chunking yes
dummy-smtp-has-pipelining yes
dummy-smtp-has-verp yes
dummy-smtp-has-mailmerge yes
dummy-smtp-latency 300
dummy-smtp-update-stats no
dummy-smtp-blacklist {folder}/blacklist
dummy-smtp-log-blacklist yes
dummy-smtp-blacklist-bounce-percent 40
dummy-smtp-blacklist-bounce-method random
"""


def dummy_client(w):
    s = smtplib.SMTP(f"{w.net}.5", 2613, timeout=20)
    s.ehlo("client.test")
    return s


def say(s, text):
    """A command, with the content that follows it; the reply's code."""
    s.sock.sendall(text.encode() + (b"\n" if "BDAT 4" in text else b"\r\n"))
    return s.getreply()[0]


def total_in(w):
    return w.ph.json("show", "status")["status"]["traffic"]["total"]["in"]["msg"]


@case("the dummy listener takes mail, keeps nothing, and counts it")
def dummy():
    with World(policy=POLICY, config=DUMMY) as w:
        with dummy_client(w) as s:
            for name in ("chunking", "pipelining", "verp", "xmrg"):
                expect(not s.has_extn(name), f"{name} is offered")
            expect_equal(s.docmd("BDAT", "3 LAST")[0], 500, "BDAT")
            for i in range(5):
                s.sendmail("a@sender.test", ["b@gmail.test", "c@gmail.test"], f"Subject: {i}\r\n\r\n..x\r\n.\r\n" * 100)
        wait_for("the count", lambda: total_in(w) == 5, 10)
        expect_equal(w.mx.log(), [], "mail that went out")
        w.ph.audit()
        expect_equal(w.ph.json("show", "ledger")["ledger"]["accepted"], 0, "recipients in the spool")


@case("the dummy listener's extensions, delay, blacklist and slots are as its rows say")
def dummy_rows():
    w = World(policy=POLICY, config=DUMMY_MORE, start=False)
    with open(w.folder + "/blacklist", "w") as f:
        f.write("# refused\nBad@gmail.test\n\n")
    with w:
        w.ph.start()
        wait_for("nobody is connected", lambda: is_idle(w))
        began = time.monotonic()
        with dummy_client(w) as s:
            for name in ("chunking", "pipelining", "verp", "xmrg"):
                expect(s.has_extn(name), f"{name} is not offered")
            expect_equal(s.docmd("NOOP")[0], 250, "NOOP")
            expect(time.monotonic() - began >= 0.9, "three replies came without delay")
            for line, code in (("XMRG FROM:<a@sender.test> VERP", 250), ("XDFN name=\"v\"", 250), ("RCPT TO:<b@gmail.test>", 250),
                               ("XPRT 1", 354), ("Hello\r\n.", 250), ("XPRT 2 LAST", 354), ("x\r\n.", 250),
                               ("MAIL FROM:<a@sender.test>", 250), ("RCPT TO:<b@gmail.test>", 250),
                               ("BDAT 4\r\nabc", 250), ("BDAT 0 LAST", 250)):
                expect_equal(say(s, line), code, line)
        w.ph.write_config(w.config.replace("latency 300", "latency 0"))
        wait_for("the reload", lambda: w.ph.pmtactl("reload", check=False).returncode == 0, 20)
        with dummy_client(w) as s:
            codes = []
            for i in range(300):
                s.mail("a@sender.test")
                codes.append(s.rcpt("bad@GMAIL.test")[0])
                expect_equal(s.rcpt("good@gmail.test")[0], 250, "another address")
                s.rset()
        refused = codes.count(550)
        expect(60 <= refused <= 180, f"{refused} of 300 were refused, 40 % should be")
        wait_for("the log", lambda: 'event=dummy-refused rcpt="bad@GMAIL.test"' in w.ph.said(), 5)
        expect_equal(total_in(w), 0, "messages counted")
        clients = [dummy_client(w) for _ in range(4)]
        late = socket.create_connection((f"{w.net}.5", 2613), 10)
        late.settimeout(0.5)
        try:
            expect(False, f"the fifth was greeted: {late.recv(100)}")
        except socket.timeout:
            pass
        clients[0].quit()
        late.settimeout(10)
        expect(late.recv(100).startswith(b"220"), "its turn")
        for c in clients[1:]:
            c.close()
        late.close()
        w.ph.audit()


if __name__ == "__main__":
    main()
