# starts early
"""pmtactl and the control socket: every command, every form, who may what, and clients that misbehave."""
import glob
import json
import os
import pty
import random
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import Skip, case, expect, expect_equal, main, wait_for  # noqa: E402
from control_client import Client, frame, request  # noqa: E402
from posthaste import BUILD, DOMAIN, ROOT, World, queued_recipients  # noqa: E402

VMTAS = "<virtual-mta va>\n</virtual-mta>\n<virtual-mta vb>\n\tmax-smtp-out 3\n</virtual-mta>\n"
HELD = DOMAIN + "<domain held.test>\n\thold-domain yes\n</domain>\n<domain *.held.test>\n\thold-domain yes\n</domain>\n"
DOM_LINE = re.compile(r'^[A-Za-z]+(\[\d+\])?(\.[A-Za-z]+(\[\d+\])?)*="[^\r\n]*"$')
# what scripts written for PowerMTA use
THIRD_PARTY = re.compile(r'queue\[(\d+)\]\.([a-zA-Z]+)\[?(\d*)\]?\.?([a-z]*)="(.*)"')
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
SILENT = "port {mx_port}\nname-server {net}.53:{dns_port}\nname silent.test drop\n" \
         "provider gmail.test { mx {net}.10; reply rcpt match:late* \"450 4.2.1 come back later\"; }\n" \
         "provider slow.test { mx {net}.11; domains slow.test other.slow.test; stall dot always; }\n" \
         "provider down.test { mx {net}.12!; }\n"


def no_duplicates(pairs):
    keys = [k for k, _ in pairs]
    expect(len(keys) == len(set(keys)), f"a name comes twice: {keys}")
    return dict(pairs)


def strict_json(text):
    return json.loads(text, object_pairs_hook=no_duplicates, parse_constant=lambda c: expect(False, c))


def held_world(**more):
    """40 recipients that wait in two queues of held.test, in jobs a and b."""
    w = World(config=VMTAS, domain=HELD, **more)
    w.__enter__()
    try:
        w.inject(20, "a%r@held.test", headers=("X-Job: a", "x-virtual-mta: va"))
        w.inject(20, "b%r@held.test", headers=("X-Job: b", "x-virtual-mta: vb", "X-Envid: e%n"))
        wait_for("40 queued", lambda: queued_recipients(w.ph) == 40)
    except BaseException:
        w.close(True)
        raise
    return w


def run(w, *words, status=0):
    r = w.ph.pmtactl(*words, check=False)
    expect_equal(r.returncode, status, f"exit status of {' '.join(words)} ({r.stdout[-300:]}{r.stderr[-300:]})")
    return r.stdout + r.stderr


@case("every answer is strict JSON, strict XML and clean dom lines, also when there is nothing to show")
def forms():
    w = held_world()
    try:
        for words in (["show", "status"], ["show", "status", "detail"], ["show", "queues", "--errors"],
                      ["show", "topqueues"], ["show", "domains"], ["show", "topdomains", "--errors"], ["show", "vmtas"],
                      ["show", "jobs"], ["show", "settings", "held.test/va"], ["show", "version"], ["list"],
                      ["explain", "held.test"], ["explain", "a0@held.test"], ["resolve", "gmail.test"], ["audit"],
                      ["test", "config"], ["show", "ledger"], ["show", "queues", "none.test"], ["list", "--rcpt=none"],
                      ["explain", "none@none.test"], ["delete", "--queue=none.test"]):
            answer = strict_json(run(w, "--json", *words))
            expect_equal(answer["status"], "success", f"status of {words}")
            tree = ElementTree.fromstring(run(w, "--xml", *words).encode())
            expect_equal((tree.tag, [c.tag for c in tree]), ("rsp", ["data", "succ"]), f"XML of {words}")
            for line in run(w, "--dom", *words).splitlines():
                expect(DOM_LINE.match(line), f"dom line of {words}: {line!r}")
        expect_equal(w.ph.json("show", "queues", "none.test")["queue"], [], "no queues")
        answer = strict_json(run(w, "--json", "delete", status=1))
        expect_equal((answer["status"], bool(answer["message"])), ("error", True), "a refusal in JSON")
        tree = ElementTree.fromstring(run(w, "--xml", "delete", status=1).encode())
        expect(tree.find("err").text, "a refusal in XML")
    finally:
        w.close(False)


@case("show status has PowerMTA's rows, counts what went through, and reset counters begins anew")
def status():
    with World(config=VMTAS) as w:
        w.inject(30)
        w.mx.wait_recipients(30)
        w.drained()
        text = run(w, "show", "status")
        for row in (r"Posthaste v\S+ status on \S+ on " + TIME, r" +Total +30 +30 +\d+ +30 +30 +\d+", r" +Last Hour +30 ",
                    r" +Top/Hour +30 ", r" +Last Min. +30 ", r" +Top/Min. +30 ", r" +Inbound +\d+ +\d+ +100  Names +\d+",
                    r" +Outbound +\d+ +\d+ +1200", r" +SMTP +0 +0 +0  Files", r" +Status +running +Started +" + TIME):
            expect(re.search("^" + row, text, re.M), f"no row {row!r} in {text}")
        traffic = w.ph.json("show", "status")["status"]["traffic"]
        for span in ("total", "lastHr", "topPerHr", "lastMin", "topPerMin"):
            expect_equal([traffic[span][d][k] for d in ("in", "out") for k in ("rcp", "msg")], [30] * 4, span)
            expect(traffic[span]["in"]["kb"] >= 60, f"kbytes of {span}: {traffic[span]}")
        expect_equal(run(w, "reset", "counters"), "Traffic counters reset.\n", "the answer")
        w.inject(5)
        w.mx.wait_recipients(35)
        wait_for("only what came since counts", lambda: w.ph.json("show", "status")["status"]["traffic"]["total"]["out"]
                 ["rcp"] == 5)
        detail = run(w, "show", "status", "detail")
        expect(re.search(r"^va +0 +0 ", detail, re.M) and re.search(r"^\{default\} ", detail, re.M), detail)


@case("show queues, topqueues, domains and topdomains: columns, footers, order, --maxitems, filters")
def queues():
    w = held_world()
    try:
        w.inject(30, "u%r@big.held.test,v%r@big.held.test", headers=("x-virtual-mta: va",), per_message=2)
        w.inject(2, "x@gmail.test", headers=("x-virtual-mta: va",))
        w.mx.wait_recipients(2)
        text = run(w, "show", "queues", "held.test")
        lines = text.splitlines()
        expect_equal(lines[0].split(), "queue #rcpt kbytes conn st retry last error".split(), "columns")
        expect_equal([x.split()[:2] for x in lines[1:3]], [["held.test/va", "20"], ["held.test/vb", "20"]], "rows")
        expect_equal(lines[-1], "2 of 2 matching queues.", "footer")
        top = run(w, "show", "topqueues", "--maxitems=1", "*held.test").splitlines()
        expect_equal((top[1].split()[0], top[-1]), ("big.held.test/va", "1 of 3 matching queues."), "topqueues")
        wait_for("a queue without mail goes", lambda: len(w.ph.json("show", "queues")["queue"]) == 3)
        text = run(w, "show", "domains").splitlines()
        expect_equal(text[0].split(), "domain #rcpt kbytes conn last error".split(), "columns of domains")
        expect_equal([x.split()[:2] for x in text[1:3]], [["big.held.test", "60"], ["held.test", "40"]], "domains")
        expect_equal(text[-1], "2 of 2 domains shown.", "footer of domains")
        expect_equal([d["name"] for d in w.ph.json("show", "domains", "--vmta=vb")["domain"]], ["held.test"], "--vmta")
        expect_equal([d["name"] for d in w.ph.json("show", "topdomains", "--maxitems=1")["domain"]],
                     ["big.held.test"], "topdomains")
        expect_equal([q["name"] for q in w.ph.json("show", "queues", "--sort=size")["queue"]][0],
                     "big.held.test/va", "--sort=size")
        expect_equal(w.ph.json("show", "queues", "--connected=yes")["queue"], [], "--connected=yes")
        run(w, "pause", "queue", "held.test/vb")
        expect_equal([q["name"] for q in w.ph.json("show", "queues", "--paused=yes")["queue"]], ["held.test/vb"],
                     "--paused=yes")
        expect_equal(len(w.ph.json("show", "queues", "--mode=normal")["queue"]), 3, "--mode=normal")
        expect("0 of 0 matching" in run(w, "show", "queues", "--mode=backoff"), "--mode=backoff")
        run(w, "show", "queues", "--sort=color", status=1)
        for what in ("jobs", "vmtas", "queues"):
            run(w, "show", what, "--sort=bounces", status=1)
        dom = run(w, "--dom", "show", "topqueues", "--errors")
        found = {m.group(2): m.group(5) for m in map(THIRD_PARTY.match, dom.splitlines()) if m and m.group(1) == "0"}
        expect_equal((found["name"], found["rcp"], found["paused"], found["mode"]),
                     ("big.held.test/va", "60", "no", "normal"), "what PowerMTA's scripts read")
        expect(dom.splitlines()[-2].startswith("totalRcp=") and dom.splitlines()[-1].startswith("totalQueuesWithRcp="), dom)
    finally:
        w.close(False)


@case("show vmtas can be cut by scripts; show jobs, version and settings say value, file and line")
def vmtas_jobs_settings():
    w = held_world()
    try:
        cut = subprocess.run(f"{BUILD}/sbin/pmta -c {w.ph.config_path} show vmtas | tail -n +3 | head -n -2 | "
                             "awk '{print $1, $3}'", shell=True, capture_output=True, text=True).stdout
        expect_equal(cut.splitlines(), ["{default} 0", "va 20", "vb 20"], "names and recipients")
        text = run(w, "show", "vmtas")
        expect_equal(text.splitlines()[-1], "3 of 3 virtual MTAs.", "footer")
        expect(" 50.00 " in text, f"no share: {text}")
        jobs = run(w, "show", "jobs").splitlines()
        expect_equal(jobs[0].split()[:3], ["job-id", "#rcpt", "kbytes"], "columns of jobs")
        expect_equal(([x.split()[:2] for x in jobs[1:3]], jobs[-1]), ([["a", "20"], ["b", "20"]], "Total of 2 job(s)."),
                     "jobs")
        expect_equal({j["name"]: j["kb"] for j in w.ph.json("show", "jobs")["job"]},
                     {j: q["kb"] for j, q in zip("ab", w.ph.json("show", "queues", "--sort=name")["queue"])}, "size of jobs")
        expect(re.fullmatch(r"Posthaste v\d\S*\n", run(w, "show", "version")), "version")
        line = 1 + w.config.splitlines().index("\thold-domain yes")
        text = run(w, "show", "settings", "held.test/vb")
        expect(re.search(rf"^hold-domain +yes +# {re.escape(w.ph.config_path)}:{line}$", text, re.M), text)
        expect(re.search(r"^Virtual MTA Settings$", text, re.M) and re.search(r"^Queue Settings\n\ntype +smtp$", text, re.M),
               "sections")
        settings = {s["name"]: s for s in w.ph.json("show", "settings", "held.test/vb")["queue"]}
        expect_equal((settings["max-smtp-out"]["value"], settings["bounce-upon-no-mx"]["file"]), ("20", ""), "settings")
        run(w, "show", "settings", "held.test/none", status=1)
        run(w, "show", "settings", status=1)
    finally:
        w.close(False)


@case("list finds by queue, sender, recipient, job, envelope id and age; cat gives the record to the byte")
def list_and_cat():
    w = held_world()
    try:
        for words, n in ((["--queue=held.test/va"], 20), (["--queue=held.test"], 40), (["--queue=*/vb"], 20),
                         (["--rcpt=a1*@held.test"], 11), (["--orig=*@inject.test"], 40), (["--orig=nobody"], 0),
                         (["--rcpt=A1@HELD.test"], 1), (["--rcpt=a1@held.tes"], 0), (["--rcpt=?1@held.test"], 2),
                         (["--rcpt=*@other.test"], 0), (["--rcpt=*9*LD.t*"], 4),
                         (["--rcpt=nobody*"], 0), (["--rcpt=*D@h*"], 0), (["--orig=*DER@*"], 40), (["--orig=*none@*"], 0), (["--envId=*8"], 2), (["--orig=SENDER@inject.test"], 40), (["--orig=sender@inject"], 0),
                         (["--envId=E7"], 1), (["--envId=e?"], 10), (["--jobId=a"], 20), (["--envId=e7"], 1), (["--jobId=a", "--queue=*/vb"], 0),
                         (["--older-than=1h"], 0), (["--older-than=0s"], 40), (["--maxitems=7"], 7)):
            found = w.ph.json("list", *words)["rcpt"]
            expect_equal(len(found), n, f"list {words}")
            expect(all(f["id"] and "@held.test" in f["rcpt"] for f in found), f"{found[:1]}")
        rows = run(w, "list", "--pause", "--priority").splitlines()
        expect(len(rows) == 41 and rows[-1] == "40 recipients shown.", f"as text: {rows[-2:]}")
        expect(all(re.fullmatch(r"[0-9a-f]{16} [ab]\d+@held\.test from <\S+> queue held\.test/v[ab] ready .* priority 50 paused \S+", r)
                   for r in rows[:-1]), f"rows as text: {rows[:1]}")
        expect_equal(run(w, "list", "--rcpt=nobody*"), "0 recipients shown.\n", "nothing as text")
        body = b"".join(b"line %d \xc3\xa4\xff.\r\n" % i for i in range(3000))
        message = b"Subject: to the byte\r\nX-Job: bytes\r\n\r\n" + body + b".\r\n..\r\n"
        with w.ph.client() as s:
            s.ehlo("c.test")
            s.sendmail("me@inject.test", ["bytes@held.test"], message, ["BODY=8BITMIME"])
        ident = wait_for("it is listed", lambda: w.ph.json("list", "--rcpt=bytes@held.test")["rcpt"])[0]["id"]
        raw = subprocess.run([BUILD + "/sbin/pmtactl", "-c", w.ph.config_path, "cat", ident], capture_output=True).stdout
        expect(raw.endswith(body + b".\r\n..\r\n"), f"cat ends with {raw[-60:]!r}")
        expect(b"bytes@held.test" in raw.split(b"Received:")[0], "the envelope comes first")
        for wrong in ("xyz", "0000000000000000", "1" * 17):
            run(w, "cat", wrong, status=1)
    finally:
        w.close(False)


@case("delete: nothing without a selector, nothing with --dry-run; records, --no-accounting and --dsn as asked")
def delete():
    w = held_world()
    try:
        expect("selector" in run(w, "delete", status=1), "no selector")
        expect_equal(run(w, "delete", "--queue=held.test/va", "--dry-run"), "20 recipients would be deleted.\n", "dry run")
        expect_equal(queued_recipients(w.ph), 40, "queued after the dry run")
        expect_equal(run(w, "delete", "--rcpt=a1@held.test"), "1 recipients deleted.\n", "one")
        record = w.ph.wait_records(1, "b")[0]
        expect_equal((record["rcpt"], record["dsnStatus"][:1]), ("a1@held.test", "5"), "its record")
        expect_equal(run(w, "delete", "--jobId=a", "--no-accounting"), "19 recipients deleted.\n", "a job")
        wait_for("20 left", lambda: queued_recipients(w.ph) == 20)
        expect_equal(len(w.ph.records("b")), 1, "records with --no-accounting")
        expect_equal(run(w, "delete", "--dsn", "--rcpt=b1@held.test"), "1 recipients deleted.\n", "with a report")
        w.ph.wait_records(2, "b")
        wait_for("the report is there", lambda: any(
            r["rcpt"] == "sender@inject.test" for r in w.ph.json("list")["rcpt"] + w.ph.final_records()))
        run(w, "delete", "--queue=*")
        wait_for("all gone", lambda: queued_recipients(w.ph) == 0)
        w.ph.audit()
    finally:
        w.close(False)


@case("schedule tries queues and, if asked, deferred recipients at once and says how many")
def schedule():
    domain = DOMAIN.replace("retry-after 2s", "retry-after 1h").replace("after 2s", "after 1h")
    with World(policy=SILENT, domain=domain) as w:
        w.inject(1, "late1@gmail.test,u@gmail.test", per_message=2)
        w.inject(1, "u@down.test")
        w.mx.wait_recipients(1)
        wait_for("both wait", lambda: {q["state"] for q in w.ph.json("show", "queues")["queue"]} == {"RCPT_WAIT", "RETRY"})
        w.mx.reload(w.fill(SILENT.replace("match:late*", "match:none").replace("{net}.12!", "{net}.12")))
        expect_equal(run(w, "schedule", "down.test"), "1 of 2 matching queues scheduled.\n", "the answer")
        w.mx.wait_recipients(2)
        wait_for("one queue is left", lambda: len(w.ph.json("show", "queues")["queue"]) == 1)
        expect_equal(run(w, "schedule", "--retry-recipients", "*"), "1 of 1 matching queues scheduled.\n", "recipients")
        w.mx.wait_recipients(3)
        w.conserve()


@case("pauses of queues, jobs, domains and VirtualMTAs hold over the death of queued and a restart of all")
def pauses():
    with World(config=VMTAS) as w:
        for words, answer in ((["pause", "queue", "*/va"], "Queue(s) paused."), (["pause", "job", "j1"], "paused job."),
                              (["pause", "domain", "yahoo.test"], "Domain paused."), (["hold", "vb"], "VirtualMTA held.")):
            expect_equal(run(w, *words), answer + "\n", "the answer")
        w.inject(3, "a%r@gmail.test", headers=("x-virtual-mta: va",))
        w.inject(3, "b%r@gmail.test", headers=("x-virtual-mta: vb",))
        w.inject(3, "c%r@gmx.test", headers=("X-Job: j1",))
        w.inject(3, "d%r@yahoo.test")
        w.inject(3, "e%r@gmx.test")

        def only_the_free_ones():
            w.mx.wait_recipients(3)
            wait_for("12 wait", lambda: queued_recipients(w.ph) == 12)
            wanted = {"gmail.test/va": "PAUSED", "gmail.test/vb": "HELD_VMTA", "gmx.test/{default}": "HELD_JOBS",
                      "yahoo.test/{default}": "PAUSED"}
            wait_for("the states of the queues", lambda: wanted == {
                q["name"]: q["state"] for q in w.ph.json("show", "queues")["queue"]})
        only_the_free_ones()
        w.ph.kill_daemon("queued")
        wait_for("it answers again", lambda: queued_recipients(w.ph) == 12)
        only_the_free_ones()
        expect_equal(w.ph.stop(), 0, "exit status")
        w.ph.start()
        only_the_free_ones()
        expect_equal(w.mx.recipients(), 3, "recipients that came meanwhile")
        for n, words, answer in ((6, ["resume", "queue", "*/va"], "Queue(s) resumed."),
                                 (9, ["release", "vb"], "VirtualMTA released."),
                                 (12, ["resume", "job", "j1"], "resumed job."),
                                 (15, ["resume", "domain", "yahoo.test"], "Domain resumed.")):
            expect_equal(run(w, *words), answer + "\n", "the answer")
            w.mx.wait_recipients(n)
        w.conserve()


@case("reload and test config: good is taken, bad is refused with file and line, and nothing changed")
def configuration():
    with World() as w:
        def value():
            return {s["name"]: s["value"] for s in w.ph.json("show", "settings", "gmail.test")["queue"]}["max-smtp-out"]
        expect("valid" in run(w, "test", "config"), "test config")
        w.ph.write_config(w.config.replace("max-smtp-out 20", "max-smtp-out 8"))
        expect("reloaded" in run(w, "reload"), "reload")
        expect_equal(value(), "8", "max-smtp-out")
        bad = w.config.replace("max-smtp-out 20", "max-smtp-outt 9")
        w.ph.write_config(bad)
        where = f"{w.ph.config_path}:{1 + bad.splitlines().index(chr(9) + 'max-smtp-outt 9')}:"
        for words in (["reload"], ["test", "config"], ["test", "config", w.ph.config_path]):
            said = run(w, *words, status=1)
            expect(where in said and "max-smtp-out" in said, f"{words} said {said!r}, wanted {where}")
        answer = strict_json(run(w, "--json", "test", "config", status=1))
        expect(where in answer["data"]["error"][0]["text"], f"in JSON: {answer}")
        expect_equal(value(), "8", "max-smtp-out after the refusal (and the server is found with a broken file)")
        w.inject(5)
        w.mx.wait_recipients(5)


@case("rotate log and rotate acct begin new files; resolve shows hosts by preference; clear dnscache forgets")
def rotation_and_names():
    with World() as w:
        same = '"s,ame"@gmail.test'
        w.inject(3)
        w.inject(1, "same@gmail.test", headers=("X-Job: first",))
        w.ph.wait_records(4, "d")
        before = set(glob.glob(w.folder + "/acct/*"))
        run(w, "rotate", "acct")
        w.inject(3)
        w.inject(1, "Same@Gmail.test", headers=("X-Job: second",))
        with w.ph.client() as s:
            s.ehlo("c.test")
            s.sendmail("me@inject.test", [same], b"Subject: quoted\r\n\r\nx\r\n")
        w.ph.wait_records(9, "d")
        expect(set(glob.glob(w.folder + "/acct/*")) - before, f"no new accounting file: {before}")
        look_back(w, same)
        logs = len(glob.glob(w.folder + "/log/*"))
        run(w, "rotate", "log")
        wait_for("one more log", lambda: len(glob.glob(w.folder + "/log/*")) > logs)
        lines = run(w, "resolve", "gmail.test").splitlines()
        expect_equal(lines[0].split(), "pref host name IP addresses".split(), "columns")
        expect_equal([x.split()[1:] for x in lines[1:]], [[f"mx{i + 1}.gmail.test", f"{w.net}.{10 + i}"] for i in (0, 1)],
                     "hosts")
        dom = run(w, "--dom", "resolve", "gmail.test")
        expect('host[0].name="mx1.gmail.test"' in dom and f'host[1].ip[0]="{w.net}.11"' in dom, dom)
        run(w, "resolve", "nowhere.example", status=1)
        expect_equal(run(w, "clear", "dnscache"), "DNS cache cleared.\n", "clear")
        expect_equal(run(w, "clear", "dns", "gmail.test"), "Cleared gmail.test from DNS cache.\n", "clear one")


def look_back(w, quoted):
    """history: an address that is in two files, twice."""
    found = w.ph.json("history", "SAME@gmail.test")
    expect_equal(([(r["type"], r["jobId"]) for r in found["record"]], "complete" in found), ([("d", "second"), ("d", "first")], False), "the latest first")
    latest = w.ph.json("history", "--maxitems=1", "same@gmail.test")
    expect_equal(([r["jobId"] for r in latest["record"]], latest["complete"]), (["second"], False), "of the latest file")
    said = run(w, "history", "--maxitems=1", "same@gmail.test").splitlines()
    expect("job second" in said[0] and said[-1].startswith("1 of 1 records of the latest files; older ones were not looked through"), f"{said}")
    expect_equal(run(w, "history", "--maxitems=1", "--all", "same@gmail.test").splitlines()[-1], "1 of 2 records.", "--all")
    expect_equal(run(w, "history", "ame@gmail.test"), "0 of 0 records.\n", "another address")
    expect_equal([r["rcpt"] for r in w.ph.json("history", quoted)["record"]], [quoted], "quotes")


def in_a_copy(w, change):
    """The audit's exit status and words over copies of spool and accounting that were changed."""
    copy = w.folder + "/copy"
    shutil.rmtree(copy, ignore_errors=True)
    for name in ("spool", "acct"):
        shutil.copytree(f"{w.folder}/{name}", f"{copy}/{name}", symlinks=True,
                        ignore=lambda d, names: [n for n in names if n == "control"])
    change(copy)
    with open(copy + "/config", "w") as f:
        f.write(w.config.replace(w.folder, copy))
    r = subprocess.run([BUILD + "/sbin/pmtactl", "-c", copy + "/config", "audit"], capture_output=True, text=True)
    return r.returncode, r.stdout + r.stderr


def lose_done_marks(copy):
    for path in glob.glob(copy + "/spool/done/0*"):
        lines = open(path, "rb").read().split(b"\n")
        last = max((i for i, line in enumerate(lines) if line.strip(b"\0 ")), default=0)
        lines[last] = b" " * len(lines[last])
        open(path, "wb").write(b"\n".join(lines))


def lose_records(copy):
    for path in glob.glob(copy + "/acct/*.csv"):
        if not os.path.islink(path):
            lines = open(path).read().splitlines(True)
            open(path, "w").write("".join(lines[:1] + lines[2:]))


def lose_mail(copy):
    for path in glob.glob(copy + "/spool/journal/*"):
        os.unlink(path)


@case("the audit balances; with a record, a done mark or mail missing it says so and ends with 1")
def audit():
    w = held_world()
    try:
        w.inject(50)
        w.mx.wait_recipients(50)
        wait_for("40 wait", lambda: queued_recipients(w.ph) == 40)
        expect("Balanced: 90 accepted = 50 delivered" in run(w, "audit"), "the audit")
        expect_equal(w.ph.stop(), 0, "exit status")
        expect_equal(in_a_copy(w, lambda copy: None)[0], 0, "the audit of an unchanged copy")
        for lose in (lose_records, lose_mail):
            code, said = in_a_copy(w, lose)
            expect(code == 1 and ("NOT " in said or "annot" in said), f"{lose.__name__}: {code} {said}")
        w.ph.start()
        wait_for("40 wait", lambda: queued_recipients(w.ph) == 40)
        lose_done_marks(w.folder)
        expect("1 recipients have a final record but no done mark" in run(w, "audit", status=1), "with a mark missing")
    finally:
        w.close(False)


EXPLAIN = """
<virtual-mta va>
	smtp-source-host {net}.200 va.test
</virtual-mta>
<virtual-mta vb>
	max-smtp-out 1
</virtual-mta>
<virtual-mta v6>
	smtp-source-host ::1 v6.test
</virtual-mta>
<domain held.test>
	hold-domain yes
</domain>
<domain slow.test>
	max-smtp-out 2
</domain>
<domain four.test>
	smtp-hosts {net}.10:{mx_port}
</domain>
<domain other.slow.test>
	smtp-hosts {net}.11:{mx_port}
</domain>
"""


def explain(w, what, state, *words, until=False, line=None):
    """The queue comes into that state, and the explanation holds the words, the time and the line."""
    def now():
        found = w.ph.json("explain", what).get("queue", [])
        return next((q for q in found if q["state"] == state), None)
    q = wait_for(f"{what} is {state} ({w.ph.pmtactl('explain', what).stdout})", now, 20)
    text = run(w, "explain", what)
    for word in words:
        expect(word in text, f"explain {what} lacks {word!r}: {text}")
    expect(re.fullmatch(TIME, q["since"]), f"since: {q}")
    if until:
        expect(re.fullmatch(TIME, q["until"]), f"until: {q}")
    if line:
        number = 1 + [x.strip() for x in w.ph_text.splitlines()].index(line)
        expect_equal((q["file"], q["line"]), (w.ph.config_path, number), f"where {what} comes from")
        expect(f"{w.ph.config_path} line {number}" in text, text)
    return q


@case("explain names the limit or state, since when, until when, and the line of the configuration")
def explains():
    domain = DOMAIN.replace("after 2s", "after 1h").replace("bounce-after 1h", "bounce-after 2h")
    with World(policy=SILENT, config=EXPLAIN, domain=domain) as w:
        w.ph_text = w.config
        run(w, "pause", "queue", "gmail.test/va")
        run(w, "pause", "job", "j1")
        for rcpts, n, *headers in (("u@held.test", 1), ("u@gmail.test", 1, "x-virtual-mta: va"),
                                   ("u@jobs.gmail.test", 1, "X-Job: j1"), ("late@gmail.test", 1), ("u@down.test", 1),
                                   ("u@silent.test", 1), ("u%r@slow.test", 150), ("u%r@other.slow.test", 150, "x-virtual-mta: vb"),
                                   ("u@four.test", 1, "x-virtual-mta: v6")):
            w.inject(n, rcpts, headers=headers)
        explain(w, "held.test", "HELD_DOMAIN", "hold-domain", line="hold-domain yes")
        explain(w, "gmail.test/va", "PAUSED", "paused by the operator")
        explain(w, "jobs.gmail.test", "HELD_JOBS", "j1")
        explain(w, "gmail.test/{default}", "RCPT_WAIT", "retry-recipients-after", until=True,
                line="retry-recipients-after 1h")
        explain(w, "down.test", "RETRY", "retry-after", until=True, line="retry-after 1h")
        explain(w, "silent.test", "RESOLVING", "name-server", line=f"name-server {w.net}.53:5353")
        explain(w, "slow.test", "LIMIT", "max-smtp-out", "2 of 2", line="max-smtp-out 2")
        explain(w, "other.slow.test", "LIMIT", "max-smtp-out of VirtualMTA vb", "1 of 1", line="max-smtp-out 1")
        explain(w, "four.test/v6", "NO_SOURCE", "v6", "IPv6", line="smtp-source-host ::1 v6.test")
        for words in (("hold", "vaa"), ("hold", "v*"), ("release", "vaa")):
            expect("There is no VirtualMTA" in run(w, *words, status=1), f"{words}")
        run(w, "hold", "va")
        run(w, "resume", "queue", "gmail.test/va")
        explain(w, "gmail.test/va", "HELD_VMTA", "va")
        text = run(w, "explain", "late@gmail.test")
        expect("deferred" in text and re.search(r"until +" + TIME, text) and "450 4.2.1 come back later" in text, text)
        expect("in the accounting files" in run(w, "explain", "nobody@gmail.test"), "an address without mail")
        expect("nothing waits" in run(w, "explain", "none.example"), "a queue that is not there")
        w.ph_text = w.config.replace("<spool", "total-max-smtp-out 3\n<spool").replace(
            "<virtual-mta v6>\n\tsmtp-source-host ::1 v6.test\n</virtual-mta>\n", "")
        w.ph.write_config(w.ph_text)
        run(w, "reload")
        explain(w, "four.test/v6", "NO_VMTA", "v6")
        run(w, "release", "va")
        explain(w, "gmail.test/va", "LIMIT", "total-max-smtp-out: 3 of 3", line="total-max-smtp-out 3")
        w.ph.kill()  # an orderly end would wait for the provider that never answers


@case("words may be shortened, -- ends options, mistakes end with 2, no server with 69, and what comes later is named")
def command_line():
    with World() as w:
        for words in (["sho", "dom"], ["show", "ver"], ["show", "queue"], ["clear", "dns"], ["reset", "count"],
                      ["reset", "status"], ["sh", "stat"], ["show", "queues", "--", "--x"], ["help"]):
            run(w, *words)
        for words in ([], ["show"], ["show", "v"], ["sing"], ["show", "version", "now"], ["show", "queues", "--nonsense"],
                      ["show", "version", "--dsn"], ["list", "--older-than=3x"], ["list", "--maxitems=0"],
                      ["pause", "queue", "a", "b"], ["pause", "queue", "a\nq b"], ["pause", "queue", "x" * 100000]):
            run(w, *words, status=2)
        for words in (["show", "license"], ["show", "registration"], ["register"], ["deregister"]):
            expect("needs no license" in run(w, *words), f"{words}")
        run(w, "-s", w.folder + "/nothing", "show", "status", status=69)
        run(w, "-s", "/" + "x" * 200, "show", "status", status=69)
        expect_equal(w.ph.stop(), 0, "exit status")
        run(w, "show", "status", status=69)


@case("arguments with quotes, wildcards, -- and UTF-8 hit only what they name")
def hostile_arguments():
    w = held_world()
    try:
        for name in ('"', "'; drop", "held.test/va'", "--", "%n%s", "ä.test", "*/none", "held.test/", "\\", "?" * 900):
            run(w, "pause", "queue", "--", name)
        expect_equal(w.ph.json("show", "queues", "--paused=yes")["queue"], [], "paused queues")
        run(w, "pause", "queue", "*/va")
        expect_equal([q["name"] for q in w.ph.json("show", "queues", "--paused=yes")["queue"]], ["held.test/va"], "*/va")
        run(w, "delete", "--rcpt=" + "*?" * 400)
        with Client(w) as c:
            for text in (b"a\nq *", b"a\0b", b"\x1b[2J", b"x" * 1001, b"x" * 60000):
                ok, said, _ = c.ask(22, [text])
                expect(not ok and "argument" in said, f"{text[:20]!r}: {said}")
            ok, said, _ = c.ask(9999, [])
            expect(not ok and "not know" in said, f"an unknown command: {said}")
        expect_equal(len(w.ph.json("show", "queues", "--paused=yes")["queue"]), 1, "paused queues after all")
    finally:
        w.close(False)


NASTY = [b"", b"held.test", b"held.test/va", b"*", b"*/*", b"/", b"//", b"?" * 900, b"*" * 1000, b"*a" * 450 + b"b", b"[", b"\\",
         b"a1@held.test", b"@", b"yes", b"no", b"0", b"-1", b"18446744073709551616", b"99999999999999999999d", b"4h",
         "\u00e4\u20ac".encode(), b"\xff\xfe\x80", b"\0", b"\r\n", b"%s%n", b"{default}", b"127.0.0.1", b"::ffff:1", b"," * 300,
         b"errors,dsn,no-accounting,dry-run,retry-recipients,priority,schedule", b"normal", b"backoff", b"0ca7ccfaf1c00000",
         b"x" * 1001]
STOP = 44
SLOW_COMMANDS = (30, 34, 35, 40)  # other processes answer
STREAMS = (62, 63)  # tail and trace: their answer goes on


@case("whatever is asked is answered: thousands of random requests with odd arguments, and queued lives on")
def random_requests():
    rng = random.Random(4)
    w = held_world()
    try:
        before = w.ph.daemons()["queued"]
        known = [int(n) for n in re.findall(r"^COMMAND\(\w+, (\d+),", open(ROOT + "/lib/ctl/commands.def").read(), re.M)]
        expect(len(known) > 30 and STOP in known, f"commands: {known}")
        with Client(w) as c:
            for i in range(3000):
                command = rng.choice(known) if rng.random() < 0.95 else rng.randrange(2 ** 32)
                if command in (STOP, *STREAMS) or (command in SLOW_COMMANDS and i % 20):
                    continue
                texts = [rng.choice(NASTY) if rng.random() < 0.3 else b"" for _ in range(12)]
                c.ask(command, texts, rows=rng.choice((0, 1, 2 ** 32 - 1)))
        expect_equal(w.ph.daemons()["queued"], before, "queued's process")
        w.ph.audit()
    finally:
        w.close(False)


@case("malformed frames close the connection they came over, and nothing else")
def malformed():
    w = held_world()
    try:
        queued = w.ph.daemons()["queued"]
        good = request(2, [])
        hello = None
        with Client(w) as c:
            hello = c.hello
            expect_equal(c.ask(2, [])[0], True, "a good one is answered")
        cases = {
            "noise": b"\xff" * 64, "short length": frame(80, b"", length=4), "huge length": frame(80, b"", length=2 ** 31),
            "unaligned length": frame(80, b"x" * 17, length=25), "wrong type": frame(9999, b"\0" * 8),
            "another's message": frame(55, b"\0" * 64), "an answer": frame(82, b"\0" * 16 + b"\0\0"),
            "HELLO twice": hello, "a lying text": good[:24] + b"\xff\xff" + good[26:], "half a frame": good[:10],
            "1 MB of text": frame(80, b"x" * 2 ** 20), "no texts": frame(80, b"\0" * 16), "flagged descriptor without one": frame(80, good[8:], flags=1),
        }
        for name, data in cases.items():
            with Client(w, greet=True) as c:
                c.send(data)
                if name == "half a frame":
                    continue
                expect(c.is_closed(), f"{name}: the connection lives on")
        for name, data in (("no HELLO", good), ("another role", Client.make_hello(hello, role=3)),
                           ("another build", Client.make_hello(hello, protocol=12345)), ("empty HELLO", frame(1, b""))):
            with Client(w, greet=False) as c:
                c.send(data)
                expect(c.is_closed(), f"{name}: the connection lives on")
        for n in (1, 2, 100, 250):
            with Client(w, greet=True) as c:
                c.send_fds(good, n)
                expect(c.is_closed(), f"{n} descriptors: the connection lives on")
        expect_equal(w.ph.daemons()["queued"], queued, "the process")
        expect_equal(queued_recipients(w.ph), 40, "queued")
        fds = len(os.listdir(f"/proc/{queued[0]}/fd"))
        expect(fds < 60, f"{fds} descriptors are open")
    finally:
        w.close(False)


def as_user(name, group, *command):
    """Runs it as that user with these groups; (status, output)."""
    r = subprocess.run(["setpriv", "--reuid", name, "--regid", group[0], "--groups" if group[1:] else "--clear-groups",
                        *([",".join(group[1:])] if group[1:] else []), *command], capture_output=True, text=True)
    return r.returncode, r.stdout + r.stderr


@case("the socket is 0660 root:pmta: others are refused, members read and operate, readers only read, administrators and root administer")
def rights():
    if os.geteuid() != 0:
        raise Skip("needs root")
    w = held_world()
    try:
        path = w.folder + "/spool/control"
        import grp
        s = os.stat(path)
        expect_equal((s.st_mode & 0o777, s.st_uid, s.st_gid), (0o660, 0, grp.getgrnam("pmta").gr_gid), "mode and owner")
        ctl = [BUILD + "/sbin/pmtactl", "-s", path]
        os.chmod(BUILD, os.stat(BUILD).st_mode | 0o055)
        code, said = as_user("nobody", ["nogroup"], *ctl, "show", "status")
        expect_equal(code, 77, f"nobody: {said}")
        for groups in (["pmta"], ["nogroup", "pmta"]):
            expect_equal(as_user("nobody", groups, *ctl, "show", "queues")[0], 0, f"{groups} reads")
            expect_equal(as_user("nobody", groups, *ctl, "pause", "queue", "x.test")[0], 0, f"{groups} operates")
            for words in (["reload"], ["stop"], ["rotate", "log"], ["reset", "counters"]):
                code, said = as_user("nobody", groups, *ctl, *words)
                expect(code == 77 and "may not" in said, f"{groups} {words}: {code} {said}")
        for name in ("pmta-read", "pmta-admin"):
            subprocess.run(["groupadd", "-f", "--system", name], check=True)
        w.ph.kill_daemon("queued")  # which looks the groups up at its start
        wait_for("the server answers", lambda: w.ph.pmtactl("show", "version", check=False).returncode == 0)
        readers, admins = ["nogroup", "pmta", "pmta-read"], ["pmta", "pmta-admin"]
        expect_equal(as_user("nobody", readers, *ctl, "show", "queues")[0], 0, "a reader reads")
        for words in (["pause", "queue", "x.test"], ["delete", "--queue=x.test"], ["cat", "0" * 16], ["reload"]):
            code, said = as_user("nobody", readers, *ctl, *words)
            expect(code == 77 and "may not" in said, f"a reader and {words}: {code} {said}")
        expect_equal(as_user("nobody", admins, *ctl, "reset", "counters")[0], 0, "an administrator administers")
        code, said = as_user("nobody", ["pmta-admin"], *ctl, "show", "status")
        expect_equal(code, 77, f"pmta-admin without pmta: {said}")
        os.chmod(w.folder + "/spool", os.stat(w.folder + "/spool").st_mode | 0o005)
        os.chmod(path, 0o666)  # the server checks for itself, too
        code, said = as_user("nobody", ["nogroup"], *ctl, "show", "status")
        expect_equal(code, 69, f"nobody with an open socket: {said}")
        expect_equal(queued_recipients(w.ph), 40, "queued")
    finally:
        w.close(False)


@case("the socket is found by a relative and by a long path; a second server leaves it alone, and the next one replaces a dead one's")
def paths_of_the_socket():
    w = held_world()
    try:
        ctl, spool = BUILD + "/sbin/pmtactl", w.folder + "/spool"
        long = w.folder + "/" + "/".join(c * 100 for c in "xyz")
        os.makedirs(long)
        os.symlink(spool, long + "/spool")
        for folder, words in ((spool, ["-s", "control"]), (w.folder, ["-s", "spool/control"]), ("/", ["-s", long + "/spool/control"]),
                              (long, ["-s", "spool/../" + os.path.basename(spool) + "/control"]),
                              (os.path.dirname(w.ph.config_path), ["-c", os.path.basename(w.ph.config_path)])):
            r = subprocess.run([ctl, *words, "show", "version"], cwd=folder, capture_output=True, text=True)
            expect(r.returncode == 0 and r.stdout.startswith("Posthaste"), f"{words} in {folder}: {r}")
        for wrong in ("control", long + "/none/control", long + "/spool/" + "n" * 120):
            r = subprocess.run([ctl, "-s", wrong, "show", "version"], cwd="/", capture_output=True, text=True)
            expect(r.returncode == 69 and "Cannot reach" in r.stderr, f"{wrong}: {r}")
        before = os.stat(spool + "/control")
        second = subprocess.run([BUILD + "/sbin/posthaste", "-f", "-c", w.ph.config_path], capture_output=True, text=True, timeout=60)
        expect(second.returncode != 0, f"a second server: {second}")
        expect_equal(os.stat(spool + "/control"), before, "the socket beside a second server")
        run(w, "show", "version")
        w.ph.kill()
        expect(stat.S_ISSOCK(os.lstat(spool + "/control").st_mode), "nobody removed what a killed server left")
        run(w, "show", "version", status=69)
        w.ph.start()
        expect(queued_recipients(w.ph) == 40, "it answers by the new one")
    finally:
        w.close(False)


@case("1,000 idle clients and one that never reads a large answer: mail goes on, and operators get in")
def many_clients():
    w = held_world()
    clients = []
    try:
        w.inject(400, "u@d%r.held.test", per_message=50, sessions=20)
        lazy = Client(w, greet=True)
        for _ in range(20):
            lazy.send(request(10, [], rows=10 ** 9))  # list
            lazy.send(request(3, [], rows=10 ** 9))  # show topqueues
        clients.append(lazy)
        for _ in range(1000):
            clients.append(Client(w, greet=False))
        w.inject(200)
        w.mx.wait_recipients(200)
        for _ in range(100):
            clients.append(Client(w, greet=False))
        began = time.monotonic()
        run(w, "show", "status")
        expect(time.monotonic() - began < 20, "an operator waits")
        expect(lazy.socket.recv(1, socket.MSG_PEEK) != b"", "the one that does not read was dropped at once")
    finally:
        for c in clients:
            c.close()
        w.close(False)


@case("100,000 queues: show domains gives all of them in one answer, and delete without standstill")
def many_queues():
    hold = "<domain *>\n\thold-domain yes\n\tbounce-after 1h\n</domain>\n"
    with World(domain=hold) as w:
        w.inject(1000, "u@d%r.test", per_message=100, sessions=20)
        wait_for("all are queued", lambda: queued_recipients(w.ph) == 100000, 60)
        rows = strict_json(run(w, "--json", "show", "domains", "--maxitems=1000000"))["data"]["domain"]
        names = [r["name"] for r in rows]
        expect_equal((len(set(names)), names), (100000, sorted(names)), "domains")
        expect("100000 of 100000 queues" in run(w, "pause", "queue", "--dry-run", "*"), "a dry run over all")
        expect_equal(w.ph.json("show", "status")["status"]["queue"]["smtp"]["dom"], 100000, "queues with mail")
        top = w.ph.json("show", "topqueues", "--maxitems=5000")["queue"]
        expect_equal([q["name"] for q in top], sorted(n + "/{default}" for n in names)[:5000], "the first of equals")
        rare_among_many(w)
        main_end, terminal = pty.openpty()
        os.set_blocking(main_end, False)
        deleting = subprocess.Popen([BUILD + "/sbin/pmtactl", "-c", w.ph.config_path, "delete", "--queue=*"],
                                    stdout=subprocess.PIPE, stderr=terminal, text=True)
        os.close(terminal)
        longest, began, painted = 0.0, time.monotonic(), ""
        while deleting.poll() is None:
            longest = max(longest, timed(lambda: run(w, "show", "version")))
            painted += read_terminal(main_end)
        expect_equal(deleting.stdout.read(), "100000 recipients deleted.\n", "the answer")
        deleting.stdout.close()
        painted += read_terminal(main_end)
        os.close(main_end)
        expect(re.search(r"\r\d+ % looked through\x1b\[K", painted) and painted.endswith("\r\x1b[K"), f"progress: {painted!r}")
        # a slow machine is slow in both
        expect(longest < max(0.5, (time.monotonic() - began) / 2), f"another client waited {longest:.2f} s meanwhile")
        wait_for("all are gone", lambda: queued_recipients(w.ph) == 0, 60)
        w.ph.audit()


def read_terminal(fd):
    try:
        return os.read(fd, 65536).decode()
    except OSError:  # nothing is there, or nobody has the other end any more
        return ""


def rare_among_many(w):
    """Of 100,000 the names are known; what else an address has must be read, and that ends, with a word."""
    for pattern, n in (("*@d12??.test", 100), ("*@D*", 100000), ("*", 100000), ("u@d7.test", 1), ("*q*", 0), ("x*@d7.test", 0)):
        expect_equal(run(w, "delete", "--rcpt=" + pattern, "--dry-run"), f"{n} recipients would be deleted.\n", pattern)
    expect_equal(run(w, "set", "priority", "--queue=d12??.test", "--dry-run", "9"), "The priority of 100 recipients would be set.\n", "by queue")
    expect_equal(run(w, "list", "--maxitems=40000").splitlines()[-1], "40000 recipients shown.", "what is found was not read in vain")
    asked = "--rcpt=*5?5?5*"
    some = w.ph.json("list", asked)
    expect(some["complete"] is False and len(some.get("rcpt", [])) < 100, f"a list that ends early: {some}")
    said = run(w, "list", asked).splitlines()[-1]
    expect(re.fullmatch(r"\d+ recipients shown: only \d+ % of all were looked through, .*--all looks through the rest\.", said), said)
    whole = w.ph.json("list", "--all", "--maxitems=1000", asked)
    expect_equal((len(whole["rcpt"]), "complete" in whole), (100, False), "with --all")
    for words in (("delete",), ("set", "priority", "9")):
        said = run(w, *words, asked, "--dry-run")
        expect(re.search(r"[Aa]t least \d+ recipients would be .*only \d+ % of all", said), said)
        expect("100 recipients would be" in run(w, *words, asked, "--dry-run", "--all"), f"{words} with --all")


def timed(function):
    began = time.monotonic()
    function()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
