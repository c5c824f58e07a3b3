#!/usr/bin/python3
"""Rows of the configuration that no other test holds to their word, one server for all of them."""
import atexit
import os
import smtplib
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import DOMAIN, SMTP_PORT, World  # noqa: E402

POLICY = """\
port {mx_port}
name-server {net}.53:{dns_port}
provider plain.test { mx {net}.10; }
provider nodsn.test { mx {net}.11; }
provider one.test { mx {net}.12! {net}.13; }
provider two.test { mx {net}.14! {net}.15; }
"""
CONFIG = """\
domain-suffix plain.test
<source {net}.5>
	always-allow-relaying yes
	auto-qualify-domain no
	process-x-schedule yes
</source>
<source {net}.6>
	always-allow-relaying yes
	process-x-schedule yes
	retain-x-schedule yes
</source>
<domain nodsn.test>
	ignore-dsn yes
</domain>
<domain one.test>
	mx-connection-attempts 1
	retry-after 1h
</domain>
"""
_world = []


def world():
    if not _world:
        w = World(policy=POLICY, config=CONFIG, domain=DOMAIN, dump=True)
        w.__enter__()
        atexit.register(w.close, False)
        _world.append(w)
    return _world[0]


def send(rcpt, source=None, header="Subject: x", rcpt_options=()):
    w = world()
    with smtplib.SMTP(f"{w.net}.1", SMTP_PORT, timeout=30, source_address=source and (f"{w.net}.{source}", 0)) as s:
        s.sendmail("a@posthaste.test", [rcpt], f"{header}\r\n\r\nhello\r\n".encode(), rcpt_options=rcpt_options)


def record(rcpt):
    return wait_for(f"the record of {rcpt}", lambda: [r for r in world().ph.records("d") if r["rcpt"] == rcpt])[0]


def arrived(rcpt):
    """The message that came for that recipient, as bytes."""
    found = wait_for(f"{rcpt} arrives", lambda: [a for a in world().mx.log() if a.rcpt == rcpt])[0]
    return open(f"{world().mx.folder}/dump/{found.number}.eml", "rb").read()


@case("ignore-dsn yes: a host that offers DSN is taken for one that does not, so the mail is relayed, not passed on with it")
def ignore_dsn():
    for name in ("plain", "nodsn"):
        send(f"dsn@{name}.test")
    expect_equal([record(f"dsn@{name}.test")["dsnAction"] for name in ("plain", "nodsn")], ["delivered", "relayed"], "dsnAction")


@case("auto-qualify-domain: a lone local part is one at domain-suffix, with no it is no address")
def qualify():
    send("lone")
    record("lone@plain.test")
    try:
        send("alone", source=5)
        expect(False, "a lone local part was taken")
    except smtplib.SMTPRecipientsRefused as e:
        expect_equal(e.recipients["alone"][0] // 100, 5, "the refusal")


@case("retain-x-schedule yes: the field stays in the message; otherwise it is left out")
def retain_schedule():
    header = "X-Schedule: 2020-01-01 00:00:00 / 2099-01-01 00:00:00\r\nSubject: x"
    send("out@plain.test", source=5, header=header)
    send("kept@plain.test", source=6, header=header)
    expect(b"x-schedule" not in arrived("out@plain.test").lower(), "the field was not left out")
    expect(b"x-schedule" in arrived("kept@plain.test").lower(), "the field was not kept")


@case("mx-connection-attempts 1: the queue waits when its first host fails, and tries no second")
def attempts():
    send("u@one.test")
    send("u@two.test")
    record("u@two.test")
    wait_for("one.test waits", lambda: (q := world().ph.json("explain", "one.test").get("queue")) and q[0]["state"] == "RETRY")
    expect_equal(world().mx.provider("one.test")["connections_total"], 0, "connections to its second host")


@case("all of it is accounted for")
def audit():
    world().ph.pmtactl("delete", "--queue=*")
    world().drained()
    world().ph.audit()


if __name__ == "__main__":
    main()
