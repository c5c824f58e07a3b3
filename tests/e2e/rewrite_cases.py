"""What becomes of envelope and header on the way: senders, recipients and fields that are added, left out and rewritten,
at reception and at delivery, for small and large messages and for every way of sending."""
import datetime
import email
import os
import re
import smtplib
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BASE, BUILD, DOMAIN, World  # noqa: E402
from verifiers import Verifiers, make_key  # noqa: E402

POLICY = """\
port {mx_port}
name-server {net}.53:{dns_port}
provider gmail.test { mx {net}.10; domains gmail.test googlemail.test; }
provider plain.test { mx {net}.11; extensions 8bitmime; domains plain.test mta.posthaste.test; }
"""
VMTAS = "".join("<virtual-mta v%d>\n\tsmtp-source-host {net}.20%d v%d.posthaste.test\n%%(v%d)s</virtual-mta>\n" % (n, n, n, n)
                for n in (1, 2)) + "<virtual-mta-pool p>\n\tvirtual-mta v2\n%(p)s</virtual-mta-pool>\n"
BODY = ("0123456789 " * 7 + "\r\n.a line with a dot\r\n") * 3
LARGE = BODY * 2000  # in the spool's file, not in memory


def vmtas(v1="", v2="", p=""):
    return VMTAS % {"v1": v1, "v2": v2, "p": p}


def world(more="", config="", domain="", **options):
    base = BASE.replace("\tmax-message-size unlimited\n", "\tmax-message-size unlimited\n" + more)
    return World(policy=POLICY, dump=True, config=config, domain=DOMAIN + domain, base=base, **options)


def send(w, ident, fields=(), sender="a@inject.test", rcpt="b@gmail.test", body=BODY, mail=()):
    text = "\r\n".join([*fields, f"X-Id: {ident}", "", body])
    with smtplib.SMTP(*w.ph.listener, timeout=30) as s:
        return s.sendmail(sender, rcpt, text, mail_options=mail)


def arrived(w, n):
    """By X-Id and recipient: (the sender, the message as parsed, its bytes)."""
    w.mx.wait_recipients(n)
    w.drained()
    expect_equal(w.mx.violations(), {}, "violations")
    w.ph.audit()
    found = {}
    for a in w.mx.log():
        raw = w.mx.message(a)
        found[(a.id, a.rcpt)] = (a.sender, email.message_from_bytes(raw), raw)
    return found


def one(w, ident="m", rcpt="b@gmail.test"):
    return arrived(w, 1)[(ident, rcpt)]


def body_of(raw):
    return raw.partition(b"\r\n\r\n")[2]


WAYS = [(rcpt, body) for rcpt in ("b@gmail.test", "b@plain.test") for body in (BODY, LARGE)]


def every_way(w, fields, check):
    """Small and large, with and without CHUNKING; the body is always to the byte."""
    for i, (rcpt, body) in enumerate(WAYS):
        send(w, f"w{i}", fields, rcpt=rcpt, body=body)
    found = arrived(w, len(WAYS))
    for i, (rcpt, body) in enumerate(WAYS):
        _, message, raw = found[(f"w{i}", rcpt)]
        expect(body_of(raw) == body.encode(), f"w{i}: the body was changed")
        check(message, raw)


@case("remove-header of the source and of the domain leaves fields out at delivery; the record still has them")
def removed():
    base = BASE.replace("header_X-Id", "header_X-Id, header_X-One")
    more = "\tremove-header X-One, x-two\n"
    domain = "<domain gmail.test>\n\tremove-header X-Three\n</domain>\n<domain plain.test>\n\tremove-header X-Three\n</domain>\n"
    with World(policy=POLICY, dump=True, domain=DOMAIN + domain,
               base=base.replace("\tmax-message-size unlimited\n", "\tmax-message-size unlimited\n" + more)) as w:
        def check(message, raw):
            expect_equal([message[f] for f in ("X-One", "X-Two", "X-Three", "X-Four")], [None, None, None, "4"], "fields")
        every_way(w, ["X-One: 1", "X-TWO: 2\r\n folded", "X-Three: 3", "X-Four: 4", "x-one: again"], check)
        expect_equal({r["header_X-One"] for r in w.ph.wait_records(len(WAYS), "d")}, {"1"}, "in the records")


@case("include-headers-from of the server, the pool and the VirtualMTA come behind our Received; a reload reads them anew")
def included():
    config = "include-headers-from {folder}/global.txt\n" + vmtas(
        "\tinclude-headers-from {folder}/v1.txt\n", "\tinclude-headers-from {folder}/v2.txt\n",
        "\tinclude-headers-from {folder}/p.txt\n")
    with world(config=config, start=False) as w:
        for name, text in (("global", "X-Global: g\n"), ("v1", "X-V1: one\n two\n"), ("v2", "X-V2: v2\r\n"), ("p", "X-P: p\n\n")):
            with open(f"{w.folder}/{name}.txt", "w") as f:
                f.write(text)
        w.ph.start()

        def check(message, raw):
            expect_equal(list(message.keys()), ["Received", "X-Global", "X-V1", "Received", "Subject", "X-Id"], "fields")
            expect_equal(message["X-V1"], "one\r\n two", "folded")
        every_way(w, ["x-virtual-mta: v1", "Received: other", "Subject: s"], check)
        send(w, "pool", ["x-virtual-mta: p"])
        _, message, _ = arrived(w, len(WAYS) + 1)[("pool", "b@gmail.test")]
        expect_equal([message[f] for f in ("X-Global", "X-P", "X-V2", "X-V1")], ["g", "p", "v2", None], "of a pool")
        with open(f"{w.folder}/global.txt", "w") as f:
            f.write("X-Global: changed\n")
        w.ph.pmtactl("reload")
        send(w, "again")
        _, message, _ = arrived(w, len(WAYS) + 2)[("again", "b@gmail.test")]
        expect_equal(message["X-Global"], "changed", "after a reload")


@case("a file of include-headers-from that is missing or no header is an error of the configuration")
def included_wrong():
    with world(config="include-headers-from {folder}/h.txt\n", start=False) as w:
        for text, says in ((None, "cannot open"), ("no header\n", "line 1"), ("A: b\n\nC: d\n", "line 2")):
            if text is not None:
                with open(f"{w.folder}/h.txt", "w") as f:
                    f.write(text)
            r = subprocess.run([BUILD + "/sbin/posthaste", "-t", "-c", w.ph.config_path], capture_output=True, text=True)
            expect(r.returncode != 0 and says in r.stdout + r.stderr, f"{text!r}: {r.returncode} {r.stdout}{r.stderr}")


@case("a message without any header gets fields in front without its text becoming one")
def included_no_header():
    with world("\tadd-received-header no\n", "include-headers-from {folder}/h.txt\n", start=False) as w:
        with open(f"{w.folder}/h.txt", "w") as f:
            f.write("X-Id: none\n")
        w.ph.start()
        with smtplib.SMTP(*w.ph.listener, timeout=30) as s:
            s.sendmail("a@inject.test", "b@gmail.test", "just text\r\n.more: text\r\n")
        _, _, raw = one(w, "none")
        expect_equal(raw, b"X-Id: none\r\n\r\njust text\r\n.more: text\r\n", "message")


@case("Date is added at delivery, with the time of the delivery, once")
def date_at_delivery():
    with world("\tadd-date-header override\n\tdate-header-time delivery\n") as w:
        w.ph.pmtactl("pause", "queue", "*")
        began = time.time()
        send(w, "m", ["Date: Sat, 01 Jan 2022 00:00:00 +0000", "Subject: s"])
        wait_for("three seconds pass", lambda: time.time() >= began + 3)
        w.ph.pmtactl("resume", "queue", "*")
        _, message, _ = one(w)
        dates = message.get_all("Date")
        expect_equal(len(dates), 1, "Date fields")
        sent = email.utils.parsedate_to_datetime(dates[0]).timestamp()
        received = email.utils.parsedate_to_datetime(message["Received"].rpartition(";")[2]).timestamp()
        expect(sent >= began + 2 and sent - received >= 2, f"sent {sent}, received {received}, began {began}")


@case("VERP: MAIL FROM names the recipient, one recipient a transaction, by the parameter and by verp-default")
def verp():
    for more, mail in (("", ["VERP"]), ("\tverp-default yes\n", [])):
        with world(more) as w:
            rcpts = [f"r{i}@gmail.test" for i in range(5)]
            send(w, "m", sender="list@inject.test", rcpt=rcpts, mail=mail)
            found = arrived(w, 5)
            expect_equal({r: found[("m", r)][0] for r in rcpts},
                         {r: f"list-{r.replace('@', '=')}@inject.test" for r in rcpts}, "senders")
            expect_equal(len({a.number for a in w.mx.log()}), 5, "transactions")


@case("VERP leaves the null sender, what is quoted and what would be too long as they are; long local parts go out")
def verp_limits():
    with world("\tverp-default yes\n") as w:
        long = "x" * 60
        send(w, "null", sender="", rcpt="b@gmail.test")
        send(w, "quoted", sender='"a b"@inject.test', rcpt="b@gmail.test")
        send(w, "long", sender=f"{long}@inject.test", rcpt=f"{long}@gmail.test")
        send(w, "toolong", sender=f"{long}@{'y' * 60}.{'z' * 60}.test", rcpt=f"{long}@gmail.test")
        found = {k[0]: v[0] for k, v in arrived(w, 4).items()}
        expect_equal(found, {"null": "", "quoted": '"a?b"@inject.test',
                             "long": f"{long}-{long}=gmail.test@inject.test",
                             "toolong": f"{long}@{'y' * 60}.{'z' * 60}.test"}, "senders")


REWRITE = """\
<rewrite-list in>
	mail-from a@inject.test bounce@in.test
	from-domain inject.test in.test
</rewrite-list>
<rewrite-list out>
	mail-from *@in.test *@out.test
	mail-from <> null@out.test
	mail-from keep@* other@*
	from-domain [*.]in.test out.test
</rewrite-list>
<rewrite-list pool>
	mail-from *@* all@pool.test
</rewrite-list>
"""


@case("rewrite-list of the source, of the VirtualMTA and of the pool rewrite MAIL FROM and the domains of From")
def rewritten():
    config = REWRITE + vmtas("\trewrite-list out\n", "", "\trewrite-list pool\n")
    with world("\trewrite-list in\n", config) as w:
        def check(message, raw):
            expect_equal(message["From"], '"x@inject.test" <me@out.test>, you@other.test', "From")
        every_way(w, ["x-virtual-mta: v1", 'From: "x@inject.test" <me@inject.test>, you@other.test'], check)
        expect_equal({a.sender for a in w.mx.log()}, {"bounce@out.test"}, "senders")
        expect_equal({r["orig"] for r in w.ph.wait_records(len(WAYS), "d")}, {"bounce@in.test"}, "in the records")
        send(w, "null", ["x-virtual-mta: v1"], sender="")
        send(w, "user", ["x-virtual-mta: v1"], sender="keep@x.test")
        send(w, "pool", ["x-virtual-mta: p"], sender="other@x.test")
        send(w, "source", ["From: me@inject.test"])
        found = {k[0]: v for k, v in arrived(w, len(WAYS) + 4).items()}
        expect_equal({i: found[i][0] for i in ("null", "user", "pool", "source")},
                     {"null": "null@out.test", "user": "other@x.test", "pool": "all@pool.test", "source": "bounce@in.test"},
                     "senders")
        expect_equal(found["source"][1]["From"], "me@in.test", "From by the source alone")


@case("bcc gets a copy that nobody sees")
def copied():
    with world("\tbcc archive@plain.test\n") as w:
        send(w, "m", ["To: b@gmail.test"])
        found = arrived(w, 2)
        expect_equal(set(found), {("m", "b@gmail.test"), ("m", "archive@plain.test")}, "arrived")
        for _, _, raw in found.values():
            expect(b"archive" not in raw, "the copy is named in the message")


@case("aliases: an address, a local part of our own domains, a whole domain; postmaster and abuse go to persons")
def aliases():
    config = """\
<aliases>
	alias info@x.test one@gmail.test, two@plain.test
	alias sales three@gmail.test
	alias *@whole.test four@gmail.test
</aliases>
postmaster five@gmail.test
relay-domain x.test
relay-domain whole.test
"""
    base = BASE.replace("\talways-allow-relaying yes\n", "")
    with World(policy=POLICY, dump=True, config=config, base=base.replace("postmaster postmaster@posthaste.test\n", "")) as w:
        for rcpt in ("info@x.test", "sales@mta.posthaste.test", "any@whole.test", "abuse@mta.posthaste.test", "postmaster"):
            send(w, rcpt, rcpt=rcpt)
        found = arrived(w, 6)
        expect_equal(set(found), {("info@x.test", "one@gmail.test"), ("info@x.test", "two@plain.test"),
                                  ("sales@mta.posthaste.test", "three@gmail.test"), ("any@whole.test", "four@gmail.test"),
                                  ("abuse@mta.posthaste.test", "five@gmail.test"), ("postmaster", "five@gmail.test")}, "arrived")


@case("mail to our own host names goes to the queue `local` where <domain local> says how")
def local_queue():
    domain = "<domain local>\n\tsmtp-hosts [{net}.11]\n</domain>\n"
    with world(domain=domain) as w:
        send(w, "m", rcpt="user@mta.posthaste.test")
        w.mx.wait_recipients(1)
        expect_equal(w.ph.wait_records(1, "d")[0]["queue"], "local/{default}", "queue")
        w.drained()
        w.ph.audit()


@case("jobid-header and jobid-prefix make the job; dsn-return-default is what a report returns")
def jobs_and_reports():
    with world("\tjobid-header X-Campaign\n\tjobid-prefix c-\n\tdsn-return-default full\n") as w:
        send(w, "m", ["X-Campaign: 7"])
        one(w)
        expect_equal(w.ph.wait_records(1, "d")[0]["jobId"], "c-7", "job")
    for setting, part in (("full", "message/rfc822"), ("headers", "text/rfc822-headers")):
        with world(f"\tdsn-return-default {setting}\n") as w:
            send(w, "m", sender="me@gmail.test", rcpt="u@missing.invalid.test")
            w.mx.wait_recipients(1)
            report = email.message_from_bytes(w.mx.message(w.mx.log()[0]))
            expect_equal(report.get_payload()[2].get_content_type(), part, f"with {setting}")


@case("accept-invalid-recipients takes what is no address and bounces it with 5.1.3, without ever sending it")
def invalid_recipients():
    with world("\taccept-invalid-recipients yes\n") as w:
        expect_equal(send(w, "m", sender="", rcpt=["b@gmail.test", "not an address@gmail.test"]), {}, "refused")
        w.mx.wait_recipients(1)
        bounced = w.ph.wait_records(1, "b")
        expect_equal([(r["rcpt"], r["dsnStatus"][:5]) for r in bounced], [("not an address@gmail.test", "5.1.3")], "bounced")
        w.drained()
        w.ph.audit()
    with world() as w:
        expect_equal(set(send(w, "m", rcpt=["b@gmail.test", "not an address@gmail.test"])), {"not an address@gmail.test"},
                     "refused")


@case("x-schedule holds mail back until its first window")
def scheduled():
    with world("\tprocess-x-schedule yes\n") as w:
        start = datetime.datetime.now() + datetime.timedelta(seconds=4)
        end = start + datetime.timedelta(hours=1)
        send(w, "m", [f"X-Schedule: {start:%Y-%m-%d %H:%M:%S} / {end:%Y-%m-%d %H:%M:%S}"])
        _, message, _ = one(w)
        expect_equal(message["X-Schedule"], None, "the field")
        came = w.mx.log()[0].when_us / 1e6
        expect(came >= int(start.timestamp()), f"came at {came}, its window begins at {start.timestamp()}")
        try:
            send(w, "bad", ["x-schedule: tomorrow"])
            expect(False, "a malformed schedule was accepted")
        except smtplib.SMTPDataError as e:
            expect_equal(e.smtp_code, 554, "refused")


@case("what is sent is what is signed: fields added, left out, rewritten and dated at delivery have good signatures")
def signed():
    config = """\
domain-key s1,sign.test,{folder}/s1.pem
include-headers-from {folder}/h.txt
<rewrite-list r>
	from-domain inject.test sign.test
</rewrite-list>
""" + vmtas("\trewrite-list r\n")
    domain = "<domain *>\n\tdkim-sign yes\n\tremove-header Subject\n</domain>\n"
    more = "\tadd-date-header override\n\tdate-header-time delivery\n\tremove-header X-One\n"
    with world(more, config, domain, start=False) as w:
        verifiers = Verifiers({"s1._domainkey.sign.test": make_key(f"{w.folder}/s1.pem", 2048)})
        with open(f"{w.folder}/h.txt", "w") as f:
            f.write("List-Id: <list.sign.test>\n")
        w.ph.start()

        def check(message, raw):
            expect_equal((message["Subject"], message["X-One"], message["List-Id"], message["From"]),
                         (None, None, "<list.sign.test>", "Me <me@sign.test>"), "fields")
            tags = verifiers.accept(raw, 1, "edited")[0]
            expect("list-id" in tags["h"].lower() and "date" in tags["h"].lower(), f"signed: {tags['h']}")
        every_way(w, ["x-virtual-mta: v1", "X-One: 1", "From: Me <me@inject.test>", "Subject: s", "Date: old"], check)
        # several transactions of one message, a second apart: each with its own Date, each signed
        send(w, "many", ["x-virtual-mta: v1", "From: Me <me@inject.test>"],
             rcpt=["c@gmail.test", "d@googlemail.test", "e@plain.test"])
        for raw in (v[2] for k, v in arrived(w, len(WAYS) + 3).items() if k[0] == "many"):
            verifiers.accept(raw, 1, "of several")


@case("relay rules: relay-domain with patterns and macros, relay-address, our own names; nothing else; relay-debug says 4xx")
def relaying():
    config = """\
domain-macro isp gmail.test, plain.test
relay-domain $isp
relay-domain [*.]both.test
relay-domain *.sub.test
relay-address one@address.test
relay-address /^list-\\d+@address\\.test$/
"""
    base = BASE.replace("\talways-allow-relaying yes\n", "")
    good = ["a@gmail.test", "a@PLAIN.test", "a@both.test", "a@x.both.test", "a@x.sub.test", "ONE@address.test",
            "list-12@address.test", "a@mta.posthaste.test"]
    bad = ["a@sub.test", "a@other.test", "two@address.test", "list-x@address.test", "a@gmail.test.other.test",
           "a%gmail.test@other.test", "a@notboth.test"]
    for debug, code in (("", 550), ("relay-debug yes\n", 450)):
        with World(policy=POLICY, config=config + debug, base=base) as w, smtplib.SMTP(*w.ph.listener, timeout=30) as s:
            s.ehlo()
            s.mail("a@inject.test")
            for rcpt in good:
                expect_equal(s.rcpt(rcpt)[0], 250, rcpt)
            for rcpt in bad:
                expect_equal(s.rcpt(rcpt)[0], code, rcpt)


main()
