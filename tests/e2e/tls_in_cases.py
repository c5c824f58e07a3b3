#!/usr/bin/python3
"""TLS of the clients that bring mail in: STARTTLS, listeners with TLS from the first byte, what may go wrong."""
import atexit
import os
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from server_certs import Certs  # noqa: E402
from posthaste import BUILD, POLICY, World  # noqa: E402

warnings.simplefilter("ignore", DeprecationWarning)  # of old versions, which are wanted here
FOLDER = tempfile.mkdtemp(prefix="posthaste-certs-")
os.chmod(FOLDER, 0o755)
atexit.register(shutil.rmtree, FOLDER, True)
CERTS = Certs(FOLDER)

# the global rows say one thing, some listeners another
CONFIG = """\
smtp-server-threads 32
smtp-server-tls-certificate {certs}/server.pem
<source 127.0.0.0/8>
	allow-starttls yes
	log-tls yes
	log-commands yes
</source>
<source silent>
	allow-starttls no
	log-tls no
</source>
<source hasty>
	smtp-command-timeout 1s
</source>
<smtp-listener {net}.1:2465>
	immediate-tls yes
</smtp-listener>
<smtp-listener {net}.1:2466>
	source silent
</smtp-listener>
<smtp-listener {net}.1:2467>
	tls-certificate "{certs}/locked.pem" "open sesame"
	tls-allow-tlsv1.3 no
	tls-ciphers ECDHE-ECDSA-AES128-GCM-SHA256
</smtp-listener>
<smtp-listener {net}.1:2468>
	tls-allow-tlsv1 yes
	tls-allow-tlsv1.2 no
	tls-allow-tlsv1.3 no
</smtp-listener>
<smtp-listener {net}.1:2469>
	tls-allow-tlsv1.1 no
	tls-tlsv1.3-ciphersuites TLS_CHACHA20_POLY1305_SHA256
	tls-ca-file {certs}/authority.crt
</smtp-listener>
<smtp-listener {net}.1:2470>
	tls-dh-key-length 1024
</smtp-listener>
<smtp-listener {net}.1:2471>
	tls-dh-key-length 4096
</smtp-listener>
<smtp-listener {net}.1:2472>
	source hasty
	immediate-tls yes
</smtp-listener>
"""
GLOBAL = """\
smtp-server-tls-certificate {certs}/locked.pem "open sesame"
smtp-server-tls-ca-file {certs}/authority.crt
smtp-server-tls-allow-tlsv1 yes
smtp-server-tls-allow-tlsv1.1 no
smtp-server-tls-allow-tlsv1.2 no
smtp-server-tls-allow-tlsv1.3 no
<source 127.0.0.0/8>
	allow-starttls yes
</source>
<smtp-listener {net}.1:2465>
	tls-allow-tlsv1.1 yes
</smtp-listener>
"""
GLOBAL_CIPHERS = """\
smtp-server-tls-certificate {certs}/server.pem
smtp-server-tls-allow-tlsv1 yes
smtp-server-tls-ciphers DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES256-SHA:@SECLEVEL=0
smtp-server-tls-v1.3-ciphersuites TLS_AES_128_GCM_SHA256
smtp-server-tls-dh-key-length 4096
<source 127.0.0.0/8>
	allow-starttls yes
</source>
"""
V = ssl.TLSVersion


def make_certs():
    CERTS.authority("authority")
    CERTS.authority("stranger")
    CERTS.make("server")
    CERTS.make("other")
    CERTS.make("locked", kind="ec", password="open sesame")
    CERTS.make("client", "authority", kind="ec")


make_certs()


def world(config, **options):
    return World(policy=POLICY, config=config.replace("{certs}", FOLDER), **options)


class Rig:
    """The one Posthaste that most cases talk to."""
    world = None

    @classmethod
    def get(cls):
        if cls.world is None:
            cls.world = world(CONFIG, dump=True)
            cls.world.__enter__()
            atexit.register(cls.world.close, False)
        return cls.world


def context(version=None, ciphers="ALL:@SECLEVEL=0", cert=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    c.set_ciphers(ciphers)
    c.minimum_version = version or V.TLSv1
    if version is not None:
        c.maximum_version = version
    if cert is not None:
        c.load_cert_chain(cert)
    return c


def client(w, port=2526, tls=None):
    s = smtplib.SMTP(f"{w.net}.1", port, timeout=20)
    s.ehlo("client.test")
    if tls is not None:
        s.starttls(context=tls)
        s.ehlo("client.test")
    return s


def dial_tls(w, port, tls):
    return tls.wrap_socket(socket.create_connection((f"{w.net}.1", port), 20))


def offers(w, port, version):
    """Does a handshake with this version succeed?"""
    try:
        with client(w, port, context(version)) as s:
            return s.sock.version() is not None
    except (ssl.SSLError, ConnectionError):
        return False


def came(w, subject):
    """The message with this subject as mxsim has it."""
    def look():
        folder = w.mx.folder + "/dump"
        for name in os.listdir(folder):
            if name.endswith(".eml"):
                with open(f"{folder}/{name}", "rb") as f:
                    text = f.read()
                if b"Subject: " + subject.encode() + b"\r\n" in text:
                    return text
        return None
    return wait_for(f"the message {subject} came", look, 20)


def read_reply(sock):
    text = b""
    while True:
        piece = sock.recv(4096)
        text += piece
        if not piece or re.search(rb"(?m)^\d{3} [^\n]*\n\Z", text):
            return text.decode()


def check(w, text):
    """posthaste -t with this text added to the configuration: (status, messages)."""
    path = w.folder + "/tried"
    with open(path, "w") as f:
        f.write(w.fill(w.config + text.replace("{certs}", FOLDER)))
    r = subprocess.run([BUILD + "/sbin/posthaste", "-t", "-c", path], capture_output=True, text=True)
    return r.returncode, r.stdout + r.stderr


@case("a message comes in through STARTTLS, and its Received field says so")
def starttls():
    w = Rig.get()
    with client(w) as s:
        expect(s.has_extn("starttls"), "STARTTLS is not offered")
        s.starttls(context=context())
        expect_equal(s.sock.version(), "TLSv1.3", "version")
        s.ehlo("client.test")
        expect(not s.has_extn("starttls"), "STARTTLS is offered within TLS")
        expect_equal(s.docmd("STARTTLS")[0], 503, "STARTTLS within TLS")
        s.sendmail("a@sender.test", ["b@gmail.test"], "Subject: starttls\r\n\r\nx\r\n")
    text = came(w, "starttls")
    expect(b" with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) id " in text, text[:300])
    with client(w) as s:
        s.sendmail("a@sender.test", ["b@gmail.test"], "Subject: clear\r\n\r\nx\r\n")
    expect(b" with ESMTP id " in came(w, "clear"), "a message in clear")


@case("STARTTLS is offered only where allow-starttls says so, and then only refused in order")
def not_allowed():
    w = Rig.get()
    with client(w, 2466) as s:
        expect(not s.has_extn("starttls"), "offered")
        expect_equal(s.docmd("STARTTLS")[0], 502, "not offered")
    with client(w) as s:
        expect_equal(s.docmd("STARTTLS", "now")[0], 501, "with a parameter")
        expect_equal(s.docmd("NOOP")[0], 250, "the session goes on")


@case("a listener with immediate-tls greets within TLS, and large mail goes through whole")
def immediate():
    w = Rig.get()
    body = "".join(f"{i:06} " + "x" * 60 + "\r\n" for i in range(40_000)) + "..dot\r\n"
    with smtplib.SMTP_SSL(f"{w.net}.1", 2465, timeout=30, context=context()) as s:
        s.ehlo("client.test")
        s.sendmail("a@sender.test", ["b@gmail.test"], "Subject: large\r\n\r\n" + body)
        s.sendmail("a@sender.test", ["b@gmail.test"], "Subject: behind\r\n\r\nx\r\n")
    text = came(w, "large")
    expect(b" with ESMTPS (TLSv1.3" in text, text[:300])
    expect(text.split(b"\r\n\r\n", 1)[1] == body.encode(), f"{len(text)} bytes came")
    came(w, "behind")


@case("what follows STARTTLS in clear is never taken for commands")
def injection():
    w = Rig.get()
    evil = "MAIL FROM:<evil@injected.test>\r\nRCPT TO:<b@gmail.test>\r\n"
    with socket.create_connection((f"{w.net}.1", 2526), 10) as s:
        read_reply(s)
        s.sendall(b"EHLO client.test\r\n")
        read_reply(s)
        s.sendall(("STARTTLS\r\n" + evil).encode())
        reply = read_reply(s)
        expect(reply.startswith("554 "), f"in one flight: {reply}")
        expect_equal(s.recv(100), b"", "the connection ends")
    # and when it comes behind the 220, where the handshake should be
    with socket.create_connection((f"{w.net}.1", 2526), 10) as s:
        read_reply(s)
        s.sendall(b"EHLO client.test\r\n")
        read_reply(s)
        s.sendall(b"STARTTLS\r\n")
        expect(read_reply(s).startswith("220 "), "ready")
        s.sendall(evil.encode())
        try:
            said = s.recv(1000)
        except ConnectionError:
            said = b""
        expect(b"250" not in said and b"503" not in said, f"{said!r}")
    expect("injected.test" not in w.ph.said().replace("STARTTLS", ""), "a command was run")


@case("TLS forgets what was said before it")
def forgets():
    w = Rig.get()
    with client(w) as s:
        expect_equal(s.mail("a@sender.test")[0], 250, "MAIL")
        expect_equal(s.docmd("STARTTLS")[0], 220, "STARTTLS within a transaction")
        s.sock = context().wrap_socket(s.sock)
        s.file = None
        expect_equal(s.docmd("RCPT", "TO:<b@gmail.test>")[0], 503, "RCPT")
        s.ehlo("again.test")
        expect_equal(s.docmd("RCPT", "TO:<b@gmail.test>")[0], 503, "RCPT behind EHLO")


@case("each listener has the versions, ciphers and certificate that its rows say")
def listeners():
    w = Rig.get()
    found = {port: [offers(w, port, v) for v in (V.TLSv1, V.TLSv1_1, V.TLSv1_2, V.TLSv1_3)]
             for port in (2526, 2467, 2468, 2469)}
    expect_equal(found, {2526: [False, True, True, True], 2467: [False, False, True, False],
                         2468: [True, True, False, False], 2469: [False, False, True, True]}, "versions")
    with client(w, 2467, context()) as s:
        expect_equal(s.sock.cipher()[0], "ECDHE-ECDSA-AES128-GCM-SHA256", "tls-ciphers")
        der = s.sock.getpeercert(True)
    expect_equal(ssl.DER_cert_to_PEM_cert(der), CERTS._read("locked.crt"), "tls-certificate")
    with client(w, 2469, context()) as s:
        expect_equal(s.sock.cipher()[0], "TLS_CHACHA20_POLY1305_SHA256", "tls-tlsv1.3-ciphersuites")


def server_said(w, port, *words):
    r = subprocess.run(["openssl", "s_client", "-starttls", "smtp", "-connect", f"{w.net}.1:{port}", *words],
                       input="QUIT\n", capture_output=True, text=True, timeout=20)
    return r.stdout + r.stderr


@case("the key for Diffie-Hellman has the length that was asked for")
def dh():
    w = Rig.get()
    for port, bits in ((2526, 2048), (2470, 1024), (2471, 4096)):
        said = server_said(w, port, "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
        expect(f"Server Temp Key: DH, {bits} bits" in said, f"{port}: {said[-1500:]}")


@case("with authorities clients are asked for a certificate, and may do without")
def client_certificates():
    w = Rig.get()
    expect("CN = authority" in server_said(w, 2469), "the authority's name is sent")
    expect("Acceptable client certificate" not in server_said(w, 2526), "without tls-ca-file nobody is asked")
    for cert in (None, CERTS.path("client.pem"), CERTS.path("other.pem")):
        with client(w, 2469, context(cert=cert)) as s:
            expect_equal(s.docmd("NOOP")[0], 250, f"with {cert}")


@case("log-tls logs protocol and cipher, and why a handshake failed")
def log_tls():
    w = Rig.get()
    with client(w, 2526, context(V.TLSv1_2, "ECDHE-RSA-AES256-GCM-SHA384")):
        pass
    wait_for("the line", lambda: "event=tls client=127." in w.ph.said() and
             "protocol=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384" in w.ph.said(), 5)
    expect(not offers(w, 2526, V.TLSv1), "TLS 1.0")
    wait_for("the line", lambda: "event=tls-failed" in w.ph.said() and "unsupported protocol" in w.ph.said(), 5)


@case("a client cannot have its session negotiated anew")
def renegotiation():
    w = Rig.get()
    r = subprocess.run(["openssl", "s_client", "-starttls", "smtp", "-tls1_2", "-connect", f"{w.net}.1:2526"],
                       input="R\n", capture_output=True, text=True, timeout=20)
    expect("RENEGOTIATING" in r.stdout + r.stderr and "no renegotiation" in r.stderr, r.stderr[-500:])


@case("a handshake that does not go on ends with smtp-command-timeout and hinders nobody")
def slow():
    w = Rig.get()
    with socket.create_connection((f"{w.net}.1", 2472), 20) as s:
        s.sendall(b"\x16\x03\x01\x02\x00\x01")
        with client(w, 2526, context()) as other:
            expect_equal(other.docmd("NOOP")[0], 250, "another session")
        expect_equal(s.recv(100), b"", "the end")
    with socket.create_connection((f"{w.net}.1", 2465), 20) as s:
        s.sendall(b"EHLO client.test\r\nQUIT\r\n")
        try:
            said = s.recv(100)
        except ConnectionError:
            said = b""
        expect(b"220" not in said, f"plain text to immediate-tls: {said}")


@case("a session is resumed, whichever process takes the connection")
def resumption():
    w = Rig.get()
    c = context(V.TLSv1_2)
    session = None
    reused = 0
    for _ in range(10):
        s = c.wrap_socket(socket.create_connection((f"{w.net}.1", 2465), 20), session=session)
        read_reply(s)
        s.sendall(b"QUIT\r\n")
        read_reply(s)
        reused += s.session_reused
        session = s.session
        s.close()
    expect_equal(reused, 9, "resumed")


@case("the global rows hold where a listener says nothing")
def global_rows():
    with world(GLOBAL_CIPHERS) as w:
        with client(w, 2526, context(V.TLSv1_2)) as s:
            expect_equal(s.sock.cipher()[0], "DHE-RSA-AES256-GCM-SHA384", "ciphers")
        expect(offers(w, 2526, V.TLSv1), "TLS 1.0 beside the others")
        with client(w, 2526, context(V.TLSv1_3)) as s:
            expect_equal(s.sock.cipher()[0], "TLS_AES_128_GCM_SHA256", "cipher suites")
        expect("Server Temp Key: DH, 4096 bits" in server_said(w, 2526, "-tls1_2"), "DH")
    with world(GLOBAL) as w:
        found = {port: [offers(w, port, v) for v in (V.TLSv1, V.TLSv1_1, V.TLSv1_2, V.TLSv1_3)] for port in (2526, 2465)}
        expect_equal(found, {2526: [True, False, False, False], 2465: [True, True, False, False]}, "versions")
        said = server_said(w, 2526, "-tls1", "-cipher", "ALL:@SECLEVEL=0")
        expect("CN = authority" in said, f"authorities: {said[-500:]}")
        with client(w, 2526, context(V.TLSv1)) as s:
            expect_equal(ssl.DER_cert_to_PEM_cert(s.sock.getpeercert(True)), CERTS._read("locked.crt"), "certificate")
        w.ph.audit()


WRONG = (
    ("tls-certificate {certs}/none.pem", "none.pem cannot be read: No such file"),
    ("tls-certificate {certs}", "cannot be read"),
    ("tls-certificate {certs}/authority.crt", "private key in"),
    ("tls-certificate {certs}/server.key", "certificate in"),
    ("tls-certificate {certs}/mixed.pem", "private key in"),
    ("tls-certificate {certs}/locked.pem", "private key in"),
    ("tls-certificate {certs}/locked.pem wrong", "private key in"),
    ("tls-certificate {certs}/server.pem\n\ttls-ciphers NONSENSE", "ciphers"),
    ("tls-certificate {certs}/server.pem\n\ttls-tlsv1.3-ciphersuites NONSENSE", "cipher suites"),
    ("tls-certificate {certs}/server.pem\n\ttls-ca-file {certs}/server.key", "authorities in"),
    ("tls-certificate {certs}/server.pem\n\ttls-ca-file {certs}/none.crt", "none.crt cannot be read"),
    ("tls-certificate {certs}/server.pem\n\ttls-allow-tlsv1.1 no\n\ttls-allow-tlsv1.2 no\n\ttls-allow-tlsv1.3 no",
     "no version"),
    ("immediate-tls yes", "immediate-tls needs"),
)


@case("wrong files and ciphers are errors of -t, with file and line, and a reload refuses them")
def wrong():
    w = Rig.get()
    CERTS._write("mixed.pem", CERTS._read("server.crt") + CERTS._read("other.key"))
    status, said = check(w, "")
    expect_equal(status, 0, f"the good one: {said}")
    bare = w.config.replace(f"smtp-server-tls-certificate {FOLDER}/server.pem\n", "")
    bare = re.sub(r"<smtp-listener(?s:.*?)</smtp-listener>\n", "", bare)
    lines = bare.count("\n")
    for rows, what in WRONG:
        text = bare + "<smtp-listener {net}.1:2480>\n\t" + rows.replace("{certs}", FOLDER) + "\n</smtp-listener>\n"
        path = w.folder + "/tried"
        with open(path, "w") as f:
            f.write(w.fill(text))
        r = subprocess.run([BUILD + "/sbin/posthaste", "-t", "-c", path], capture_output=True, text=True)
        expect(r.returncode == 78 and what in r.stderr, f"{rows}: {r.returncode} {r.stdout}{r.stderr}")
        at = re.search(re.escape(path) + r":(\d+): ", r.stderr)
        expect(at and lines < int(at.group(1)) <= lines + 6, f"{rows}: no line: {r.stderr}")


def served(w):
    with client(w, 2526, context()) as s:
        return ssl.DER_cert_to_PEM_cert(s.sock.getpeercert(True))


@case("a reload brings a new certificate, refuses a bad one, and ends no session")
def reload():
    with world(CONFIG, dump=True) as w:
        shutil.copy(CERTS.path("server.pem"), CERTS.path("live.pem"))
        w.ph.write_config(w.config.replace("server.pem", "live.pem"))
        wait_for("the start is over", lambda: w.ph.pmtactl("reload", check=False).returncode == 0, 20)
        with client(w, 2526, context()) as s:
            shutil.copy(CERTS.path("server.key"), CERTS.path("live.pem"))
            r = w.ph.pmtactl("reload", check=False)
            expect(r.returncode != 0 and "certificate in" in r.stdout + r.stderr, f"{r}")
            expect_equal(s.docmd("NOOP")[0], 250, "the old session")
            shutil.copy(CERTS.path("other.pem"), CERTS.path("live.pem"))
            w.ph.pmtactl("reload")
            expect_equal(s.docmd("NOOP")[0], 250, "the old session")
            wait_for("the new certificate", lambda: served(w) == CERTS._read("other.crt"), 10)
            s.sendmail("a@sender.test", ["b@gmail.test"], "Subject: reloaded\r\n\r\nx\r\n")
        came(w, "reloaded")
        w.ph.kill_daemon("injectd")
        wait_for("injectd serves TLS again", lambda: offers(w, 2526, V.TLSv1_3), 20)
        w.ph.audit()


@case("no process but master can read the key, and injectd has no descriptor of it left")
def rights():
    w = Rig.get()
    for pid in w.ph.daemons()["injectd"]:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                name = os.readlink(f"/proc/{pid}/fd/{fd}")
            except OSError:
                continue
            expect("posthaste-tls" not in name and not name.startswith(FOLDER), f"injectd holds {name}")
    w.ph.audit()


if __name__ == "__main__":
    main()
