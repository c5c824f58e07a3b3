"""Mail through the whole of Posthaste to simulated providers, looked at from both ends."""
import email
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main  # noqa: E402
from posthaste import DOMAIN, World  # noqa: E402

DOMAINS = ("gmail.test", "yahoo.test", "outlook.test", "gmx.test", "web.test")
EVERYWHERE = ",".join(f"u%r@{d}" for d in DOMAINS)
TRICKY = (b"From: a@inject.test\r\nX-Id: tricky\r\nSubject: =?utf-8?q?=C3=A4?=\r\n\tfolded\r\n\r\n"
          b".\r\n..\r\n.leading dot\r\n\r\n" + b"x" * 998 + b"\r\n\ttab and trailing blanks  \r\n"
          b"From me\r\n8 bit: \xc3\xa4\xff\xfe\r\n.\r\n\r\nno end of line comes after this")


def provider(text):
    """A policy with a name server, the default port and that provider."""
    return "port {mx_port}\nname-server {net}.53:{dns_port}\n" + text


@case("a message arrives to the byte, with a Received field in front and nothing else changed")
def to_the_byte():
    with World(policy=provider("provider gmail.test { mx {net}.10; }"), dump=True) as w:
        with w.ph.client() as s:
            s.ehlo("client.inject.test")
            s.sendmail("a@inject.test", ["b@gmail.test"], TRICKY, ["BODY=8BITMIME"])
        w.mx.wait_recipients(1)
        entry = w.mx.log()[0]
        got = w.mx.message(entry)
        header, sent = got[:-len(TRICKY) - 2], got[-len(TRICKY) - 2:]
        expect_equal(sent, TRICKY + b"\r\n", "the message at the provider")
        expect(header == b"" or re.fullmatch(rb"Received: [^\r\n]+\r\n(?:[ \t][^\r\n]+\r\n)*", header),
               f"in front of it: {header!r}")
        expect_equal((entry.sender, entry.rcpt), ("a@inject.test", "b@gmail.test"), "the envelope")
        expect_equal(w.mx.violations(), {}, "violations of the protocol")


@case("2,000 messages to five providers arrive once each, are accounted for, and the audit balances")
def two_thousand():
    with World() as w:
        summary, _ = w.inject(2000, EVERYWHERE, sessions=20)
        expect_equal((summary["acked"], summary["refused"]), (2000, 0), "acknowledged and refused")
        stats = w.mx.wait_recipients(2000)
        expect_equal(stats["duplicates"], 0, "duplicates")
        w.conserve()
        expect_equal(w.mx.violations(), {}, "violations of the protocol")
        used = sum(p["connections_total"] for p in w.mx.stats()["providers"].values())
        expect(used <= 400, f"{used} connections for 2,000 messages: they are not reused")


@case("several recipients of one domain go in one transaction, others in one for each domain")
def several_recipients():
    with World() as w:
        _, acks = w.inject(1, "a@gmail.test,b@gmail.test,c@gmail.test,d@yahoo.test,e@yahoo.test", per_message=5)
        expect_equal(len(acks.pairs()), 5, "recipients acknowledged")
        w.mx.wait_recipients(5)
        numbers = {}
        for a in w.mx.log():
            numbers.setdefault(a.provider, set()).add(a.number)
        expect_equal({p: len(n) for p, n in numbers.items()}, {"gmail.test": 1, "yahoo.test": 1}, "transactions")
        w.conserve()


@case("60 recipients of one message all arrive at once where the provider takes 10 at a time")
def too_many_recipients():
    policy = provider('provider gmail.test { mx {net}.10; max-recipients 10 "452 4.5.3 too many recipients"; }')
    with World(policy=policy, domain=DOMAIN.replace("after 2s", "after 1h")) as w:
        w.inject(1, ",".join(f"r{i}@gmail.test" for i in range(60)), per_message=60)
        w.mx.wait_recipients(60)
        w.conserve()


@case("greylisted mail is tried again after retry-after and arrives")
def greylisting():
    policy = provider('provider gmail.test { mx {net}.10; greylist 1s "450 4.2.0 Greylisted"; }')
    with World(policy=policy) as w:
        w.inject(20)
        w.mx.wait_recipients(20)
        w.conserve()
        deferred = w.ph.records("t")
        expect(len(deferred) >= 20, f"{len(deferred)} records t")
        expect(all("Greylisted" in r["dsnDiag"] for r in deferred), f"the reply is recorded: {deferred[0]}")
        expect(w.mx.provider("gmail.test")["greylisted"] >= 20, "the provider greylisted")


@case("a refused recipient ends in a b record with the reply, and the others of the message arrive")
def refused_recipient():
    policy = provider("provider gmail.test { mx {net}.10; refuse-rcpt bad*; domains gmail.test inject.test; }")
    with World(policy=policy) as w:
        w.inject(5, "good%n@gmail.test,bad%n@gmail.test", per_message=2)
        w.mx.wait_recipients(5)
        w.ph.wait_records(5, "b")
        for r in w.ph.records("b"):
            expect(r["rcpt"].startswith("bad") and "550 5.1.1 no such user" in r["dsnDiag"], f"record: {r}")
            expect(r["dsnStatus"].startswith("5.1.1"), f"status: {r['dsnStatus']}")


@case("the sender of bounced mail gets a report as RFC 3464 wants it, and the null sender gets none")
def report():
    policy = provider("provider gmail.test { mx {net}.10; refuse-rcpt bad*; }\n"
                      "provider inject.test { mx {net}.20; }")
    with World(policy=policy, dump=True) as w:
        with w.ph.client() as s:
            s.sendmail("sender@inject.test", ["bad@gmail.test"], b"Subject: original\r\nX-Id: o1\r\n\r\ntext\r\n")
            s.sendmail("", ["bad2@gmail.test"], b"Subject: null\r\nX-Id: o2\r\n\r\ntext\r\n")
        w.ph.wait_records(2, "b")
        w.mx.wait_recipients(1)
        w.drained()
        reports = [a for a in w.mx.log() if a.provider == "inject.test"]
        expect_equal([(a.rcpt, a.sender) for a in reports], [("sender@inject.test", "")], "reports")
        message = email.message_from_bytes(w.mx.message(reports[0]))
        expect_equal(message.get_content_type(), "multipart/report", "type")
        parts = {p.get_content_type(): p for p in message.walk()}
        expect("message/delivery-status" in parts, f"parts: {list(parts)}")
        status = parts["message/delivery-status"].as_string()
        for wanted in ("Final-Recipient: rfc822;", "bad@gmail.test", "Action: failed", "Status: 5.1.1",
                       "550 5.1.1 no such user"):
            expect(wanted in status, f"{wanted!r} is not in {status!r}")
        w.ph.audit()


@case("where STARTTLS is offered it is used, and the record tells the protocol")
def starttls():
    policy = provider("provider gmail.test { mx {net}.10; tls yes; }\nprovider yahoo.test { mx {net}.11; tls required; }")
    with World(policy=policy) as w:
        w.inject(50, "u%r@gmail.test,u%r@yahoo.test")
        w.mx.wait_recipients(50)
        expect(all(a.tls for a in w.mx.log()), "some went in clear")
        w.conserve()
        expect(all(r["dlvTlsProtocol"].startswith("TLS") for r in w.ph.records("d")), "dlvTlsProtocol")
        expect_equal(w.mx.violations(), {}, "violations of the protocol")


VMTAS = """\
smtp-source-host {net}.199 default.out.test
<virtual-mta one>
	smtp-source-host {net}.200 one.out.test
</virtual-mta>
<virtual-mta two>
	smtp-source-host {net}.201 two-a.out.test
	smtp-source-host {net}.202 two-b.out.test
</virtual-mta>
<virtual-mta-pool both>
	virtual-mta one
	virtual-mta two
</virtual-mta-pool>
"""


@case("each VirtualMTA uses its own source addresses, each with its EHLO name; the header that chose it is gone")
def source_addresses():
    # five messages a connection, so that there are connections enough for every address to have its turn
    domain = DOMAIN.replace("max-smtp-out 20", "max-smtp-out 20\n\tmax-msg-per-connection 5")
    with World(policy=provider("provider gmail.test { mx {net}.10; }"), config=VMTAS, domain=domain, dump=True) as w:
        for vmta in ("one", "two", "both"):
            w.inject(40, sessions=4, headers=(f"x-virtual-mta: {vmta}", f"x-job: job-{vmta}"))
        w.inject(10)
        w.mx.wait_recipients(130)
        names = {f"{w.net}.200": "one.out.test", f"{w.net}.201": "two-a.out.test", f"{w.net}.202": "two-b.out.test",
                 f"{w.net}.199": "default.out.test"}
        log = w.mx.log()
        for a in log:
            expect_equal(a.ehlo, names.get(a.peer), f"EHLO name of {a.peer}")
        expect_equal({a.peer for a in log}, set(names), "source addresses used")
        w.conserve()
        for r in w.ph.records("d"):
            wanted = {"one": {"one"}, "two": {"two"}, "both": {"one", "two"}}.get(r["jobId"].removeprefix("job-"))
            if wanted:
                expect(r["vmta"] in wanted, f"{r['jobId']} went over {r['vmta']}")
                expect_equal(names[r["dlvSourceIp"]][:3], r["vmta"][:3], "dlvSourceIp")
        raw = w.mx.message(log[0]).lower()
        expect(b"x-virtual-mta" not in raw and b"x-job" not in raw, "the control headers went out")


@case("when the first MX host does not answer the next one takes the mail")
def mx_failover():
    policy = provider("provider gmail.test { mx {net}.10! {net}.11,{net}.12; }")
    with World(policy=policy) as w:
        w.inject(20, sessions=2)
        w.mx.wait_recipients(20)
        w.conserve()
        expect_equal(w.mx.provider("gmail.test")["mx"]["mx2.gmail.test"]["messages"], 20, "messages at the second host")


@case("a second address of the same host is tried when the first refuses the connection")
def address_failover():
    policy = provider("provider gmail.test { mx {net}.11; }\n"
                      "name two.test mx 10 host.two.test\nname host.two.test a {net}.10\nname host.two.test a {net}.11")
    with World(policy=policy.replace("mx {net}.11;", "mx {net}.11; accept-any;")) as w:
        w.inject(20, "u%r@two.test", sessions=2)
        w.mx.wait_recipients(20)
        w.conserve()


@case("a domain without MX record gets its mail at its address; null MX, NXDOMAIN and nothing bounce at once")
def dns_forms():
    policy = provider("provider gmail.test { mx {net}.10; accept-any; }\n"
                      "name implicit.test a {net}.10\nname nullmx.test null-mx\nname nothing.test nodata\n"
                      "name alias.test cname gmail.test")
    with World(policy=policy) as w:
        rcpts = "a@implicit.test,b@alias.test,c@nullmx.test,d@no-such-domain.test"
        w.inject(4, rcpts)
        w.mx.wait_recipients(2)
        bounced = w.ph.wait_bounces(2)
        expect_equal({r["rcpt"] for r in bounced}, {"c@nullmx.test", "d@no-such-domain.test"}, "bounced")
        by_rcpt = {r["rcpt"]: r["dsnStatus"] for r in bounced}
        expect(by_rcpt["c@nullmx.test"].startswith("5.1.10"), f"null MX: {by_rcpt}")
        expect(by_rcpt["d@no-such-domain.test"].startswith("5.1.2"), f"NXDOMAIN: {by_rcpt}")


@case("SERVFAIL defers, and the mail goes when the name server answers again")
def servfail():
    policy = provider("provider gmail.test { mx {net}.10; }\n")
    with World(policy=policy + "name gmail.test servfail\n") as w:
        w.inject(5)
        w.ph.wait_records(1, "tq")
        w.mx.reload(w.fill(policy))
        w.ph.pmtactl("clear", "dnscache")
        w.ph.pmtactl("schedule", "gmail.test/*")
        w.mx.wait_recipients(5)
        w.conserve()


@case("max-smtp-out and max-msg-per-connection are kept")
def limits():
    domain = DOMAIN.replace("max-smtp-out 20", "max-smtp-out 3\n\tmax-msg-per-connection 7")
    policy = provider("provider gmail.test { mx {net}.10; latency 5ms; "
                      'max-messages-per-connection 7 "421 4.7.0 too many messages"; '
                      'max-connections 3 "421 4.7.0 too many connections"; }')
    with World(policy=policy, domain=domain) as w:
        w.inject(200)
        w.mx.wait_recipients(200)
        w.conserve()
        p = w.mx.provider("gmail.test")
        expect_equal((p["connections_refused"], p["replies_4xx"]), (0, 0), "refusals")
        expect(p["connections_max"] <= 3, f"{p['connections_max']} connections at a time")


@case("mail that cannot be delivered until bounce-after bounces as expired")
def expiry():
    domain = DOMAIN.replace("after 2s", "after 1s").replace("bounce-after 1h", "bounce-after 3s")
    policy = provider('provider gmail.test { mx {net}.10; reply mail always "451 4.3.0 never"; }')
    with World(policy=policy, domain=domain) as w:
        w.inject(3)
        bounced = w.ph.wait_bounces(3)
        expect(all(r["dsnStatus"].startswith("5.4.7") for r in bounced), f"the record: {bounced[0]}")
        w.drained()
        w.ph.audit()


@case("providers that answer badly, slowly or not at all lose no mail")
def bad_providers():
    policy = provider("""
provider gmail.test { mx {net}.10; drop dot 10%; drop rcpt 5%; reset mail 3%; drop body 5%; }
provider yahoo.test { mx {net}.11; malformed dot 10% no-code; malformed rcpt 5% mixed-codes; malformed mail 3% short-code; }
provider outlook.test { mx {net}.12; malformed ehlo 20% split; malformed dot 5% no-text; malformed data 5% unknown-code; }
provider gmx.test { mx {net}.13; extensions none; reply ehlo always "502 5.5.1 what?"; delay dot 10% 100ms; }
provider web.test { mx {net}.14; reply connect 20% "421 4.3.2 busy"; reply data 5% "451 4.3.0 no"; drop connect 5%; }
""")
    domain = DOMAIN.replace("after 2s", "after 1s")
    with World(policy=policy, domain=domain) as w:
        w.inject(500, EVERYWHERE)
        w.mx.wait_recipients(500, 90)
        # a reply that is none puts its own message in doubt, not those that were in flight behind it
        w.conserve(may_repeat=w.mx.provider("yahoo.test")["malformed"])
        repeated = {a.provider for a in w.mx.log() if a.times > 1}
        expect(repeated <= {"yahoo.test"}, f"duplicates at {repeated}")


@case("a large message streams through intact, also where the provider speaks neither PIPELINING nor CHUNKING")
def large_message():
    with World() as w:
        w.inject(4, "a%n@gmail.test,b%n@gmx.test", sessions=2, size=5_000_000)
        w.mx.wait_recipients(4)
        w.conserve()


@case("a message above the provider's SIZE bounces without being sent")
def size_limit():
    policy = provider("provider gmail.test { mx {net}.10; extensions size=10000 pipelining; }")
    with World(policy=policy) as w:
        w.inject(2, size=50_000)
        bounced = w.ph.wait_bounces(2)
        expect(all(r["dsnStatus"].startswith("5.3.4") for r in bounced), f"status: {bounced[0]['dsnStatus']}")
        expect_equal(w.mx.provider("gmail.test")["bytes"], 0, "bytes")


if __name__ == "__main__":
    main()
