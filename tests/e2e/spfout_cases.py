#!/usr/bin/python3
"""check-spf-outbound: what the receiver would find out about our addresses, found out before."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from dnssim import Dnssim  # noqa: E402
from posthaste import DNS_PORT, DOMAIN, World  # noqa: E402

ZONE = {
    "gmail.test MX": "10 mx1.gmail.test", "mx1.gmail.test A": "{net}.10",
    "free.test MX": "10 mx1.free.test", "mx1.free.test A": "{net}.11",
    "pass.test TXT": "v=spf1 ip4:{net}.200 -all",
    "fail.test TXT": "v=spf1 ip4:192.0.2.1 -all",
    "soft.test TXT": "v=spf1 ~all",
    "neutral.test TXT": "v=spf1 ?all",
    "wrong.test TXT": "v=spf1 nonsense",
    "down.test TXT": "SERVFAIL",
    "v1.mta.test TXT": "v=spf1 ip4:{net}.200 -all",
}
POLICY = "port {mx_port}\nprovider gmail.test { mx {net}.10; }\nprovider free.test { mx {net}.11; }\n"
CONFIG = """\
smtp-source-host {net}.200 v1.mta.test
<domain gmail.test>
	check-spf-outbound yes
</domain>
"""
BOUNCED = {"fail": "fail", "soft": "softfail", "neutral": "neutral", "unknown": "none", "wrong": "permerror"}


@case("check-spf-outbound: only a pass is delivered; all else bounces with 5.7.23, an error of the moment defers with 4.7.24")
def outbound():
    domain = DOMAIN.replace("retry-recipients-after 2s", "retry-recipients-after 1h")
    with World(policy=POLICY, config=CONFIG, domain=domain, start=False) as w:
        with Dnssim(f"{w.net}.53", DNS_PORT, {k: w.fill(v) for k, v in ZONE.items()}):
            w.ph.start()
            with w.ph.client() as client:
                for name in ("pass", "down", *BOUNCED):
                    client.sendmail(f"a@{name}.test", [f"{name}@gmail.test"], b"Subject: x\r\n\r\nhello\r\n")
                client.sendmail("", ["null@gmail.test"], b"Subject: x\r\n\r\nhello\r\n")
                client.sendmail("a@fail.test", ["fail@free.test"], b"Subject: x\r\n\r\nhello\r\n")
            w.mx.wait_recipients(3)
            expect_equal({a.rcpt for a in w.mx.log()}, {"pass@gmail.test", "null@gmail.test", "fail@free.test"}, "arrived")
            def bounced():
                found = [r for r in w.ph.records("b") if r["rcpt"].endswith("@gmail.test")]
                return len(found) == len(BOUNCED) and found
            records = {r["rcpt"].split("@")[0]: r for r in wait_for("all records", bounced)}
            for name, result in BOUNCED.items():
                r = records[name]
                expect(r["dsnStatus"].startswith("5.7.23"), f"{name}: {r['dsnStatus']}")
                wanted = f"check-spf-outbound: {result} for <a@{name}.test> sent from {w.net}.200"
                expect(wanted in r["dsnDiag"], f"{name}: {r['dsnDiag']}")
            (late,) = wait_for("a record t", lambda: w.ph.records("t"))
            expect_equal((late["rcpt"], late["dsnStatus"][:6]), ("down@gmail.test", "4.7.24"), "the record of down")
            def waiting():
                (q,) = w.ph.json("explain", "gmail.test")["queue"]
                return q["state"] == "RCPT_WAIT" and q
            q = wait_for("explain says that a recipient waits", waiting)
            expect("check-spf-outbound: " in q["lastError"], q["lastError"])
            w.ph.pmtactl("delete", "--queue=*")
            w.drained()
            w.ph.audit()


if __name__ == "__main__":
    main()
