"""Bounces and complaints that come by mail: read, matched to our own mail, accounted for, delivered or forwarded."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BASE, World  # noqa: E402
from written_reports import arf, dsn  # noqa: E402

ACCT = """
<acct-file {folder}/acct/reports.csv>
	records rb, rs, f, d
	record-fields rb *, recordId, header_X-Job, header_Subject
	record-fields rs *, recordId
	record-fields f *, recordId, arf_Version, arf_Original-Rcpt-To
	record-fields d *, recordId, header_X-Id
	map-header-to-field f header_X-Kind userString
</acct-file>
"""
PROCESSORS = """
<bounce-processor>
	forward-unmatched-to people@inject.test
	deliver-unmatched-email no
	forward-errors-to people@inject.test
	<address-list>
		address bounce@mta.posthaste.test
		domain bounces.posthaste.test
	</address-list>
</bounce-processor>
<feedback-loop-processor>
	deliver-unmatched-email yes
	deliver-matched-email yes
	<address-list>
		address /^fbl[0-9]*@/
	</address-list>
</feedback-loop-processor>
"""
POLICY = """port {mx_port}
name-server {net}.53:{dns_port}
provider far.test { mx {net}.10; extensions 8bitmime pipelining dsn; }
provider inject.test { mx {net}.20; }
provider mta.posthaste.test { mx {net}.21; }
"""
STRANGER = "127.0.0.0/8", "smtp-service yes\n"


def world(config="", **options):
    return World(policy=POLICY, config=ACCT + PROCESSORS + config, dump=True, **options)


def send(w, rcpt, text, sender=""):
    with w.ph.client() as s:
        s.sendmail(sender, [rcpt], text)


def reports(w, n, kind):
    return wait_for(f"{n} records {kind}", lambda: len(r := {x["recordId"]: x for x in w.ph.records(kind)}) >= n
                    and list(r.values()), 20)


def header_of(message):
    return message.split(b"\r\n\r\n", 1)[0].decode() + "\r\n"


def sent_message(w, rcpt, sender, extra=b"", options=()):
    """Sends one out; its header section as the remote has it, and the sender that it was given."""
    before = len(w.mx.log())
    with w.ph.client() as s:
        s.ehlo("py.test")
        s.sendmail(sender, [rcpt], b"From: a@b.test\r\nSubject: hello\r\n" + extra + b"\r\ntext\r\n", list(options))
    wait_for("it came", lambda: len(w.mx.log()) > before)
    entry = next(e for e in w.mx.log()[before:] if e.rcpt == rcpt)
    return header_of(w.mx.message(entry)), entry


@case("bounces: rb by VERP, header and envelope id; rs; ordinary mail is forwarded; the recipient of a forged one is only told")
def bounces():
    with world() as w:
        header, entry = sent_message(w, "user@far.test", "bounce@mta.posthaste.test", b"x-job: j7\r\n", ["ENVID=mine"])
        expect("X-FBLId: " in header, f"no X-FBLId in {header}")
        send(w, "bounce@mta.posthaste.test", dsn("USER@far.test", headers=header))
        row = reports(w, 1, "rb")[0]
        expect_equal((row["rcpt"], row["orig"], row["envId"], row["header_X-Job"], row["header_Subject"]),
                     ("user@far.test", "bounce@mta.posthaste.test", "mine", "j7", "hello"), "what the seal says")
        expect_equal((row["dsnStatus"], row["bounceCat"], row["format"], row["dsnMta"], row["dsnReportingMta"]),
                     ("5.1.1 (bad destination mailbox address)", "bad-mailbox", "dsn", "mx.far.test", "mail.far.test"),
                     "what the report says")
        expect_equal(row["dsnDiag"], "smtp;550 5.1.1 no such user here", "dsnDiag")
        expect(re.match(r".* \(127\.\d", row["srcMta"]), f"srcMta {row['srcMta']}")
        send(w, "bounce@mta.posthaste.test", dsn("late@far.test", action="delayed", status="4.4.1"))
        expect_equal([r["dsnAction"] for r in reports(w, 1, "rs")], ["delayed"], "rs")
        send(w, "bounce-x=far.test@bounces.posthaste.test", b"Subject: a question\r\n\r\nHow are you?\r\n", "who@far.test")
        wait_for("the question is forwarded", lambda: w.mx.provider("inject.test")["recipients"] == 1)
        copy = w.mx.message(next(e for e in w.mx.log() if e.provider == "inject.test"))
        expect(b"Delivered-To: bounce-x=far.test@bounces.posthaste.test\r\n" in copy, f"the copy: {copy[:300]}")
        # a report to a VERP address that names nobody
        send(w, "bounce-y=far.test@bounces.posthaste.test", dsn("", diag=""))
        wait_for("by VERP", lambda: "y@far.test" in {r["rcpt"] for r in reports(w, 2, "rb")})
        # what stands beside the address says nothing; the text around it does
        send(w, "bounce@mta.posthaste.test", b"From: MAILER-DAEMON@far.test\r\nSubject: Undelivered mail\r\n\r\n"
             b"Your message was not delivered.\r\n\r\n<z@far.test>:\r\nThis is all that we know of it.\r\n\r\n"
             b"Its owner has to make room: the mailbox is full.\r\n")
        row = next(r for r in reports(w, 3, "rb") if r["rcpt"] == "z@far.test")
        expect_equal((row["dsnDiag"], row["bounceCat"]), ("smtp;This is all that we know of it.", "quota-issues"), "by its text")
        w.drained()
        w.ph.audit()


@case("complaints: f by ARF and by Microsoft's form; a hidden address is found by X-FBLId; delivered as well, once")
def complaints():
    with world() as w:
        header, _ = sent_message(w, "user@far.test", "news@b.test", b"X-Job: j9\r\nX-Kind: k1\r\n")
        send(w, "fbl7@mta.posthaste.test", arf(header, "redacted@far.test"))
        row = reports(w, 1, "f")[0]
        expect_equal((row["rcpt"], row["orig"], row["feedbackType"], row["format"], row["userAgent"], row["reportingMta"]),
                     ("user@far.test", "news@b.test", "abuse", "arf", "FarGenerator/1.0", "mx.far.test"), "the complaint")
        expect_equal((row["dlvSourceIp"], row["reportedDomain"], row["header_Subject"], row["arf_Version"], row["header_X-Job"]),
                     ("192.0.2.7", "ours.test", "hello", "1", "j9"), "its fields")
        expect_equal((row["arf_Original-Rcpt-To"], row["userString"]), ("redacted@far.test", "k1"), "arf_ and mapped fields")
        expect(row["repSourceIp"].startswith("127."), f"repSourceIp {row['repSourceIp']}")
        jmrp = "X-HmXmrOriginalRecipient: <other@hotmail.test>\r\n" + header
        send(w, "fbl@mta.posthaste.test", b"Subject: complaint about message from 192.0.2.7\r\nMIME-Version: 1.0\r\n"
             b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n'
             + jmrp.encode() + b"\r\ntext\r\n--x--\r\n")
        row = next(r for r in reports(w, 2, "f") if r["format"] == "jmrp")
        expect_equal((row["rcpt"], row["feedbackType"]), ("other@hotmail.test", "abuse"), "JMRP")
        wait_for("both are delivered", lambda: w.mx.provider("mta.posthaste.test")["recipients"] == 2)
        send(w, "fbl@mta.posthaste.test", b"Subject: hi\r\n\r\nordinary mail\r\n", "who@far.test")
        wait_for("ordinary mail too", lambda: w.mx.provider("mta.posthaste.test")["recipients"] == 3)
        w.drained()
        w.ph.audit()


@case("kill -9 of every daemon between a report's arrival and its record: exactly one record each, and the audit balances")
def kills():
    with world() as w:
        n = 0
        for name in ("bounced", "fbld", "acctd", "queued"):
            with w.ph.client() as s:
                for _ in range(10):
                    n += 1
                    s.sendmail("", ["bounce@mta.posthaste.test"], dsn(f"u{n}@far.test"))
                    s.sendmail("", ["fbl@mta.posthaste.test"], arf("Subject: s\r\nTo: x@y.test", f"u{n}@far.test"))
                w.ph.kill_daemon(name)
        wanted = {f"u{i}@far.test" for i in range(1, n + 1)}
        for kind in ("rb", "f"):
            rows = reports(w, n, kind)
            expect_equal({r["rcpt"] for r in rows}, wanted, f"recipients of {kind}")
            expect_equal(len(rows), n, f"records {kind}")
        w.drained()
        w.ph.audit()


ACTION = """
<bounce-action>
	type permanent
	match bad-mailbox
	action suppress
</bounce-action>
"""


@case("a report that is proved to be about our mail suppresses its recipient; a forged one does not, however it looks")
def proved():
    with world(ACTION) as w:
        header, _ = sent_message(w, "user@far.test", "bounce@mta.posthaste.test")
        # forged: nothing of ours; our field with another recipient; a sender as VERP makes it, without its tag
        send(w, "bounce@mta.posthaste.test", dsn("victim1@far.test"))
        send(w, "bounce@mta.posthaste.test", dsn("victim2@far.test", headers=header))
        send(w, "bounce-victim3=far.test@mta.posthaste.test", dsn("victim3@far.test"))
        send(w, "bounce@mta.posthaste.test", dsn("user@far.test", headers=header))
        rows = reports(w, 4, "rb")
        expect_equal({r["rcpt"] for r in rows}, {"user@far.test"} | {f"victim{i}@far.test" for i in (1, 2, 3)}, "records")
        wait_for("the suppression", lambda: "event=suppressed address=\"user@far.test\"" in w.ph.said())
        expect("event=suppressed address=\"victim" not in w.ph.said(), "a forged report suppressed somebody")
        expect("report" in w.ph.pmtactl("show", "suppressed", "user@far.test").stdout, "show suppressed")
        w.drained()
        w.ph.audit()


PATTERNS = """
<bounce-processor>
	<address-list>
		address bounce@mta.posthaste.test
	</address-list>
	<email-patterns>
		body-pattern-file {folder}/ourform
		log-match-info yes
	</email-patterns>
</bounce-processor>
<domain {bounce}>
	log-messages yes
</domain>
trust-reports {net}.0/24
"""


@case("email-patterns read forms of their own, and log what matched; a sender that names its recipient is tagged")
def patterns():
    with World(policy=POLICY, base=BASE.replace("<source 127.0.0.0/8>", "<source 127.0.0.0/8>\n\tverp-default yes"),
               config=ACCT + PATTERNS, dump=True, start=False) as w:
        with open(w.folder + "/ourform", "w") as f:
            f.write(r"(?s)Nicht zustellbar: (?<r>\S+@\S+).*Grund: (?<diag>[^\r\n]+)" + "\n")
        w.ph.start()
        send(w, "bounce@mta.posthaste.test", b"From: x@far.test\r\nSubject: Ihre Nachricht\r\n\r\n"
             b"Nicht zustellbar: who@far.test\r\nGrund: 552 5.2.2 Postfach voll\r\n", "x@far.test")
        row = reports(w, 1, "rb")[0]
        expect_equal((row["format"], row["rcpt"], row["dsnDiag"], row["dsnStatus"]),
                     ("ourform", "who@far.test", "552 5.2.2 Postfach voll", "5.2.2 (mailbox full)"), "by the pattern")
        wait_for("the log of the match", lambda: "event=pattern-matched" in w.ph.said())
        wait_for("log-messages", lambda: re.search(r'event=filtered by=\{bounce\} from="?x@far.test"? to="?bounce@mta',
                                                   w.ph.said()))
        _, entry = sent_message(w, "user@far.test", "bounce@mta.posthaste.test")
        expect(re.fullmatch(r"bounce-user=far\.test=[a-z2-7]{10}@mta\.posthaste\.test", entry.sender), f"sender {entry.sender}")
        _, entry = sent_message(w, "user@far.test", "other@b.test")
        expect_equal(entry.sender, "other-user=far.test@b.test", "of mail whose reports go elsewhere")
        w.drained()
        w.ph.audit()




def slow_processor(name, address, forward):
    patterns = "\t\tbody-pattern-file {folder}/slow\n" * 12
    return (f"<{name}>\n\tforward-errors-to {forward}\n\t<address-list>\n\t\taddress {address}\n\t</address-list>\n"
            f"\t<email-patterns>\n{patterns}\t</email-patterns>\n</{name}>\n")


SLOW = (("bounced", "bounce@mta.posthaste.test", "people@inject.test"), ("fbld", "fbl@mta.posthaste.test", "staff@inject.test"))


def cpu_seconds(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return sum(int(x) for x in f.read().rsplit(")", 1)[1].split()[11:13]) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return 0


def killed_while_it_reads(w, name, address):
    """A message that its reader is long at (the time is the processor's: a loaded machine lengthens it)."""
    before = cpu_seconds(w.ph.daemons()[name][0])
    send(w, address, b"Subject: slow\r\n\r\n" + (b"a" * 76 + b"\r\n") * 800, "who@far.test")
    for _ in range(2):
        pid = wait_for(f"{name} is up", lambda: w.ph.daemons().get(name))[0]
        wait_for(f"{name} reads", lambda: cpu_seconds(pid) > before + 0.6)
        w.ph.kill_daemon(name)
        before = 0


@case("what its reader dies of twice is told, forwarded to forward-errors-to, and delivered as it is")
def errors():
    config = slow_processor("bounce-processor", *SLOW[0][1:]) + slow_processor("feedback-loop-processor", *SLOW[1][1:])
    with World(policy=POLICY, config=config, dump=True, start=False) as w:
        with open(w.folder + "/slow", "w") as f:  # a fifth of a second for a text of 32 KB, and no match
            f.write(r"(?:[a-z]|\s){0,900}(?<r>[0-9])")
        w.ph.start()
        for name, address, forward in SLOW:
            killed_while_it_reads(w, name, address)
            wait_for(f"{name}'s, and a copy", lambda: {e.rcpt for e in w.mx.log()} >= {address, forward}, 60)
            expect(f"event=processor-killed by={name} " in w.ph.said(), f"{name}: it is not told")
            copy = w.mx.message(next(e for e in w.mx.log() if e.rcpt == forward))
            expect(f"Delivered-To: {address}\r\n".encode() in copy and b"Subject: slow" in copy, f"the copy: {copy[:300]}")
        expect_equal(sorted(e.rcpt for e in w.mx.log()), sorted(r for row in SLOW for r in row[1:]), "each once")
        w.drained()
        w.ph.audit()


if __name__ == "__main__":
    main()
