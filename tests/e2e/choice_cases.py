"""Which VirtualMTA a message gets, and with which priority: header fields, <pattern-list>, listeners, sources, users,
recipient domains, and what happens with names that do not exist."""
import email
import os
import smtplib
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BASE, DOMAIN, World  # noqa: E402

POLICY = "port {mx_port}\nname-server {net}.53:{dns_port}\nprovider gmail.test { mx {net}.10; domains gmail.test gmx.test; }"
VMTAS = "".join("<virtual-mta v%d>\n\tsmtp-source-host {net}.20%d v%d.posthaste.test\n</virtual-mta>\n" % (n, n, n)
                for n in (1, 2, 3)) + """\
<virtual-mta-pool p>
	virtual-mta v3
</virtual-mta-pool>
"""
LISTS = VMTAS + """\
<pattern-list traffic>
	header X-Traffic-Type /^ *transactional\\s*$/ virtual-mta=v1,recipient-priority=90
	mail-from /@bulk\\./ <pattern-list>
		rcpt-to /@gmail\\.test$/ virtual-mta=v2
		* virtual-mta=p, recipient-priority=10
	</pattern-list>
	mail-from /^plain@/ virtual-mta=v2
	rcpt-to /^vip/ call-to: vips
</pattern-list>
<pattern-list vips>
	* virtual-mta=v2
</pattern-list>
"""


def world(more, config=LISTS, domain=DOMAIN, base=BASE, **options):
    """The local source has the settings `more`."""
    return World(policy=POLICY, dump=True, config=config, domain=domain,
                 base=base.replace("\tmax-message-size unlimited\n", "\tmax-message-size unlimited\n" + more), **options)


def send(address, ident, fields=(), sender="a@inject.test", rcpt="b@gmail.test", user=None):
    with smtplib.SMTP(*address, timeout=30) as s:
        if user:
            s.login(*user)
        s.sendmail(sender, rcpt, "\r\n".join([*fields, f"X-Id: {ident}", "", "body", ""]))


def choices(w, n):
    """By X-Id: the VirtualMTA, the address that mail came from at the provider and in the record."""
    w.mx.wait_recipients(n)
    records = {r["header_X-Id"]: r for r in w.ph.wait_records(n, "d")}
    found = {}
    for a in w.mx.log():
        r = records[a.id]
        expect_equal(r["dlvSourceIp"], a.peer.rpartition(":")[0] if ":" in a.peer else a.peer, f"source of {a.id}")
        found[a.id] = r["vmta"]
    w.drained()
    w.ph.audit()
    return found


@case("a <pattern-list> chooses by any header field, by sender and by recipient, in inner and in called lists")
def by_patterns():
    with world("\tpattern-list traffic\n") as w:
        send(w.ph.listener, "field", ["X-Traffic-Type: Transactional"])
        send(w.ph.listener, "inner", sender="n@bulk.inject.test")
        send(w.ph.listener, "inner-any", sender="n@bulk.inject.test", rcpt="b@gmx.test")
        send(w.ph.listener, "sender", sender="plain@inject.test")
        send(w.ph.listener, "called", rcpt="vip7@gmx.test")
        send(w.ph.listener, "none", ["X-Traffic-Type: other"])
        send(w.ph.listener, "named", ["x-virtual-mta: v3", "X-Traffic-Type: transactional"])
        expect_equal(choices(w, 7), {"field": "v1", "inner": "v2", "inner-any": "v3", "sender": "v2", "called": "v2",
                                     "none": "{default}", "named": "v3"}, "chosen")


@case("recipient-priority of a <pattern-list> decides who goes first when a queue has one connection")
def by_priority():
    lists = LISTS + "<pattern-list order>\n\theader X-First /yes/ recipient-priority=100\n</pattern-list>\n"
    domain = DOMAIN.replace("max-smtp-out 20", "max-smtp-out 1")
    with world("\tpattern-list order\n", lists, domain) as w:
        w.ph.pmtactl("pause", "queue", "gmail.test")
        for i in range(10):
            send(w.ph.listener, f"late{i}")
        send(w.ph.listener, "first", ["X-First: yes"])
        w.ph.pmtactl("resume", "queue", "gmail.test")
        w.mx.wait_recipients(11)
        expect_equal(sorted(w.mx.log(), key=lambda a: a.when_us)[0].id, "first", "the first at the provider")


@case("without any choice: the listener's VirtualMTA, the named source's, the source's, the one with the client's address")
def defaults():
    two = BASE.replace("smtp-listener {net}.1:{smtp_port}", """\
smtp-listener {net}.1:{smtp_port}
<smtp-listener {net}.2:{smtp_port}>
	virtual-mta-pool p
</smtp-listener>
smtp-listener {net}.3:{smtp_port} source=named
<source named>
	default-virtual-mta v1
</source>
""")
    with world("\tdefault-virtual-mta v2\n", base=two) as w:
        for n, ident in ((1, "source"), (2, "listener"), (3, "named")):
            send((f"{w.net}.{n}", w.ph.listener[1]), ident)
        expect_equal(choices(w, 3), {"source": "v2", "listener": "v3", "named": "v1"}, "chosen")
    with world("\tdefault-virtual-mta by-smtp-source-ip\n") as w:
        with smtplib.SMTP(*w.ph.listener, timeout=30, source_address=(f"{w.net}.202", 0)) as s:
            s.sendmail("a@inject.test", "b@gmail.test", "X-Id: address\r\n\r\nbody\r\n")
        expect_equal(choices(w, 1), {"address": "v2"}, "chosen")


@case("route virtual-mta-pool of the recipient's domain chooses, unless the message names a VirtualMTA")
def by_domain():
    domain = DOMAIN + "<domain gmail.test>\n\troute virtual-mta-pool p\n</domain>\n"
    with world("", domain=domain) as w:
        send(w.ph.listener, "domain")
        send(w.ph.listener, "other", rcpt="b@gmx.test")
        send(w.ph.listener, "named", ["x-virtual-mta: v1"])
        expect_equal(choices(w, 3), {"domain": "v3", "other": "{default}", "named": "v1"}, "chosen")


@case("a user's source chooses the VirtualMTA, and {auth} in jobid-prefix is the user")
def by_user():
    config = LISTS + """\
<smtp-user alice>
	password secret
	source mass
</smtp-user>
<source mass>
	default-virtual-mta v3
	process-x-job yes
	jobid-prefix {auth}-
</source>
"""
    with world("\tdefault-virtual-mta v1\n\tallow-unencrypted-plain-auth yes\n", config) as w:
        send(w.ph.listener, "user", ["x-job: 7"], user=("alice", "secret"))
        send(w.ph.listener, "nobody")
        expect_equal(choices(w, 2), {"user": "v3", "nobody": "v1"}, "chosen")
        expect_equal({r["header_X-Id"]: r["jobId"] for r in w.ph.records("d")}, {"user": "alice-7", "nobody": ""}, "jobs")


@case("invalid-virtual-mta-fallback takes mail that names what does not exist, where it is not refused")
def fallback():
    more = "\treject-invalid-virtual-mta no\n\tadd-x-virtual-mta-header yes\n"
    with world(more, LISTS + "invalid-virtual-mta-fallback v2\n") as w:
        send(w.ph.listener, "unknown", ["x-virtual-mta: nobody"])
        expect_equal(choices(w, 1), {"unknown": "v2"}, "chosen")
    with world("") as w:
        try:
            send(w.ph.listener, "unknown", ["x-virtual-mta: nobody"])
            expect(False, "a VirtualMTA that does not exist was accepted")
        except smtplib.SMTPDataError as e:
            expect_equal(e.smtp_code, 554, "the refusal")


@case("an empty x-virtual-mta is refused, or with allow-empty-x-virtual-mta means the default")
def empty():
    with world("\tdefault-virtual-mta v1\n") as w:
        try:
            send(w.ph.listener, "empty", ["x-virtual-mta:"])
            expect(False, "an empty x-virtual-mta was accepted")
        except smtplib.SMTPDataError as e:
            expect_equal(e.smtp_code, 554, "the refusal")
    with world("\tdefault-virtual-mta v1\n\tallow-empty-x-virtual-mta yes\n") as w:
        send(w.ph.listener, "empty", ["x-virtual-mta:"])
        expect_equal(choices(w, 1), {"empty": "v1"}, "chosen")


@case("add-x-virtual-mta-header says which was chosen")
def header_added():
    with world("\tdefault-virtual-mta v1\n\tadd-x-virtual-mta-header yes\n") as w:
        send(w.ph.listener, "added")
        w.mx.wait_recipients(1)
        message = email.message_from_bytes(w.mx.message(w.mx.log()[0]))
        expect_equal(message["x-virtual-mta"], "v1", "the field")


@case("a pattern that explodes does not hold the daemon up, also after a reload")
def exploding():
    lists = VMTAS + "<pattern-list bomb>\n\theader X-Bomb /(a+)+[bc]$/ virtual-mta=v1\n\t* virtual-mta=v2\n</pattern-list>\n"
    with world("\tpattern-list bomb\n", lists) as w:
        for n in range(3):
            send(w.ph.listener, f"b{n}", ["X-Bomb: " + "a" * 900, "X-Bomb: " + "a" * 990])
            w.ph.pmtactl("reload")
        expect_equal(choices(w, 3), {f"b{n}": "v2" for n in range(3)}, "chosen")


main()
