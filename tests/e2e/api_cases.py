"""Mail over HTTP: what is taken, what is refused and how, TLS, keys, limits; durable before 200."""
import http.client
import json
import os
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import World  # noqa: E402
from server_certs import Certs  # noqa: E402

KEY, OTHER = "k" * 32, "0123456789abcdefABCDEF_" * 2
CONFIG = """\
<transmissions-api>
	api-key {key}
	api-key {other}
	log-requests yes
</transmissions-api>
<transmissions-api-listener {net}.1:8443>
	tls-certificate {folder}/certs/server.pem
</transmissions-api-listener>
<transmissions-api-listener {net}.1:8444>
	tls-certificate {folder}/certs/locked.pem secret
	tls-ca-file {folder}/certs/authority.crt
	tls-allow-tlsv1 yes
	tls-allow-tlsv1.2 yes
	tls-allow-tlsv1.3 no
	tls-ciphers DHE-RSA-AES256-GCM-SHA384:AES128-SHA:@SECLEVEL=0
	tls-dh-key-length 4096
</transmissions-api-listener>
<transmissions-api-listener {net}.1:8445>
	tls-certificate {folder}/certs/server.pem
	tls-allow-tlsv1.1 no
	tls-allow-tlsv1.2 no
	tls-tlsv1.3-ciphersuites TLS_CHACHA20_POLY1305_SHA256
</transmissions-api-listener>
<source {transmissions-api}>
	max-message-size 2M
	jobid-prefix api-
</source>
<virtual-mta v1>
</virtual-mta>
"""
POLICY = "port {mx_port}\nname-server {net}.53:{dns_port}\nprovider gmail.test { mx {net}.10; }\n"


def api_world(**options):
    w = World(policy=POLICY, config=CONFIG.replace("{key}", KEY).replace("{other}", OTHER), start=False, **options)
    certs = Certs(w.folder + "/certs")
    certs.authority("authority")
    certs.make("server", "authority", kind="ec")
    certs.make("locked", "authority", password="secret")
    return w


class Api:
    """One connection."""

    def __init__(self, w, port=8443):
        context = ssl.create_default_context(cafile=w.folder + "/certs/authority.crt")
        context.check_hostname = False
        self.conn = http.client.HTTPSConnection(w.net + ".1", port, timeout=60, context=context)

    def ask(self, body, key=KEY, method="POST", path="/api/v1/transmissions", headers=None):
        """Status and the answer's JSON."""
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        self.conn.request(method, path, body, {"Authorization": key, **(headers or {})})
        r = self.conn.getresponse()
        return r.status, json.loads(r.read())


def mail(ident, rcpts=("a@gmail.test",), body="hello\n", **more):
    return {"return_path": "s@inject.test", "recipients": [{"address": r} for r in rcpts],
            "content": {"email_rfc822": f"X-Id: {ident}\nSubject: test\n\n{body}"}, **more}


def description(answer):
    return answer["errors"][0]["description"]


def taken(w, api):
    done = {"results": {"total_accepted_recipients": 1, "total_rejected_recipients": 0}}
    expect_equal(api.ask(mail("m1")), (200, done), "the simplest")
    # on the same connection, with another key
    expect_equal(api.ask(mail("m2", body=".\n..two\r\n\u00e4 \U0001f600\nend", campaign_id="c7"), key=OTHER)[0], 200, "m2")
    many = mail("m3", ["a@gmail.test", {"email": "b@gmail.test"}, "no address"])
    many["recipients"] += [{"address": f"v{i}@gmail.test", "return_path": f"bounce{i % 2}@inject.test"} for i in range(4)]
    expect_equal(api.ask(many), (200, {"results": {"total_accepted_recipients": 6, "total_rejected_recipients": 1}}), "m3")
    expect_equal(api.ask(mail("m4", ["\u00fc@gmail.test"], options={"smtputf8": True}))[0], 200, "SMTPUTF8")
    w.mx.wait_recipients(9)
    came = {(a.id, a.rcpt): a for a in w.mx.log()}
    expect_equal(len(came), 9, "recipients")
    expect(w.mx.message(came["m2", "a@gmail.test"]).endswith(
        b"\r\n\r\n.\r\n..two\r\n" + "\u00e4 \U0001f600".encode() + b"\r\nend\r\n"), "the text")
    expect(b" via api id " in w.mx.message(came["m1", "a@gmail.test"]), "Received")
    expect(b"x-job" not in w.mx.message(came["m2", "a@gmail.test"]), "x-job")
    expect_equal({came["m3", f"v{i}@gmail.test"].sender for i in (0, 2)}, {"bounce0@inject.test"}, "return path")
    expect_equal(came["m3", "b@gmail.test"].sender, "s@inject.test", "the common return path")
    records = {r["header_X-Id"]: r for r in w.ph.wait_records(9, "d")}
    expect_equal((records["m2"]["jobId"], records["m2"]["srcType"]), ("api-c7", "api"), "record")
    expect(records["m1"]["srcMta"].startswith("api (127."), records["m1"]["srcMta"])


def refused(w, api):
    def wants(status, text, *args, **options):
        got, answer = api.ask(*args, **options)
        expect(got == status and text in description(answer), f"{got} {answer}, wanted {status} {text}")
    wants(403, "key", mail("bad"), key="")
    wants(403, "key", mail("bad"), key=KEY[:-1])
    wants(404, "/api/v1", mail("bad"), path="/api/v1/other")
    wants(405, "POST", b"", method="GET")
    wants(400, "Content-Length", b"", headers={"Transfer-Encoding": "chunked", "Content-Length": "0"})
    wants(400, "'{' is missing", "nonsense")
    wants(400, "follows", json.dumps(mail("bad")) + "x")
    wants(400, "no end", json.dumps(mail("bad"))[:-3])
    wants(400, '"substitution_data" is not supported', mail("bad", substitution_data={"deep": [[[[]]]]}))
    wants(400, '"html" is not supported', {**mail("bad"), "content": {"html": "x"}})
    wants(400, "return_path is missing", {k: v for k, v in mail("bad").items() if k != "return_path"})
    wants(400, "no recipients", mail("bad", []))
    wants(400, "email_rfc822 is missing", {**mail("bad"), "content": {}})
    wants(400, "twice", '{"return_path":"a@b.test","return_path":"a@b.test"}')
    wants(400, "UTF-8", b'{"return_path":"\xff"}')
    wants(400, "escape", b'{"return_path":"\\ud800"}')
    wants(400, "control", b'{"return_path":"a\nb"}')
    wants(400, "address", mail("bad", ["a@gmail.test>\r\nRCPT TO:<evil@gmail.test"]))
    wants(400, "address", mail("bad", return_path="a@b.test> SIZE=1\r\nRSET"))
    wants(400, "NUL", mail("bad", body="a\0b"))
    wants(400, "too large", mail("bad", body="x" * 70 + "\n" + ("y" * 99 + "\n") * 22000))
    wants(413, "too large", b"", headers={"Content-Length": str(1 << 30)})


def tls(w):
    def said(port, *options):
        r = subprocess.run(["openssl", "s_client", "-connect", f"{w.net}.1:{port}", "-cipher", "ALL:@SECLEVEL=0",
                            *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        return r.stdout + r.stderr
    def version(port, *options):
        text = said(port, *options)
        return text.partition("New, ")[2].partition(",")[0] if "Cipher is (NONE)" not in text else None
    for port, wanted in ((8443, [False, True, True, True]), (8444, [True, True, True, False]),
                         (8445, [False, False, False, True])):
        expect_equal([version(port, v) is not None for v in ("-tls1", "-tls1_1", "-tls1_2", "-tls1_3")], wanted, port)
    expect("TLS_CHACHA20_POLY1305_SHA256" in said(8445), "tls-tlsv1.3-ciphersuites")
    expect("Cipher is DHE-RSA-AES256-GCM-SHA384" in said(8444, "-tls1_2"), "tls-ciphers")
    expect("4096 bits" in said(8444, "-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0")
           .partition("Temp Key: DH")[2][:20], "tls-dh-key-length")
    expect_equal([said(port, "-showcerts").count("BEGIN CERTIFICATE") for port in (8443, 8444)], [1, 2], "tls-ca-file")
    expect_equal(Api(w, 8445).ask(mail("t1"))[0], 200, "over TLS 1.3")


def logs(w):
    expect("event=api-request client=127" in w.ph.said() and "status=403" in w.ph.said(), "log-requests")
    expect("event=api-data" not in w.ph.said() and "event=api-tls" not in w.ph.said(), "nobody wanted these")
    w.ph.write_config(w.config.replace("log-requests yes", "log-data yes\n\tlog-tls yes").replace(f"api-key {KEY}", "#"))
    w.ph.pmtactl("reload")
    wait_for("the key is gone", lambda: Api(w).ask(mail("l1"))[0] == 403)
    before = w.ph.said().count("event=api-request")
    expect_equal(Api(w).ask(mail("l1"), key=OTHER)[0], 200, "the other stays")
    expect_equal(w.ph.said().count("event=api-request"), before, "no longer")
    wait_for("log-data, log-tls", lambda: "event=api-data" in w.ph.said() and "event=api-tls" in w.ph.said())


@case("the API takes mail with job and return paths, refuses what it does not know by name, has TLS as its listener says")
def api():
    with api_world(dump=True) as w:
        w.ph.start()
        a = Api(w)
        taken(w, a)
        refused(w, a)
        tls(w)
        logs(w)
        w.drained()
        expect("bad" not in {x.id for x in w.mx.log()}, "something bad was sent")
        w.ph.audit()


@case("what was answered with 200 arrives although everything is killed at once")
def durable():
    with api_world() as w:
        w.ph.start()
        a, said = Api(w), set()
        for i in range(20):
            if a.ask(mail(f"d{i}", [f"r{i}@gmail.test"]))[0] == 200:
                said.add(f"d{i}")
        w.ph.kill()
        w.ph.start()
        w.mx.wait_recipients(len(said))
        expect_equal({x.id for x in w.mx.log()}, said, "came")
        w.ph.kill_daemon("injectd")
        wait_for("it listens again", lambda: ask_quietly(w) == 200)
        w.drained()
        w.ph.audit()


def ask_quietly(w):
    try:
        return Api(w).ask(mail("again"))[0]
    except OSError:
        return 0


main()
