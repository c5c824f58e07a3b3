# starts early
"""Several deliverd and several signd together: limits hold over all of them as the receiver counts, every signature is
good, and one that is killed neither keeps a slot nor gives one twice."""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from mxsim import densest  # noqa: E402
from posthaste import World  # noqa: E402
from verifiers import Verifiers, make_key, signatures  # noqa: E402

POLICY = """\
port {mx_port}
name-server {net}.53:{dns_port}
provider gmail.test { mx {net}.10; latency 3ms; }
provider yahoo.test { mx {net}.11; latency 3ms; }
provider gmx.test { mx {net}.12; latency 3ms; }
provider web.test { mx {net}.13; stall mail always; }
provider aol.test { mx {net}.14; stall mail always; }
provider fr.test { mx {net}.15; stall mail always; }
"""
# v3 has no rate: what stalls would be counted by it for ever
STALLING = {"web.test": "v3", "aol.test": "v3", "fr.test": "v2"}
CONFIG = """\
delivery-processes 3
signing-processes 2
total-max-smtp-out 14
domain-key s1,inject.test,{folder}/s1.pem
<virtual-mta v1>
	smtp-source-host {net}.200 v1.inject.test
	max-smtp-out 9
	max-smtp-msg-rate 90/2s
</virtual-mta>
<virtual-mta v2>
	smtp-source-host {net}.201 v2.inject.test
</virtual-mta>
<virtual-mta v3>
	smtp-source-host {net}.202 v3.inject.test
	max-smtp-out 9
</virtual-mta>
<domain gmx.test>
	max-msg-rate 30/1s
	max-smtp-out 6
</domain>
"""
DOMAIN = """\
<domain *>
	default-smtp-port {mx_port}
	max-smtp-out 7
	max-msg-per-connection {per_connection}
	retry-after 2s
	retry-recipients-after 2s
	bounce-after 1h
	dkim-sign yes
</domain>
"""


def world(per_connection=20):
    w = World(policy=POLICY, config=CONFIG, domain=DOMAIN.replace("{per_connection}", str(per_connection)), dump=True,
              start=False)
    w.verifiers = Verifiers({"s1._domainkey.inject.test": make_key(w.folder + "/s1.pem", 1024)})
    w._start = True
    return w


def load(w, domain, vmta, n):
    return w.start_inject(n, f"{vmta}-%r@{domain}", sessions=4, size=1500, headers=(f"x-virtual-mta: {vmta}",))


def every_slot(w):
    """Are there as many connections now as the server may have, and none above the limits?"""
    providers = w.mx.stats()["providers"]
    n = {name: providers[name]["connections"] for name in STALLING}
    expect(sum(n.values()) <= 14 and max(n.values()) <= 7 and n["web.test"] + n["aol.test"] <= 9, f"connections now: {n}")
    return sum(n.values()) == 14


def held_by(w, queue):
    """The directive that explain names."""
    q = w.ph.json("explain", queue).get("queue") or [{}]
    return q[0].get("directive")


def check_limits(w):
    """As the receiver counted: connections of a queue, of a VirtualMTA, of all; messages a window of a queue and a VirtualMTA."""
    s = w.mx.stats()
    for name, most in (("gmail.test", 7), ("yahoo.test", 7), ("gmx.test", 6)):
        expect(s["providers"][name]["connections_max"] <= most, f"{name}: {s['providers'][name]['connections_max']} connections")
    expect(s["connections_max"] <= 14, f"{s['connections_max']} connections in all")
    log = w.mx.log()
    v1 = densest([a.when_us for a in log if a.ehlo.startswith("v1")], 2)
    gmx = densest([a.when_us for a in log if a.provider == "gmx.test"], 1)
    expect(v1 <= 90, f"{v1} messages of v1 in two seconds")
    expect(gmx <= 30, f"{gmx} messages to gmx.test in one second")


def check_signatures(w):
    for a in w.mx.log():
        message = w.mx.message(a)
        expect_equal(w.verifiers.by_opendkim(message), [True], f"opendkim of {a.id}")
        expect_equal([t["s"] for t in signatures(message)], ["s1"], f"signatures of {a.id}")


def connections(w):
    return sum(p["connections"] for p in w.mx.stats()["providers"].values())


def context_switches(pid):
    return sum(int(x.split()[1]) for x in open(f"/proc/{pid}/status") if "ctxt_switches" in x)


@case("three deliverd and two signd: limits of queue, VirtualMTA and server are the receiver's, and every signature is good")
def limits():
    with world() as w:
        pids = w.ph.daemons()["deliverd"] + w.ph.daemons()["signd"]
        expect_equal(len(pids), 5, "processes deliverd and signd")
        before = {p: context_switches(p) for p in pids}
        for job in [load(w, "gmail.test", "v1", 150), load(w, "yahoo.test", "v1", 100), load(w, "gmx.test", "v2", 120)]:
            w.end_inject(job)
        for queue, by in (("gmx.test/v2", "max-msg-rate"), ("gmail.test/v1", "max-smtp-msg-rate")):
            wait_for(f"{queue} is held by {by}", lambda queue=queue, by=by: held_by(w, queue) == by)
        w.mx.wait_recipients(370)
        check_limits(w)
        check_signatures(w)
        for pid in pids:
            expect(context_switches(pid) > before[pid] + 20, f"process {pid} had nothing to do")
        w.conserve()


@case("a deliverd that is killed, while it sends and while its connections wait, leaks no slot of any limit and frees none twice")
def killed():
    with world(per_connection=2) as w:
        jobs, cut = [load(w, "gmail.test", "v1", 150), load(w, "yahoo.test", "v2", 150)], 0
        for n in (30, 90):
            wait_for(f"{n} came", lambda n=n: w.mx.recipients() >= n)
            w.ph.kill_daemon("deliverd")
            cut += 7 + 7  # max-smtp-out of both queues, if the dead one had all of them
        for job in jobs:
            w.end_inject(job)
        w.mx.wait_recipients(300)
        for domain, vmta in STALLING.items():
            w.end_inject(load(w, domain, vmta, 200))
        for _ in range(4):
            wait_for("every slot is used, and no more", lambda: every_slot(w))
            for domain, vmta in STALLING.items():
                expect_equal(w.ph.json("explain", f"{domain}/{vmta}")["queue"][0]["state"], "LIMIT", domain)
            w.ph.kill_daemon("deliverd")
            # the kernel has closed what it had; mxsim may learn of it after it has met the next one
            wait_for("the dead one's are gone", lambda: connections(w) <= 14)
        w.mx.reload(w.fill(POLICY.replace(" stall mail always;", "")))
        for pid in w.ph.daemons()["deliverd"]:
            os.kill(pid, signal.SIGKILL)
        # what was between a reply and its report is sent again: no more than the connections that died could take, two each
        w.conserve(may_repeat=2 * (cut + 14))


if __name__ == "__main__":
    main()
