"""Reports that we make: who gets one, in which form, and who never does; copies of what was delivered."""
import email
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import World  # noqa: E402
from written_reports import dsn  # noqa: E402

POLICY = """port {mx_port}
name-server {net}.53:{dns_port}
provider far.test { mx {net}.10; domains far.test quiet.test plain.test; refuse-rcpt bad*; extensions 8bitmime pipelining dsn; }
provider inject.test { mx {net}.20; domains inject.test mta.posthaste.test; }
"""
CONFIG = """
custom-dsn-from-header "Mail \\"Desk\\" <desk@posthaste.test>"
dsn-failed-from-template "Postbode <bode@${hostname}>"
dsn-failed-subject-template "Not delivered: ${subject}"
dsn-failed-body-template-from {folder}/template
<domain plain.test>
	dsn-format plain-text
</domain>
<domain quiet.test>
	deliver-local-dsn no
</domain>
<domain drop.test>
	type discard
</domain>
<domain far.test>
	bcc-upon-delivery archive@inject.test
</domain>
<bounce-processor>
	<address-list>
		address bounce@mta.posthaste.test
	</address-list>
</bounce-processor>
"""
TEMPLATE = """Dear ${originator},
.your mail for ${recipient} was refused: ${response}
${unknown} \u20ac
"""


def reports(w):
    """Reports that came to inject.test, by their main recipient."""
    found = {}
    for entry in w.mx.log():
        if entry.provider != "inject.test":
            continue
        message = email.message_from_bytes(w.mx.message(entry))
        found.setdefault(entry.rcpt, []).append((entry, message))
    return found


@case("reports: templates, plain text, delivered and relayed, deliver-local-dsn, bcc-upon-delivery; none about reports")
def forms():
    with World(policy=POLICY, config=CONFIG, dump=True, start=False) as w:
        with open(w.folder + "/template", "w") as f:
            f.write(TEMPLATE)
        w.ph.start()
        with w.ph.client() as s:
            s.ehlo("py.test")
            text = b"Subject: the offer\r\n\r\nbody\r\n"
            s.sendmail("a@inject.test", ["bad1@far.test", "bad2@far.test"], text)
            s.sendmail("b@inject.test", ["bad@plain.test"], text)
            s.sendmail("c@inject.test", ["bad@quiet.test"], text)
            s.sendmail("d@inject.test", ["x@drop.test"], text, [], ["NOTIFY=SUCCESS"])
            s.sendmail("e@inject.test", ["ok@far.test"], text)
            s.sendmail("f@inject.test", ["ok@far.test"], text, [], ["NOTIFY=SUCCESS"])
            # a report of ours that bounces, and a stranger's that claims to be ours: no report about either
            s.sendmail("bad3@far.test", ["bad@far.test"], text)
            s.sendmail("", ["bad4@far.test"], dsn("x@y.test"))
        wait_for("reports", lambda: {"a@inject.test", "b@inject.test", "d@inject.test"} <= set(reports(w)), 20)
        wait_for("copies", lambda: len(reports(w).get("archive@inject.test", [])) == 2, 20)
        w.drained()
        by_rcpt = reports(w)
        expect_equal({k: len(v) for k, v in by_rcpt.items()},
                     {"a@inject.test": 2, "b@inject.test": 1, "d@inject.test": 1, "archive@inject.test": 2}, "who got mail")
        expect(all(e.sender == "" for k, v in by_rcpt.items() if k != "archive@inject.test" for e, _ in v), "a sender of a report")
        entry, message = by_rcpt["a@inject.test"][0]
        expect_equal((message["From"], message["Subject"], message["Auto-Submitted"]),
                     ("Postbode <bode@mta.posthaste.test>", "Not delivered: the offer", "auto-replied"), "templates")
        people = message.get_payload(0).get_payload(decode=True).decode()
        expect(people.startswith("Dear a@inject.test,\r\n.your mail for bad") and "${unknown} \u20ac" in people, f"text: {people}")
        message = by_rcpt["b@inject.test"][0][1]
        expect_equal(message.get_content_type(), "text/plain", "plain")
        expect("Final-Recipient: rfc822;bad@plain.test" in message.get_payload(), message.get_payload())
        expect_equal(by_rcpt["d@inject.test"][0][1]["From"], 'Mail "Desk" <desk@posthaste.test>', "custom-dsn-from-header")
        status = next(p for p in by_rcpt["d@inject.test"][0][1].walk() if p.get_content_type() == "message/delivery-status")
        expect_equal(status.get_payload(1)["Action"], "delivered", "of what ended here")
        copy = by_rcpt["archive@inject.test"][0][1]
        expect_equal(copy["Delivered-To"], "ok@far.test", "the copy")
        expect_equal({r["rcpt"] for r in w.ph.records("b")} & {"bad3@far.test", "bad4@far.test"},
                     {"bad3@far.test", "bad4@far.test"}, "they bounced")
        w.ph.audit()


if __name__ == "__main__":
    main()
