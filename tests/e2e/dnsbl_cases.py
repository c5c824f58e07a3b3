"""The watch over DNS block lists: what is a listing and what is not, and what becomes of the mail of an address that is listed."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from dnssim import Dnssim  # noqa: E402
from posthaste import DNS_PORT, World, queued_recipients  # noqa: E402

POLICY = "port {mx_port}\nprovider x.test { mx {net}.10; domains x.test; }\n"
# broken: lists the whole world, as lists do that were given up; refusing: as Spamhaus answers an open resolver
CONFIG = """
dnsbl-zone bl.test every=1s
dnsbl-zone broken.test every=1s
dnsbl-zone refusing.test every=1s
dnsbl-action hold
<virtual-mta va>
	smtp-source-host {net}.200 a.mta.test
</virtual-mta>
<virtual-mta vb>
	smtp-source-host {net}.201 b.mta.test
</virtual-mta>
"""


class Lists:
    """Name server of mail to x.test, and of three lists; what bl.test says of an address can be changed."""

    def __init__(self, net):
        self.net, self.said = net, {}
        zone = {"x.test MX": "10 mx.x.test", "mx.x.test A": f"{net}.10"}
        for last in ("200", "201"):
            zone[self.name(last, "bl.test")] = lambda *_, last=last: self.said.get(last, "NXDOMAIN")
            zone[self.name(last, "broken.test")] = "127.0.0.2 @1"
            zone[self.name(last, "refusing.test")] = ["127.255.255.254 @1", "127.0.0.4 @1"]
        zone["1.0.0.127.broken.test A"] = "127.0.0.2 @1"
        self.sim = Dnssim(f"{net}.53", DNS_PORT, zone)

    def name(self, last, zone):
        return ".".join(reversed(f"{self.net}.{last}".split("."))) + f".{zone} A"

    def n_asked(self, last, zone="bl.test"):
        return self.sim.asked[self.name(last, zone)]


def alerts(w):
    return {a["subject"]: a for a in w.ph.json("show", "alerts")["alert"] if a["kind"] == "dnsbl"}


def listed(w):
    lines = w.ph.pmtactl("show", "metrics").stdout.splitlines()
    return next(line for line in lines if line.startswith("posthaste_dnsbl_listed "))


@case("a listed address is told and held, another goes on; refusals, a broken list and a dead name server change nothing; clear, it is released")
def watch():
    w = World(policy=POLICY, config=CONFIG, start=False)
    lists = Lists(w.net)
    lists.said["200"] = ["127.0.0.10 @1", "127.0.0.4 @1"]
    with lists.sim, w:
        w.ph.start()
        subject = f"{w.net}.200 in bl.test"
        found = wait_for("the alert", lambda: alerts(w).get(subject), 30)
        expect(found["state"] == "raised" and "127.0.0." in found["text"] and "nothing is sent" in found["text"], f"{found}")
        # ---- what is no listing
        wait_for("the refusing list was asked", lambda: lists.n_asked("200", "refusing.test") > 1, 30)
        wait_for("the broken list was tried", lambda: lists.sim.asked["1.0.0.127.broken.test A"] > 1, 30)
        expect_equal(set(alerts(w)), {subject}, "alerts")
        expect_equal(listed(w), "posthaste_dnsbl_listed 1", "the metric")
        wait_for("the log about the broken list", lambda: "it lists 127.0.0.1" in w.ph.said())
        # ---- what is held, and what not
        w.inject(3, "a%r@x.test", headers=("x-virtual-mta: va",))
        w.inject(2, "b%r@x.test", headers=("x-virtual-mta: vb",))
        w.mx.wait_recipients(2)
        w.ph.wait_records(2, "d")
        expect_equal({r["vmta"] for r in w.ph.records("d")}, {"vb"}, "what was sent")
        wait_for("three wait", lambda: queued_recipients(w.ph) == 3)
        why = w.ph.json("explain", "x.test/va")["queue"][0]
        expect_equal((why["state"], why["directive"], why["file"]), ("SOURCES_DISABLED", "dnsbl-action", w.ph.config_path), f"{why}")
        row = w.ph.json("show", "disabled", "sources")["source"][0]
        expect_equal((row["ip"], row["zone"]), (f"{w.net}.200", "bl.test"), f"{row}")
        # ---- a name server that fails, a dnsd that dies
        lists.said["200"] = "SERVFAIL"
        w.ph.kill_daemon("dnsd")
        n = lists.n_asked("200")
        wait_for("asked again", lambda: lists.n_asked("200") > n, 30)
        expect_equal((alerts(w)[subject]["state"], queued_recipients(w.ph)), ("raised", 3), "with no answer")
        # ---- clear
        lists.said["200"] = "NXDOMAIN"
        lists.said["201"] = "127.0.0.2 @1"
        w.ph.pmtactl("clear", "dnscache")
        w.mx.wait_recipients(5)
        wait_for("the alert's end", lambda: alerts(w)[subject]["state"] == "ended", 30)
        # ---- the other one, and only told
        wait_for("the other", lambda: alerts(w).get(f"{w.net}.201 in bl.test"), 30)
        w.ph.write_config(w.config.replace("dnsbl-action hold", "dnsbl-action alert"))
        w.ph.pmtactl("reload")
        w.inject(2, "c%r@x.test", headers=("x-virtual-mta: vb",))
        w.mx.wait_recipients(7)
        expect_equal(listed(w), "posthaste_dnsbl_listed 1", "it is listed still")
        w.ph.write_config(w.config.replace("dnsbl-zone bl.test every=1s\n", ""))
        w.ph.pmtactl("reload")
        wait_for("no zone, no listing", lambda: listed(w) == "posthaste_dnsbl_listed 0", 30)
        w.conserve()


if __name__ == "__main__":
    main()
