#!/usr/bin/python3
"""Rows of the configuration that no other test holds to their word, one server for all of them."""
import atexit
import os
import smtplib
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BASE, DNS_PORT, DOMAIN, SMTP_PORT, World  # noqa: E402

POLICY = """\
port {mx_port}
name-server {net}.53:{dns_port}
provider plain.test { mx {net}.10; }
provider nodsn.test { mx {net}.11; }
provider one.test { mx {net}.12! {net}.13; }
provider two.test { mx {net}.14! {net}.15; }
"""
# the listener in its old form; the name server behind a relay that looks at the questions
OLD_BASE = BASE.replace("smtp-listener {net}.1:{smtp_port}", "smtp-ip {net}.1\nsmtp-port {smtp_port}").replace(
    "name-server {net}.53:", "name-server {net}.54:")
CONFIG = """\
edns-udp-length 1400
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


class Relay:
    """Between dnsd and the name server; `sizes`: what the questions said may come back, 0 without EDNS."""

    def __init__(self, net):
        self.sizes, self.server = [], (f"{net}.53", DNS_PORT)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((f"{net}.54", DNS_PORT))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        askers = {}
        while True:
            data, who = self.socket.recvfrom(65536)
            if who == self.server:
                self.socket.sendto(data, askers.get(data[:2], who))
                continue
            askers[data[:2]] = who
            # an OPT record is the last one: root name, type 41, its class is the size
            has_opt = struct.unpack(">H", data[10:12])[0] == 1 and data[-11:-8] == b"\0\0\x29"
            self.sizes.append(struct.unpack(">H", data[-8:-6])[0] if has_opt else 0)
            self.socket.sendto(data, self.server)


def world():
    if not _world:
        w = World(policy=POLICY, config=CONFIG, domain=DOMAIN, base=OLD_BASE, dump=True)
        w.relay = Relay(w.net)
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


@case("smtp-ip and smtp-port are a listener; edns-udp-length is what the name server is told")
def old_listener():
    send("edns@plain.test")
    record("edns@plain.test")
    expect_equal(set(world().relay.sizes), {1400}, "the sizes in questions")


@case("all of it is accounted for")
def audit():
    world().ph.pmtactl("delete", "--queue=*")
    world().drained()
    world().ph.audit()


if __name__ == "__main__":
    main()
