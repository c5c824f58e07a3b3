"""What proves that a report is about our mail, and how far what follows from it goes."""
import os
import re
import socketserver
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BASE, MX_PORT, World  # noqa: E402
from written_reports import dsn  # noqa: E402

POLICY = """port {mx_port}
name-server {net}.53:{dns_port}
provider far.test { mx {net}.10; }
provider inject.test { mx {net}.20; }
"""
CONFIG = """
<acct-file {folder}/acct/reports.csv>
	records rb, d, b
	record-fields rb *, recordId
</acct-file>
<bounce-processor>
	<address-list>
		address bounce@mta.posthaste.test
	</address-list>
</bounce-processor>
<virtual-mta one>
</virtual-mta>
<virtual-mta two>
</virtual-mta>
<domain seen.test>
	smtp-hosts {net}.30
</domain>
<bounce-action>
	match bad-mailbox
	action suppress
	scope virtual-mta
	suppress-for 1h
</bounce-action>
trust-reports {net}.66/32
"""
BOUNCE = "bounce@mta.posthaste.test"


class Seen(socketserver.ThreadingTCPServer):
    """A server that takes everything and keeps the MAIL commands."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, address):
        super().__init__(address, Talk)
        self.mails = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Talk(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 seen\r\n")
        in_data = False
        for line in self.rfile:
            if in_data and line != b".\r\n":
                continue
            word = line[:4].upper()
            if word == b"MAIL":
                self.server.mails.append(line.decode())
            was_data, in_data = in_data, word == b"DATA"
            self.wfile.write(b"250 taken\r\n" if was_data else b"354 go\r\n" if in_data else
                             b"250-seen\r\n250 DSN\r\n" if word == b"EHLO" else b"250 ok\r\n")
            if word == b"QUIT":
                return


def send(w, rcpt, text, sender="", client=1):
    with w.ph.client(source_address=(f"{w.net}.{client}", 0)) as s:
        return s.sendmail(sender, [rcpt], text)


def sent(w, rcpt, sender, *fields):
    """Sends one out; the header section and the sender that the remote got."""
    before = len(w.mx.log())
    send(w, rcpt, "".join(f + "\r\n" for f in fields) + "From: a@b.test\r\nSubject: x\r\n\r\ntext\r\n", sender)
    entry = wait_for("it came", lambda: next((e for e in w.mx.log()[before:] if e.rcpt == rcpt), None))
    return w.mx.message(entry).split(b"\r\n\r\n", 1)[0].decode() + "\r\n", entry.sender


def entries(w, address):
    return w.ph.json("show", "suppressed", address).get("suppressed") or []


def is_suppressed(w, address):
    return wait_for(f"{address} is suppressed", lambda: entries(w, address))[0]


@case("a report is proved by our envelope id, by the tag in its recipient, by our field, or by the address that it comes from; "
      "what follows is as wide and as long as the action says; what was round too often is refused")
def proofs():
    base = BASE.replace("<source 127.0.0.0/8>", "<source 127.0.0.0/8>\n\tverp-default yes\n\tmax-message-hops 5")
    with World(policy=POLICY, base=base, config=CONFIG, dump=True) as w, Seen((f"{w.net}.30", MX_PORT)) as seen:
        # our envelope id, where the sender gave none
        send(w, "u@seen.test", b"Subject: x\r\n\r\nx\r\n", BOUNCE)
        mail = wait_for("MAIL", lambda: seen.mails)[0]
        envid = re.search(r"ENVID=(\S+)", mail)
        expect(envid, f"no ENVID in {mail}")
        send(w, BOUNCE, dsn("other@seen.test", envid=envid.group(1)))  # another's
        send(w, BOUNCE, dsn("u@seen.test", envid="made-up"))
        send(w, BOUNCE, dsn("u@seen.test", envid=envid.group(1)))
        expect_equal(is_suppressed(w, "u@seen.test")["source"], "report", "by envelope id")
        # the tag in the sender that we made, without anything of ours in the report
        _, sender = sent(w, "verp@far.test", BOUNCE)
        send(w, sender.replace("-verp=", "-verp2="), dsn("verp2@far.test"))
        send(w, sender, dsn("verp@far.test"))
        is_suppressed(w, "verp@far.test")
        # a report from an address that the operator trusts, and the same from another
        send(w, BOUNCE, dsn("untrusted@far.test"), client=67)
        send(w, BOUNCE, dsn("trusted@far.test"), client=66)
        is_suppressed(w, "trusted@far.test")
        # only for the VirtualMTA, and only for so long
        header, _ = sent(w, "scoped@far.test", BOUNCE, "X-Virtual-MTA: two")
        send(w, BOUNCE, dsn("scoped@far.test", headers=header))
        entry = is_suppressed(w, "scoped@far.test")
        expect_equal((entry["scope"], entry["until"] != "never", entry["expired"]), ("two", True, False), "its scope and end")
        sent(w, "scoped@far.test", "a@inject.test")  # by another it still goes
        send(w, "scoped@far.test", "X-Virtual-MTA: two\r\nSubject: s\r\n\r\nx\r\n", "a@inject.test")
        record = wait_for("it bounces", lambda: [r for r in w.ph.records("b") if r["rcpt"] == "scoped@far.test"])[0]
        expect("suppression list" in record["dsnDiag"], f"of VirtualMTA two: {record}")
        # what has been round too often is not read
        loop = b"".join(b"Received: from a by b; Sat, 1 Jan 2022 00:00:00 +0000\r\n" for _ in range(6))
        try:
            send(w, BOUNCE, loop + dsn("loop@far.test"))
            refused = None
        except Exception as e:  # noqa: BLE001
            refused = getattr(e, "smtp_code", None)
        expect(refused in (550, 554), f"a report that loops: {refused}")
        w.drained()
        for who in ("other@seen.test", "verp2@far.test", "untrusted@far.test", "loop@far.test"):
            expect_equal(entries(w, who), [], f"entries of {who}")
        reported = {"other@seen.test", "untrusted@far.test", "u@seen.test", "trusted@far.test"}
        wait_for("each report has its record", lambda: reported <= {r["rcpt"] for r in w.ph.records("rb")})
        rows = {r["recordId"]: r["rcpt"] for r in w.ph.records("rb")}
        expect("loop@far.test" not in rows.values(), "the loop was read")
        w.ph.audit()


POOL = """
<virtual-mta one>
</virtual-mta>
<virtual-mta two>
</virtual-mta>
<virtual-mta-pool duo>
	virtual-mta one
</virtual-mta-pool>
<bounce-processor>
	<address-list>
		address bounce@mta.posthaste.test
	</address-list>
</bounce-processor>
<bounce-action>
	type permanent
	match bad-mailbox
	action suppress
	scope pool
</bounce-action>
"""


def by(w, vmta, rcpt):
    """Sends by that VirtualMTA or pool to one that is refused; what its newest record says."""
    before = len(w.ph.records("b"))
    send(w, rcpt, f"X-Virtual-MTA: {vmta}\r\nSubject: s\r\n\r\nx\r\n", "a@inject.test")
    return wait_for(f"{rcpt} bounces by {vmta}", lambda: w.ph.records("b")[before:])[0]["dsnDiag"]


@case("what is suppressed for a pool is so for mail to the pool and to each of its members, and by no other VirtualMTA")
def scope_pool():
    policy = POLICY.replace("{net}.10; }", '{net}.10; reply rcpt match:gone* "550 5.1.1 no such user"; }')
    with World(policy=policy, config=POOL, dump=True) as w:
        for first in ("duo", "one"):  # the pool, or a member of it
            who = f"gone-{first}@far.test"
            expect("550 5.1.1" in by(w, first, who), f"by {first} for the first time")
            expect_equal(is_suppressed(w, who)["scope"], "duo", f"the scope, sent by {first}")
            for again in ("duo", "one"):
                expect("suppression list" in (said := by(w, again, who)), f"after {first} again by {again}: {said}")
            expect("550 5.1.1" in (said := by(w, "two", who)), f"by another: {said}")
        # from a report, whose field names the member only
        header, _ = sent(w, "left@far.test", BOUNCE, "X-Virtual-MTA: duo")
        send(w, BOUNCE, dsn("left@far.test", headers=header))
        expect_equal(is_suppressed(w, "left@far.test")["scope"], "duo", "the scope, by a report")
        expect("suppression list" in (said := by(w, "duo", "left@far.test")), f"after the report: {said}")
        sent(w, "left@far.test", "a@inject.test", "X-Virtual-MTA: two")
        w.drained()
        w.ph.audit()


if __name__ == "__main__":
    main()
