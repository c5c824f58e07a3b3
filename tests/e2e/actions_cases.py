"""What follows from failures: categories, actions, and the addresses that get no more mail; with bounced killed."""
import csv
import json
import os
import pty
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BASE, BUILD, DOMAIN, World, go_on, queued_recipients  # noqa: E402

POLICY = """\
port {mx_port}
name-server {net}.53:{dns_port}
provider gmail.test { mx {net}.10; refuse-rcpt bad*;
	reply rcpt match:full* "452 4.2.2 The mailbox is full"
	reply rcpt match:strange* "550 5.7.1 zorglub says no"
	reply rcpt match:spam* "550 5.7.1 message looks like spam"
	reply rcpt match:gone* "550 5.1.1 no such user"
}
provider other.test { mx {net}.11; }
"""
CONFIG = """\
<bounce-category-patterns>
	/zorglub/ zorglub-related
	/^5\\.4\\.7;x-pmta;/ too-late
</bounce-category-patterns>
<virtual-mta tenant>
	<bounce-handling>
		<response match="5.1.1" action="delete" log-only="no"/>
		<response match="5.7.1" action="delete" log-only="yes"/>
		<response match="4.*" action="retry" retry-after="1h"/>
	</bounce-handling>
</virtual-mta>
<bounce-action>
	type permanent
	match bad-mailbox bad-domain inactive-mailbox
	action suppress
</bounce-action>
<bounce-action>
	type transient
	match quota-issues
	action retry
	retry-after 1s
	max-tries 3
</bounce-action>
<bounce-action>
	type permanent
	match zorglub-related
	action retry
	retry-after 1s
	max-tries 2
</bounce-action>
"""


def send(w, rcpts, *headers, sender="a@inject.test", client=1):
    """One message; the recipients that were refused, with the replies. The client: last part of its address."""
    with w.ph.client(source_address=(f"{w.net}.{client}", 0)) as s:
        text = "".join(h + "\r\n" for h in headers) + "Subject: test\r\n\r\ntext\r\n"
        return s.sendmail(sender, rcpts, text)


def records_of(w, rcpt, kind=None):
    return [r for r in w.ph.records(kind) if r["rcpt"] == rcpt]


def wait_record(w, rcpt, kind, n=1):
    return wait_for(f"{n} records {kind} of {rcpt}",
                    lambda: len(r := records_of(w, rcpt, kind)) >= n and r)


def suppressed(w, address):
    return w.ph.json("show", "suppressed", address).get("suppressed") or []


@case("every failure has its category, operators' patterns first, and the actions follow")
def categories_and_actions():
    tracked = DOMAIN + "<domain gmail.test>\n\ttrack-recipient-events yes\n</domain>\n"
    base = BASE.replace("header_X-Id\n", "header_X-Id, timeFirstAttempt\n") + "track-time-first-attempt yes\n"
    with World(policy=POLICY, config=CONFIG, domain=tracked, base=base) as w:
        send(w, ["bad1@gmail.test", "spam1@gmail.test", "strange1@gmail.test", "full1@gmail.test", "ok1@gmail.test",
                 "nobody@nowhere.test"])
        cats = {"bad1@gmail.test": "bad-mailbox", "spam1@gmail.test": "spam-related",
                "strange1@gmail.test": "zorglub-related", "nobody@nowhere.test": "bad-domain",
                "full1@gmail.test": "quota-issues"}
        for rcpt, category in cats.items():
            expect_equal(wait_record(w, rcpt, "b")[0]["bounceCat"], category, rcpt)
        # tried again although it was refused for good, and not for ever
        expect_equal(len(records_of(w, "strange1@gmail.test", "t")), 1, "attempts of strange1 before its end")
        # three attempts of the full mailbox, then it ends
        full = records_of(w, "full1@gmail.test")
        expect_equal([r["type"] for r in full], ["t", "t", "t", "b"], "records of full1")
        expect(all(r["bounceCat"] == "quota-issues" for r in full), f"categories of full1: {full}")
        # each knows when the first of them was
        firsts = {r["timeFirstAttempt"] for r in full}
        expect_equal(len(firsts), 1, f"first attempts of full1: {firsts}")
        expect("" < min(firsts) <= full[0]["timeLogged"] and min(firsts) < full[3]["timeLogged"], f"{firsts}, {full}")
        expect_equal(records_of(w, "nobody@nowhere.test")[0]["timeFirstAttempt"], "", "of what was never tried")
        # told as what it was, and counted once
        queue = w.ph.json("show", "queues", "gmail.test")["queue"][0]
        told = {r: [e["type"] for e in reversed(queue["rcptEvent"]) if e["rcpt"] == r + "@gmail.test"]
                for r in ("bad1", "strange1", "full1")}
        expect_equal(told, {"bad1": ["bounced"], "strange1": ["deferred", "bounced"], "full1": ["deferred"] * 3 + ["bounced"]},
                     "events")
        expect_equal(queue["bounces"], 4, "bounces of the queue")
        # suppressed by reply, with what led to it
        found = suppressed(w, "BAD1@gmail.test")
        expect_equal(len(found), 1, "entries of bad1")
        expect_equal((found[0]["source"], found[0]["category"], found[0]["scope"]), ("reply", "bad-mailbox", "global"),
                     "the entry of bad1")
        expect("no such user" in found[0]["event"], f"the event: {found[0]}")
        expect_equal(len(suppressed(w, "nobody@nowhere.test")), 1, "entries of the domain that does not exist")
        # nor the sender, to whom the reports about these could not go
        for rcpt in ("spam1@gmail.test", "strange1@gmail.test", "full1@gmail.test", "ok1@gmail.test", "a@inject.test"):
            expect_equal(suppressed(w, rcpt), [], f"entries of {rcpt}")
        # a VirtualMTA's own handling is its own
        send(w, ["gone1@gmail.test", "spam2@gmail.test", "full2@gmail.test"], "X-Virtual-MTA: tenant")
        wait_record(w, "gone1@gmail.test", "b")
        wait_record(w, "spam2@gmail.test", "b")
        wait_record(w, "full2@gmail.test", "t")
        expect_equal([e["scope"] for e in suppressed(w, "gone1@gmail.test")], ["tenant"], "scope of gone1")
        expect_equal(suppressed(w, "spam2@gmail.test"), [], "log-only suppresses nobody")
        held = wait_for("explain names the line", lambda: "bounce action" in
                        (text := w.ph.pmtactl("explain", "full2@gmail.test").stdout) and text)
        line = 1 + w.config[:w.config.index('match="4.*"')].count("\n")
        expect(f"/config:{line}" in held and "quota-issues" in held, f"explain: {held}")
        expect("is suppressed" in w.ph.pmtactl("explain", "gone1@gmail.test").stdout, "explain of the suppressed")
        w.ph.pmtactl("delete", "--rcpt=full2@gmail.test")
        w.drained()
        w.ph.audit()
        says = w.ph.json("classify", "550 5.1.1 zorglub unknown user")["classify"]
        expect_equal((says["category"], says["verdict"]), ("zorglub-related", "hard"), "classify")
        expect(says["file"].endswith("config") and int(says["line"]) > 0, f"its line: {says}")
        says = w.ph.pmtactl("classify", "452 4.2.2 Over quota").stdout
        for word in ("quota-issues", "soft", "bounce.rules:", "retry"):
            expect(word in says, f"{word!r} is not in {says!r}")
        expect("<category>" in w.ph.pmtactl("--xml", "classify", "550 5.1.1 no").stdout, "xml")
        expect('classify.category="bad-mailbox"' in w.ph.pmtactl("--dom", "classify", "550 5.1.1 no such user").stdout,
               "dom")


@case("while bounced is dead failures wait and nothing else does; then all have their category, once")
def bounced_dies():
    with World(policy=POLICY, config=CONFIG) as w:
        stopped = w.ph.freeze_daemon("bounced")
        w.inject(100, "u%r@other.test,bad%r@gmail.test", per_message=2)
        w.mx.wait_recipients(100)
        w.ph.wait_records(100, "d")
        go_on(stopped, signal.SIGKILL)
        w.ph.wait_records(100, "b")
        process = w.start_inject(200, "u%r@other.test,bad%r@gmail.test", per_message=2)
        w.ph.kill_daemon("bounced")
        w.end_inject(process)
        w.drained()
        ends = [r for r in w.ph.records("b")]
        expect(all(r["bounceCat"] == "bad-mailbox" for r in ends if "no such user" in r["dsnDiag"]),
               f"categories: {set(r['bounceCat'] for r in ends)}")
        w.ph.audit()


LISTS = """
<address-list closed>
	domain closed.other.test
	address Never@other.test
	address-file {folder}/addresses
</address-list>
<address-list roles>
	address abuse
	address /^trap[0-9]+@/
</address-list>
suppression-lists closed
<source {net}.77>
	always-allow-relaying yes
	accept-invalid-recipients yes
	suppression-lists roles
</source>
"""
LENIENT = 77


def refused_at_rcpt(w):
    """Who is on a list hears it at once; the others of the message get it."""
    refused = send(w, ["stop@other.test", "go2@other.test", "x@closed.other.test", "Filed1@other.test", "abuse@other.test",
                       "trap7@other.test"])
    expect_equal(set(refused), {"stop@other.test", "x@closed.other.test", "Filed1@other.test"}, "refused")
    expect_equal(refused["stop@other.test"], (550, b'5.7.1 recipient is in suppression list "suppressed"'), "the reply")
    expect(b'"closed"' in refused["Filed1@other.test"][1], f"the list's name: {refused}")
    for rcpt in ("go2@other.test", "abuse@other.test", "trap7@other.test"):
        wait_record(w, rcpt, "d")
    # a source's own lists: a local part, a pattern
    expect_equal(send(w, ["abuse@other.test", "trap7@other.test", "trap@other.test"], client=LENIENT), {}, "lenient")
    wait_record(w, "trap@other.test", "d")
    for rcpt in ("abuse@other.test", "trap7@other.test"):
        expect('list "roles"' in wait_record(w, rcpt, "b")[0]["dsnDiag"], f"the record of {rcpt}")


def on_terminal(w, *words):
    """pmtactl as a person starts it: what it says, and what it paints meanwhile."""
    main_end, terminal = pty.openpty()
    r = subprocess.run([BUILD + "/sbin/pmtactl", "-c", w.ph.config_path, *words], stdout=subprocess.PIPE, stderr=terminal, text=True, timeout=60)
    os.close(terminal)
    painted = b""
    try:
        while piece := os.read(main_end, 65536):
            painted += piece
    except OSError:  # the end: nobody has the other side any more
        pass
    os.close(main_end)
    return r.stdout, painted.decode()


@case("suppressed addresses get nothing, by hand, by list and by reply: refused at RCPT, or accepted and bounced with "
      "PowerMTA's record as the source says; export and import")
def suppression():
    with World(policy=POLICY, config=CONFIG + LISTS, start=False) as w:
        with open(w.folder + "/addresses", "w") as f:
            f.write("# ours\nfiled1@other.test\n\n <filed2@other.test>\n")
        w.ph.start()
        w.ph.pmtactl("suppress", "--reason=asked by phone", "Stop@other.test")
        refused_at_rcpt(w)
        send(w, ["stop@other.test", "never@other.test", "go@other.test", "bad9@gmail.test"], client=LENIENT)
        record = wait_record(w, "stop@other.test", "b")[0]
        expect_equal(record["dsnDiag"],
                     'smtp;550 5.7.1 recipient is in suppression list "suppressed": <stop@other.test>', "diagnosis")
        expect(record["dsnStatus"].startswith("5.7.1 (delivery not authorized"), f"status: {record['dsnStatus']}")
        expect('list "closed"' in wait_record(w, "never@other.test", "b")[0]["dsnDiag"], "the list's name")
        wait_record(w, "go@other.test", "d")
        wait_record(w, "bad9@gmail.test", "b")
        # what a reply suppressed is not tried again, also by another bounced
        w.ph.kill_daemon("bounced")
        send(w, ["bad9@gmail.test"], client=LENIENT)
        expect("suppression list" in wait_record(w, "bad9@gmail.test", "b", 2)[-1]["dsnDiag"], "the second time")
        expect_equal(w.mx.provider("gmail.test")["commands"].get("rcpt", 1), 1, "attempts at bad9")
        csv_path = w.folder + "/suppressed.csv"
        w.ph.pmtactl("suppression", "export", csv_path)
        rows = {r["address"].lower(): r for r in csv.DictReader(open(csv_path))}
        expect_equal(set(rows), {"stop@other.test", "bad9@gmail.test"}, "exported")
        expect_equal(rows["stop@other.test"]["text"], "asked by phone", "reason")
        with open(csv_path, "w") as f:
            f.write("email,reason\n" + "".join(f"old{i}@other.test,list\n" for i in range(3000)) + "no address,x\n")
        said, painted = on_terminal(w, "suppression", "import", csv_path)
        expect("3000 addresses imported" in said and "1 lines" in said, f"import: {said}")
        expect("\r[##########" in painted and "100% 3000 addresses" in painted, f"progress: {painted!r}")
        expect_equal(suppressed(w, "old2999@other.test")[0]["source"], "import", "source")
        w.ph.pmtactl("unsuppress", "stop@other.test")
        send(w, ["stop@other.test", "old7@other.test"], client=LENIENT)
        wait_record(w, "stop@other.test", "d")
        wait_record(w, "old7@other.test", "b")
        w.drained()
        w.ph.audit()


# where the text stands, the text, and what is said of it
UNREACHED = (
    ("config", "/over ?quota|is full/ mine", "is never reached: /quota|full/ in line"),
    ("config", "/x(?!)/ mine", "can never be found"),
    ("config", "/a^b/ mine", "can never be found"),
    ("rules", "bad-mailbox hard /$gone/", "this rule can never match"),
    ("rules", "bad-mailbox hard code:4.. status:5.1.1", "this rule can never match"),
    ("rules", "bad-mailbox hard code:550 /no such user/", "whatever fits this rule fits the one at line 1"),
)


@case("a pattern or a rule that can never match, or that an earlier one hides, is an error of -t with file and line; others are not")
def unreached():
    patterns = "<bounce-category-patterns>\n\t/quota|full/ first\n{more}</bounce-category-patterns>\nbounce-rules {{folder}}/rules\n"
    for where, text, said in (("none", "", ""), *UNREACHED):
        more = f"\t{text}\n" if where == "config" else ""
        with World(config=patterns.format(more=more), start=False) as w:
            with open(w.folder + "/rules", "w") as f:
                f.write("bad-mailbox hard code:5.. /no such/\n" + (text + "\n" if where == "rules" else ""))
            r = subprocess.run([BUILD + "/sbin/posthaste", "-t", "-c", w.ph.config_path], capture_output=True, text=True)
            expect_equal(r.returncode == 0, where == "none", f"-t is content with {text!r}: {r.stdout}{r.stderr}")
            if where == "none":
                continue
            path = w.ph.config_path if where == "config" else w.folder + "/rules"
            line = 1 + open(path).read().split("\n").index(more.rstrip() or text)
            expect(any(f"{path}:{line}:" in x and said in x for x in (r.stdout + r.stderr).split("\n")),
                   f"{path}:{line}: {said}; it said {r.stdout}{r.stderr}")


main()
