"""The web monitor for scripts: each URL and form, who may do what and who not, log-ins, TLS, and requests that no honest
client sends."""
import glob
import json
import os
import socket
import ssl
import subprocess
import sys
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from authority import Authority  # noqa: E402
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import World, queued_recipients  # noqa: E402
from server_certs import Certs  # noqa: E402
from web import PASSWORD, PORT, Client, hash_of, raw, write_access_file  # noqa: E402

KEY = "k" * 20 + "_0123456789_ABCDEF"
# .9 has no line: nothing by its address; .8 is barred; .7 may not see the logs
CONFIG = """
http-mgmt-port 8080
http-access 127.0.0.1 admin
http-access {net}.8 none
http-access {net}.7 monitor,deny-logs
http-access {net}.6 operator
http-api-key """ + KEY + """
<http>
	address {net}.1
	access-file {folder}/access.json
</http>
"""
_world = None


class Web(World):
    """A World with mail that waits: paused, so that there is something to see."""
    is_up = False

    def __enter__(self):
        write_access_file(self.folder + "/access.json",
                          [("anna", hash_of(), "admin"), ("mona", hash_of(), "monitor")])
        super().__enter__()
        self.address = (f"{self.net}.1", PORT)
        self.ph.pmtactl("pause", "queue", "*/*")
        self.inject(n=6, rcpts="u%r@gmail.test", sessions=2, headers=["x-job: summer"])
        self.inject(n=3, rcpts="u%r@yahoo.test", sessions=1)
        wait_for("nine recipients", lambda: queued_recipients(self.ph) == 9, 20)
        self.is_up = True
        return self

    def client(self, last=None, **options):
        return Client(self.address, source=None if last is None else f"{self.net}.{last}", **options)

    def use(self, change):
        """Reloads with another configuration; the one at the start comes back with use(str)."""
        self.ph.write_config(change(self.config))
        self.ph.pmtactl("reload")


def world():
    global _world
    if _world is None:
        _world = Web(config=CONFIG)
        _world.__enter__()
    expect(_world.is_up, "it did not start")
    return _world


def certificate(w):
    """PEM of certificate and key, without the authority's."""
    a = Authority(w.folder + "/ca")
    path = a.certificate("mta.posthaste.test")
    parts = open(path).read().split("-----BEGIN ")
    with open(w.folder + "/web.pem", "w") as f:
        f.write("-----BEGIN " + parts[1] + "-----BEGIN " + parts[3])
    return w.folder + "/web.pem", a.path


def handshake(w, *words):
    r = subprocess.run(["openssl", "s_client", "-connect", f"{w.net}.1:{PORT}", "-showcerts", *words],
                       input="", capture_output=True, text=True, timeout=20)
    return r.stdout + r.stderr


@case("each URL for scripts answers as JSON, XML and dom, with the same numbers as pmtactl")
def scripts():
    w = world()
    c = w.client()
    for path, name in (("/status", "status"), ("/queues", "queue"), ("/domains", "domain"), ("/vmtas", "vmta"),
                       ("/jobs", "job"), ("/queueDetail?queue=gmail.test", "queue"),
                       ("/domainDetail?domain=yahoo.test", "domain"), ("/listqueue?queue=gmail.test", "rcpt")):
        sign = "&" if "?" in path else "?"
        r = c.get(path + sign + "format=json")
        expect_equal(r.status, 200, f"{path}: {r.body[:200]}")
        expect(name in r.data() or path.startswith("/listqueue"), f"{path}: {r.body[:200]}")
        root = ET.fromstring(c.get(path + sign + "format=xml").body)
        expect_equal(root.tag, "rsp", path)
        text = c.get(path + sign + "format=dom").body.decode()
        expect('="' in text, f"{path} as dom: {text[:200]}")
    rows = {q["name"].split("/")[0]: q["rcp"] for q in c.get("/queues?format=json").data()["queue"]}
    expect_equal(rows, {"gmail.test": 6, "yahoo.test": 3}, "queues")
    vmta = ET.fromstring(c.get("/vmtas?format=xml").body).find("./data/vmta")
    expect_equal((vmta.find("rcp").text, vmta.find("name").text), ("9", "{default}"), "//rsp/data/vmta")
    r = c.get("/metrics")
    expect(r.headers["content-type"].startswith("text/plain; version=0.0.4") and b"# TYPE" in r.body, f"metrics: {r.body[:100]}")
    expect_equal(c.get("/queues?format=yaml").status, 400, "an unknown form")
    expect_equal(c.get("/queues?nonsense=1&format=json").status, 400, "an unknown field")
    expect_equal(c.get("/status", Accept="text/html").status, 303, "a browser is sent to the page")


@case("sort, maxitems and filters: given, or http-default-max-items and http-default-sort-order")
def lists():
    w = world()
    c = w.client()
    names = [q["name"].split("/")[0] for q in c.get("/queues?format=json&sort=name").data()["queue"]]
    expect_equal(names, ["gmail.test", "yahoo.test"], "by name")
    expect_equal(len(c.get("/queues?format=json&maxitems=1").data()["queue"]), 1, "maxitems")
    expect_equal(len(c.get("/queues?format=json&paused=no").data()["queue"]), 0, "a filter")
    w.use(lambda s: s + "http-default-max-items 1\nhttp-default-sort-order rcpt\n")
    try:
        rows = c.get("/queues?format=json").data()["queue"]
        expect_equal([q["name"].split("/")[0] for q in rows], ["gmail.test"], "defaults: the largest, one")
        w.use(lambda s: s.replace("gmail.test", "gmail.test") + "http-default-max-items 1\nhttp-default-sort-order name\n")
        w.inject(n=5, rcpts="x%r@yahoo.test", sessions=1)
        rows = wait_for("yahoo has more", lambda: [
            q for q in c.get("/queues?format=json&sort=rcpt").data()["queue"] if "yahoo" in q["name"]], 20)
        rows = c.get("/queues?format=json").data()["queue"]
        expect_equal([q["name"].split("/")[0] for q in rows], ["gmail.test"], "by name by default")
    finally:
        w.use(str)


READS = ["/status?format=json", "/queues?format=json", "/domains?format=json", "/vmtas?format=json", "/jobs?format=json",
         "/queueDetail?queue=*&format=json", "/domainDetail?domain=*&format=json", "/jobDetail?jobid=summer&format=json",
         "/listqueue?queue=*&format=json", "/events", "/history", "/labels", "/commands", "/metrics", "/logs", "/getFile?file=log.txt",
         "/command?command=show+status", "/command?command=list+--queue=*"]
CHANGES = ["pause queue gmail.test", "resume queue */*", "schedule */*", "delete --queue=*/*", "reload", "stop",
           "set queue --mode=backoff gmail.test", "disable source 127.0.0.1 gmail.test", "reset counters",
           "pause job summer", "hold {default}", "clear dnscache", "rotate log", "set priority --queue=* 5"]


@case("without a right nothing is read and nothing changes: every URL, every command, also with a wrong key or cookie")
def no_right():
    w = world()
    c = w.client(9)
    before = w.ph.json("show", "queues")
    for path in READS:
        expect_equal(c.get(path).status, 403, path)
    for words in CHANGES:
        expect_equal(c.command(words).status, 403, words)
        expect_equal(c.command(words, Cookie="posthaste=" + "0" * 64).status, 403, words)
    expect_equal(c.get("/ui/").status, 200, "the page with the log-in is there")
    expect(b"gmail" not in c.get("/ui/").body, "the page holds no data")
    expect_equal(w.ph.json("show", "queues"), before, "queues")
    barred = w.client(8)
    try:
        got = barred.get("/ui/").status
    except OSError:
        got = None
    expect(got in (None, 403), f"a barred address: {got}")


@case("monitor reads and changes nothing, operator changes queues but not the server, deny-logs sees no log")
def roles():
    w = world()
    monitor, operator = w.client(7), w.client(6)
    expect_equal(monitor.get("/queues?format=json").status, 200, "monitor reads")
    for path in ("/logs", "/getFile?file=log.txt"):
        expect_equal(monitor.get(path).status, 403, f"deny-logs: {path}")
        expect_equal(operator.get(path).status, 200, f"the logs: {path}")
    for words in CHANGES:
        expect_equal(monitor.command(words).status, 403, f"monitor: {words}")
    for words in ("reload", "stop", "rotate log", "reset counters"):
        expect_equal(operator.command(words).status, 403, f"operator: {words}")
    r = operator.command("pause job summer")
    expect_equal(r.status, 200, f"operator: {r.body}")
    expect_equal(operator.command("resume job summer").status, 200, "operator resumes")
    r = operator.command("delete --queue=gmail.test --dry-run")
    expect_equal(r.status, 200, f"dry run: {r.body}")
    expect("6" in r.json()["message"], f"dry run: {r.body}")
    expect_equal(monitor.get("/command?command=pause+queue+gmail.test").status, 403, "by GET")
    expect_equal(operator.get("/command?command=pause+queue+gmail.test").status, 405, "a change by GET")


@case("a key has all rights from anywhere, by header alone; a wrong one has none, and after five the address waits")
def keys():
    w = world()
    c = w.client(9)
    expect_equal(c.get("/status?format=json", X_API_Key=KEY).status, 200, "read")
    r = c.command("reset counters", token=False, X_API_Key=KEY)
    expect_equal(r.status, 200, f"change without a token: {r.body}")
    expect_equal(c.get("/status?format=json&key=" + KEY).status, 403, "not in the address")
    other = w.client(20)
    for _ in range(5):
        expect_equal(other.get("/status?format=json", X_API_Key=KEY[:-1] + "x").status, 403, "a wrong key")
    expect_equal(other.get("/status?format=json", X_API_Key=KEY).status, 429, "the right one, too late")
    said = w.ph.said()
    expect(KEY not in said, "a key in the log")


@case("log-ins: right and wrong, rights of the role, log-out, five failures lock the address out; no password in the log")
def logins():
    w = world()
    c = w.client(9)
    expect_equal(c.login("anna", "wrong").status, 403, "a wrong password")
    expect_equal(c.login("nobody").status, 403, "an unknown user")
    r = c.login("anna")
    expect_equal(r.status, 200, f"{r.body}")
    cookie = r.headers["set-cookie"]
    expect("HttpOnly" in cookie and "SameSite=Strict" in cookie, cookie)
    expect_equal(c.get("/session").data()["session"]["access"], "admin", "role")
    expect_equal(c.command("reset counters").status, 200, "admin changes")
    old = c.cookie
    expect_equal(c.post("/logout", {}).status, 200, "log-out")
    c.cookie, c.token = old, None
    expect_equal(c.get("/queues?format=json").status, 403, "the old cookie")
    mona = w.client(9)
    expect_equal(mona.login("mona").status, 200, "monitor")
    expect_equal(mona.get("/queues?format=json").status, 200, "monitor reads")
    expect_equal(mona.command("pause queue gmail.test").status, 403, "monitor changes nothing")
    guess = w.client(21)
    for i in range(5):
        expect_equal(guess.login("anna", f"guess {i}").status, 403, "a guess")
    r = guess.login("anna")
    expect_equal(r.status, 429, "the sixth, although right")
    expect("retry-after" in r.headers, "Retry-After")
    said = w.ph.said()
    expect(PASSWORD not in said and "guess 1" not in said, "a password in the log")
    expect("event=http-login " in said and "event=http-login-failed" in said, "log-ins are logged")


@case("a change takes the session's token, our own origin and our own name; http-csrf-protection no takes no token")
def forgery():
    w = world()
    c = w.client()
    words = "reset counters"
    expect_equal(c.command(words).status, 200, "with the token")
    expect_equal(c.command(words, token=False).status, 403, "without")
    expect_equal(c.command(words, token=False, X_CSRF_Token="0" * 64).status, 403, "a wrong one")
    expect_equal(c.command(words, Origin="http://evil.test").status, 403, "another origin")
    expect_equal(c.command(words, Origin="null").status, 403, "no origin to speak of")
    expect_equal(c.command(words, Sec_Fetch_Site="cross-site").status, 403, "cross-site")
    expect_equal(c.command(words, Origin=f"http://{w.net}.1:{PORT}").status, 200, "our own")
    for host in ("evil.test", "evil.test:8080", "127.0.0.1.evil.test", "[::1].evil.test", "", "mta.posthaste.test.evil"):
        r = raw(w.address, f"GET /queues?format=json HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        expect(r.split(b" ")[1] in (b"403", b"400"), f"Host {host!r}: {r[:60]}")
    for host in ("localhost", "127.0.0.1:8080", "[::1]:8080", "mta.posthaste.test", "MTA.posthaste.test:8080"):
        r = raw(w.address, f"GET /queues?format=json HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        expect(r.startswith(b"HTTP/1.1 200"), f"Host {host!r}: {r[:60]}")
    w.use(lambda s: s + "http-csrf-protection no\n")
    try:
        expect_equal(w.client().command(words, token=False).status, 200, "no token asked for")
        expect_equal(w.client().command(words, token=False, Origin="http://evil.test").status, 403, "still our own")
    finally:
        w.use(str)


@case("what could mean two things, is too large or is no HTTP gets 4xx or nothing, and the monitor goes on")
def hostile():
    w = world()
    host = b"Host: localhost\r\n"
    post = b"POST /command HTTP/1.1\r\n" + host
    rows = {
        "length and chunks": post + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "two lengths": post + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        "a negative length": post + b"Content-Length: -1\r\n\r\n",
        "a length of 2^64": post + b"Content-Length: 18446744073709551616\r\n\r\n",
        "a huge length": post + b"Content-Length: 999999999\r\n\r\n",
        "a chunk of 2^64": post + b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nx\r\n",
        "a chunk without a number": post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "1 MB of header": b"GET / HTTP/1.1\r\n" + host + b"X: " + b"a" * 1000000 + b"\r\n\r\n",
        "a path out of the root": b"GET /static/..%2f..%2fetc%2fpasswd HTTP/1.1\r\n" + host + b"\r\n",
        "dots": b"GET /static/../../etc/passwd HTTP/1.1\r\n" + host + b"\r\n",
        "an encoded NUL": b"GET /status%00?format=json HTTP/1.1\r\n" + host + b"\r\n",
        "control characters": b"GET /queues?queue=a%0d%0ab&format=json HTTP/1.1\r\n" + host + b"\r\n",
        "another method": b"DELETE /status HTTP/1.1\r\n" + host + b"\r\n",
        "TRACE": b"TRACE / HTTP/1.1\r\n" + host + b"\r\n",
        "no host": b"GET /status?format=json HTTP/1.1\r\n\r\n",
        "two hosts": b"GET /status?format=json HTTP/1.1\r\n" + host + host + b"\r\n",
        "an absolute target": b"GET http://evil.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n",
        "not HTTP": b"EHLO there\r\n\r\n",
        "many fields": b"GET /queues?" + b"&".join(b"a%d=1" % i for i in range(500)) + b" HTTP/1.1\r\n" + host + b"\r\n",
    }
    for name, data in rows.items():
        try:
            got = raw(w.address, data)
        except OSError:
            got = b""
        expect(not got or got.split(b" ")[1][:1] == b"4", f"{name}: {got[:80]!r}")
    # libmicrohttpd ends the path there: no more than the path before it is had
    got = raw(w.address, b"GET /nothing\0/../status?format=json HTTP/1.1\r\n" + host + b"\r\n")
    expect(b" 404 " in got or b" 400 " in got, f"a NUL: {got[:80]}")
    body = b"command=" + b"a" * (5 * 1024 * 1024)
    got = raw(w.address, post + b"Content-Length: %d\r\n\r\n" % len(body))
    expect(b" 413 " in got, f"a body of 5 MB: {got[:80]}")
    expect_equal(w.client().get("/status?format=json").status, 200, "afterwards")


@case("many idle and half-sent connections stay within bounds, and a client that asks is still answered")
def crowd():
    w = world()
    sockets = []
    try:
        for i in range(700):
            s = socket.socket()
            s.bind((f"{w.net}.{100 + i % 7}", 0))
            s.connect(w.address)
            s.sendall(b"GET /st" if i % 2 else b"")
            sockets.append(s)
        expect_equal(w.client().get("/status?format=json").status, 200, "in the crowd")
        pid = w.ph.daemons()["webd"][0]
        n = len(os.listdir(f"/proc/{pid}/fd"))
        expect(n < 700, f"webd holds {n} descriptors")
    finally:
        for s in sockets:
            s.close()


@case("what strangers wrote comes out as data: JSON, XML and pages never run it; every answer forbids scripts from elsewhere")
def strangers():
    w = world()
    c = w.client()
    evil = "</script><img src=x onerror=alert(1)>&\"'"
    w.inject(n=1, rcpts="s%r@gmx.test", sessions=1, headers=["x-job: " + evil])
    wait_for("the job", lambda: any("onerror" in j["name"] for j in c.get("/jobs?format=json&maxitems=50").data()["job"]), 20)
    names = [j.find("name").text for j in ET.fromstring(c.get("/jobs?format=xml&maxitems=50").body).findall("./data/job")]
    expect(any("onerror" in n for n in names), f"XML: {names}")
    for path in ("/jobs?format=json", "/jobs?format=xml", "/ui/jobs", "/static/app.js", "/session", "/nothing<b>"):
        r = c.get(path.replace("<", "%3C"))
        policy = r.headers["content-security-policy"]
        expect("default-src 'self'" in policy and "unsafe" not in policy, f"{path}: {policy}")
        expect_equal(r.headers["x-content-type-options"], "nosniff", path)
    page = c.get("/ui/").body.decode()
    expect("<script>" not in page and "style=" not in page and "://" not in page, "inline or from elsewhere")


@case("TLS: served beside clear text on one port, redirected to, with the versions that are allowed; HSTS; logged")
def tls():
    w = world()
    pem, ca = certificate(w)
    more = (f"http-tls-certificate {pem}\nhttp-strict-transport-security-max-age 3600\nhttp-log-tls yes\n"
            "http-tls-allow-tlsv1.2 no\nhttp-tls-allow-tlsv1.1 no\n")
    w.use(lambda s: s + more)
    try:
        c = w.client(tls=True)
        r = c.get("/queues?format=json")
        expect_equal(r.status, 200, f"{r.body}")
        expect_equal(r.headers["strict-transport-security"], "max-age=3600", "HSTS")
        expect_equal(c.command("reset counters").status, 200, "a change")
        expect_equal(c.command("reset counters", Origin=f"https://{w.net}.1:{PORT}").status, 200, "our own origin")
        clear = w.client()
        r = clear.get("/ui/queues")
        expect_equal((r.status, r.headers.get("location")), (303, f"https://{w.net}.1:{PORT}/ui/queues"), "redirected")
        expect_equal(clear.get("/queues?format=json").status, 403, "no data in clear")
        old = ssl.create_default_context()
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        try:
            with socket.create_connection(w.address, 10) as s, old.wrap_socket(s):
                expect(False, "TLS 1.2 was served")
        except ssl.SSLError:
            pass
        big = c.post("/command", {"command": "list --queue=" + "x" * 200000})
        expect(big.status in (400, 404), f"200 KB through TLS: {big.status}")
        with open(w.folder + "/access.json") as f:
            expect(f.read(), "access file")
        login = w.client(9, tls=True)
        expect("Secure" in login.login("anna").headers["set-cookie"], "Secure")
        wait_for("the log", lambda: "event=http-tls client=" in w.ph.said(), 10)
        expect_equal(handshake(w).count("BEGIN CERTIFICATE"), 1, "without authorities: the chain")
        w.use(lambda s: s + more + "http-redirect-to-https no\nhttp-tls-tlsv1.3-ciphersuites TLS_CHACHA20_POLY1305_SHA256\n"
              f"http-tls-ca-file {ca}\n")
        said = handshake(w)
        expect("TLS_CHACHA20_POLY1305_SHA256" in said, f"suites: {said[:300]}")
        expect_equal(said.count("BEGIN CERTIFICATE"), 2, "with authorities: the chain")
        expect_equal(w.client().get("/queues?format=json").status, 200, "clear text beside TLS")
        w.use(lambda s: s + f"http-tls-certificate {pem}\nhttp-tls-allow-tlsv1.3 no\nhttp-tls-allow-tlsv1.2 yes\n"
              "http-tls-ciphers ECDHE-ECDSA-AES128-GCM-SHA256\n")
        said = handshake(w, "-cipher", "ALL")
        expect("ECDHE-ECDSA-AES128-GCM-SHA256" in said, f"ciphers: {said[:300]}")
        expect("Cipher is (NONE)" in handshake(w, "-tls1_3"), "TLS 1.3 was served")
    finally:
        w.use(str)


@case("each row of TLS decides: which versions are spoken, and how long the key for Diffie-Hellman is")
def tls_rows():
    w = world()
    certs = Certs(w.folder + "/certs")
    certs.make("server")
    tls_on = f"http-tls-certificate {certs.path('server.pem')}\nhttp-redirect-to-https no\nhttp-tls-ciphers ALL:@SECLEVEL=0\n"
    names = ("-tls1", "-tls1_1", "-tls1_2", "-tls1_3")
    rows = (("", [False, True, True, True]), ("http-tls-allow-tlsv1 yes\n", [True, True, True, True]),
            ("http-tls-allow-tlsv1.1 no\n", [False, False, True, True]), ("http-tls-allow-tlsv1.3 no\n", [False, True, True, False]),
            ("http-tls-allow-tlsv1.1 no\nhttp-tls-allow-tlsv1.2 no\n", [False, False, False, True]))
    try:
        for row, wanted in rows:
            w.use(lambda s, row=row: s + tls_on + row)
            spoken = ["Cipher is (NONE)" not in handshake(w, v, "-cipher", "ALL:@SECLEVEL=0") for v in names]
            expect_equal(spoken, wanted, f"{names} with {row!r}")
        for bits in (2048, 4096):
            w.use(lambda s, bits=bits: s + tls_on + f"http-tls-dh-key-length {bits}\n")
            said = handshake(w, "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
            expect(f"Server Temp Key: DH, {bits} bits" in said, f"http-tls-dh-key-length {bits}: {said[-800:]}")
    finally:
        w.use(str)


@case("http-log-requests and http-log-data tell who asked what, and hide passwords, keys and tokens")
def logs():
    w = world()
    w.use(lambda s: s + "http-log-requests yes\nhttp-log-data yes\n")
    try:
        c = w.client(9)
        c.login("anna")
        c.command("show status")
        c.get("/queues?format=json&queue=findme.test", X_API_Key=KEY)
        wait_for("requests", lambda: "findme.test" in w.ph.said() and "user=key method=GET path=\"/queues\"" in w.ph.said(), 20)
        said = w.ph.said()
        expect("event=http-data" in said and "show status" in said, "data")
        for secret in (PASSWORD, PASSWORD.replace(" ", "+"), KEY, c.cookie.split("=")[1], c.token):
            expect(secret not in said, "a secret in the log")
    finally:
        w.use(str)


@case("a broken access file or certificate refuses the reload with file and line; nothing changes")
def broken_files():
    w = world()
    path = w.folder + "/broken.json"
    for text, reason in (("{", "line 1"), ('{"users": [{"name": "a", "password": "secret", "role": "admin"}]}', "not a hash"),
                         ('{"users": [{"name": "a", "role": "admin"}]}', "password"),
                         (json.dumps({"users": [{"name": "a", "password": hash_of(), "role": "god"}]}), "the role is")):
        with open(path, "w") as f:
            f.write(text)
        w.ph.write_config(w.config.replace("/access.json", "/broken.json"))
        r = w.ph.pmtactl("reload", check=False)
        expect(r.returncode != 0 and reason in r.stdout + r.stderr, f"{text}: {r.stdout}{r.stderr}")
    w.use(str)
    expect_equal(w.client(9).login("anna").status, 200, "the users are those before")


@case("webd killed: started again, mail goes on meanwhile; queued killed: a sentence, then answers again")
def deaths():
    w = world()
    w.ph.kill_daemon("webd")
    c = w.client()

    def answers():
        try:
            return c.get("/queues?format=json").status == 200
        except OSError:
            return False
    wait_for("webd answers", answers, 30)
    w.ph.kill_daemon("queued")
    r = c.get("/queues?format=json")
    expect(r.status in (200, 503), f"{r.status} {r.body}")
    wait_for("queued answers", answers, 30)


@case("the port and address move with a reload; without anybody who has a right there is no listener")
def listener():
    w = world()

    def is_there(port):
        try:
            socket.create_connection((f"{w.net}.1", port), 5).close()
            return True
        except OSError:
            return False
    w.use(lambda s: s.replace("http-mgmt-port 8080", "http-mgmt-port 8090"))
    wait_for("it moves", lambda: is_there(8090) and not is_there(8080), 20)
    w.use(lambda s: s.replace("http-mgmt-port 8080", "http-mgmt-port 0"))
    wait_for("none", lambda: not is_there(8090) and not is_there(8080), 20)
    w.use(lambda s: s.split("\nhttp-mgmt-port")[0] + "\n<domain *>\n\tdefault-smtp-port 2525\n</domain>\n<http>\n"
          f"\taddress {w.net}.1\n</http>\n")
    wait_for("none where nobody has a right", lambda: not is_there(8080), 20)
    w.use(str)
    wait_for("it is back", lambda: is_there(PORT), 20)


@case("the configuration is read, checked, replaced with its earlier version kept, and gone back to; by an administrator alone")
def editing():
    w = world()
    path = w.ph.config_path
    c = w.client()
    for r in (c.get("/configFile?op=listconfigfiles"), c.get("/configFile?op=read&filename=" + path),
              c.post("/configFile", {"op": "write", "filename": path, "content": "x"})):
        expect(r.status == 400 and "enable-config-editing" in r.json()["message"], f"not switched on: {r.body}")
    w.use(lambda s: s + "<http>\n\tenable-config-editing yes\n</http>\n")
    try:
        _editing(w, path, c)
    finally:
        w.use(str)


def _editing(w, path, c):
    names = [f["name"] for f in c.get("/configFile?op=listconfigfiles").data()["file"]]
    expect(path in names, f"files: {names}")
    for evil in ("/etc/shadow", path + "/../config", os.path.dirname(path) + "/./config", "config", path + "\0x"):
        r = c.ask("GET", "/configFile?op=read&filename=" + evil.replace("\0", "%00"))
        expect_equal(r.status, 400, f"read {evil!r}")
        expect_equal(c.post("/configFile", {"op": "write", "filename": evil, "content": "x"}).status, 400, f"write {evil!r}")
    before = open(path).read()
    file = c.get("/configFile?op=read&filename=" + path).data()["file"]
    expect_equal(file["content"], before, "content")
    bad = c.post("/configFile", {"op": "check", "filename": path, "content": before + "max-smpt-out 5\n"})
    expect(bad.status == 400 and "max-smpt-out" in bad.json()["message"], f"a wrong word: {bad.body}")
    bad = c.post("/configFile", {"op": "write", "filename": path, "content": before + "max-smpt-out 5\n"})
    expect_equal((bad.status, open(path).read()), (400, before), "a wrong one is not written")
    bad = c.post("/configFile", {"op": "check", "filename": path, "content": before + "http-tls-certificate /nowhere.pem\n"})
    expect(bad.status == 400 and "nowhere.pem" in bad.json()["message"], f"a certificate that is not there: {bad.body}")
    expect_equal(c.post("/configFile", {"op": "check", "filename": path, "content": before + "# fine\n"}).status, 200, "right")
    os.chmod(path, 0o640)
    new = before + "# changed here\n"
    good = c.post("/configFile", {"op": "write", "filename": path, "content": new, "hash": file["hash"]})
    expect_equal((good.status, open(path).read()), (200, new), f"{good.body}")
    expect_equal(os.stat(path).st_mode & 0o777, 0o640, "the mode stays")
    late = c.post("/configFile", {"op": "write", "filename": path, "content": before, "hash": file["hash"]})
    expect(late.status == 400 and "meanwhile" in late.json()["message"], f"over another's change: {late.body}")
    expect_equal(c.command("reload").status, 200, "reload")
    versions = c.get("/configFile?op=listconfigfiles").data()["backup"]
    expect_equal((len(versions), versions[0]["file"]), (1, path), "one earlier version")
    operator = w.client(6)
    expect_equal(operator.get("/configFile?op=read&filename=" + path).status, 200, "an operator reads")
    for fields in ({"op": "write", "filename": path, "content": before}, {"op": "check", "filename": path, "content": before},
                   {"op": "rollback", "backup": versions[0]["name"]}, {"file": before}):
        expect_equal(operator.post("/configFile", fields).status, 403, f"an operator: {fields['op'] if 'op' in fields else 'file'}")
        expect_equal(w.client(9).post("/configFile", fields).status, 403, "nobody")
        expect_equal(c.post("/configFile", fields, token=False).status, 403, "without a token")
    expect_equal(w.client(7).get("/configFile?op=listconfigfiles").status, 403, "a monitor")
    for evil in ("../config", "..", ".", versions[0]["name"] + "x", "/etc/passwd", ""):
        expect_equal(c.post("/configFile", {"op": "rollback", "backup": evil}).status, 400, f"back to {evil!r}")
    expect_equal(open(path).read(), new, "unchanged by all these")
    back = c.post("/configFile", {"op": "rollback", "backup": versions[0]["name"]})
    expect_equal((back.status, open(path).read()), (200, before), f"back: {back.body}")
    whole = c.post("/configFile", {"file": new}, token=False, X_API_Key=KEY)
    expect_equal((whole.status, open(path).read()), (200, new), f"PowerMTA's field file: {whole.body}")
    one = {"op": "commit", "file.1.name": path, "file.1.op": "write", "file.1.content": before}
    commit = c.post("/configFile", one, token=False, X_API_Key=KEY)
    expect_equal((commit.status, open(path).read()), (200, before), f"op=commit: {commit.body}")
    expect("event=http-configuration" in w.ph.said() and "event=configuration-replaced" in w.ph.said(), "the log")


@case("the log page: the newest lines first, those with all the words, and it says when not all of a large log was looked through")
def log_page():
    w = world()

    def lines(query):
        data = w.client(6).get("/logs?format=json" + query).json()["data"]
        return [line["text"] for line in data["line"]], data.get("complete")
    found, complete = lines("&search=webd+ready")
    expect(found and complete is None and all("webd" in x and "ready" in x for x in found), f"{found} {complete}")
    newest = lines("&maxitems=2")[0]
    expect(len(newest) == 2 and newest[0][:19] >= newest[1][:19], f"{newest}")
    current = max(glob.glob(w.folder + "/log/*"), key=os.path.getmtime)
    with open(current, "a") as f:
        f.write(("x" * 99 + "\n") * 22000)
    expect_equal(lines("&search=webd+ready"), ([], False), "of a large log")
    expect_equal(lines("&maxitems=1&search=xxx"), (["x" * 99], None), "enough was found")
    w.ph.pmtactl("rotate", "log")
    wait_for("the new log is shown", lambda: lines("&search=xxx") == ([], None), 20)


@case("at the end the audit balances")
def audit():
    w = world()
    w.ph.pmtactl("resume", "queue", "*/*")
    wait_for("all is delivered", lambda: queued_recipients(w.ph) == 0, 60)
    w.ph.audit()


if __name__ == "__main__":
    try:
        main()
    finally:
        if _world is not None:
            _world.close(False)
