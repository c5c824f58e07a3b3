#!/usr/bin/python3
"""Clients that log in: mechanisms, users and their settings, what is required, and what becomes of guessing."""
import atexit
import base64
import os
import re
import select
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from server_certs import Certs  # noqa: E402
from posthaste import BUILD, POLICY, World  # noqa: E402

CERTS = Certs(tempfile.mkdtemp(prefix="posthaste-certs-"))
atexit.register(shutil.rmtree, CERTS.folder, True)
CERTS.authority("authority")
CERTS.make("server")
CERTS.make("carol", "authority", kind="ec")
CERTS.make("stranger", kind="ec")

# a base of its own: the client's address gives no right to relay
BASE = """\
host-name mta.posthaste.test
postmaster postmaster@posthaste.test
smtp-listener {net}.1:{smtp_port}
name-server {net}.53:{dns_port}
<spool {folder}/spool>
</spool>
log-file {folder}/log/pmta.log
<acct-file {folder}/acct/acct.csv>
	records d, b, t
	record-fields d *, recordId, header_X-Id, rcvSmtpUser
	record-fields b *, recordId, header_X-Id
</acct-file>
smtp-server-tls-certificate {certs}/server.pem
smtp-server-threads 32
<source 127.0.0.0/8>
	allow-starttls yes
	log-commands yes
	log-connections yes
</source>
<source {auth}>
	always-allow-relaying yes
	max-message-size 200000
</source>
<source vip>
	always-allow-relaying yes
	max-message-size 300000
</source>
<source mandatory>
	require-auth yes
	max-rcpt-per-message 2
</source>
<source clear>
	allow-unencrypted-plain-auth yes
	broken-auth-clients yes
</source>
<source tls-first>
	require-starttls-before-auth yes
</source>
<source no-auth>
	allow-auth no
</source>
<source guarded>
	allow-unencrypted-plain-auth yes
	smtp-max-auth-failure-rate 3/6s
</source>
<smtp-listener {net}.1:2601>
	source mandatory
</smtp-listener>
<smtp-listener {net}.1:2602>
	source clear
</smtp-listener>
<smtp-listener {net}.1:2603>
	source tls-first
</smtp-listener>
<smtp-listener {net}.1:2604>
	source no-auth
</smtp-listener>
<smtp-listener {net}.1:2605>
	source guarded
</smtp-listener>
<smtp-listener {net}.1:2606>
	tls-ca-file {certs}/authority.crt
	immediate-tls yes
</smtp-listener>
<smtp-user alice>
	password "pass word"
</smtp-user>
<smtp-user bob>
	password {hash}
	source vip
</smtp-user>
<smtp-user carol>
	authentication-method certificate
	tls-certificate {certs}/carol.crt
	source vip
</smtp-user>
<smtp-user dave>
	authentication-method certificate
	tls-certificate {certs}/stranger.crt
</smtp-user>
<smtp-user root>
	authentication-method system
</smtp-user>
"""


def hash_of(password):
    r = subprocess.run([BUILD + "/sbin/pmtactl", "hash-password"], input=password + "\n", capture_output=True, text=True)
    expect(r.returncode == 0 and r.stdout.startswith("$argon2id$"), f"hash-password: {r}")
    return r.stdout.strip()


HASH = hash_of("bobs secret")


def world(more=""):
    base = (BASE + more).replace("{certs}", CERTS.folder).replace("{hash}", HASH)
    return World(policy=POLICY, base=base)


class Rig:
    world = None

    @classmethod
    def get(cls):
        if cls.world is None:
            cls.world = world()
            cls.world.__enter__()
            atexit.register(cls.world.close, False)
        return cls.world


def context(cert=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    if cert:
        c.load_cert_chain(cert)
    return c


def client(w, port=2526, tls=False):
    s = smtplib.SMTP(f"{w.net}.1", port, timeout=20)
    s.ehlo("client.test")
    if tls:
        s.starttls(context=context())
        s.ehlo("client.test")
    return s


def b64(text):
    return base64.b64encode(text.encode("latin-1")).decode()


def login(s, mechanism, user, password):
    """The reply's code."""
    s.user, s.password = user, password
    how = {"PLAIN": s.auth_plain, "LOGIN": s.auth_login, "CRAM-MD5": s.auth_cram_md5}[mechanism]
    try:
        return s.auth(mechanism, how)[0]
    except smtplib.SMTPAuthenticationError as e:
        return e.smtp_code


def size_limit(s):
    """Which <source> holds, told by its max-message-size."""
    s.ehlo("client.test")
    return s.esmtp_features["size"]


@case("PLAIN, LOGIN and CRAM-MD5 let in who knows the password, and nobody else")
def mechanisms():
    w = Rig.get()
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
        for user, password, code in (("alice", "pass word", 235), ("alice", "pass", 535), ("alice", "pass word ", 535),
                                     ("nobody", "pass word", 535), ("Alice", "pass word", 535), ("root", "x", 535),
                                     ("carol", "", 535), ("carol", "x", 535)):
            if mechanism == "LOGIN" and not password:
                continue
            with client(w, tls=True) as s:
                expect_equal(login(s, mechanism, user, password), code, f"{mechanism} {user} {password}")
    with client(w, tls=True) as s:
        expect_equal(s.esmtp_features["auth"].split(), ["CRAM-MD5", "PLAIN", "LOGIN"], "offered")


@case("a user with a hash logs in by PLAIN and LOGIN, by CRAM-MD5 not")
def hashes():
    w = Rig.get()
    for mechanism, password, code in (("PLAIN", "bobs secret", 235), ("LOGIN", "bobs secret", 235),
                                      ("PLAIN", "wrong", 535), ("LOGIN", "wrong", 535), ("PLAIN", HASH, 535),
                                      ("CRAM-MD5", "bobs secret", 535), ("CRAM-MD5", HASH, 535)):
        with client(w, tls=True) as s:
            expect_equal(login(s, mechanism, "bob", password), code, f"{mechanism} {password}")


@case("who has logged in may do what {auth} or his own source says, and accounting names him")
def sources():
    w = Rig.get()
    with client(w, tls=True) as s:
        s.mail("a@sender.test")
        expect_equal(s.rcpt("b@gmail.test")[0], 550, "relaying without a log-in")
    for user, password, limit in (("alice", "pass word", "200000"), ("bob", "bobs secret", "300000")):
        with client(w, tls=True) as s:
            expect_equal(login(s, "PLAIN", user, password), 235, user)
            expect_equal(size_limit(s), limit, f"{user}'s source")
            s.sendmail("a@sender.test", ["b@gmail.test"], f"Subject: s\r\nX-Id: {user}\r\n\r\nx\r\n")
    found = {r["header_X-Id"]: r["rcvSmtpUser"] for r in w.ph.wait_records(2, "d")}
    expect_equal(found, {"alice": "alice", "bob": "bob"}, "rcvSmtpUser")
    # the listener's settings stay beneath the user's
    with client(w, 2601, tls=True) as s:
        expect_equal(login(s, "PLAIN", "alice", "pass word"), 235, "alice")
        s.mail("a@sender.test")
        expect_equal([s.rcpt("b@gmail.test")[0] for _ in range(3)], [250, 250, 452], "recipients")


@case("require-auth refuses mail before a log-in")
def require_auth():
    w = Rig.get()
    with client(w, 2601, tls=True) as s:
        code, text = s.mail("a@sender.test")
        expect(code == 530 and text.startswith(b"5.7.0"), f"{code} {text}")
        expect_equal(login(s, "PLAIN", "alice", "pass word"), 235, "alice")
        expect_equal(s.mail("a@sender.test")[0], 250, "MAIL")
        expect_equal(s.docmd("AUTH", "PLAIN " + b64("\0alice\0pass word"))[0], 503, "AUTH in a transaction")
        s.rset()
        expect_equal(s.docmd("AUTH", "PLAIN " + b64("\0alice\0pass word"))[0], 503, "AUTH again")


@case("passwords go in clear only where allow-unencrypted-plain-auth says so")
def in_clear():
    w = Rig.get()
    with client(w) as s:
        expect_equal(s.esmtp_features["auth"].split(), ["CRAM-MD5"], "offered in clear")
        expect_equal(s.docmd("AUTH", "PLAIN " + b64("\0alice\0pass word"))[0], 538, "PLAIN")
        expect_equal(s.docmd("AUTH", "LOGIN")[0], 538, "LOGIN")
        expect_equal(login(s, "CRAM-MD5", "alice", "pass word"), 235, "CRAM-MD5")
    with client(w, 2602) as s:
        expect_equal(login(s, "PLAIN", "alice", "pass word"), 235, "PLAIN where it is allowed")
    with client(w, 2602) as s:
        text = s.ehlo("client.test")[1].decode()
        expect("AUTH CRAM-MD5 PLAIN LOGIN" in text and "AUTH=CRAM-MD5 PLAIN LOGIN" in text, f"broken clients: {text}")
    with client(w) as s:
        expect("AUTH=" not in s.ehlo("client.test")[1].decode(), "broken clients elsewhere")


@case("require-starttls-before-auth and allow-auth no are obeyed")
def where():
    w = Rig.get()
    with client(w, 2603) as s:
        expect(not s.has_extn("auth"), "offered in clear")
        expect_equal(s.docmd("AUTH", "CRAM-MD5")[0], 530, "CRAM-MD5")
        s.starttls(context=context())
        s.ehlo("client.test")
        expect_equal(login(s, "CRAM-MD5", "alice", "pass word"), 235, "within TLS")
    with client(w, 2604, tls=True) as s:
        expect(not s.has_extn("auth"), "offered with allow-auth no")
        expect_equal(s.docmd("AUTH", "PLAIN " + b64("\0alice\0pass word"))[0], 502, "AUTH")


@case("STARTTLS forgets who was logged in")
def forgets():
    w = Rig.get()
    with client(w, 2602) as s:
        expect_equal(login(s, "PLAIN", "alice", "pass word"), 235, "in clear")
        s.starttls(context=context())
        s.ehlo("client.test")
        s.mail("a@sender.test")
        expect_equal(s.rcpt("b@gmail.test")[0], 550, "relaying")


@case("malformed exchanges are refused, and the session goes on")
def malformed():
    w = Rig.get()
    for first, rest, codes in (
            ("", [], [501]), ("XOAUTH2", [], [504]), ("EXTERNAL", [], [504]),
            ("PLAIN ====", [], [501]), ("PLAIN =", [], [501]), ("PLAIN " + b64("\0alice"), [], [501]),
            ("PLAIN " + b64("\0alice\0pass word\0"), [], [501]), ("PLAIN " + b64("\0al\nice\0pass word"), [], [501]),
            ("PLAIN " + b64("bob\0alice\0pass word"), [], [535]), ("PLAIN " + b64("alice\0alice\0pass word"), [], [235]),
            ("PLAIN " + b64("\0" + "a" * 256 + "\0x"), [], [501]), ("PLAIN " + b64("\0alice\0" + "x" * 1100), [], [501]),
            ("PLAIN", ["*"], [334, 501]), ("PLAIN", ["NOOP"], [334, 501]), ("PLAIN", ["x" * 5000], [334, 500]),
            ("PLAIN", [b64("\0alice\0pass word")], [334, 235]), ("PLAIN x y", [], [501]),
            ("LOGIN", ["*"], [334, 501]), ("LOGIN", [b64("alice"), "*"], [334, 334, 501]), ("LOGIN", [""], [334, 501]),
            ("LOGIN " + b64("alice"), [b64("pass word")], [334, 235]), ("login", [b64("alice"), b64("x")], [334, 334, 535]),
            ("CRAM-MD5 x", [], [501]), ("CRAM-MD5", [b64("alice")], [334, 501]), ("CRAM-MD5", [b64("alice zz")], [334, 535]),
            ("CRAM-MD5", [b64("alice " + "0" * 32)], [334, 535])):
        with client(w, 2602) as s:
            found = [s.docmd("AUTH", first)[0]] + [s.docmd(line)[0] for line in rest]
            expect_equal(found, codes, f"AUTH {first} {rest}")
            expect_equal(s.docmd("NOOP")[0], 250, "NOOP behind it")


@case("guessing ends the session after a few failures")
def guessing():
    w = Rig.get()
    with client(w, 2602) as s:
        codes = []
        while not codes or codes[-1] == 535:
            codes.append(s.docmd("AUTH", "PLAIN " + b64("\0alice\0x"))[0])
            if len(codes) == 4:
                codes.append(int(s.getreply()[0]))
        expect_equal(codes, [535] * 4 + [421], "replies")
        s.sock.close()


@case("smtp-max-auth-failure-rate locks a client out from the first failure on, in all processes")
def lockout():
    w = Rig.get()
    began = time.monotonic()
    codes = []
    for _ in range(8):
        with client(w, 2605) as s:
            codes.append(s.docmd("AUTH", "PLAIN " + b64("\0alice\0x"))[0])
    expect_equal(codes, [535] * 3 + [454] * 5, "replies")
    with client(w, 2605) as s:
        code, text = s.docmd("AUTH", "PLAIN " + b64("\0alice\0pass word"))
        expect(code == 454 and text.startswith(b"4.7.0"), f"the right password: {code} {text}")
    with client(w, 2602) as s:
        expect_equal(login(s, "PLAIN", "alice", "pass word"), 235, "where no limit holds")

    def again():
        with client(w, 2605) as s:
            return s.docmd("AUTH", "PLAIN " + b64("\0alice\0pass word"))[0] == 235
    wait_for("the end of the window", again, 30)
    expect(time.monotonic() - began >= 5.9, f"it was over after {time.monotonic() - began:.1f} s")
    expect(w.ph.json("show", "status") is not None, "status")


@case("a password that takes long to try holds up no other session")
def no_stall():
    # one process, so that all sessions are its own
    base = BASE.replace("smtp-server-threads 32", "smtp-server-threads 16")
    with World(policy=POLICY, base=base.replace("{certs}", CERTS.folder).replace("{hash}", HASH)) as w:
        slow = [client(w, 2602) for _ in range(12)]
        other = client(w, 2602)
        for i, s in enumerate(slow):
            s.sock.sendall(f"AUTH PLAIN {b64(chr(0) + ('bob' if i % 2 else 'nobody') + chr(0) + f'wrong{i}')}\r\n".encode())
        expect_equal(other.docmd("NOOP")[0], 250, "NOOP")
        answered = select.select([s.sock for s in slow], [], [], 0)[0]
        expect(len(answered) < len(slow), "NOOP had to wait for all passwords")
        expect_equal([s.getreply()[0] for s in slow], [535] * 12, "the verdicts")
        # gone before the verdict
        gone = client(w, 2602)
        gone.sock.sendall(f"AUTH PLAIN {b64(chr(0) + 'bob' + chr(0) + 'x')}\r\n".encode())
        gone.sock.close()
        expect_equal(login(other, "PLAIN", "bob", "bobs secret"), 235, "bob")
        for s in slow + [other]:
            s.sock.close()
        w.ph.audit()


@case("a client certificate logs its user in, with the authority and the file as they must be")
def certificates():
    w = Rig.get()
    with smtplib.SMTP_SSL(f"{w.net}.1", 2606, timeout=20, context=context(CERTS.path("carol.pem"))) as s:
        expect_equal(size_limit(s), "300000", "carol's source")
        expect_equal(s.esmtp_features["auth"].strip(), "EXTERNAL", "offered")
        expect_equal(s.docmd("AUTH", "EXTERNAL " + b64("alice"))[0], 535, "as another")
        expect_equal(s.docmd("AUTH", "EXTERNAL =")[0], 235, "EXTERNAL")
        s.sendmail("a@sender.test", ["b@gmail.test"], "Subject: s\r\nX-Id: carol\r\n\r\nx\r\n")
    wait_for("carol's record", lambda: [r for r in w.ph.records("d") if r["header_X-Id"] == "carol" and
                                        r["rcvSmtpUser"] == "carol"], 20)
    # the stranger's file is dave's, but no authority of this listener has signed it
    for cert in (CERTS.path("stranger.pem"), None):
        with smtplib.SMTP_SSL(f"{w.net}.1", 2606, timeout=20, context=context(cert)) as s:
            expect(size_limit(s) not in ("200000", "300000"), f"{cert} was let in")
    # where no authority is named, the file alone counts
    s = smtplib.SMTP(f"{w.net}.1", 2526, timeout=20)
    s.ehlo("client.test")
    s.starttls(context=context(CERTS.path("stranger.pem")))
    expect_equal(size_limit(s), "200000", "dave")
    s.quit()


@case("neither names nor passwords are told by replies or the log")
def secrets():
    w = Rig.get()
    said = w.ph.said()
    for text in ("pass word", b64("\0alice\0pass word"), b64("pass word"), "bobs secret", b64("\0bob\0bobs secret"), HASH):
        expect(text not in said, f"the log has {text}")
    expect("event=auth-failed" in said and 'user="alice"' in said, "failures are logged")
    replies = set()
    for text in ("\0alice\0x", "\0nobody\0x", "\0bob\0x", "\0carol\0x", "\0root\0x"):
        with client(w, 2602) as s:
            replies.add(s.docmd("AUTH", "PLAIN " + b64(text)))
    expect_equal(len(replies), 1, f"replies: {replies}")


@case("wrong users are errors of -t, with file and line; method system is named as not supported")
def wrong():
    w = Rig.get()
    for rows, status, what in (
            ("\tsource vip", 0, "has no password and cannot log in"), ("\tpassword $argon2id$v=19$nonsense", 78, "not a hash"),
            ("\tauthentication-method certificate", 78, "needs a tls-certificate"),
            ("\tauthentication-method certificate\n\ttls-certificate /none.pem", 78, "/none.pem cannot be read"),
            (f"\tauthentication-method certificate\n\ttls-certificate {CERTS.folder}/server.key", 78, "no certificate in"),
            ("\tauthentication-method system", 0, "authentication-method system is not supported"),
            (f"\tpassword {HASH}", 0, "is good")):
        path = w.folder + "/tried"
        with open(path, "w") as f:
            f.write(w.config + f"<smtp-user eve>\n{rows}\n</smtp-user>\n")
        r = subprocess.run([BUILD + "/sbin/posthaste", "-t", "-c", path], capture_output=True, text=True)
        expect(r.returncode == status and what in r.stdout + r.stderr, f"{rows}: {r}")
        expect(status == 0 or re.search(re.escape(path) + r":\d+:", r.stderr), f"{rows}: no line in {r.stderr}")


@case("swaks logs in with each mechanism")
def swaks():
    w = Rig.get()
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
        r = subprocess.run(["swaks", "--server", f"{w.net}.1:2602", "--auth", mechanism, "--auth-user", "alice",
                            "--auth-password", "pass word", "--from", "a@sender.test", "--to", "b@gmail.test",
                            "--ehlo", "client.test"], capture_output=True, text=True, timeout=60)
        expect(r.returncode == 0 and "235 2.7.0" in r.stdout, f"{mechanism}: {r.returncode} {r.stdout[-1500:]}")


@case("a reload takes users away and brings others, and what is under way goes on")
def reload():
    with world() as w:
        with client(w, tls=True) as s:
            expect_equal(login(s, "PLAIN", "alice", "pass word"), 235, "alice")
            w.ph.write_config(w.config.replace("<smtp-user alice>", "<smtp-user erin>"))
            wait_for("the reload", lambda: w.ph.pmtactl("reload", check=False).returncode == 0, 20)
            with client(w, tls=True) as new:
                expect_equal(login(new, "PLAIN", "alice", "pass word"), 535, "alice afterwards")
                expect_equal(login(new, "PLAIN", "erin", "pass word"), 235, "erin")
            s.sendmail("a@sender.test", ["b@gmail.test"], "Subject: s\r\nX-Id: x\r\n\r\nx\r\n")
        w.drained()
        w.ph.audit()


@case("the first user with a hash may come by a reload")
def first_hash():
    base = BASE.replace("{certs}", CERTS.folder).replace("password {hash}", "password plain")
    with World(policy=POLICY, base=base) as w:
        pids = set(w.ph.daemons()["injectd"])
        w.ph.write_config(w.config.replace("password plain", "password " + HASH))
        wait_for("the reload", lambda: w.ph.pmtactl("reload", check=False).returncode == 0, 20)
        with client(w, tls=True) as s:
            expect_equal(login(s, "PLAIN", "bob", "bobs secret"), 235, "bob")
        with client(w, tls=True) as s:
            expect_equal(login(s, "PLAIN", "bob", "plain"), 535, "the password of before")
        expect_equal(set(w.ph.daemons()["injectd"]), pids, "injectd's processes")
        w.ph.audit()


@case("the audit balances")
def audit():
    w = Rig.get()
    w.drained()
    w.ph.audit()


if __name__ == "__main__":
    main()
