"""What a name server may say, odd and hostile answers too, and what becomes of the mail."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from dnssim import Dnssim  # noqa: E402
from posthaste import DNS_PORT, World  # noqa: E402

POLICY = "port {mx_port}\nprovider x.test { mx {net}.10; domains x.test y.test; }\n"


class Dns:
    """A world whose name server says `zone`; "{net}" in it is the world's network."""

    def __init__(self, zone):
        self.world = World(policy=POLICY, start=False)

        def put(v):
            return [put(x) for x in v] if isinstance(v, list) else v if callable(v) else self.world.fill(v)
        self.zone = {k: put(v) for k, v in zone.items()}

    def __enter__(self):
        self.sim = Dnssim(f"{self.world.net}.53", DNS_PORT, self.zone).__enter__()
        self.world.__enter__()
        self.world.ph.start()
        return self

    def __exit__(self, *args):
        try:
            self.world.__exit__(*args)
        finally:
            self.sim.__exit__()

    def delivered(self, n=1, rcpts="u%r@x.test"):
        self.world.inject(n, rcpts)
        self.world.mx.wait_recipients(n)
        self.world.conserve()

    def bounced(self, status):
        self.world.inject(1, "u%r@x.test")
        record = self.world.ph.wait_records(1, "b")[0]
        expect(record["dsnStatus"].startswith(status), f"bounced with {record['dsnStatus']}, wanted {status}")
        return record

    def deferred(self, status="4.4.3"):
        self.world.inject(1, "u%r@x.test")
        record = self.world.ph.wait_records(1, "tq", 60)[0]
        expect(record["dsnStatus"].startswith(status), f"deferred with {record['dsnStatus']}, wanted {status}")
        expect_equal(self.world.ph.final_records(), [], "final records")


@case("a null MX bounces at once with 5.1.10")
def null_mx():
    with Dns({"x.test MX": "0 ."}) as d:
        d.bounced("5.1.10")


@case("SERVFAIL, REFUSED, NOTIMP and FORMERR are temporary")
def server_failures():
    for word in ("SERVFAIL", "REFUSED", "NOTIMP", "FORMERR"):
        with Dns({"x.test MX": word}) as d:
            d.deferred()


@case("garbage, names that point at themselves and answers to other questions are temporary")
def nonsense():
    for word in ("LOOP", "GARBAGE", "OTHER"):
        with Dns({"x.test MX": word, "x.test A": "SERVFAIL", "x.test AAAA": "SERVFAIL"}) as d:
            d.deferred()


@case("an MX host without address does not fall back to the domain's own address")
def mx_without_address():
    with Dns({"x.test MX": "10 mx.x.test", "x.test A": "{net}.10"}) as d:
        d.world.inject(1, "u%r@x.test")
        record = wait_for("a record", lambda: d.world.ph.records("b") or d.world.ph.records("tq"))[0]
        expect(record["dsnStatus"][:5] in ("5.4.4", "5.1.2", "4.4.4"), record["dsnStatus"])
        expect_equal(d.world.mx.recipients(), 0, "recipients at the domain's own address")


@case("a domain that is an alias uses the other's MX, and the envelope keeps its name")
def alias():
    with Dns({"x.test CNAME": "y.test", "y.test MX": "10 mx.y.test", "mx.y.test A": "{net}.10"}) as d:
        d.delivered()
        expect_equal({a.rcpt.split("@")[1] for a in d.world.mx.log()}, {"x.test"}, "domains of the recipients")


@case("aliases without end are temporary")
def alias_loop():
    with Dns({"x.test CNAME": "y.test", "y.test CNAME": "x.test"}) as d:
        d.deferred()


@case("a thousand MX records come over TCP and the first that has an address is used")
def many_mx():
    with Dns({"x.test MX": "x1000", "m0.x.test A": "{net}.10"}) as d:
        d.delivered()


@case("an MX host with 2,000 addresses is bounded, and one that answers is found")
def many_addresses():
    with Dns({"x.test MX": ["10 mx.x.test", "20 mx2.x.test"], "mx.x.test A": ["{net}.10"] * 2000,
              "mx2.x.test A": "{net}.10"}) as d:
        d.delivered()


@case("preferences of 0 and 65535 and repeated hosts are in order")
def odd_preferences():
    with Dns({"x.test MX": ["65535 b.x.test", "0 a.x.test", "0 a.x.test"], "a.x.test A": "{net}.10",
              "b.x.test A": "{net}.99"}) as d:
        d.delivered()


@case("TTLs of zero, 2^31-1 and above are served")
def odd_ttls():
    for ttl in ("0", "2147483647", "4294967295"):
        with Dns({"x.test MX": f"10 mx.x.test @{ttl}", "mx.x.test A": f"{{net}}.10 @{ttl}"}) as d:
            d.delivered(3)


@case("a truncated answer is asked for over TCP; where that fails too it is temporary")
def truncated():
    with Dns({"x.test MX": "TC", "x.test MX tcp": "10 mx.x.test", "mx.x.test A": "{net}.10"}) as d:
        d.delivered()
    with Dns({"x.test MX": "TC", "x.test MX tcp": "SERVFAIL"}) as d:
        d.deferred()


@case("a domain that did not exist is found once its time in the cache is over or it is cleared")
def negative_cache():
    seen = []

    def mx(name, kind, tcp):
        seen.append(name)
        return "NXDOMAIN" if len(seen) == 1 else "10 mx.x.test"
    with Dns({"x.test MX": mx, "mx.x.test A": "{net}.10"}) as d:
        d.bounced("5.1.2")
        d.world.ph.pmtactl("clear", "dnscache", "x.test")
        _, acks = d.world.inject(1, "v%r@x.test")
        d.world.mx.wait_recipients(1)
        wait_for("the record", lambda: d.world.ph.records("d"))


@case("one question serves all the mail of a domain")
def one_flight():
    with Dns({"x.test MX": "10 mx.x.test", "mx.x.test A": "{net}.10"}) as d:
        d.delivered(200)
        expect(d.sim.asked["x.test MX"] == 1, f"asked {d.sim.asked['x.test MX']} times")


@case("mail to an address literal goes there without a question")
def address_literal():
    with Dns({}) as d:
        d.world.mx.reload(d.world.fill(POLICY.replace("{ mx {net}.10", "{ accept-any; mx {net}.10")))
        with d.world.ph.client() as s:
            s.sendmail("a@inject.test", [d.world.fill("b@[{net}.10]")], b"X-Id: l\r\n\r\nx\r\n")
        d.world.mx.wait_recipients(1)
        expect_equal(dict(d.sim.asked), {}, "questions")


@case("where the first name server is dead the second is asked and mail arrives")
def dead_server():
    with World(start=False) as w:
        w.ph.write_config(w.config.replace("name-server ", w.fill("name-server {net}.54:{dns_port}\nname-server "), 1))
        w.ph.start()
        w.inject(20)
        w.mx.wait_recipients(20)
        w.conserve()


if __name__ == "__main__":
    main()
