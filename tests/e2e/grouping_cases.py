"""Queues that hold the mail of several domains, and in which order it leaves."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from dnssim import Dnssim  # noqa: E402
from posthaste import DNS_PORT, DOMAIN, World  # noqa: E402

ONE = """\
port {mx_port}
name-server {net}.53:{dns_port}
provider mail.test { mx {net}.10@10 {net}.11@10; domains one.test two.test three.test; }
"""
SCHEDULES = """\
<source 127.0.0.0/8>
	process-x-schedule yes
</source>
"""


def queues(w):
    return {r["queue"] for r in w.ph.final_records()}


@case("domains with the exchangers of a roll-up list share its queue and its limits, and the records name it")
def rolled_up():
    lists = """\
<mx-rollup-list>
	mx mx1.mail.test mail.rollup
	mx mx2.mail.test mail.rollup
</mx-rollup-list>
<domain mail.rollup>
	max-smtp-out 2
</domain>
"""
    with World(policy=ONE, config=lists) as w:
        w.inject(300, "u%r@one.test,u%r@two.test,u%r@three.test", sessions=6)
        w.mx.wait_recipients(300)
        w.conserve()
        expect_equal(queues(w), {"mail.rollup/{default}"}, "queues")
        expect(w.mx.provider("mail.test")["connections_max"] <= 2, "more connections than the roll-up queue may have")
        expect_equal({r["rcpt"].split("@")[1] for r in w.ph.final_records()}, {"one.test", "two.test", "three.test"},
                     "domains of recipients")


@case("without the lists each domain has a queue of its own")
def not_rolled_up():
    with World(policy=ONE) as w:
        w.inject(30, "u%r@one.test,u%r@two.test,u%r@three.test", sessions=3)
        w.mx.wait_recipients(30)
        w.conserve()
        expect_equal(queues(w), {f"{d}.test/{{default}}" for d in ("one", "two", "three")}, "queues")


@case("queue-to merges domains in one queue, where recipients of one message share a transaction")
def queue_to():
    config = """\
<domain one.test>
	queue-to all.queue
</domain>
<domain two.test>
	queue-to all.queue
</domain>
<domain all.queue>
	smtp-hosts [{net}.11]
</domain>
"""
    with World(policy=ONE, config=config) as w:
        w.inject(20, "a%n@one.test,b%n@two.test", per_message=2, sessions=2)
        w.mx.wait_recipients(40)
        w.conserve()
        expect_equal(queues(w), {"all.queue/{default}"}, "queues")
        expect_equal(w.mx.provider("mail.test")["messages"], 20, "transactions")


@case("set priority changes who leaves first; list shows priorities")
def priorities():
    one_a_time = DOMAIN.replace("max-smtp-out 20", "max-smtp-out 1\n\tmax-msg-per-connection 1")
    with World(policy=ONE, domain=one_a_time) as w:
        w.ph.pmtactl("pause", "queue", "one.test/*")
        w.inject(5, "u%r@one.test", sessions=1, headers=["X-Job: campaign"])
        w.inject(5, "v%r@one.test", sessions=1)
        said = w.ph.pmtactl("set", "priority", "--rcpt=v*", "90").stdout
        expect("Priority of 5 recipients set." in said, said)
        refused = w.ph.pmtactl("set", "priority", "--rcpt=v*", "101", check=False)
        expect(refused.returncode != 0, "a priority of 101 is taken")
        rows = w.ph.json("list", "--priority", "--maxitems=20")["rcpt"]
        expect_equal(sorted(r["priority"] for r in rows), [50] * 5 + [90] * 5, "priorities")
        w.ph.pmtactl("resume", "queue", "one.test/*")
        w.mx.wait_recipients(10)
        w.conserve()
        came = [a.rcpt[0] for a in w.mx.log()]
        expect_equal(came, ["v"] * 5 + ["u"] * 5, "the order at the provider")


@case("precached domains are known before mail comes for them, and outlive the name server")
def precached():
    w = World(policy="port {mx_port}\nprovider x.test { mx {net}.10; }\n", start=False)
    path = w.folder + "/precache"
    with open(path, "w") as f:
        f.write("# ours\nx.test\ny.test\nz.test\n")
    w.ph.write_config(w.config + f"<dns>\nprecached-domains-file {path}\nprecached-max-domains 2\n"
                      "precached-refresh-interval 4s\n</dns>\n")
    zone = {"x.test MX": "10 mx.x.test", "mx.x.test A": w.net + ".10", "y.test MX": "10 mx.x.test"}
    sim = Dnssim(f"{w.net}.53", DNS_PORT, zone)

    def asked_least():
        return min(sim.asked[q] for q in ("x.test MX", "y.test MX", "mx.x.test A"))
    with w:
        with sim:
            w.ph.start()
            wait_for("all are asked for twice", lambda: asked_least() >= 2)
            said = w.ph.pmtactl("show", "precache").stdout
            expect("x.test" in said and "y.test" in said and "z.test" not in said, said)
        w.inject(5, "u%r@x.test")
        w.mx.wait_recipients(5)
        w.conserve()


@case("type discard sends nothing and says so in the records; discard-as-bounce makes them bounces")
def discarded():
    config = """\
<domain one.test>
	type discard
</domain>
<domain two.test>
	type discard
	discard-as-bounce yes
</domain>
"""
    with World(policy=ONE, config=config) as w:
        w.inject(200, "u%r@one.test,u%r@two.test", sessions=4)
        w.drained()
        w.ph.wait_records(100, "d")
        w.ph.wait_records(100, "b")
        w.ph.audit()
        ours = [r for r in w.ph.final_records() if r["rcpt"].endswith(("one.test", "two.test"))]
        expect_equal({r["dlvType"] for r in ours}, {"discard"}, "dlvType")
        expect_equal({(r["type"], r["rcpt"].split("@")[1]) for r in ours},
                     {("d", "one.test"), ("b", "two.test")}, "records")
        expect_equal(w.mx.log(), [], "what came to the provider")


@case("mail with x-schedule goes within its windows, and list --schedule tells them")
def scheduled():
    with World(policy=ONE, config=SCHEDULES) as w:
        now = time.time()

        def at(seconds):
            return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now + seconds))
        w.inject(3, "u%r@one.test", headers=[f"X-Schedule: {at(-3600)} / {at(-1800)}, {at(4)} / {at(600)}"])
        w.inject(3, "w%r@one.test", headers=[f"X-Schedule: {at(-3600)} / {at(-1800)}, {at(3600)} / {at(7200)}"])
        w.inject(3, "v%r@one.test")
        w.mx.wait_recipients(6)
        rows = w.ph.json("list", "--schedule", "--rcpt=w*")["rcpt"]
        expect_equal([f"{at(3600)} / {at(7200)}" in r["schedule"] for r in rows], [True] * 3, f"schedules of {rows}")
        expect_equal({a.rcpt[0] for a in w.mx.log()}, {"u", "v"}, "who came")
        w.ph.pmtactl("delete", "--rcpt=w*")
        w.conserve(bounced={rcpt for _, rcpt in w.all_acks[1].pairs()})
        early = [a for a in w.mx.log() if a.rcpt[0] == "u" and a.when_us < int(now + 4) * 1_000_000]
        expect_equal(early, [], "came too early")


if __name__ == "__main__":
    main()
