#!/usr/bin/python3
"""DANE for SMTP (RFC 7672): whose TLSA records count, what they demand, and that nothing then goes in clear. One
Posthaste; a domain with a mail exchanger of its own for each row."""
import atexit
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from authority import Authority, tlsa  # noqa: E402
from dnssim import Dnssim  # noqa: E402
from posthaste import DNS_PORT, MX_PORT, World  # noqa: E402

WRONG = "3 1 1 " + "ab" * 32
# name: TLSA records ("ee" and "ta": of the host's certificate and its authority), what the provider says of TLS, more
ROWS = {
    "right": dict(tlsa=["ee"]),
    "second": dict(tlsa=[WRONG, "ee"]),
    "wrong": dict(tlsa=[WRONG]),
    "clear": dict(tlsa=["ee"], tls="no"),
    "anchor": dict(tlsa=["ta"]),
    "renamed": dict(tlsa=["ta"], certificate="elsewhere.test"),
    "nexthop": dict(tlsa=["ta"], certificate="nexthop.test"),
    "expired": dict(tlsa=["ee"], certificate="elsewhere.test"),
    "unusable": dict(tlsa=["0 0 1 " + "ab" * 32, "1 1 1 " + "ab" * 32, "3 1 9 00"]),
    "unusableclear": dict(tlsa=["0 0 1 " + "ab" * 32], tls="no"),
    "servfail": dict(tlsa="SERVFAIL"),
    "none": dict(tlsa="NODATA", tls="no"),
    "oddmx": dict(tlsa=[WRONG], insecure=["MX"]),
    "oddhost": dict(tlsa=[WRONG], insecure=["A"]),
    "oddtlsa": dict(tlsa=[WRONG], insecure=["TLSA"]),
    "off": dict(tlsa=[WRONG], config="use-dane no"),
    "required": dict(tlsa="NODATA", tls="no", config="require-starttls yes"),
    "alias": dict(tlsa=["ee"], alias=True),
    "aliasown": dict(tlsa=["ee"], alias=True, tlsa_at="own"),
    "aliaswrong": dict(tlsa=[WRONG], alias=True),
    "hosts": dict(tlsa=[WRONG], config="smtp-hosts mx1.hosts.test"),
}


class Play:
    def __init__(self):
        self.world = w = World(policy="", start=False)
        authority = Authority(w.folder + "/ca")
        policy, config, zone, insecure = f"port {MX_PORT}\n", "", {}, set()
        for n, (name, row) in enumerate(ROWS.items()):
            host, address = f"mx1.{name}.test", f"{w.net}.{20 + n}"
            names = [row.get("certificate", host), "extra.test"]
            certificate = authority.certificate(*names)
            records = {"ee": tlsa(certificate), "ta": tlsa(authority.path, usage=2)}
            policy += (f"provider {name}.test {{ mx {address}; certificate {certificate}; tls {row.get('tls', 'yes')}; "
                       'reply mail match:never@* "250 ok"; }\n')
            zone[f"{name}.test MX"] = f"10 {host}"
            at = host
            if row.get("alias"):
                real = f"real.{name}.test"
                zone[f"{host} CNAME"], at = real, real
                if row.get("tlsa_at") == "own":
                    at = host
                zone[f"{real} A"] = address
            else:
                zone[f"{host} A"] = address
            found = row["tlsa"]
            zone[f"_{MX_PORT}._tcp.{at} TLSA"] = found if isinstance(found, str) else [records.get(r, r) for r in found]
            for kind in row.get("insecure", []):
                insecure.add({"MX": f"{name}.test MX", "A": f"{host} A",
                              "TLSA": f"_{MX_PORT}._tcp.{host} TLSA"}[kind])
            config += f"<domain {name}.test>\n\t{row.get('config', '')}\n</domain>\n"
        # two exchangers: the first has a certificate that does not fit
        good, bad = authority.certificate("mx2.two.test"), authority.certificate("mx1.two.test")
        policy += (f"provider two.test {{ mx {w.net}.80@10 {w.net}.81@20; certificate {good}; tls yes; }}\n")
        zone |= {"two.test MX": ["10 mx1.two.test", "20 mx2.two.test"], "mx1.two.test A": f"{w.net}.80",
                 "mx2.two.test A": f"{w.net}.81", f"_{MX_PORT}._tcp.mx1.two.test TLSA": tlsa(bad),
                 f"_{MX_PORT}._tcp.mx2.two.test TLSA": tlsa(good)}
        config += "<domain *>\n\tdefault-smtp-port {mx_port}\n\tretry-after 1h\n\tretry-after-dns-error 1h\n</domain>\n"
        w.mx._write(policy)
        w.ph.write_config(w.config.split("<domain *>")[0] + w.fill(config))
        self.dns = Dnssim(f"{w.net}.53", DNS_PORT, zone, insecure=insecure)
        self.dns.__enter__()
        w.__enter__()
        atexit.register(self.close)
        w.ph.start()
        for name in [*ROWS, "two"]:
            with w.ph.client() as client:
                client.sendmail("sender@posthaste.test", [f"u@{name}.test"], b"Subject: x\r\n\r\nhello\r\n")

    def close(self):
        self.world.close(False)
        self.dns.__exit__()

    def record(self, name):
        def find():
            return [r for r in self.world.ph.records() if r["rcpt"] == f"u@{name}.test"
                    or (r["queue"] or "").startswith(f"{name}.test/")]
        return wait_for(f"a record of {name}", find, 40)[0]


_play = []


def play():
    if not _play:
        _play.append(Play())
    return _play[0]


def delivered(name, tls):
    r = play().record(name)
    expect_equal(r["type"], "d", f"{name}: {r['dsnDiag']}")
    expect_equal(r["dlvTlsProtocol"] != "", tls, f"{name}: TLS ({r['dlvTlsProtocol']})")


def deferred(name, *words):
    r = play().record(name)
    expect(r["type"] in ("tq", "t") and r["dsnStatus"].startswith("4"), f"{name}: {r['type']} {r['dsnStatus']} {r['dsnDiag']}")
    for word in words:
        expect(word in r["dsnDiag"], f"{name}: {r['dsnDiag']}")
    expect_equal(play().world.mx.provider(f"{name}.test")["messages"], 0, f"{name}: messages taken")


@case("a certificate that its TLSA record names is taken, also by the second of two records")
def right():
    delivered("right", True)
    delivered("second", True)


@case("a certificate that no TLSA record names defers the mail, and nothing goes in clear")
def wrong():
    deferred("wrong", "certificate")
    expect_equal(play().world.mx.provider("wrong.test")["commands"].get("mail", 0), 0, "MAIL commands")


@case("usable records make STARTTLS mandatory")
def mandatory():
    deferred("clear", "STARTTLS")


@case("a trust anchor (usage 2) wants the exchanger's name or the domain's in the certificate, usage 3 does not")
def names():
    delivered("anchor", True)
    delivered("nexthop", True)
    delivered("expired", True)
    deferred("renamed", "certificate")


@case("records that cannot be used mean TLS with anybody")
def unusable():
    delivered("unusable", True)
    deferred("unusableclear", "STARTTLS")


@case("a host whose TLSA records cannot be had is not used; one without records is, as it is")
def failures():
    deferred("servfail")
    expect_equal(play().world.mx.provider("servfail.test")["connections_total"], 0, "connections")
    delivered("none", False)


@case("records count only where MX, address and TLSA answers are authentic")
def insecure():
    delivered("oddmx", True)
    delivered("oddhost", True)
    delivered("oddtlsa", True)
    for name in ("oddmx", "oddhost"):
        expect_equal(play().dns.asked[f"_{MX_PORT}._tcp.mx1.{name}.test TLSA"], 0, f"TLSA questions for {name}")


@case("use-dane no asks for nothing, and require-starttls holds without records")
def directives():
    delivered("off", True)
    expect_equal(play().dns.asked[f"_{MX_PORT}._tcp.mx1.off.test TLSA"], 0, "TLSA questions")
    deferred("required", "STARTTLS")


@case("an exchanger's alias is followed: records below its target first, then below its own name")
def aliases():
    delivered("alias", True)
    delivered("aliasown", True)
    deferred("aliaswrong", "certificate")


@case("hosts that the configuration names have TLSA records, too")
def hosts():
    deferred("hosts", "certificate")


@case("the next exchanger takes the mail where the first has the wrong certificate")
def next_exchanger():
    delivered("two", True)
    mx = play().world.mx.provider("two.test")["mx"]
    expect_equal((mx["mx1.two.test"]["messages"], mx["mx2.two.test"]["messages"]), (0, 1), "messages")


@case("every message is accounted for after all of it")
def audit():
    play().world.ph.audit()


if __name__ == "__main__":
    main()
