# starts early
"""Limits that stack, as the receiver sees them: every window of what mxsim recorded, and what survives a crash."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from mxsim import densest  # noqa: E402
from posthaste import DOMAIN, World  # noqa: E402

POLICY = """\
port {mx_port}
name-server {net}.53:{dns_port}
provider gmail.test { mx {net}.10 {net}.11; domains gmail.test googlemail.test; latency 5ms; }
provider yahoo.test { mx {net}.12; }
"""


def heaviest(events, seconds):
    """The same for (time, bytes)."""
    events, most, first, total = sorted(events), 0, 0, 0
    for t, n in events:
        total += n
        while events[first][0] + seconds * 1e6 <= t:
            total -= events[first][1]
            first += 1
        most = max(most, total)
    return most


def domain(*lines):
    return DOMAIN.replace("</domain>", "".join(f"\t{x}\n" for x in lines) + "</domain>")


def explained(w, queue):
    found = w.ph.json("explain", queue)["queue"]
    return found[0] if found else {}


def line_of(w, text):
    return 1 + next(i for i, x in enumerate(w.config.splitlines()) if x.strip() == text)


def wait_limited(w, queue, directive, line):
    """Until explain names that directive and its line, and when it ends."""
    def is_limited():
        e = explained(w, queue)
        return e.get("state") == "LIMIT" and e["directive"] == directive and e["until"] and e
    e = wait_for(f"{queue} is held by {directive}", is_limited, 20)
    expect_equal(e["line"], line_of(w, line), f"line of {directive}")
    return e


@case("max-msg-rate 83/5s: no window of five seconds at the receiver holds more, and nearly as many get through")
def messages():
    with World(policy=POLICY, domain=domain("max-msg-rate 83/5s")) as w:
        w.inject(250)
        wait_limited(w, "gmail.test/{default}", "max-msg-rate", "max-msg-rate 83/5s")
        w.mx.wait_recipients(250, 40)
        times = [a.when_us for a in w.mx.log()]
        expect(densest(times, 5) <= 83, f"{densest(times, 5)} in five seconds")
        expect(max(times) - min(times) < 17e6, f"250 took {(max(times) - min(times)) / 1e6} s")
        w.ph.audit()


@case("several rates at once, of queue, VirtualMTA and pool, hold each over its own windows")
def stacked():
    vmtas = """\
<virtual-mta v1>
	smtp-source-host {net}.2 v1.mta.test
	max-smtp-msg-rate 40/2s
</virtual-mta>
<virtual-mta v2>
	smtp-source-host {net}.3 v2.mta.test
</virtual-mta>
<virtual-mta-pool p>
	virtual-mta v1
	virtual-mta v2
	max-smtp-msg-rate 60/2s
</virtual-mta-pool>
"""
    with World(policy=POLICY, config=vmtas, domain=domain("max-msg-rate 25/1s", "virtual-mta-pool p")) as w:
        w.inject(150)
        w.inject(150, rcpts="u%r@yahoo.test")
        w.mx.wait_recipients(300, 60)
        log = w.mx.log()
        for what, chosen, n, seconds in (
                ("pool p", log, 60, 2),
                ("v1", [a for a in log if a.ehlo.startswith("v1")], 40, 2),
                ("gmail.test/v1", [a for a in log if a.ehlo.startswith("v1") and a.provider == "gmail.test"], 25, 1),
                ("yahoo.test/v2", [a for a in log if a.ehlo.startswith("v2") and a.provider == "yahoo.test"], 25, 1)):
            times = [a.when_us for a in chosen]
            expect(times, f"nothing over {what}")
            expect(densest(times, seconds) <= n, f"{what}: {densest(times, seconds)} in {seconds} s")
        w.ph.audit()


@case("max-data-volume-rate: the bytes that arrive in any window stay within it")
def volume():
    with World(policy=POLICY, domain=domain("max-data-volume-rate 100k/3s")) as w:
        w.inject(40, size=8000)
        wait_limited(w, "gmail.test/{default}", "max-data-volume-rate", "max-data-volume-rate 100k/3s")
        w.mx.wait_recipients(40, 40)
        most = heaviest([(a.when_us, a.size) for a in w.mx.log()], 3)
        expect(most <= 102400, f"{most} bytes in three seconds")
        w.ph.audit()


@case("max-connect-rate 2/3s: connections are opened no faster, and mail flows on those that are open")
def connections():
    with World(policy=POLICY, domain=domain("max-connect-rate 2/3s", "max-msg-per-connection 2")) as w:
        w.inject(10)
        wait_limited(w, "gmail.test/{default}", "max-connect-rate", "max-connect-rate 2/3s")
        w.mx.wait_recipients(10, 30)
        # two messages a connection: their times tell when it was opened
        times = sorted(a.when_us for a in w.mx.log())
        expect(densest(times, 2.9) <= 4, f"{densest(times, 2.9)} messages in a window of two connections")
        w.ph.audit()


DAILY = "max-msg-rate 12/d"


def marked(w):
    """Delivered recipients whose end is on disk."""
    r = w.ph.pmtactl("--json", "audit", check=False)
    return json.loads(r.stdout)["data"]["audit"]["delivered"]


@case("a daily limit survives kill -9 of all, of queued alone, and an orderly restart")
def daily():
    with World(policy=POLICY, domain=domain(DAILY)) as w:
        w.inject(30)
        w.mx.wait_recipients(12, 20)
        wait_limited(w, "gmail.test/{default}", "max-msg-rate", DAILY)
        # those that a crash takes back before they are marked would wait for tomorrow to come again
        wait_for("twelve are marked", lambda: marked(w) == 12)
        w.ph.kill()
        w.ph.start()
        wait_limited(w, "gmail.test/{default}", "max-msg-rate", DAILY)
        w.ph.kill_daemon("queued")
        wait_limited(w, "gmail.test/{default}", "max-msg-rate", DAILY)
        w.ph.stop()
        w.ph.start()
        e = wait_limited(w, "gmail.test/{default}", "max-msg-rate", DAILY)
        expect(time.mktime(time.strptime(e["until"], "%Y-%m-%d %H:%M:%S")) - time.time() > 82000, e["until"])
        expect_equal(w.mx.recipients(), 12, "in all")
        w.ph.audit()


@case("killed in the middle of its mail, queued never gives more than the day's limit")
def daily_chaos():
    with World(policy=POLICY, domain=domain("max-msg-rate 60/d", "max-smtp-out 4")) as w:
        w.inject(100)
        for n in (5, 20, 40):
            wait_for(f"{n} arrived", lambda n=n: w.mx.recipients() >= n, 20)
            w.ph.kill_daemon("queued")
        wait_limited(w, "gmail.test/{default}", "max-msg-rate", "max-msg-rate 60/d")
        expect(w.mx.recipients() <= 60, f"{w.mx.recipients()} in a day")
        expect(w.mx.recipients() >= 50, f"only {w.mx.recipients()}: too much was taken for used")


def break_file(path):
    with open(path, "r+b") as f:
        f.seek(30)
        c = f.read(1)
        f.seek(30)
        f.write(bytes([c[0] ^ 1]))


@case("a state/limits that is damaged or gone is said in the log, and the day's limit is taken for used up")
def daily_damaged():
    for spoil in (break_file, os.unlink):
        with World(policy=POLICY, domain=domain(DAILY)) as w:
            w.inject(5)
            w.mx.wait_recipients(5, 20)
            w.drained()
            w.ph.stop()
            spoil(w.folder + "/spool/state/limits")
            w.ph.start()
            wait_for("the log about it", lambda: "event=limits-unknown" in w.ph.said())
            w.inject(3)
            wait_limited(w, "gmail.test/{default}", "max-msg-rate", DAILY)
            expect_equal(w.mx.recipients(), 5, "in all")


COLD = """\
<virtual-mta warm>
	smtp-source-host {net}.2 warm.mta.test
	cold-virtual-mta cold1
	cold-virtual-mta cold2
</virtual-mta>
<virtual-mta-pool pool>
	virtual-mta member
	cold-virtual-mta cold3
</virtual-mta-pool>
<virtual-mta member>
	smtp-source-host {net}.6 member.mta.test
</virtual-mta>
<virtual-mta cold3>
	smtp-source-host {net}.5 cold3.mta.test
</virtual-mta>
<virtual-mta cold1>
	smtp-source-host {net}.3 cold1.mta.test
</virtual-mta>
<virtual-mta cold2>
	smtp-source-host {net}.4 cold2.mta.test
</virtual-mta>
"""


def by_ehlo(w):
    found = {}
    for a in w.mx.log():
        found[a.ehlo.split(".")[0]] = found.get(a.ehlo.split(".")[0], 0) + 1
    return found


@case("cold-virtual-mta: the first messages of a day and domain go over cold ones in turn; a crash forgets none")
def cold():
    with World(policy=POLICY, config=COLD, domain=domain("max-cold-virtual-mta-msg 3/d,5/day")) as w:
        w.inject(4, headers=("x-virtual-mta: warm",))
        w.inject(2, rcpts="u%r@yahoo.test", headers=("x-virtual-mta: warm",))
        w.mx.wait_recipients(6)
        expect_equal(by_ehlo(w), {"cold1": 3, "cold2": 3}, "after six")
        w.drained()
        w.ph.kill()
        w.ph.start()
        w.inject(10, headers=("x-virtual-mta: warm",))
        w.mx.wait_recipients(16)
        expect_equal(by_ehlo(w), {"cold1": 4, "cold2": 4, "warm": 8}, "after sixteen")
        w.inject(5, headers=("x-virtual-mta: pool",))
        w.mx.wait_recipients(21)
        expect_equal(by_ehlo(w), {"cold1": 4, "cold2": 4, "cold3": 3, "warm": 8, "member": 2}, "of the pool")
        w.drained()
        w.ph.audit()


@case("what waits for a cold VirtualMTA still goes over it after a restart")
def cold_restart():
    with World(policy=POLICY.replace("{net}.12", "{net}.12!"), config=COLD,
               domain=domain("max-cold-virtual-mta-msg 1/d")) as w:
        w.inject(4, rcpts="u%r@yahoo.test", headers=("x-virtual-mta: warm",))
        before = wait_for("all queues", lambda: len(q := queues(w)) == 3 and q)
        w.ph.kill()
        w.ph.start()
        wait_for("the same queues", lambda: queues(w) == before, 20)
        expect_equal(before, {"yahoo.test/cold1": 1, "yahoo.test/cold2": 1, "yahoo.test/warm": 2}, "queues")


def queues(w):
    return {q["name"]: int(q["rcp"]) for q in w.ph.json("show", "queues").get("queue", []) if int(q["rcp"]) > 0}


def first_to_arrive(may_interrupt_transfer):
    """A slow transfer has the only connection when mail of higher priority comes: the providers in the order of arrival."""
    slow = POLICY.replace("mx {net}.12;", "mx {net}.12; extensions 8bitmime; delay data always 4s;")
    priorities = "<domain gmail.test>\n\tqueue-priority 80\n</domain>\n"
    more = domain(f"allow-priority-interruption-during-transfer {may_interrupt_transfer}")
    with World(policy=slow, config="total-max-smtp-out 1\n" + priorities, domain=more) as w:
        w.inject(1, rcpts="u%r@yahoo.test")
        wait_for("it is being sent", lambda: w.mx.provider("yahoo.test")["commands"].get("data"), 10)
        w.inject(1)
        w.mx.wait_recipients(2, 40)
        w.drained()
        w.ph.audit()
        expect_equal(w.mx.stats()["duplicates"], 0, "duplicates")
        return [a.provider for a in w.mx.log()]


@case("allow-priority-interruption-during-transfer: mail of higher priority does not wait for the end of another's")
def interruption():
    expect_equal(first_to_arrive("yes"), ["gmail.test", "yahoo.test"], "with yes")
    expect_equal(first_to_arrive("no"), ["yahoo.test", "gmail.test"], "with no")


if __name__ == "__main__":
    main()
