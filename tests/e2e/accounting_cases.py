"""Accounting files as an operator configures them, and reports to senders, through the whole of Posthaste."""
import csv
import email
import glob
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BASE, DOMAIN, World  # noqa: E402

BARE = re.sub(r"<acct-file.*?</acct-file>\n", "", BASE, flags=re.S)
PROVIDERS = """port {mx_port}
name-server {net}.53:{dns_port}
provider gmail.test { mx {net}.10; refuse-rcpt bad*; }
provider plain.test { mx {net}.11; extensions 8bitmime pipelining; }
provider inject.test { mx {net}.20; }
"""


def acct(w, name):
    """Header and rows of all files of that <acct-file>, in their order."""
    rows, header = [], None
    for path in sorted(p for p in glob.glob(f"{w.folder}/**/{name}-*.csv", recursive=True)):
        with open(path, newline="") as f:
            table = list(csv.reader(f))
        header = table[0]
        rows += [dict(zip(header, r)) for r in table[1:]]
    return header, rows


def folder(w, name):
    os.makedirs(f"{w.folder}/{name}")
    os.chown(f"{w.folder}/{name}", -1, os.stat(w.folder + "/acct").st_gid)
    os.chmod(f"{w.folder}/{name}", 0o2770)


@case("several files at once: own records, fields, *, !x, header_NAME, user-string, iso-times, r, t, tq, mode, names, link")
def files():
    config = """
<acct-file {folder}/acct/one.csv>
	records d, b
	record-fields d *, !orig, header_X-Id, header_Subject
	record-fields b timeLogged, rcpt, dsnStatus
	user-string from "one"
	world-readable yes
	sync yes
</acct-file>
<acct-file {folder}/acct/two.csv>
	records r, t, tq
	iso-times no
</acct-file>
"""
    policy = PROVIDERS.replace("refuse-rcpt bad*;", 'refuse-rcpt bad*; reply rcpt match:late* "450 4.2.1 later";')
    policy += "provider down.test { mx {net}.12!; }\n"
    with World(policy=policy, base=BARE, config=config) as w:
        with w.ph.client() as s:
            for rcpt in ("ok@gmail.test", "bad@gmail.test", "late@gmail.test", "x@down.test"):
                s.sendmail("", [rcpt], b"X-Id: %s\r\nSubject: a, \"b\"\r\n\r\nx\r\n" % rcpt.encode())
        wait_for("d and b", lambda: {r["type"] for r in acct(w, "one")[1]} == {"d", "b"})
        wait_for("r, t and tq", lambda: {r["type"] for r in acct(w, "two")[1]} == {"r", "t", "tq"})
        header, rows = acct(w, "one")
        expect_equal(header[0], "type", "the first column")
        expect("orig" not in header and len(header) == len(set(header)), f"columns: {header}")
        d = next(r for r in rows if r["type"] == "d")
        expect_equal((d["header_X-Id"], d["header_Subject"]), ("ok@gmail.test", 'a, "b"'), "header fields")
        expect(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4}$", d["timeLogged"]), f"timeLogged {d['timeLogged']}")
        b = next(r for r in rows if r["type"] == "b")
        expect(b["dsnStatus"].startswith("5.1.1") and b["header_X-Id"] == "", f"b: {b}")
        two, rows = acct(w, "two")
        expect(all(re.match(r"\d+$", r["timeLogged"]) for r in rows if "timeLogged" in two), f"times: {rows[0]}")
        expect_equal(len([r for r in rows if r["type"] == "r"]), 4, "r records")
        day = time.strftime("%Y-%m-%d")
        for name, mode in (("one", 0o644), ("two", 0o640)):
            link = f"{w.folder}/acct/{name}.csv"
            expect(re.fullmatch(name + "-" + day + r"-\d{4}\.csv", os.readlink(link)), f"link: {os.readlink(link)}")
            expect_equal(os.stat(link).st_mode & 0o777, mode, f"mode of {name}")


@case("move-to with move-interval moves finished files whole; no record is lost or doubled")
def moved():
    config = """
<acct-file {folder}/acct/m.csv>
	records d
	move-to {folder}/moved
	move-interval 1s
</acct-file>
"""
    with World(policy=PROVIDERS, base=BARE, config=config, start=False) as w:
        folder(w, "moved")
        w.ph.start()
        for n in (1, 2, 3):
            w.inject(50)
            w.mx.wait_recipients(50 * n)
            wait_for(f"{n} files moved", lambda: len(glob.glob(w.folder + "/moved/m-*.csv")) >= n, 15)
        wait_for("150 records", lambda: len(acct(w, "m")[1]) == 150)


@case("max-size begins another file; no record is lost")
def max_size():
    config = "<acct-file {folder}/acct/s.csv>\n\trecords d\n\tmax-size 1m\n</acct-file>\n"
    with World(policy=PROVIDERS, base=BARE, config=config) as w:
        w.inject(6000, sessions=20, size=300)
        w.mx.wait_recipients(6000)
        wait_for("6,000 records", lambda: len(acct(w, "s")[1]) == 6000)
        sizes = [os.path.getsize(p) for p in sorted(glob.glob(w.folder + "/acct/s-*.csv"))]
        expect(len(sizes) > 1 and max(sizes) <= 1024 * 1024, f"sizes: {sizes}")


@case("delete-after removes files older than it says at the start, and only its own")
def delete_after():
    config = "<acct-file {folder}/acct/o.csv>\n\trecords d\n\tdelete-after 2d\n</acct-file>\n"
    with World(policy=PROVIDERS, base=BARE, config=config, start=False) as w:
        now = time.time()
        for name, days in (("o-2001-01-01-0000.csv", 9), ("other-2001-01-01-0000.csv", 9), ("o-2001-01-02-0000.csv", 1)):
            path = f"{w.folder}/acct/{name}"
            with open(path, "w") as f:
                f.write("type\r\n")
            os.utime(path, (now - days * 86400, now - days * 86400))
            os.chmod(path, 0o660)
        w.ph.start()
        w.inject(1)
        w.mx.wait_recipients(1)
        wait_for("the old one is gone", lambda: not os.path.exists(w.folder + "/acct/o-2001-01-01-0000.csv"), 20)
        expect(os.path.exists(w.folder + "/acct/other-2001-01-01-0000.csv"), "another's file was deleted")


def report_of(w, entry):
    message = email.message_from_bytes(w.mx.message(entry))
    expect_equal((message.get_content_type(), message.get_param("report-type")),
                 ("multipart/report", "delivery-status"), "type")
    status = next(p for p in message.walk() if p.get_content_type() == "message/delivery-status")
    return message, status.get_payload()


@case("reports: failure by the real path; none for NOTIFY=NEVER and the empty sender; NOTIFY=SUCCESS gets relayed")
def reports():
    with World(policy=PROVIDERS.replace("extensions 8bitmime pipelining", "extensions 8bitmime"), dump=True) as w:
        with w.ph.client() as s:
            s.ehlo("py.test")
            text = b"Subject: s\r\nX-Id: %s\r\n\r\nbody text\r\n"
            s.sendmail("me@inject.test", ["bad1@gmail.test"], text % b"fail", ["RET=HDRS", "ENVID=E1"],
                       ["ORCPT=rfc822;orig@gmail.test"])
            s.sendmail("me@inject.test", ["bad2@gmail.test"], text % b"never", [], ["NOTIFY=NEVER"])
            s.sendmail("", ["bad3@gmail.test"], text % b"null")
            s.sendmail("me@inject.test", ["ok@plain.test"], text % b"success", [], ["NOTIFY=SUCCESS"])
        wait_for("two reports", lambda: w.mx.provider("inject.test")["recipients"] >= 2)
        w.drained()
        found = [report_of(w, a) for a in w.mx.log() if a.provider == "inject.test"]
        expect_equal(len(found), 2, "reports")
        by_action = {rcpt["Action"]: (message, head, rcpt) for message, (head, rcpt) in found}
        expect_equal(set(by_action), {"failed", "relayed"}, "actions")
        message, head, rcpt = by_action["failed"]
        expect_equal((head["Original-Envelope-Id"], rcpt["Original-Recipient"], rcpt["Status"].split()[0]),
                     ("E1", "rfc822;orig@gmail.test", "5.1.1"), "fields")
        expect(head["Reporting-MTA"].startswith("dns;") and rcpt["Diagnostic-Code"].startswith("smtp;"), "fields")
        returned = [p.get_content_type() for p in message.walk()]
        expect("text/rfc822-headers" in returned and "body text" not in message.as_string(), f"RET=HDRS: {returned}")
        w.ph.audit()


@case("suppress-local-dsn: the bounce is recorded and no report is made")
def suppressed():
    base = BASE.replace("\tmax-message-size unlimited", "\tsuppress-local-dsn yes")
    with World(policy=PROVIDERS, base=base) as w:
        with w.ph.client() as s:
            s.sendmail("me@inject.test", ["bad@gmail.test"], b"X-Id: n\r\n\r\nx\r\n")
        w.ph.wait_records(1, "b")
        w.drained()
        expect_equal(w.mx.recipients(), 0, "recipients at the providers")
        w.ph.audit()


@case("disable-acct-records leaves records out, and the audit knows which; one that is missing otherwise it finds")
def quiet_records():
    with World(domain=DOMAIN + "<domain yahoo.test>\n\tdisable-acct-records d\n</domain>\n") as w:
        w.inject(30, "u%r@gmail.test,u%r@yahoo.test")
        w.mx.wait_recipients(30)
        w.drained()
        w.ph.wait_records(15, "d")
        w.ph.audit()
        w.ph.stop()
        w.ph.start()
        w.ph.audit()
        expect_equal({r["rcpt"].split("@")[1] for r in w.ph.records("d")}, {"gmail.test"}, "domains in the records")
        path = os.path.realpath(w.folder + "/acct/acct.csv")
        lines = open(path).readlines()
        open(path, "w").writelines(lines[:-1])
        said = w.ph.pmtactl("audit", check=False)
        expect(said.returncode != 0 and "do not agree" in said.stdout + said.stderr, f"audit: {said.stdout}{said.stderr}")


if __name__ == "__main__":
    main()
