"""What replies cause: back-off, waits, sources, re-routing; seen at the provider, in the records and by pmtactl."""
import email
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BUILD, World  # noqa: E402

TOP = "port {mx_port}\nname-server {net}.53:{dns_port}\n"
FIVE = TOP + """provider gmail.test {
	mx {net}.10
	latency 5ms
	max-connections 5 "421 4.7.0 Too many concurrent connections, try again later"
}
provider ops.test { mx {net}.11; }
"""


def domain(text, start="\tmax-smtp-out 20\n\tretry-after 2s\n\tretry-recipients-after 2s\n"):
    return "<domain *>\n\tdefault-smtp-port {mx_port}\n\tbounce-after 1h\n" + start + text + "</domain>\n"


class Watch:
    """What the provider saw, a line a look: (time before, refusals, time after)."""

    def __init__(self, w, name="gmail.test"):
        self.w, self.name, self.seen = w, name, []

    def look(self):
        before = time.monotonic()
        p = self.w.mx.provider(self.name)
        self.seen.append((before, p["connections_refused"], time.monotonic()))
        return p

    def refused_in(self, seconds):
        """The most refusals in any such time that begins after the first of them."""
        first = next((s for s in self.seen if s[1] > 0), None)
        looks = [s for s in self.seen if first is not None and s[0] > first[2] + 0.5]
        return max((b[1] - a[1] for i, a in enumerate(looks) for b in looks[i:] if b[2] - a[0] <= seconds), default=0)


def until_all_came(w, watch, n, seconds=90):
    def came():
        return watch.look()["recipients"] >= n
    wait_for(f"{n} recipients", came, seconds)


@case("421 4.7.0 above five connections: retry-after CODE makes the queue wait, probe with one connection, and recover")
def retry_after_code():
    with World(policy=FIVE, domain=domain("\tretry-after 421 4.7.0 2s\n")) as w:
        watch = Watch(w)
        job = w.start_inject(1500, "u%r@gmail.test", sessions=5, size=1024)
        wait_for("the first refusal", lambda: watch.look()["connections_refused"] > 0, 30)
        said = wait_for("explain tells of the reply", lambda: held_by_reply(w), 20)
        expect("Too many concurrent" in said["concurrency"], said)
        w.end_inject(job)
        until_all_came(w, watch, 1500)
        first, most = watch.look(), watch.refused_in(1.9)
        expect(first["connections_max"] <= 25, f"{first['connections_max']} connections at a time")
        expect(most <= 5, f"{most} refused within one waiting time: that is hammering; {watch.seen}")
        w.conserve()


def held_by_reply(w):
    q = w.ph.json("explain", "gmail.test")["queue"][0]
    return q if q.get("concurrency") else None


@case("while a provider refuses every connection with 421 no more come than one in each retry time; then all mail is delivered")
def refused_throughout():
    policy = TOP + 'provider gmail.test { mx {net}.10; reply connect always "421 4.7.0 Too many concurrent connections"; }\n'
    with World(policy=policy, domain=domain("\tretry-after 421 4.7.0 1s\n")) as w:
        w.inject(60)
        q = wait_for("the queue waits", lambda: state(w, "gmail.test", "RETRY"))
        expect_equal((q["directive"], q["line"]), ("retry-after", 1 + w.config.splitlines().index("\tretry-after 421 4.7.0 1s")), q)
        expect(q["until"], q)
        wait_for("no connection is left", lambda: w.mx.provider("gmail.test")["connections"] == 0)
        began = time.monotonic()
        before = w.mx.provider("gmail.test")["connections_total"]
        wait_for("six more", lambda: w.mx.provider("gmail.test")["connections_total"] >= before + 6, 60)
        came = w.mx.provider("gmail.test")["connections_total"] - before
        expect(came <= time.monotonic() - began + 1, f"{came} connections in {time.monotonic() - began} s")
        w.mx.reload(w.fill(FIVE))
        w.mx.wait_recipients(60)
        w.conserve()


@case("the same by smtp-pattern-list: backoff with its own limit and interval, a notice at entry and exit, and back")
def pattern_backoff():
    rules = """<smtp-pattern-list replies>
	reply /421 4\\.7\\.0.*too many/ mode=backoff,defer-queue,backoff-to-normal-after=6s
</smtp-pattern-list>
"""
    settings = """	smtp-pattern-list replies
	backoff-max-smtp-out 4
	backoff-retry-after 1s
	backoff-notify ops@ops.test
"""
    with World(policy=FIVE, config=rules, domain=domain(settings), dump=True) as w:
        watch = Watch(w)
        job = w.start_inject(1500, "u%r@gmail.test", sessions=5, size=1024)
        q = wait_for("backoff", lambda: in_backoff(w), 30)
        expect("Too many concurrent" in q["modeBy"], q)
        expect_equal((q["modeDirective"], q["modeFile"], q["modeLine"] > 0), ("reply", w.ph.config_path, True), "by")
        shown = w.ph.pmtactl("show", "queues", "--mode=backoff", "--mode-events").stdout
        expect("gmail.test/{default}" in shown and "mode backoff: 421" in shown, shown)
        expect("gmail.test" not in w.ph.pmtactl("show", "queues", "--mode=normal").stdout, "shown as normal")
        w.end_inject(job)
        until_all_came(w, watch, 1500)
        wait_for("normal again", lambda: not in_backoff(w), 20)
        notices = wait_for("two notices", lambda: len(n := [a for a in w.mx.log() if a.rcpt == "ops@ops.test"]) >= 1
                           and n, 20)
        text = email.message_from_bytes(w.mx.message(notices[0]))
        expect_equal((notices[0].sender, text["Auto-Submitted"]), ("", "auto-generated"), "a notice")
        expect("Queue gmail.test/{default} is in backoff mode" in text["Subject"].replace("\r\n", ""), text["Subject"])
        expect("Too many concurrent connections" in text.get_payload(), text.get_payload())
        w.drained()
        w.ph.audit()


def in_backoff(w, name="gmail.test"):
    q = w.ph.json("explain", name).get("queue") or [{}]
    return q[0] if q[0].get("mode") == "backoff" else None


@case("a refusing operator's mailbox makes no storm of notices about itself")
def notices_do_not_loop():
    rules = "<smtp-pattern-list replies>\n\treply /not now/ mode=backoff,backoff-to-normal-after=1s\n</smtp-pattern-list>\n"
    settings = "\tsmtp-pattern-list replies\n\tbackoff-notify ops@gmail.test\n\tbackoff-retry-after 1s\n"
    policy = TOP + 'provider gmail.test { mx {net}.10; reply mail first:6 "421 4.7.0 not now"; }\n'
    start = "\tmax-smtp-out 1\n\tretry-after 1s\n\tretry-recipients-after 1s\n"
    with World(policy=policy, config=rules, domain=domain(settings, start)) as w:
        w.inject(1, "u@gmail.test")
        w.mx.wait_recipients(2)
        w.drained()
        notices = [a for a in w.mx.log() if a.rcpt == "ops@gmail.test"]
        expect(1 <= len(notices) <= 2, f"{len(notices)} notices")
        w.ph.audit()


SOURCES = """<virtual-mta v>
	smtp-source-host {net}.200 one.posthaste.test
	smtp-source-host {net}.201 two.posthaste.test
</virtual-mta>
"""


@case("a reply disables the source address; the other one goes on; commands show, enable and disable it")
def sources():
    rules = "<smtp-pattern-list replies>\n\treply /your address/ disable-source-ip,reenable-after=1h\n</smtp-pattern-list>\n"
    settings = "\tsmtp-pattern-list replies\n\treenable-source-ip-after 2h\n\tlog-disabled-ips yes\n"
    policy = TOP + 'provider gmail.test { mx {net}.10; reply connect first:1 "421 4.7.1 your address is not welcome"; }\n'
    start = "\tmax-smtp-out 1\n\tmax-msg-per-connection 1\n\tretry-after 1s\n\tretry-recipients-after 1s\n"
    with World(policy=policy, config=SOURCES + rules, domain=domain(settings, start)) as w:
        w.inject(6, "u%r@gmail.test", headers=["x-virtual-mta: v"])
        w.mx.wait_recipients(6)
        one, two = f"{w.net}.200", f"{w.net}.201"
        off = w.ph.json("show", "disabled", "sources")["source"]
        expect_equal([(s["queue"], s["by"]) for s in off], [("gmail.test/v", "421 4.7.1 your address is not welcome")],
                     "disabled")
        bad, good = off[0]["ip"], two if off[0]["ip"] == one else one
        expect_equal({a.peer for a in w.mx.log()}, {good}, "sources used")
        expect(f"event=source-disabled queue=gmail.test/v source={bad}" in w.ph.said(), "log-disabled-ips")
        expect_equal({s["ip"] for s in w.ph.json("explain", "gmail.test/v")["queue"][0]["disabledSource"]}, {bad}, "explain")
        # in this order: an empty queue without a disabled source is no more
        w.ph.pmtactl("disable", "source", "--reenable-after=1h", good, "gmail.test")
        expect("Source enabled for 1 of" in w.ph.pmtactl("enable", "source", bad, "gmail.test/v").stdout, "enable")
        w.inject(3, "v%r@gmail.test", headers=["x-virtual-mta: v"])
        w.mx.wait_recipients(9)
        expect_equal({a.peer for a in w.mx.log() if a.rcpt.startswith("v")}, {bad}, "sources used after the commands")
        w.ph.pmtactl("disable", "source", bad, "*")
        w.inject(1, "z@gmail.test", headers=["x-virtual-mta: v"])
        q = wait_for("nothing to send from", lambda: state(w, "gmail.test/v", "SOURCES_DISABLED"), 10)
        expect(q["until"], f"no time in {q}")
        expect("All SMTP sources for queue gmail.test/v are now disabled." in
               w.ph.pmtactl("show", "queues", "--errors").stdout, "the event")
        w.ph.pmtactl("enable", "source", good, "gmail.test/v")
        w.mx.wait_recipients(10)
        w.conserve()


def state(w, name, wanted):
    for q in w.ph.json("explain", name).get("queue") or []:
        if q["state"] == wanted:
            return q
    return None


@case("in backoff mail goes over the VirtualMTA that backoff-reroute-to-virtual-mta names, what waits and what comes")
def rerouted():
    vmtas = """<virtual-mta a>
	smtp-source-host {net}.200 a.posthaste.test
	<domain gmail.test>
		backoff-reroute-to-virtual-mta p
	</domain>
</virtual-mta>
<virtual-mta b>
	smtp-source-host {net}.201 b.posthaste.test
</virtual-mta>
<virtual-mta c>
	smtp-source-host {net}.202 c.posthaste.test
</virtual-mta>
<virtual-mta-pool p>
	virtual-mta b
	virtual-mta c
</virtual-mta-pool>
"""
    with World(policy=TOP + "provider gmail.test { mx {net}.10; }\n", config=vmtas, domain=domain("")) as w:
        w.ph.pmtactl("pause", "queue", "gmail.test/a")
        w.inject(40, "u%r@gmail.test", headers=["x-virtual-mta: a"])
        wait_for("40 wait", lambda: sum(q["rcp"] for q in w.ph.json("show", "queues", "gmail.test/a")["queue"]) == 40)
        expect("1 of " in w.ph.pmtactl("set", "queue", "--mode=backoff", "gmail.test/a").stdout, "set queue")
        w.ph.pmtactl("resume", "queue", "gmail.test/a")
        w.inject(40, "v%r@gmail.test", headers=["x-virtual-mta: a"])
        w.mx.wait_recipients(80)
        sources = [a.peer for a in w.mx.log()]
        expect_equal({s: sources.count(s) for s in set(sources)}, {f"{w.net}.201": 40, f"{w.net}.202": 40}, "sources")
        expect("0 of " not in w.ph.pmtactl("set", "queue", "--mode=normal", "gmail.test/a").stdout, "set queue")
        w.inject(10, "w%r@gmail.test", headers=["x-virtual-mta: a"])
        w.mx.wait_recipients(90)
        expect_equal({a.peer for a in w.mx.log() if a.rcpt.startswith("w")}, {f"{w.net}.200"}, "normal again")
        w.conserve()


@case("skip-mx: what one host refuses for good the next one takes; bounce-queue and bounce-rcpt end what they say")
def skip_and_bounce():
    rules = """<smtp-pattern-list replies>
	reply /blocked here/ skip-mx
	reply /whole queue/ bounce-queue
	reply /mailbox is full/ bounce-rcpt
</smtp-pattern-list>
"""
    policy = TOP + """provider gmail.test { mx {net}.10; reply connect first:1 "554 5.7.1 blocked here"; }
provider yahoo.test { mx {net}.12; reply mail always "550 5.7.1 the whole queue goes"; }
provider gmx.test { mx {net}.13; reply rcpt match:full* "452 4.2.2 mailbox is full"; }
name both.test mx 10 first.both.test
name both.test mx 20 second.both.test
name first.both.test a {net}.20
name second.both.test a {net}.21
provider first { mx {net}.20; domains -; accept-any; reply rcpt always "550 5.7.1 blocked here"; }
provider second { mx {net}.21; domains -; accept-any; }
"""
    with World(policy=policy, config=rules, domain=domain("\tsmtp-pattern-list replies\n",
                                                                 "\tmax-smtp-out 2\n\tretry-after 1s\n")) as w:
        w.inject(1, "u@both.test")
        w.mx.wait_recipients(1)
        expect_equal({a.provider for a in w.mx.log()}, {"second"}, "who took it")
        w.ph.pmtactl("pause", "queue", "yahoo.test")
        w.inject(200, "u%r@yahoo.test")
        w.ph.pmtactl("resume", "queue", "yahoo.test")
        records = w.ph.wait_bounces(200)
        diag = [r["dsnDiag"] for r in records]
        expect(sum("x-pmta;bounce-queue;reply:550 5.7.1 the whole queue goes" == d for d in diag) >= 100, diag)
        w.inject(1, "full@gmx.test")
        full = wait_for("the full one bounces", lambda: [r for r in w.ph.records("b") if r["rcpt"] == "full@gmx.test"])
        expect("452 4.2.2 mailbox is full" in full[0]["dsnDiag"], full)
        w.inject(1, "u@gmail.test")
        wait_for("it came", lambda: any(a.rcpt == "u@gmail.test" for a in w.mx.log()))
        w.drained()
        w.ph.audit()


@case("patterns that do not compile and actions that contradict each other are errors with file and line")
def errors_in_rules():
    with World(policy=TOP, start=False) as w:
        for line, said in (("reply /(/ mode=backoff", "at byte 1 of the pattern"),
                           ("reply /x/ mode=backoff,mode=normal", "contradicts"),
                           ("reply /x/ skip-mx,bounce-queue", "contradicts"),
                           ("reply /x/ reenable-after=5m", "without disable-source-ip"),
                           ("reply /x/ disable-source-ip,reenable-after=5m,reenable-after=6m", "contradicts"),
                           ("reply /x/ backoff-to-normal-after=5m", "without mode=backoff"),
                           ("reply /x/ shoot", "unknown action"),
                           ('<smtp-pattern response="421*" action="dance"/>', "dance")):
            w.ph.write_config(w.config + f"<smtp-pattern-list r>\n\t{line}\n</smtp-pattern-list>\n")
            r = subprocess.run([BUILD + "/sbin/pmtactl", "test", "config", w.ph.config_path], capture_output=True,
                               text=True, check=False)
            out = r.stdout + r.stderr
            at = w.config.count("\n") + 2
            expect(r.returncode != 0 and said in out and f":{at}:" in out, f"{line}: {out}")


if __name__ == "__main__":
    main()
