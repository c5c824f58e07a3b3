#!/usr/bin/python3
"""MTA-STS (RFC 8461): policies over HTTPS, whom they bind, and what becomes of mail that may not go. One Posthaste; a
domain with a mail exchanger of its own for each row."""
import atexit
import http.server
import os
import signal
import ssl
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import Skip, case, expect, expect_equal, main, wait_for  # noqa: E402
from authority import Authority, tlsa  # noqa: E402
from dnssim import Dnssim  # noqa: E402
from posthaste import DNS_PORT, MX_PORT, World, processes  # noqa: E402

# name: mode and mx of the policy ({} is the domain's host), what the provider says of TLS and shows, more
ROWS = {
    "good": dict(),
    "wildcard": dict(mx="*.{name}.test"),
    "second": dict(mx="other.test\nmx: {host}"),
    "elsewhere": dict(mx="mx.elsewhere.test"),
    "renamed": dict(shows="another's"),
    "stranger": dict(shows="stranger's"),
    "nul": dict(shows=["mx1.nul.test\0.evil.test"]),
    "star": dict(shows=["*", "*.test", "*.*.test", "mx*.star.test", "mx1.*.test"]),
    "many": dict(shows=["mx1.many.test", *(f"host{i}.elsewhere.test" for i in range(10000))]),
    "clear": dict(tls="no"),
    "testing": dict(mode="testing", shows="another's"),
    "none": dict(mode="none", tls="no"),
    "moved": dict(tls="no", serve="redirect"),
    "page": dict(tls="no", serve="html"),
    "cut": dict(tls="no", serve="cut"),
    "chunked": dict(tls="no", serve="chunked"),
    "impostor": dict(tls="no", impostor=True),
    "norecord": dict(tls="no", record=None),
    "off": dict(tls="no", config="use-mta-sts no"),
    "dane": dict(shows="stranger's", mx="mx.elsewhere.test", tlsa=True),
    "hosts": dict(tls="no", config="smtp-hosts mx1.hosts.test"),
    # their exchangers make a roll-up queue
    "joined": dict(tls="no", record=None),
    "apart": dict(tls="no"),
    # its host answers when the test says so
    "slow": dict(serve="slow"),
}
ROLLUP = """<mx-rollup-list>
	mx mx1.joined.test joined.rollup
	mx mx1.apart.test apart.rollup
</mx-rollup-list>
"""


class Web:
    """The policies of all domains, each under its own certificate by SNI."""

    def __init__(self, address, authority):
        web = self
        self.policies, self.asked, self.contexts, self.go_on = {}, [], {}, threading.Event()
        names = [f"mta-sts.{name}.test" for name in ROWS]
        self.certificate, self.wrong = authority.certificate(*names), authority.certificate("sts.elsewhere.test")

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                host = self.headers["Host"]
                web.asked.append((host, self.path))
                text, serve = web.policies[host]
                body = text.encode()
                if serve == "slow":
                    web.go_on.wait()
                if serve == "redirect":
                    self.send_response(301)
                    self.send_header("Location", f"https://{host}/elsewhere")
                    body = b""
                else:
                    self.send_response(200)
                self.send_header("Content-Type", "text/html" if serve == "html" else "text/plain; charset=utf-8")
                if serve == "chunked":
                    self.send_header("Transfer-Encoding", "chunked")
                    body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:7], body[7:])) + b"0\r\n\r\n"
                else:
                    self.send_header("Content-Length", str(len(body) + (9 if serve == "cut" else 0)))
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                pass  # a client that does not like the certificate

        try:
            self.server = Server((address, 443), Handler)
        except PermissionError:
            raise Skip("port 443 needs root") from None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = lambda sock, name, _: setattr(sock, "context", self.contexts[name])
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, domain, is_impostor, policy, serve):
        host = f"mta-sts.{domain}"
        self.policies[host] = (policy, serve)
        self.contexts[host] = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.wrong if is_impostor else self.certificate)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def policy_text(mode, mx, age=86400):
    return f"version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: {age}\r\n"


class Play:
    def __init__(self):
        self.world = w = World(policy="", start=False)
        authorities = {"own": Authority(w.folder + "/ca"), "other": Authority(w.folder + "/ca2", "Another")}
        hosts = [f"mx1.{name}.test" for name in ROWS]
        certificates = {"own": authorities["own"].certificate(*hosts), "stranger's": authorities["other"].certificate(*hosts),
                        "another's": authorities["own"].certificate("mx.elsewhere.test")}
        self.web = Web(f"{w.net}.250", authorities["own"])
        policy, zone, config = f"port {MX_PORT}\n", {}, f"mta-sts-ca-file {authorities['own'].path}\n" + ROLLUP
        for n, (name, row) in enumerate(ROWS.items()):
            host, address = f"mx1.{name}.test", f"{w.net}.{20 + n}"
            shows = row.get("shows", "own")
            certificate = certificates[shows] if isinstance(shows, str) else authorities["own"].certificate(*shows)
            policy += (f"provider {name}.test {{ mx {address}; certificate {certificate}; "
                       f"tls {row.get('tls', 'yes')}; }}\n")
            zone |= {f"{name}.test MX": f"10 {host}", f"{host} A": address, f"mta-sts.{name}.test A": f"{w.net}.250"}
            if row.get("record", "") is not None:
                zone[f"_mta-sts.{name}.test TXT"] = "v=STSv1; id=1;"
            if row.get("tlsa"):
                zone[f"_{MX_PORT}._tcp.{host} TLSA"] = tlsa(certificate)
            mx = row.get("mx", "{host}").format(name=name, host=host)
            self.web.add(f"{name}.test", row.get("impostor"), policy_text(row.get("mode", "enforce"), mx), row.get("serve"))
            config += f"<domain {name}.test>\n\t{row.get('config', '')}\n</domain>\n"
        config += ("<domain *>\n\tdefault-smtp-port {mx_port}\n\tuse-mta-sts yes\n\tretry-after 1h\n"
                   "\tretry-after-dns-error 1h\n</domain>\n")
        w.mx._write(policy)
        w.ph.write_config(w.config.split("<domain *>")[0] + w.fill(config))
        self.zone = zone
        self.dns = Dnssim(f"{w.net}.53", DNS_PORT, zone, insecure=set())
        self.dns.__enter__()
        w.__enter__()
        atexit.register(self.close)
        w.ph.start()
        for name in ROWS:
            self.send(name)

    def send(self, name, user="u"):
        with self.world.ph.client() as client:
            client.sendmail("sender@posthaste.test", [f"{user}@{name}.test"], b"Subject: x\r\n\r\nhello\r\n")

    def close(self):
        self.web.go_on.set()
        self.world.close(False)
        self.dns.__exit__()
        self.web.close()

    def fetched(self, name):
        return self.web.asked.count((f"mta-sts.{name}.test", "/.well-known/mta-sts.txt"))

    def record(self, name, user="u"):
        def find():
            return [r for r in self.world.ph.records() if r["rcpt"] == f"{user}@{name}.test"
                    or (user == "u" and (r["queue"] or "").startswith(f"{name}.test/"))]
        return wait_for(f"a record of {name}", find, 60)[0]


def is_below(pid, ancestor):
    """Is it among the ancestor's children, at any depth?"""
    parents = {p: parent for p, (_, parent) in processes().items()}
    while pid in parents and pid != ancestor:
        pid = parents[pid]
    return pid == ancestor


_play = []


def play():
    if not _play:
        _play.append(Play())
    return _play[0]


def delivered(name, tls, user="u"):
    r = play().record(name, user)
    expect_equal(r["type"], "d", f"{name}: {r['dsnDiag']}")
    expect_equal(r["dlvTlsProtocol"] != "", tls, f"{name}: TLS ({r['dlvTlsProtocol']})")


def deferred(name, *words):
    r = play().record(name)
    expect(r["type"] in ("tq", "t") and r["dsnStatus"].startswith("4.7"), f"{name}: {r['type']} {r['dsnStatus']} {r['dsnDiag']}")
    for word in words:
        expect(word in r["dsnDiag"], f"{name}: {r['dsnDiag']}")
    expect_equal(play().world.mx.provider(f"{name}.test")["messages"], 0, f"{name}: messages taken")


@case("enforce: mail goes over TLS to a host that the policy names and that has a certificate of its name")
def good():
    for name in ("good", "wildcard", "second"):
        delivered(name, True)
    expect_equal(play().fetched("good"), 1, "fetches")


@case("enforce: a host that the policy does not name gets no connection; explain names the policy")
def not_named():
    deferred("elsewhere", "MTA-STS")
    expect_equal(play().world.mx.provider("elsewhere.test")["connections_total"], 0, "connections")
    (q,) = play().world.ph.json("explain", "elsewhere.test")["queue"]
    expect(q["mtaSts"].startswith("enforce, id 1, until "), f"explain: {q['mtaSts']}")
    expect("MTA-STS" in q["lastError"], f"explain: {q['lastError']}")


@case("enforce: a wrong name, an unknown authority or no STARTTLS defers the mail, and nothing goes in clear")
def not_verified():
    deferred("renamed", "certificate")
    deferred("stranger", "certificate")
    deferred("clear", "STARTTLS")
    for name in ("renamed", "stranger", "clear"):
        expect_equal(play().world.mx.provider(f"{name}.test")["commands"].get("mail", 0), 0, f"{name}: MAIL commands")


@case("enforce: a name that goes on behind NUL, wildcards of more or less than the first label, ten thousand names: deferred, nothing sent")
def odd_names():
    for name, why in (("nul", "certificate"), ("star", "certificate"), ("many", "excessive message size")):
        deferred(name, why)
        expect_equal(play().world.mx.provider(f"{name}.test")["commands"].get("mail", 0), 0, f"{name}: MAIL commands")


@case("testing and none bind nobody; use-mta-sts no asks for nothing, and configured hosts are taken as they are")
def not_bound():
    delivered("testing", True)
    for name in ("none", "norecord", "off", "hosts"):
        delivered(name, False)
    expect_equal(play().dns.asked["_mta-sts.off.test TXT"], 0, "questions for off.test")
    expect_equal(play().fetched("norecord"), 0, "fetches without a record")


@case("a policy counts only as a whole text/plain, without redirection, from a host with its own certificate")
def fetching():
    for name in ("moved", "page", "cut", "impostor"):
        delivered(name, False)
    expect(("mta-sts.moved.test", "/elsewhere") not in play().web.asked, "a redirection was followed")
    expect_equal(play().fetched("impostor"), 0, "requests to a host with another's certificate")
    deferred("chunked", "STARTTLS")


@case("DANE stands above MTA-STS: a TLSA record says whose certificate it is")
def dane():
    delivered("dane", True)


@case("roll-up: a domain whose policy is enforced keeps a queue of its own, and nothing of it goes in clear; another joins")
def rolled_up():
    delivered("joined", False)
    expect_equal(play().record("joined")["queue"], "joined.rollup/{default}", "its queue")
    deferred("apart")
    expect_equal(play().record("apart")["queue"], "apart.test/{default}", "its queue")


@case("killed while a policy is being fetched, posthttp and execd are started again, and the mail waits for the policy")
def killed():
    p, w = play(), play().world
    wait_for("the policy is asked for", lambda: p.fetched("slow") == 1)
    (fetcher,) = [pid for pid, (name, _) in processes().items() if name == "posthttp" and is_below(pid, w.ph.process.pid)]
    os.kill(fetcher, signal.SIGKILL)
    wait_for("it is asked for again", lambda: p.fetched("slow") == 2, 60)
    w.ph.kill_daemon("execd")
    wait_for("and once more", lambda: p.fetched("slow") == 3, 60)
    expect_equal(w.mx.provider("slow.test")["connections_total"], 0, "connections before the policy is known")
    p.web.go_on.set()
    delivered("slow", True)


@case("a policy outlives a restart, when neither its record nor its host can be had any more")
def restart():
    p = play()
    for name in ("good", "elsewhere"):
        p.record(name)
        p.zone[f"_mta-sts.{name}.test TXT"] = "NODATA"
    p.world.ph.stop()
    p.world.ph.start()
    p.send("good", "v")
    delivered("good", True, "v")
    expect_equal(p.fetched("good"), 1, "fetches")
    wait_for("elsewhere.test is held again", lambda: (
        q := p.world.ph.json("explain", "elsewhere.test").get("queue")) and "MTA-STS" in q[0]["lastError"], 30)


@case("every message is accounted for after all of it")
def audit():
    play().world.ph.audit()


if __name__ == "__main__":
    main()
