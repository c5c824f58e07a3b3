#!/usr/bin/python3
"""Outbound protocol rows of <domain>: AUTH, and what deliverd does with servers' words and ends. One Posthaste, a
provider for each row; a case then looks at what its provider saw and what the records say."""
import atexit
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Skip, case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import IS_SANITIZED, World, fill  # noqa: E402

USER = "auth relay secret"
# name: (what its provider does, what its <domain> says)
ROWS = {
    "cram": ("auth relay secret-of-cram PLAIN LOGIN CRAM-MD5", "auth-username relay\nauth-password secret-of-cram"),
    "plain": (f"{USER} PLAIN LOGIN; tls required", "auth-username relay\nauth-password secret"),
    "login": (f"{USER} LOGIN; tls required", "auth-username relay\nauth-password secret"),
    "clear": (f"{USER} PLAIN LOGIN", "auth-username relay\nauth-password secret\nuse-unencrypted-plain-auth yes"),
    "hidden": (f"{USER} PLAIN LOGIN", "auth-username relay\nauth-password secret"),
    "wrong": (f"{USER} CRAM-MD5", "auth-username relay\nauth-password wrong"),
    "unoffered": ("", "auth-username relay\nauth-password secret"),
    "unknown": (f"{USER} GSSAPI", "auth-username relay\nauth-password secret"),
    "eightbit": ("", "ignore-8bitmime yes"),
    "chunking": ("", "ignore-chunking yes"),
    "chunked": ("", ""),
    "pipelining": ("latency 10ms", "ignore-pipelining yes"),
    "broken": ("drop body always", "bounce-upon-transfer-failure yes"),
    "unbroken": ("drop body always", ""),
    "pixbroken": ('reply connect always "220 **********"; drop body always', "bounce-upon-pix-transfer-failure yes"),
    "nopix": ("drop body always", "bounce-upon-pix-transfer-failure yes"),
    "silent": ("stall dot always", "smtp-data-termination-timeout 1s\nassume-delivery-upon-data-termination-timeout yes"),
    "mute": ("stall dot always", "smtp-data-termination-timeout 1s"),
    "stalled": ("stall connect always", "smtp-greeting-timeout 1s"),
    "greets5": ('reply connect always "554 5.7.1 not you"', ""),
    "greets5no": ('reply connect always "554 5.7.1 not you"', "bounce-upon-5xx-greeting no"),
    "mailbox": ('reply rcpt always "553 what"', ""),
    "mailboxno": ('reply rcpt always "553 what"', "smtp-553-means-invalid-mailbox no"),
    "busy": ('reply mail always "421 4.3.2 secret reason"', "replace-smtp-421-service-response yes\nbounce-after 3s"),
    "busyno": ('reply mail always "421 4.3.2 secret reason"', "bounce-after 3s"),
}


class Play:
    def __init__(self):
        policy = "port {mx_port}\nname-server {net}.53:{dns_port}\n"
        domains = ""
        for n, (name, (provider, domain)) in enumerate(ROWS.items()):
            policy += f"provider {name}.test {{ mx {{net}}.{20 + n}; {provider}; }}\n".replace("; ;", ";")
            settings = "".join(f"\t{line}\n" for line in domain.split("\n"))
            domains += f"<domain {name}.test>\n{settings}</domain>\n"
        policy += 'provider first.test { mx {net}.90@10 {net}.91@20; reply mail always "421 4.3.2 away"; }\n'
        domains += "<domain *>\n\tdefault-smtp-port {mx_port}\n\tretry-after 1h\n\tretry-recipients-after 1h\n</domain>\n"
        self.world = World(policy=policy, domain=domains, dump=True)
        self.world.__enter__()
        atexit.register(self.world.close, False)
        for name in ROWS:
            with self.world.ph.client() as client:
                client.sendmail("sender@posthaste.test", [f"u@{name}.test"], "Subject: x\r\n\r\nh\u00e9llo\r\n".encode(),
                                mail_options=["BODY=8BITMIME"])

    def provider(self, name):
        return self.world.mx.provider(f"{name}.test")

    def record(self, name, kinds="d b t"):
        def find():
            return [r for r in self.world.ph.records() if r["type"] in kinds.split()
                    and (r["rcpt"] == f"u@{name}.test" or (r["queue"] or "").startswith(f"{name}.test/"))]
        return wait_for(f"a record of {name}", find, 30)[0]


_play = []


def play():
    if not _play:
        _play.append(Play())
    return _play[0]


def has_word(pid, word):
    """Is it anywhere in the process' private memory?"""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            place, rights, *_ = line.split()
            if not rights.startswith("rw"):
                continue
            start, end = (int(x, 16) for x in place.split("-"))
            try:
                memory.seek(start)
                if word in memory.read(end - start):
                    return True
            except (OSError, ValueError, OverflowError):
                pass
    return False


def expect_delivered(name):
    r = play().record(name, "d b tq")
    expect_equal(r["type"], "d", f"{name}: {r['dsnDiag']}")


def expect_deferred(name, *words):
    """A record of the attempt, and no bounce; its status is the server's own word where it said one."""
    r = play().record(name, "tq t d b")
    expect(r["type"] in ("t", "tq"), f"{name}: a record {r['type']} {r['dsnDiag']}")
    expect(r["dsnStatus"].startswith("4") or r["dsnDiag"].startswith("smtp;5"), f"{name}: {r['dsnStatus']}")
    for word in words:
        expect(word in r["dsnDiag"], f"{name}: {r['dsnDiag']}")


@case("AUTH takes CRAM-MD5 where it is offered, also in clear")
def auth_cram():
    expect_delivered("cram")
    p = play().provider("cram")
    expect_equal((p["auth_ok"], p["auth_failed"], p["tls"]), (1, 0, 0), "authentication")


@case("AUTH PLAIN and LOGIN go over TLS")
def auth_plain():
    for name in ("plain", "login"):
        expect_delivered(name)
        p = play().provider(name)
        expect_equal((p["auth_ok"], p["tls"]), (1, 1), name)


@case("the password does not go in clear, unless use-unencrypted-plain-auth says so")
def auth_clear():
    expect_delivered("clear")
    expect_deferred("hidden", "mechanisms that show the password")
    expect_equal(play().provider("hidden")["auth_failed"], 0, "attempts")


@case("a refused password, no AUTH and no known mechanism defer with the reason")
def auth_fails():
    expect_deferred("wrong", "535 5.7.8 bad credentials")
    expect_deferred("unoffered", "does not offer AUTH")
    expect_deferred("unknown", "no AUTH mechanism that is known")
    expect_equal(play().provider("unoffered")["messages"], 0, "messages")


@case("auth-password is in no other daemon's memory but deliverd's")
def auth_secret():
    w = play().world
    expect_delivered("cram")  # it reads what it is given
    if os.geteuid() != 0 or IS_SANITIZED:
        raise Skip("root, to look into the daemons, without the memory of sanitizers")
    holders = {name for name, pids in w.ph.daemons().items() for pid in pids if has_word(pid, b"secret-of-cram")}
    expect_equal(holders, {"deliverd"}, "daemons with the password in memory")


@case("ignore-8bitmime drops BODY= and sends the content as it is")
def ignore_8bitmime():
    expect_delivered("eightbit")
    expect_equal(play().provider("eightbit")["violation_eight_bit"], 1, "8-bit content without BODY=8BITMIME")
    expect_delivered("chunked")
    expect_equal(play().provider("chunked")["violation_eight_bit"], 0, "8-bit content without BODY=8BITMIME")


@case("ignore-chunking goes by DATA, otherwise BDAT is used")
def ignore_chunking():
    expect_delivered("chunking")
    expect_equal(play().provider("chunking")["bdat"], 0, "BDAT commands")
    expect_equal(play().provider("chunked")["bdat"], 1, "BDAT commands")


@case("bounce-upon-transfer-failure bounces what breaks in the data, and otherwise it is tried again")
def transfer_failure():
    r = play().record("broken")
    expect_equal((r["type"], r["dsnStatus"][:1]), ("b", "5"), r["dsnDiag"])
    expect_deferred("unbroken")


@case("bounce-upon-pix-transfer-failure bounces only behind a greeting of asterisks")
def pix_transfer_failure():
    expect_equal(play().record("pixbroken")["type"], "b", "behind a PIX")
    expect_deferred("nopix")


@case("assume-delivery-upon-data-termination-timeout takes silence after the dot for a delivery")
def assume_delivery():
    expect_delivered("silent")
    expect_deferred("mute", "timed out")


@case("smtp-greeting-timeout ends the wait for a greeting")
def greeting_timeout():
    expect_deferred("stalled", "waiting for the greeting")


@case("a 5xx greeting bounces, with bounce-upon-5xx-greeting no it defers")
def greeting_5xx():
    r = play().record("greets5")
    expect_equal(r["type"], "b", r["dsnDiag"])
    expect_deferred("greets5no", "554 5.7.1 not you")


@case("553 at RCPT is 5.1.1, unless smtp-553-means-invalid-mailbox is no")
def code_553():
    expect(play().record("mailbox")["dsnStatus"].startswith("5.1.1"), play().record("mailbox")["dsnStatus"])
    expect(play().record("mailboxno")["dsnStatus"].startswith("5.0.0"), play().record("mailboxno")["dsnStatus"])


@case("replace-smtp-421-service-response keeps the text of a 421 out of bounces, not out of the log of attempts")
def hides_421():
    for name, is_hidden in (("busy", True), ("busyno", False)):
        r = play().record(name, "b")
        expect_equal("secret reason" not in r["dsnDiag"], is_hidden, f"{name}: {r['dsnDiag']}")
    expect("secret reason" in play().record("busy", "t tq")["dsnDiag"], "the attempt's record")


@case("every message is accounted for after all of it")
def audit():
    play().world.ph.audit()


if __name__ == "__main__":
    main()
