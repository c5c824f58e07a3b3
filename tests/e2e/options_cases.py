"""Every option of every command: what it changes in the answer, or in what happens. A new option without a row here, or
among those that other files try, is an error."""
import json
import os
import re
import select
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
import tables  # noqa: E402
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BUILD, DOMAIN, World, queued_recipients  # noqa: E402

PMTACTL = BUILD + "/sbin/pmtactl"
# command: its options that these files try: control_cases, operations_cases, grouping_cases, inbound_cases
ELSEWHERE = {
    "show queues": "connected paused mode errors mode-events no-rcpt-events sort", "show topqueues": "maxitems errors",
    "show domains": "vmta maxitems errors", "show topdomains": "maxitems errors", "show vmtas": "sort", "show jobs": "sort",
    "list": "queue orig rcpt jobId envId maxitems older-than priority schedule pause all",
    "delete": "dsn queue rcpt jobId no-accounting dry-run all", "set priority": "queue rcpt jobId dry-run all",
    "resolve": "connect", "show changes": "maxitems", "tail": "event", "suppress": "reason",
    "trace": "log-data log-resolution retry-recipients", "schedule": "retry-recipients", "set queue": "mode",
    "disable source": "reenable-after", "digest": "hmac-sha256 siphash key hexkey", "history": "maxitems all",
    "show rates": "maxitems",
}
tried = {}


def noted(words):
    """The words as they are, and which options the command was tried with."""
    rows = tables.options()
    plain = [x for x in words if not x.startswith("--")]
    name = max((c for c in rows if plain[:len(c.split())] == c.split()), key=len)
    tried.setdefault(name, set()).update(x[2:].split("=")[0] for x in words if x.startswith("--"))
    return words


def ask(w, *words):
    return w.ph.json(*noted(words))


def say(w, *words):
    return w.ph.pmtactl(*noted(words)).stdout


def names(rows):
    return [r["name"] for r in rows]


# what is asked of each command where every form of its answer is looked at; what changes something only with --dry-run
EXAMPLES = {"show settings": "held.test/va", "show vmta-settings": "va", "explain": "held.test", "delete": "--queue=held.test --dry-run",
            "schedule": "held.test --dry-run", "set priority": "--jobId=a 90 --dry-run", "pause queue": "held.test --dry-run",
            "resume queue": "held.test --dry-run", "pause job": "a --dry-run", "resume job": "a --dry-run", "pause domain": "held.test --dry-run",
            "resume domain": "held.test --dry-run", "hold": "va --dry-run", "release": "va --dry-run", "resolve": "gmail.test",
            "clear dnscache": "--dry-run", "check spf": "{net}.9 c.test a@gmail.test", "check mfrom": "{net}.9 c.test a@gmail.test",
            "rotate log": "--dry-run", "rotate acct": "--dry-run", "reset counters": "--dry-run", "reset status": "--dry-run",
            "stop": "--dry-run", "set queue": "--mode=backoff held.test --dry-run", "disable source": "{net}.9 held.test --dry-run",
            "enable source": "{net}.9 held.test --dry-run", "show suppressed": "a@held.test", "suppress": "a@held.test --dry-run",
            "unsuppress": "kept@held.test --dry-run", "classify": "550", "history": "a1@held.test"}
# a message, a CSV file, and what goes on without an end (operations_cases)
NO_TREE = {"cat", "suppression export", "suppression import", "tail", "trace"}


def no_duplicates(pairs):
    expect_equal(len({k for k, _ in pairs}), len(pairs), f"names of an object: {pairs}")
    return dict(pairs)


def forms(w):
    """Each command's answer as text, strict JSON, XML and dom lines."""
    for command in [c for _, c, _ in tables.commands() if c not in NO_TREE] + ["test config", "audit", "top", "history"]:
        words = command.split() + w.fill(EXAMPLES.get(command, "")).split()
        answers = {form: w.ph.pmtactl(*form, *words, check=False) for form in ((), ("--json",), ("--xml",), ("--dom",))}
        codes = {r.returncode for r in answers.values()}
        expect_equal(codes, {0}, f"{words}: {answers[()].stdout}{answers[()].stderr}")
        json.loads(answers["--json",].stdout, object_pairs_hook=no_duplicates, parse_constant=lambda c: expect(False, c))
        tree = ElementTree.fromstring(answers["--xml",].stdout.encode())
        expect_equal((tree.tag, [c.tag for c in tree]), ("rsp", ["data", "succ"]), f"XML of {words}")
        for line in answers["--dom",].stdout.splitlines():
            expect(DOM_LINE.match(line), f"dom line of {words}: {line!r}")


DOM_LINE = re.compile(r'^[A-Za-z]+(\[\d+\])?(\.[A-Za-z]+(\[\d+\])?)*="[^\r\n]*"$')
VMTAS = "<virtual-mta va>\n</virtual-mta>\n<virtual-mta vb>\n</virtual-mta>\n"
HELD = DOMAIN + "<domain held.test>\n\thold-domain yes\n</domain>\n"
SLOW = "port {mx_port}\nname-server {net}.53:{dns_port}\nprovider gmail.test { mx {net}.10; }\n" \
       "provider slow.test { mx {net}.11; stall dot always; }\n"


@case("every command in every form; options of what is shown and chosen: queues, domains, VirtualMTAs, jobs, alerts, by sender, id and age")
def views():
    with World(policy=SLOW, config=VMTAS, domain=HELD) as w:
        w.inject(8, "a%r@held.test", headers=("X-Job: a", "x-virtual-mta: va", "X-Envid: e%n"))
        w.inject(4, "b%r@held.test", headers=("X-Job: b", "x-virtual-mta: vb"), more=("-f", "other@inject.test"))
        w.inject(1, "c@slow.test", headers=("X-Job: c",), size=50000)
        wait_for("all wait, one of them in a connection", lambda: queued_recipients(w.ph) == 13 and
                 w.ph.json("show", "queues", "--connected=yes")["queue"])
        w.ph.pmtactl("set", "queue", "--mode=backoff", "held.test")
        w.ph.pmtactl("pause", "queue", "held.test/vb")
        look_at_queues(w)
        look_at_domains(w)
        w.ph.pmtactl("suppress", "kept@held.test")
        forms(w)
        expect_equal(len(ask(w, "show", "vmtas", "--maxitems=1")["vmta"]), 1, "VirtualMTAs")
        expect_equal(len(ask(w, "show", "jobs", "--maxitems=2")["job"]), 2, "jobs")
        wait_for("two alerts", lambda: len(w.ph.json("show", "alerts")["alert"]) >= 2, 30)
        expect_equal(len(ask(w, "show", "alerts", "--maxitems=1")["alert"]), 1, "alerts")
        t = ask(w, "top", "--once", "--maxitems=1")
        expect_equal((len(t["queue"]), len(t["provider"])), (1, 1), "top")
        choose(w)
        expect_equal(w.ph.pmtactl("clear", "secretscache").returncode, 0, "clear secretscache")
        w.mx.stop()  # or the server would wait for the receiver


def look_at_queues(w):
    va, vb, slow = "held.test/va", "held.test/vb", "slow.test/{default}"
    expect_equal(len(ask(w, "show", "queues", "--maxitems=2")["queue"]), 2, "queues")
    for words, wanted in ((["--connected=yes"], [slow]), (["--connected=no"], [va, vb]), (["--paused=yes"], [vb]),
                          (["--paused=no"], [va, slow]), (["--mode=backoff"], [va, vb]), (["--mode=normal"], [slow]),
                          (["--sort=name"], [va, vb, slow]), (["--sort=rcpt"], [va, vb, slow]), (["--sort=size"], [slow, va, vb]), (["*/v?"], [va, vb])):
        expect_equal(names(ask(w, "show", "topqueues", *words)["queue"]), wanted, f"topqueues {words}")
    row = ask(w, "show", "topqueues", "--mode-events", "--no-rcpt-events", "held.test/va")["queue"][0]
    expect("backoff" in row["modeEvent"][0]["text"], f"{row}")


def look_at_domains(w):
    for command in ("domains", "topdomains"):
        for words, wanted in ((["--connected=yes"], ["slow.test"]), (["--connected=no"], ["held.test"]), (["--paused=yes"], ["held.test"]),
                              (["--sort=name"], ["held.test", "slow.test"]), (["--sort=rcpt"], ["held.test", "slow.test"]),
                              (["--sort=size"], ["slow.test", "held.test"]), (["--vmta=vb"], ["held.test"]), (["s*"], ["slow.test"])):
            expect_equal(names(ask(w, "show", command, *words)["domain"]), wanted, f"{command} {words}")
    expect_equal(ask(w, "show", "topdomains", "--vmta=vb")["domain"][0]["rcp"], 4, "of one VirtualMTA")


def choose(w):
    """By what recipients are chosen for set priority and delete, first tried, then done."""
    rows = [("--orig=OTHER@*", 4), ("--envId=e3", 1), ("--envId=none", 0), ("--older-than=1h", 0), ("--older-than=0s", 13)]
    for option, n in rows:
        expect(f"of {n} recipients would be" in say(w, "set", "priority", option, "--dry-run", "70"), f"{option}, tried")
        expect_equal(say(w, "set", "priority", option, "70"), f"Priority of {n} recipients set.\n", option)
        if 0 < n < 13:
            expect_equal(sum(r["priority"] == 70 for r in w.ph.json("list", "--priority")["rcpt"]), n, f"{option}: of that priority")
            w.ph.pmtactl("set", "priority", "--queue=*", "50")
        expect_equal(say(w, "delete", option, "--dry-run"), f"{n} recipients would be deleted.\n", f"delete {option}")
    # what its receiver has whole, and says nothing of, does not end by being deleted
    for option, n, left in (("--older-than=1h", 0, 13), ("--envId=e3", 1, 12), ("--orig=other@inject.test", 4, 8), ("--older-than=0s", 7, 1)):
        expect_equal(say(w, "delete", option, "--queue=held.test"), f"{n} recipients deleted.\n", f"delete {option}")
        wait_for(f"{left} are left", lambda: queued_recipients(w.ph) == left)


TALKS = """port {mx_port}
name-server {net}.53:{dns_port}
provider gmail.test { mx {net}.10; tls yes; reply rcpt match:late* "450 4.2.1 come back later"; }
provider other.test { mx {net}.11; }
"""
SOURCES = """bounce-rules {folder}/rules
<virtual-mta va>
	smtp-source-host {net}.200 one.posthaste.test
	smtp-source-host {net}.201 two.posthaste.test
	<bounce-handling>
		<response match="5.1.1" action="delete" log-only="no"/>
	</bounce-handling>
</virtual-mta>
"""
RULES = "bad-mailbox hard mx:*.kind.test /sorry/\npolicy-related soft /sorry/\nbad-mailbox hard /no such user/\n"


@case("options of what is followed, tried and suppressed: tail, trace, resolve, suppress, classify")
def followed():
    with World(policy=TALKS, config=SOURCES, domain=DOMAIN + "<domain *>\n\tretry-after 1h\n</domain>\n", start=False) as w:
        with open(w.folder + "/rules", "w") as f:
            f.write(RULES)
        w.ph.start()
        tail_filters(w)
        trace_source(w)
        resolve_hosts(w)
        suppress_for(w)
        classify(w)
        w.ph.pmtactl("delete", "--queue=*")
        w.drained()
        w.ph.audit()
    needed = {(c, o) for c, found in tables.options().items() for o in found if o not in ("dry-run", "once")}
    have = {(c, o) for c, found in tried.items() for o in found} | {(c, o) for c, text in ELSEWHERE.items() for o in text.split()}
    expect_equal(needed - have if len(tried) > 15 else set(), set(), "options that nothing tries")


def follow(w, *words):
    return subprocess.Popen([PMTACTL, "-c", w.ph.config_path, "--json", *noted(words)], stdout=subprocess.PIPE, text=True,
                            stdin=subprocess.DEVNULL)


def tail_filters(w):
    """Each message but the first and the last is unlike them in one thing, which one filter asks for."""
    filters = {"queue": "gmail.test", "orig": "a@*", "rcpt": "p*@*", "jobId": "j"}
    messages = {"queue": ("a", "p2@other.test", "j"), "orig": ("b", "p3@gmail.test", "j"), "rcpt": ("a", "q4@gmail.test", "j"),
                "jobId": ("a", "p5@gmail.test", "k")}
    tails = {name: follow(w, "tail", f"--{name}={value}", "--event=delivered") for name, value in filters.items()}

    def send(sender, rcpt, job):
        w.inject(1, rcpt, headers=("X-Job: " + job,), more=("-f", sender + "@inject.test"))
    try:
        for tail in tails.values():
            wait_for("it follows", lambda: send("a", "p1@gmail.test", "j") or select.select([tail.stdout], [], [], 0.1)[0], 30)
        for message in messages.values():
            send(*message)
        w.drained()
        send("a", "plast@gmail.test", "j")
        for name, tail in tails.items():
            seen = set()
            while "plast@gmail.test" not in seen:
                seen.add(json.loads(tail.stdout.readline())["data"]["event"]["rcpt"])
            wanted = {"p1@gmail.test", "plast@gmail.test"} | {m[1] for k, m in messages.items() if k != name}
            expect_equal(seen, wanted, f"tail --{name}")
    finally:
        for tail in tails.values():
            tail.kill()
            tail.communicate()


def trace_source(w):
    w.inject(1, "late@gmail.test", headers=("x-virtual-mta: va",))
    wait_for("it waits", lambda: [r for r in w.ph.json("list")["rcpt"] if r["state"] in ("deferred", "ready") and r["attempts"] > 0])
    for last in (200, 201):
        trace = follow(w, "trace", "--to-log", "--retry-recipients", f"--source-ip={w.net}.{last}", "gmail.test/va")
        out = trace.communicate(timeout=60)[0]
        expect(f"{w.net}.{last}" in out and f"{w.net}.{401 - last}" not in out, f"over that address only: {out}")
    wait_for("the trace is in the log", lambda: re.search(r"event=trace queue=gmail\.test/va talk=.*RCPT TO", w.ph.said()))


def resolve_hosts(w):
    out = say(w, "resolve", "--connect=1", "--tls", "gmail.test")
    expect("<<< STARTTLS" in out and re.search(r"TLSv1\.[23], \S+\n  subject .*\n  issuer ", out), out)
    words = [PMTACTL, "-c", w.ph.config_path, *noted(("resolve", "--connect=1", "--interactive", "other.test"))]
    r = subprocess.run(words, input="HELP\r\nNOOP\r\nQUIT\r\n", capture_output=True, text=True, timeout=60)
    expect(re.search(r"^250 ", r.stdout, re.M) and re.search(r"^221 ", r.stdout, re.M), f"interactive: {r.stdout}{r.stderr}")


def suppress_for(w):
    say(w, "suppress", "--vmta=va", "--for=1h", "--reason=asked by phone", "gone@gmail.test")
    found = w.ph.json("show", "suppressed", "gone@gmail.test")["suppressed"][0]
    expect_equal((found["scope"], found["until"] > found["since"], found["expired"], found["event"]), ("va", True, False, "asked by phone"), f"{found}")
    w.inject(1, "gone@gmail.test", headers=("x-virtual-mta: va",))
    w.ph.wait_records(1, "b")
    w.inject(1, "gone@gmail.test")
    wait_for("over another VirtualMTA it goes", lambda: any(r["rcpt"] == "gone@gmail.test" for r in w.ph.records("d")))
    w.ph.pmtactl(*noted(("unsuppress", "--vmta=vb", "gone@gmail.test")), check=False)
    expect_equal(len(w.ph.json("show", "suppressed", "gone@gmail.test")["suppressed"]), 1, "of another VirtualMTA")
    say(w, "unsuppress", "--vmta=va", "gone@gmail.test")
    expect_equal(w.ph.json("show", "suppressed", "gone@gmail.test")["suppressed"], [], "afterwards")


def classify(w):
    for words, wanted in (((), ("policy-related", "soft")), (("--mx=mx1.kind.test",), ("bad-mailbox", "hard"))):
        found = ask(w, "classify", *words, "550 5.7.1 sorry")["classify"]
        expect_equal((found["category"], found["verdict"]), wanted, f"classify {words}")
    for words, wanted in (((), ""), (("--vmta=va",), "delete")):
        expect_equal(ask(w, "classify", *words, "550 5.1.1 no such user")["classify"]["action"], wanted, f"classify {words}")


main()
