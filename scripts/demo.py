#!/usr/bin/python3
"""make demo: a private Posthaste, five simulated mailbox providers with their own name server, 2,000 messages.

demo.py BUILD [MESSAGES]. Everything happens on loopback addresses and in one folder, which is kept."""
import collections
import csv
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT + "/tests/lib")
os.environ["PH_BUILD"] = os.path.abspath(sys.argv[1])
import posthaste  # noqa: E402

MESSAGES = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
LIMIT_S = 100
VMTAS = ("transactional", "news-a", "news-b")
DOMAINS = ("gmail.test", "yahoo.test", "outlook.test", "gmx.test", "web.test")
POLICY = """\
port {mx_port}
name-server {net}.53:{dns_port}

# many messages a connection, some users unknown, TLS
provider gmail.test {
	mx {net}.10 {net}.11
	tls yes
	latency 5ms
	reply rcpt 2% "550 5.1.1 The email account that you tried to reach does not exist."
	max-connections 12 "421 4.7.28 Too many connections from your address"
}
# turns away connections above five and is slow
provider yahoo.test {
	mx {net}.12 {net}.13
	latency 15ms
	max-connections 5 "421 4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume"
	reply dot 2% "451 4.3.2 Internal error reading data"
}
# two hosts of equal preference, loses a connection now and then
provider outlook.test {
	mx {net}.14@10 {net}.15@10
	tls yes
	latency 8ms
	drop dot 1%
	reply rcpt 1% "550 5.5.0 Requested action not taken: mailbox unavailable"
}
# greylists
provider gmx.test {
	mx {net}.16
	extensions 8bitmime size
	greylist 2s "450 4.2.0 Greylisted, please try again later"
}
# where the reports of bounces go
provider demo.test {
	mx {net}.20
}
# its first host is down
provider web.test {
	mx {net}.18! {net}.17
	extensions pipelining 8bitmime size=50000000
	latency 5ms
	reply mail 3% "452 4.2.1 too busy"
}
"""


def say(text=""):
    print(text, flush=True)


def start_injecting(world):
    """One injector for each VirtualMTA, at the same time."""
    share = [MESSAGES // 3 + (1 if i < MESSAGES % 3 else 0) for i in range(3)]
    rcpts = ",".join(f"user%r@{d}" for d in DOMAINS)
    return [world.start_inject(n, rcpts, sessions=4, size=4096, headers=(f"x-virtual-mta: {v}", f"x-job: demo-{v}"),
                               more=("-f", f"{v}@demo.test"))
            for v, n in zip(VMTAS, share)]


def numbers(world):
    """What the server counts: accepted, delivered, bounced, queued."""
    ledger = world.ph.json("show", "ledger")["ledger"]
    return {k: ledger[k] for k in ("accepted", "delivered", "bounced", "expired", "queued")}


def progress(world, began, is_over):
    n = numbers(world)
    mx = world.mx.stats()
    line = (f"{time.monotonic() - began:5.1f} s   accepted {n['accepted']:5}   delivered {n['delivered']:5}   "
            f"bounced {n['bounced'] + n['expired']:4}   queued {n['queued']:5}   connections {mx['connections']:3}")
    end = "\n" if is_over or not sys.stdout.isatty() else ""
    print(("\r" if sys.stdout.isatty() else "") + line, end=end, flush=True)
    return n


def watch(world, injectors, began):
    """Until all is injected and nothing is queued."""
    while True:
        busy = any(p.poll() is None for p in injectors)
        n = numbers(world)
        if not busy and n["queued"] == 0:
            break
        if time.monotonic() - began > LIMIT_S:
            say("\nthe time is over; what is left stays in the spool")
            break
        progress(world, began, False)
        time.sleep(0.2 if sys.stdout.isatty() else 2)
    return progress(world, began, True)


def summary(records):
    """Rows of provider and VirtualMTA with the number of records of each type."""
    table = collections.defaultdict(collections.Counter)
    for r in records:
        domain = r["rcpt"].rpartition("@")[2]
        table[domain, r["vmta"]][r["type"]] += 1
    say(f"{'provider':<14} {'VirtualMTA':<14} {'delivered':>9} {'bounced':>8} {'deferrals':>9}")
    total = collections.Counter()
    for (domain, vmta), n in sorted(table.items()):
        say(f"{domain:<14} {vmta:<14} {n['d']:>9} {n['b']:>8} {n['t']:>9}")
        total += n
    say(f"{'all':<29} {total['d']:>9} {total['b']:>8} {total['t']:>9}")


def some_lines(world):
    """The header line and one record of each type."""
    path = next(p for p in sorted(os.listdir(world.folder + "/acct")) if p.endswith(".csv"))
    seen = set()
    with open(f"{world.folder}/acct/{path}", newline="", errors="replace") as f:
        lines = f.read().splitlines()
    say(lines[0])
    for line in lines[1:]:
        kind = next(csv.reader([line]))[0]
        if kind not in seen:
            seen.add(kind)
            say(line)


def protection(world):
    if os.geteuid() == 0:
        names = ", ".join(sorted({posthaste.USERS[d] for d in world.ph.daemons()} - {"root"}))
        return f"each daemon under its own user ({names}; execd keeps the right to start commands as other users)"
    return "started without root: all daemons run as one user; as root each has a user of its own"


def main():
    config = open(ROOT + "/conf/demo.conf.in").read()
    world = posthaste.World(policy=POLICY, base=config, domain="", keep="quietly")
    say(f"five providers and a name server on {world.net}.0/24, a Posthaste in {world.folder}")
    with world as w:
        say(f"{sum(len(p) for p in w.ph.daemons().values())} daemons, {protection(w)}")
        say(f"injecting {MESSAGES} messages over SMTP with three VirtualMTAs …\n")
        began = time.monotonic()
        injectors = start_injecting(w)
        n = watch(w, injectors, began)
        acked = sum(w.end_inject(p)[0]["acked"] for p in injectors)
        say(f"\n{acked} messages acknowledged, {n['delivered']} recipients delivered, {n['bounced']} bounced, "
            f"{n['expired']} expired (reports to the senders count, too)\n")
        summary(w.ph.records())
        say("\naccounting, a line of each kind:")
        some_lines(w)
        say("\npmtactl audit:")
        audit = w.ph.pmtactl("audit", check=False)
        say(audit.stdout + audit.stderr)
        stats = w.mx.stats()
        say(f"the providers' own count: {stats['recipients']} recipients, {stats['duplicates']} duplicates")
    say(f"\nall of it: {world.folder}: config, acct/ (CSV), log/, spool/, mxsim/ (what the providers saw)")
    say(f"to look around:  build/sbin/posthaste -f -c {world.folder}/config"
        f"   and   build/sbin/pmtactl -c {world.folder}/config show status")
    return audit.returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (posthaste.Failed, subprocess.SubprocessError, OSError) as e:
        sys.exit(f"demo: {e}")
