"""What operators see: metrics, completion, digests, settings, logs of the dialogue, events, alerts."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import Skip, case, expect, expect_equal, main, wait_for  # noqa: E402
from peers import unpack  # noqa: E402
from server_certs import Certs  # noqa: E402
from posthaste import BUILD, DOMAIN, ROOT, World, queued_recipients  # noqa: E402

PMTACTL = BUILD + "/sbin/pmtactl"
# STRING "port25": PowerMTA's own results
DIGESTS = {("--hmac-sha256", "--key=secretkey"): "614648A140A88192D375C22E606BEC922E8CFA71A5063C067E6BE7CB49C506AA",
           ("--siphash", "--key=secretkey"): "EB938A2508145899",
           ("--hmac-sha256", "--hexkey=1234abcd"): "3BB5D751EB1C3ECCD12C10B315DADEBA35C3A6DF822E44A347FC01B38001477A",
           ("--siphash", "--hexkey=1234abcd"): "D343D887797D2CFB"}
SAMPLE = re.compile(r'^posthaste_[a-z0-9_]+(\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="[^"]*")*\})? [0-9.]+$')


def metrics(w):
    """name with its labels: value"""
    lines = w.ph.pmtactl("show", "metrics").stdout.splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


@case("digest prints what PowerMTA prints, and says what is missing")
def digests():
    for words, wanted in DIGESTS.items():
        r = subprocess.run([PMTACTL, "digest", *words, "port25"], capture_output=True, text=True)
        expect_equal((r.returncode, r.stdout), (0, f"Result: {wanted}\n"), f"digest {words}")
    for words in (["x"], ["--siphash", "x"], ["--siphash", "--hexkey=abc", "x"], ["--siphash", "--key=k"],
                  ["--siphash", "--hmac-sha256", "--key=k", "x"]):
        r = subprocess.run([PMTACTL, "digest", *words], capture_output=True, text=True)
        expect_equal(r.returncode, 2, f"digest {words}: {r.stdout}{r.stderr}")


# what was typed, of which the last word is not finished, and what it may become
COMPLETED = {("sh",): "show", ("show", "q"): "queues", ("show", "queues", "--so"): "--sort=", ("--json", "pause", "j"): "job",
             ("show", "queues", "--sort=rcpt", "--paus"): "--paused=", ("-c", "x", "sto"): "stop", ("--j",): "--json",
             ("show", "queues", "--m"): "--maxitems= --mode-events --mode=", ("completion", ""): "bash fish zsh", ("nothing", "a"): "",
             ("show", "version", "--"): ""}


def shell_script(shell, folder):
    """Reads the completion as that shell does, and prints a line for each of COMPLETED."""
    script = subprocess.run([PMTACTL, "completion", shell], capture_output=True, text=True, check=True).stdout
    if shell == "fish":
        return script + "".join(f"echo (complete -C 'pmtactl {' '.join(words)}')\n" for words in COMPLETED)
    tries = "".join("try " + " ".join(f"'{w}'" for w in ("pmtactl", *words)) + "\n" for words in COMPLETED)
    if shell == "bash":  # it takes a "=" for a word
        return script + 'compopt() { :; }\ntry() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _pmtactl; ' \
            'echo "${COMPREPLY[*]}"; }\n' + tries.replace("=", "' '=' '")
    with open(folder + "/_pmtactl", "w") as f:
        f.write(script)
    # as zsh finds it by its first line; compadd is for its line editor only
    return f"fpath=({folder} $fpath)\nautoload -U compinit\ncompinit -D -u\n[[ $_comps[pmta] == _pmtactl ]] || print not found\n" \
        'compadd() { local w; while [[ $1 != -- ]]; do shift; done; shift; for w; do [[ $w == ${(b)words[CURRENT]}* ]] && ' \
        'print -rn -- "$w "; done }\ntry() { words=("$@"); CURRENT=$#; _pmtactl; print; }\n' + tries


@case("bash, zsh and fish complete words of commands, then their options")
def completion():
    started = {"bash": ["bash", "--norc"], "zsh": ["zsh", "-f"], "fish": ["fish", "--no-config"]}
    missing = [shell for shell in started if shutil.which(shell) is None]
    with tempfile.TemporaryDirectory() as folder:
        for shell in set(started) - set(missing):
            r = subprocess.run(started[shell], input=shell_script(shell, folder), capture_output=True, text=True,
                               env={**os.environ, "HOME": folder, "XDG_CONFIG_HOME": folder, "XDG_DATA_HOME": folder})
            found = [" ".join(sorted(line.split())) for line in r.stdout.splitlines()]
            expect_equal(found, list(COMPLETED.values()), f"{shell} ({r.stderr})")
    if missing:
        raise Skip(f"not installed: {', '.join(missing)}")


@case("metrics: promtool finds no fault, values follow the mail, and no number of domains makes them many")
def prometheus():
    with World(domain=DOMAIN + "<domain *.held.test>\n\thold-domain yes\n</domain>\n<domain yahoo.test>\n\tmax-msg-rate 1/h\n</domain>\n") as w:
        w.inject(20, "u%r@gmail.test")
        w.inject(200, "u@d%r.held.test", headers=("X-Job: j",))
        w.inject(2, "u%r@yahoo.test", headers=("X-Job: j",))
        wait_for("a limit holds a queue", lambda: metrics(w).get('posthaste_queues_by_limit{directive="max-msg-rate"}') == 1, 30)
        wait_for("the rest is queued", lambda: queued_recipients(w.ph) == 201)
        found = wait_for("the survey", lambda: (m := metrics(w)).get(
            'posthaste_queues_by_state{state="HELD_DOMAIN"}') == 200 and m, 30)
        expect_equal(found["posthaste_queue_delivered_total"], 21, "delivered")
        expect_equal(found['posthaste_delivery_latency_seconds_bucket{le="+Inf"}'], 21, "latencies")
        expect_equal(found["posthaste_queue_recipients"], 201, "queued")
        domains = [n for n in found if n.startswith("posthaste_domain_recipients")]
        expect_equal(len(domains), 20, "domains named")
        expect(found['posthaste_process_starts{process="deliverd",instance="0"}'] == 1, "starts")
        expect(found['posthaste_process_max_resident_bytes{process="queued",instance="0"}'] > 1e6, "memory")
        text = w.ph.pmtactl("show", "metrics").stdout
        for line in text.splitlines():
            expect(line.startswith("# ") or SAMPLE.match(line), f"a line of metrics: {line}")
        w.ph.pmtactl("delete", "--jobId=j")
        r = subprocess.run([prometheus("promtool"), "check", "metrics"], input=text, capture_output=True, text=True)
        expect_equal((r.returncode, r.stdout + r.stderr), (0, ""), "promtool check metrics")


def prometheus(program):
    """Of Debian's package: the one that is installed, or one that is unpacked and never installed."""
    return shutil.which(program) or unpack("prometheus") + "/usr/bin/" + program


SCRAPE = """
global:
  scrape_interval: 1s
rule_files: [{rules}]
scrape_configs:
  - job_name: posthaste
    static_configs:
      - targets: ["{net}.1:8080"]
"""


@case("Prometheus itself scrapes /metrics, knows the numbers, and takes the rules")
def scraped():
    server = prometheus("prometheus")
    with World(config="http-mgmt-port 8080\nhttp-access {net}.0/24 monitor\nhttp-access 127.0.0.1 monitor\n<http>\n\taddress {net}.1\n</http>\n") as w:
        w.inject(3)
        w.mx.wait_recipients(3)
        path, at = w.folder + "/prometheus.yml", f"{w.net}.2:9090"
        with open(path, "w") as f:
            f.write(w.fill(SCRAPE.replace("{rules}", ROOT + "/conf/monitoring/posthaste.rules.yml")))
        r = subprocess.run([prometheus("promtool"), "check", "config", path], capture_output=True, text=True)
        expect_equal(r.returncode, 0, f"promtool check config: {r.stdout}{r.stderr}")
        process = subprocess.Popen([server, "--config.file", path, "--storage.tsdb.path", w.folder + "/tsdb", "--web.listen-address", at],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def value(query):
            try:
                with urllib.request.urlopen(f"http://{at}/api/v1/query?query={query}", timeout=10) as answer:
                    found = json.load(answer)["data"]["result"]
            except OSError:
                return None
            return found and found[0]["value"][1]
        try:
            wait_for("it was scraped", lambda: value("up") == "1", 60)
            wait_for("the number", lambda: value("posthaste_queue_delivered_total") == "3", 60)
            expect(value("posthaste_delivery_latency_seconds_count") == "3", "the histogram")
        finally:
            process.kill()
            process.wait()


# what changes something by another's hand, or nothing that was
NO_DRY_RUN = {"cat", "reload", "trace", "suppression export"}
DRY_RUNS = {"delete": "--queue=held.test", "schedule": "held.test", "set priority": "--jobId=j 90", "pause queue": "held.test",
            "resume queue": "held.test", "pause job": "j", "resume job": "j", "pause domain": "held.test",
            "resume domain": "held.test", "hold": "va", "release": "va", "clear dnscache": "", "rotate log": "",
            "rotate acct": "", "reset counters": "", "reset status": "", "stop": "", "set queue": "--mode=backoff held.test",
            "disable source": "{net}.200 held.test", "enable source": "{net}.200 held.test", "suppress": "new@held.test",
            "unsuppress": "kept@held.test", "suppression import": "{folder}/list.csv"}


@case("every command that changes something takes --dry-run, and is tried with it")
def dry_runs_of_all():
    rows = re.findall(r'^COMMAND\(\w+, \d+, "([^"]+)", "([^"]*)", \d+, (OPERATE|ADMIN),', open(ROOT + "/lib/ctl/commands.def").read(), re.M)
    expect(len(rows) > 20, "the table was not read")
    expect_equal({words for words, args, _ in rows if "[--dry-run]" not in args}, NO_DRY_RUN, "commands without --dry-run")
    expect_equal({words for words, _, _ in rows} - NO_DRY_RUN, set(DRY_RUNS), "commands that are tried")


@case("settings of a VirtualMTA; --dry-run of every command that changes says how much, and changes nothing")
def settings_and_dry_runs():
    config = "<virtual-mta va>\n\tsmtp-source-host {net}.200 va.posthaste.test\n\tmax-smtp-out 7\n</virtual-mta>\n"
    with World(config=config, domain=DOMAIN + "<domain held.test>\n\thold-domain yes\n</domain>\n") as w:
        shown = w.ph.json("show", "vmta-settings", "va")
        expect_equal(shown["source"], [{"ip": f"{w.net}.200", "host": "va.posthaste.test"}], "sources")
        row = [s for s in shown["vmta"] if s["name"] == "max-smtp-out"][0]
        expect(row["value"] == "7" and row["line"] > 0, f"{row}")
        expect("max-smtp-out" in w.ph.pmtactl("show", "vmta-settings", "va").stdout, "as text")
        expect_equal(w.ph.pmtactl("show", "vmta-settings", "none", check=False).returncode, 1, "no such VirtualMTA")
        w.inject(6, "u%r@held.test", headers=("X-Job: j", "x-virtual-mta: va"))
        wait_for("6 queued", lambda: queued_recipients(w.ph) == 6)
        w.ph.pmtactl("suppress", "kept@held.test")
        with open(w.folder + "/list.csv", "w") as f:
            f.write("address\nnew@held.test\nno address\n")
        for command, rest in DRY_RUNS.items():
            words = [*command.split(), *w.fill(rest).split()]
            said = w.ph.pmtactl(*words, "--dry-run").stdout
            expect(re.search("would be |nothing was changed", said, re.I), f"{words}: {said}")
        expect("1 addresses would be imported, 1 lines" in said, f"import: {said}")
        expect_equal([(a, w.ph.json("show", "suppressed", a).get("suppressed") not in (None, []))
                      for a in ("kept@held.test", "new@held.test")],
                     [("kept@held.test", True), ("new@held.test", False)], "suppressed afterwards")
        queue = w.ph.json("show", "queues")["queue"][0]
        expect_equal((queue["paused"], queue["mode"], queue["rcp"], queue["state"]),
                     (False, "normal", 6, "HELD_DOMAIN"), "the queue afterwards")
        rows = w.ph.json("list", "--queue=held.test", "--pause", "--priority")["rcpt"]
        expect_equal({(r["paused"], r["priority"]) for r in rows}, {(False, 50)}, "recipients afterwards")
        expect_equal([j["paused"] for j in w.ph.json("show", "jobs", "--sort=rcpt")["job"]], [False], "jobs")
        look_at_top(w)
        w.ph.audit()


def look_at_top(w):
    """With 6 recipients of held.test in one queue."""
    t = w.ph.json("top")
    expect_equal([(p["name"], p["rcp"]) for p in t["provider"]], [("held.test", 6)], "providers")
    expect_equal([(q["name"], q["rcp"], q["state"]) for q in t["queue"]], [("held.test/va", 6, "HELD_DOMAIN")], "queues")
    expect_equal((t["queued"], t["status"], set(t["perSecond"])),
                 (6, "running", {"accepted", "delivered", "bounced", "expired", "deleted"}), "the head")
    text = w.ph.pmtactl("top", "--once").stdout
    expect("held.test/va" in text and "\033" not in text, f"not on a terminal: {text}")
    main_end, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 70, 0, 0))
    top = subprocess.Popen([PMTACTL, "-c", w.ph.config_path, "top"], stdout=terminal, stdin=subprocess.DEVNULL)
    seen = []

    def painted(wanted):
        if select.select([main_end], [], [], 0.1)[0]:
            seen.append(os.read(main_end, 65536).decode())
        paints = "".join(seen).split("\033[H")[1:]
        return paints and wanted in paints[-1] and "\033[J" in paints[-1] and paints[-1]

    try:
        wait_for("painted", lambda: painted("6 queued"))
        w.inject(5, "v%r@held.test", headers=("x-virtual-mta: va",))
        last = wait_for("painted anew", lambda: painted("11 queued"))
        widest = max(len(line) for line in last.replace("\033[K", "").replace("\033[J", "").splitlines())
        expect(widest <= 70, f"{widest} columns")
    finally:
        top.terminate()
        top.wait()
        os.close(main_end)
        os.close(terminal)


@case("resolve --connect shows what the hosts say")
def resolve_connect():
    with World() as w:
        said = w.ph.pmtactl("resolve", "--connect=2", "gmail.test").stdout
        expect_equal(len(re.findall(r"^connecting to ", said, re.M)), 2, f"hosts tried: {said}")
        expect(re.search(r">>> 220 .*\n  <<< EHLO .*\n  >>> 250[ -]", said), said)
        r = w.ph.pmtactl("resolve", "--connect", "nowhere.example", check=False)
        expect_equal(r.returncode, 1, "a name without hosts")


AUTH_POLICY = """port {mx_port}
name-server {net}.53:{dns_port}
provider auth.test { mx {net}.20; auth ann opensesame PLAIN LOGIN; }
provider gmail.test { mx {net}.10; tls yes; reply rcpt match:late* "450 4.2.1 come back later"; reply rcpt match:no* "550 5.1.1 no such user";
	reply rcpt match:spam* "550 5.7.1 message looks like spam"; }
"""
LOGGED = DOMAIN + """<domain auth.test>
	auth-username ann
	auth-password opensesame
	use-unencrypted-plain-auth yes
	log-connections yes
	log-commands yes
	log-data yes
</domain>
<domain gmail.test>
	log-tls yes
	log-resolution yes
	log-transfer-failures yes
	track-recipient-events yes
	max-events-recorded 2
	retry-recipients-after 1h
</domain>
"""
# "opensesame" in clear, as AUTH PLAIN and AUTH LOGIN say it, and as a row of log-data would show it
SECRETS = ("opensesame", "AGFubgBvcGVuc2VzYW1l", "b3BlbnNlc2FtZQ", "6f 70 65 6e 73 65", "62 33 42 6c")


def follow(w, *words):
    """pmtactl tail or trace in the background, its lines as JSON."""
    return subprocess.Popen([PMTACTL, "-c", w.ph.config_path, "--json", *words], stdout=subprocess.PIPE, text=True,
                            stdin=subprocess.DEVNULL)


def event(line):
    return json.loads(line)["data"]["event"]


def talk(w, word, queue):
    return [line for line in w.ph.said().splitlines() if f"queue={queue}/" in line and word in line]


@case("the dialogue is logged as log-connections, -commands, -data and -resolution say, tail and trace show it, never a password")
def dialogue():
    with World(policy=AUTH_POLICY, domain=LOGGED) as w:
        tail = follow(w, "tail", "--event=delivered,deferred,bounced,command")
        wait_for("the tail follows", lambda: w.ph.pmtactl("schedule", "none.test")
                 and select.select([tail.stdout], [], [], 0.1)[0])
        w.inject(3, "u%r@auth.test")
        w.inject(1, "good@gmail.test", headers=("X-Job: j1",))
        w.inject(1, "late@gmail.test")
        w.inject(1, "no@gmail.test")
        w.ph.wait_records(4, "d")
        w.ph.wait_records(1, "b")
        wait_for("the late one waits", lambda: queued_recipients(w.ph) == 1)
        # ---- the log
        for word in ("connecting to", "connected to", "closed ", "<<< EHLO ", ">>> 250 ", "<<< MAIL FROM:", "(BDAT LAST and content, ",
                     "<<< AUTH PLAIN (not shown)", "wr ", "rd "):
            wait_for(f"the log of {word!r}", lambda w_=word: talk(w, w_, "auth.test"))
        expect(not talk(w, "<<< ", "gmail.test"), "commands are logged that nobody asked for")
        expect("event=resolution queue=gmail.test" in w.ph.said(), "log-resolution")
        wait_for("log-tls", lambda: talk(w, "TLS established: TLSv1.", "gmail.test"))
        wait_for("log-transfer-failures", lambda: talk(w, "transfer failed", "gmail.test"))
        said = w.ph.said() + w.ph.pmtactl("show", "settings", "auth.test").stdout
        for secret in SECRETS:
            expect(secret not in w.ph.said(), f"a password is in the log: {secret}")
        # ---- the last events of recipients
        def last_events():
            found = {e["type"]: e for e in w.ph.json("show", "queues", "gmail.test")["queue"][0].get("rcptEvent", [])}
            return len(found) == 3 and found
        found = wait_for("one of each kind", last_events)
        expect_equal((found["delivered"]["rcpt"], found["delivered"]["jobId"]), ("good@gmail.test", "j1"), "delivered")
        expect_equal(found["bounced"]["rcpt"], "no@gmail.test", "bounced")
        expect("450 4.2.1" in found["deferred"]["text"], f"{found['deferred']}")
        expect("rcptEvent" not in w.ph.json("show", "queues", "--no-rcpt-events", "gmail.test")["queue"][0], "left out")
        text = w.ph.pmtactl("show", "queues", "gmail.test").stdout
        expect("Recipient Events (deliveries:1, bounces:1, deferrals:1)" in text and "bounced | " in text, text)
        # ---- tail
        seen = {}
        while len(seen) < 4:
            e = event(tail.stdout.readline())
            if "auth.test" not in e.get("queue", ""):
                seen[e["type"]] = e
        expect_equal(seen.pop("command")["text"].split(": ")[1], "schedule none.test", "a command")
        tail.kill()
        tail.wait()
        expect_equal({k: v["rcpt"] for k, v in seen.items()}, {"delivered": "good@gmail.test",
                     "deferred": "late@gmail.test", "bounced": "no@gmail.test"}, "events of tail")
        expect("from" not in seen["delivered"] and seen["delivered"]["jobId"] == "j1", f"{seen['delivered']}")
        # ---- trace
        trace = follow(w, "trace", "--log-resolution", "--log-data", "--retry-recipients", "gmail.test")
        out, _ = trace.communicate(timeout=60)
        lines = [json.loads(line)["data"].get("event", {}).get("text", "") for line in out.splitlines()]
        for wanted in ("starting", "resolved: ", "connecting to ", "<<< EHLO ", ">>> 450 ", "<<< wr ", "closed "):
            expect(any(line.startswith(wanted) for line in lines), f"{wanted!r} is not traced: {lines}")
        expect_equal(trace.returncode, 0, "exit status of trace")
        expect(not talk(w, "<<< ", "gmail.test"), "what is traced is not logged")
        for i in range(5):
            w.inject(1, "late%r@gmail.test")
        wait_for("6 wait", lambda: queued_recipients(w.ph) == 6)
        errors = w.ph.json("show", "queues", "--errors", "gmail.test")["queue"][0]["event"]
        expect_equal(len(errors), 2, "errors kept, by max-events-recorded")
        r = w.ph.pmtactl("trace", "none.test", check=False)
        expect_equal(r.returncode, 1, "no such queue")
        w.ph.pmtactl("delete", "--queue=gmail.test")
        w.ph.audit()
        expect(said, "something was said")


ALERTS = """alert-notify operator@gmail.test
alert-command /bin/sh -c "cat >>{folder}/alerts/told"
command-user nobody
alert-threshold bad-mailbox 10% per=job window=10m minimum=8 action=pause
alert-threshold spam-related 10% per=vmta window=10m minimum=8 action=warn
alert-disk-free 100
alert-queue-age 1s
alert-certificate 10000d
smtp-server-tls-certificate {certs}/server.pem
<virtual-mta va>
	smtp-source-host {net}.200 va.posthaste.test
</virtual-mta>
"""


def alerts(w):
    """kind and subject: the alert"""
    return {(a["kind"], a["subject"]): a for a in w.ph.json("show", "alerts")["alert"]}


@case("alerts are listed once, counted and ended; thresholds pause a job; mail and the command tell what is new")
def show_alerts():
    if os.geteuid() != 0:
        raise Skip("needs root for the command's user")
    certs = Certs(tempfile.mkdtemp(prefix="posthaste-certs-"))
    certs.make("server")
    config = ALERTS.replace("{certs}", certs.folder)
    with World(policy=AUTH_POLICY, config=config, domain=DOMAIN + "<domain held.test>\n\thold-domain yes\n</domain>\n",
               start=False) as w:
        os.mkdir(w.folder + "/alerts")
        os.chmod(w.folder + "/alerts", 0o777)
        w.ph.start()
        w.inject(10, "u%r@gmail.test", headers=("X-Job: j1",))
        w.inject(2, "u%r@held.test", headers=("X-Job: j1",))
        w.inject(1, "u%r@held.test", headers=("X-Job: j1", "x-virtual-mta: va"))
        wait_for("3 are left", lambda: queued_recipients(w.ph) == 3)
        w.ph.pmtactl("set", "queue", "--mode=backoff", "held.test")
        w.inject(1, "no1@gmail.test", headers=("X-Job: j1",))
        w.ph.wait_records(1, "b")
        expect_equal([j["paused"] for j in w.ph.json("show", "jobs")["job"]], [False], "1 of 10 is not over 10 %")
        w.inject(1, "no2@gmail.test", headers=("X-Job: j1",))
        w.ph.wait_records(2, "b")
        expect_equal([j["paused"] for j in w.ph.json("show", "jobs")["job"]], [True], "2 of 10 are")
        w.inject(2, "spam%r@gmail.test")
        w.ph.wait_records(4, "b")
        w.ph.pmtactl("disable", "source", f"{w.net}.200", "held.test/va")
        w.ph.kill_daemon("deliverd")
        subject, of_vmta = "job j1, bad-mailbox", "VirtualMTA {default}, spam-related"
        wanted = {("backoff", "held.test/{default}"), ("threshold", subject), ("threshold", of_vmta), ("disk", "spool"),
                  ("queue-age", "queues"), ("restart", "deliverd.0"), ("certificate", certs.folder + "/server.pem"),
                  ("source-disabled", f"{w.net}.200 for held.test/va")}
        found = wait_for("all alerts", lambda: wanted <= set(a := alerts(w)) and a, 40)
        expect("2 of 10 delivered (20.00 %)" in found["threshold", subject]["text"], f"{found['threshold', subject]}")
        expect_equal({a["state"] for a in found.values()}, {"raised"}, "states")
        # ---- of a VirtualMTA it was only told, and both are among the rates, the worst first
        expect(found["threshold", of_vmta]["text"].startswith("2 of 1"), f"{found['threshold', of_vmta]}")
        expect(not any(v["held"] for v in w.ph.json("show", "vmtas")["vmta"]), "action=warn held a VirtualMTA")
        rates = w.ph.json("show", "rates")["rate"]
        expect_equal({(r["of"], r["name"], r["category"], r["count"], r["alert"]) for r in rates},
                     {("job", "j1", "bad-mailbox", 2, True), ("vmta", "{default}", "spam-related", 2, True)}, "rates")
        expect_equal((rates[0]["percent"], rates[0]["allowed"]), ("20.00", "10.00"), "of the worst")
        expect_equal(len(w.ph.json("show", "rates", "spam-related")["rate"]), 1, "rates of one category")
        expect_equal(w.ph.json("show", "rates", "--maxitems=1")["rate"], rates[:1], "the worst only")
        expect("j1" in w.ph.pmtactl("show", "rates").stdout, "rates as text")
        # ---- a source that is used again
        w.ph.pmtactl("enable", "source", f"{w.net}.200", "held.test/va")
        expect_equal(alerts(w)["source-disabled", f"{w.net}.200 for held.test/va"]["state"], "ended", "the source")
        w.ph.pmtactl("set", "queue", "--mode=normal", "held.test")
        expect_equal(alerts(w)["backoff", "held.test/{default}"]["state"], "ended", "back-off is over")
        w.ph.pmtactl("set", "queue", "--mode=backoff", "held.test")
        again = alerts(w)["backoff", "held.test/{default}"]
        expect_equal((again["state"], again["count"]), ("raised", 2), "the same alert once more")
        expect("threshold" in w.ph.pmtactl("show", "alerts").stdout, "as text")
        wait_for("mail about them", lambda: any(a.rcpt == "operator@gmail.test" for a in w.mx.log()), 40)
        # what came after the first telling comes with the next, a minute later
        wait_for("the command was told", lambda: os.path.exists(w.folder + "/alerts/told")
                 and "threshold " + subject in open(w.folder + "/alerts/told").read(), 100)
        expect_equal(metrics(w)["posthaste_alerts"], len([a for a in alerts(w).values() if a["state"] == "raised"]),
                     "the metric")
        # with the cause gone
        w.ph.write_config(w.config.replace("alert-disk-free 100", "alert-disk-free 0").replace("age 1s", "age never"))
        w.ph.pmtactl("reload")
        wait_for("disk and age are over", lambda: {a["state"] for k, a in alerts(w).items()
                                                   if k[0] in ("disk", "queue-age")} == {"ended"}, 40)
        expect_equal(alerts(w)["threshold", subject]["state"], "raised", "what is over its threshold after a reload")
        # ---- all of that was a change
        changes = w.ph.json("show", "changes")["change"]
        for kind, text in (("mode", "backoff"), ("source", "disabled"), ("alert", "threshold " + subject), ("alert", "disk spool: has ended"),
                           ("command", "reload"), ("command", f"disable source {w.net}.200 held.test/va"),
                           ("command", "set queue held.test backoff"), ("command", "the configuration was loaded")):
            expect(any(c["type"] == kind and text in c["text"] for c in changes), f"{kind} {text!r} is not among {changes}")
        expect("disable source" in w.ph.pmtactl("show", "changes").stdout, "changes as text")
        w.ph.pmtactl("delete", "--jobId=j1")
        # ---- accounting that cannot be written, until it can
        acct = w.ph.folder + "/acct"
        mode = os.stat(acct).st_mode
        os.chmod(acct, 0o500)
        told = subprocess.run([PMTACTL, "-c", w.ph.config_path, "rotate", "acct"], capture_output=True, text=True)
        expect(told.returncode == 1 and "Permission denied" in told.stderr, f"rotate acct said {told}")
        w.inject(1, "late@gmail.test")
        wait_for("the alert", lambda: alerts(w).get(("accounting", "acctd"), {}).get("state") == "raised", 40)
        expect_equal(metrics(w)["posthaste_acct_blocked"], 1, "the metric of accounting")
        expect_equal([metrics(w)[f'posthaste_bounces_by_category_total{{category="{c}"}}'] for c in ("bad-mailbox", "spam-related")],
                     [2, 2], "bounces by category")
        expect(metrics(w)["posthaste_queue_oldest_seconds"] >= 1, "the age of the oldest")
        os.chmod(acct, mode)
        wait_for("its end", lambda: alerts(w)["accounting", "acctd"]["state"] == "ended", 40)
        # ---- what changed is known after a restart, in its order, and more is added to it
        before = w.ph.json("show", "changes")["change"]
        w.ph.kill_daemon("queued")
        wait_for("queued is back", lambda: w.ph.pmtactl("pause", "queue", "later.test", check=False).returncode == 0, 40)
        after = w.ph.json("show", "changes", "--maxitems=1000")["change"]
        expect(after[-len(before):] == before, f"changes before {before} and after a restart {after}")
        expect(any("pause queue later.test" in c["text"] for c in after[:-len(before)]), f"{after[:3]}")
        w.ph.audit()
    shutil.rmtree(certs.folder, ignore_errors=True)


main()
