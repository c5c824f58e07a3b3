#!/usr/bin/python3
"""Delivery to hostile and broken servers: our own scripts, and those of the shared corpus where it is at hand. All are
played at once against one Posthaste; each case then looks at its recipients' accounting records."""
# runs alone: it measures deliverd's memory and the times of its own time-outs
import atexit
import json
import os
import smtplib
import ssl
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Skip, case, expect, expect_equal, main  # noqa: E402
from posthaste import BASE, ROOT, World  # noqa: E402
from smtpout_server import Server  # noqa: E402

CORPUS = os.environ.get("PH_CORPUS", ROOT + "/../shared/corpus") + "/malformed/smtp-out.jsonl"
# the RFC's minutes as seconds; the minutes themselves are tested with a turned clock
GREETING, SEND, DOT = 4, 4, 6
PATIENCE = 45  # seconds until each case must have an outcome
MAX_RSS_MB = 64
HELLO = [["s", "220 mx.test ESMTP\r\n"], ["r", "^EHLO"], ["s", "250-mx.test\r\n250 8BITMIME\r\n"]]
ENVELOPE = [["r", "^MAIL"], ["s", "250 2.1.0 ok\r\n"], ["r", "^RCPT"], ["s", "250 2.1.5 ok\r\n"]]
CONTENT = [["r", "^DATA"], ["s", "354 go\r\n"], ["rdata"]]
TAKE = ENVELOPE + CONTENT + [["s", "250 2.0.0 taken\r\n"]]
STARTTLS = [["s", "220 mx.test ESMTP\r\n"], ["r", "^EHLO"], ["s", "250-mx.test\r\n250 STARTTLS\r\n"], ["r", "^STARTTLS"]]
IN_CLEAR = HELLO + TAKE


def own(name, title, server, *outcome, **more):
    return dict(id=name, title=title, server=server, expect=dict(outcome=list(outcome), **more.pop("expect", {})), **more)


OWN = [
    own("banner-none", "no greeting at all", [["sleep", 900]], "deferred"),
    own("banner-flood", "a greeting without end or line", [["flood", "A", 5_000_000], ["sleep", 900]], "deferred"),
    own("banner-multi", "a greeting of lines without end", [["flood", "220-x\r\n", 5_000_000], ["sleep", 900]], "deferred"),
    own("banner-554", "a greeting that refuses", [["s", "554 5.7.1 not you\r\n"]], "deferred", "bounced"),
    own("reply-short", "a reply of two digits", HELLO + [["r", "^MAIL"], ["s", "25\r\n"], ["sleep", 900]], "deferred"),
    own("reply-nul", "NUL in a reply", HELLO + ENVELOPE[:3] + [["s", "550 5.1.1 a\0b\r\n"]], "bounced",
        expect={"status": "5.1.1", "diag": "a\\x00b"}),
    own("reply-html", "markup in a reply", HELLO + ENVELOPE[:3] + [["s", "550 5.1.1 <script>alert('x')</script>,\"\r\n"]],
        "bounced", expect={"diag": "<script>alert('x')</script>,\""}),
    own("reply-format", "format letters in a reply", HELLO + ENVELOPE[:3] + [["s", "550 5.1.1 %s%n%x${a}`id`\r\n"]],
        "bounced", expect={"diag": "%s%n%x${a}`id`"}),
    own("reply-envelope", "a reply that looks like lines of a record", HELLO + ENVELOPE[:3] +
        [["s", "550-5.1.1 a\r\n550-rcpt: evil@x\r\n550 5.1.1 state: done\r\n"]], "bounced",
        expect={"diag": "550 5.1.1 a rcpt: evil@x state: done"}),
    own("data-250", "250 in answer to DATA", HELLO + ENVELOPE + [["r", "^DATA"], ["s", "250 ok\r\n"]], "deferred"),
    own("rcpt-251", "251 in answer to RCPT", HELLO + ENVELOPE[:3] + [["s", "251 forwarded\r\n"]] + CONTENT +
        [["s", "250 ok\r\n"]], "delivered"),
    own("rcpt-252", "252 in answer to RCPT", HELLO + ENVELOPE[:3] + [["s", "252 will try\r\n"]] + CONTENT +
        [["s", "250 ok\r\n"]], "delivered"),
    own("rcpt-552", "552 in answer to RCPT is temporary", HELLO + ENVELOPE[:3] + [["s", "552 too many recipients\r\n"]],
        "deferred"),
    own("pipe-lone-dot", "354 although all recipients were refused", [["s", "220 x\r\n"], ["r", "^EHLO"],
        ["s", "250-x\r\n250 PIPELINING\r\n"], ["r", "^MAIL"], ["r", "^RCPT"], ["r", "^DATA"],
        ["s", "250 ok\r\n550 5.1.1 no\r\n354 go\r\n"], ["r", r"^\.$"], ["s", "554 5.5.1 nobody\r\n"]], "bounced",
        expect={"status": "5.1.1"}),
    own("pipe-desync", "a reply too many to a group", [["s", "220 x\r\n"], ["r", "^EHLO"],
        ["s", "250-x\r\n250 PIPELINING\r\n"], ["r", "^MAIL"], ["r", "^RCPT"], ["r", "^DATA"],
        ["s", "250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n"], ["sleep", 900]], "deferred"),
    own("mid-421", "421 in the middle of the recipients", [["s", "220 x\r\n"], ["r", "^EHLO"],
        ["s", "250-x\r\n250 PIPELINING\r\n"], ["r", "^MAIL"], ["s", "250 ok\r\n250 ok\r\n421 4.3.2 bye\r\n"], ["close"]],
        "deferred", rcpts=3),
    own("dot-close", "closed after the final dot", HELLO + ENVELOPE + CONTENT + [["close"]], "deferred",
        expect={"status": "4.4.2"}),
    own("dot-partial", "half a reply after the final dot", HELLO + ENVELOPE + CONTENT + [["s", "250 o"], ["close"]],
        "deferred", expect={"status": "4.4.2"}),
    own("dot-late", "the reply to the dot comes after the time-out", HELLO + ENVELOPE + CONTENT +
        [["sleep", DOT + 4], ["s", "250 ok\r\n"]], "deferred"),
    own("quit-close", "closed at QUIT", HELLO + TAKE + [["r", "^QUIT"], ["close"]], "delivered"),
    own("quit-rst", "reset at QUIT", HELLO + TAKE + [["r", "^QUIT"], ["rst"]], "delivered"),
    own("stale", "closed as soon as the first message was taken: the next goes over a new connection",
        HELLO + TAKE + [["close"]], "delivered", messages=3),
    own("no-8bit", "no 8BITMIME, and 8-bit content", [["s", "220 x\r\n"], ["r", "^EHLO"], ["s", "250 x\r\n"]], "bounced",
        expect={"status": "5.6.3"}, eightbit=True),
    own("bdat-partial", "CHUNKING, and some recipients refused", [["s", "220 x\r\n"], ["r", "^EHLO"],
        ["s", "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n"], ["r", "^MAIL"], ["r", "^RCPT"], ["r", "^RCPT"], ["r", "^BDAT"],
        ["s", "250 ok\r\n550 5.1.1 no\r\n250 ok\r\n250 taken\r\n"], ["sleep", 1]], "per-rcpt", rcpts=2,
        expect={"per_rcpt": ["bounced", "delivered"]}),
    own("bdat-early", "CHUNKING, and a consent before the content", [["s", "220 x\r\n"], ["r", "^EHLO"],
        ["s", "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n"], ["r", "^MAIL"],
        ["s", "250 ok\r\n250 ok\r\n250 taken\r\n"], ["sleep", 900]], "deferred", size=20_000_000),
    own("tls-inject", "a reply behind the 220 to STARTTLS", STARTTLS + [["s", "220 go\r\n250 injected\r\n"], ["sleep", 2]],
        "deferred", "delivered", then=IN_CLEAR),
    own("tls-garbage", "nonsense instead of a handshake: the next connection goes in clear",
        STARTTLS + [["s", "220 go\r\nthis is no handshake\r\n"[:8]], ["s", "nonsense " * 20], ["sleep", 2]], "delivered",
        then=IN_CLEAR),
    own("tls-close", "closed in the handshake: the next connection goes in clear", STARTTLS + [["s", "220 go\r\n"], ["close"]],
        "delivered", then=IN_CLEAR),
    own("tls-forget", "what was offered before the handshake is forgotten", STARTTLS[:2] +
        [["s", "250-x\r\n250-STARTTLS\r\n250 SIZE 10\r\n"], ["r", "^STARTTLS"], ["s", "220 go\r\n"], ["tls"], ["r", "^EHLO"],
         ["s", "250 x\r\n"]] + TAKE, "delivered", tls={}, expect={"tls": True}),
    own("tls-required", "TLS required, not offered", IN_CLEAR, "deferred", config="require-starttls yes"),
    own("tls-required-bad", "TLS required, the handshake fails: never in clear", STARTTLS + [["s", "220 go\r\n"], ["close"]],
        "deferred", config="require-starttls yes", then=IN_CLEAR),
]
# verbs of the corpus that stand for a server of their own
TLS_PLAIN = STARTTLS + [["s", "220 go\r\n"], ["tls"], ["r", "^EHLO"], ["s", "250 mx.test\r\n"]] + TAKE
NOT_BUILT = {"tls_cert": "certificates bind where a policy says so: sts_cases plays it"}
AUTH = "auth-username u\n\tauth-password p\n\tuse-unencrypted-plain-auth yes"


def variants(row):
    """The corpus names servers by one word; here is what they are."""
    word = row["server"][0][0]
    if word == "tlsmatrix":
        yield dict(row, id=row["id"] + "/tls12", server=TLS_PLAIN, tls={"max": ssl.TLSVersion.TLSv1_2}, is_tls="TLSv1.2")
        yield dict(row, id=row["id"] + "/expired", server=TLS_PLAIN, tls={"days": -1}, is_tls="TLSv1.3")
        yield dict(row, id=row["id"] + "/tls10", server=TLS_PLAIN, tls={"max": ssl.TLSVersion.TLSv1}, then=IN_CLEAR,
                   is_tls="")
    elif word == "tls_bigchain":
        yield dict(row, server=TLS_PLAIN, tls={"chain": 400}, then=IN_CLEAR)
    elif word == "tls_hello_request":
        yield dict(row, server=STARTTLS + [["s", "220 go\r\n"], ["renegotiate", row["server"][0][1]]])
    elif any(step[0] == "r" and "AUTH" in step[1] for step in row["server"]):
        yield dict(row, config=AUTH)
    else:
        yield row


def corpus():
    if not os.path.exists(CORPUS):
        return []
    return [v for line in open(CORPUS) for v in variants(json.loads(line))]


ROWS = OWN + corpus()


def reason_to_skip(row):
    words = {step[0] for step in row["server"]} | {step[1][1:] for step in row["server"] if step[0] == "r"}
    return next((text for word, text in NOT_BUILT.items() if word in words), None)


class Certificates:
    def __init__(self, folder):
        self.folder, self.made = folder, {}

    def make(self, days=30, chain=1):
        key = (days, chain)
        if key not in self.made:
            path = f"{self.folder}/cert{len(self.made)}.pem"
            expired = ["-days", str(days)] if days > 0 else ["-days", "1", "-set_serial", "7"]
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-subj", "/CN=elsewhere.test", "-keyout", path + ".key", "-out", path, *expired],
                           check=True, capture_output=True)
            certificate = open(path).read()
            with open(path, "w") as f:
                f.write(certificate * chain)
            self.made[key] = path
        return self.made[key], self.made[key] + ".key"

    def context(self, max=None, **kind):  # noqa: A002
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        if max is not None:
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, max
        context.load_cert_chain(*self.make(**kind))
        return context


class Play:
    """Everything at once: one Posthaste, one server a case."""

    def __init__(self):
        self.rows = [row for row in ROWS if not reason_to_skip(row)]
        self.world = World(base=BASE.replace("records d, b, t\n", "records d, b, t, tq\n"), start=False,
                           policy="port {mx_port}\nname-server {net}.53:{dns_port}\n"
                                  "provider gmail.test { mx {net}.10; }\n")
        self.servers, self.outcomes = {}, {}
        blocks = ""
        certificates = Certificates(self.world.folder)
        for n, row in enumerate(self.rows):
            row["domain"] = f"c{n}.test"
            self.servers[row["id"]] = server = self._server(row, certificates)
            blocks += (f"<domain {row['domain']}>\n\tsmtp-hosts {self.world.net}.{20 + n}:{server.port}\n"
                       f"\tretry-after {'2s' if self._is_retried(row) else '1h'}\n"
                       f"\tretry-recipients-after {'2s' if self._is_retried(row) else '1h'}\n"
                       f"\tsmtp-greeting-timeout {GREETING}s\n\tdata-send-timeout {SEND}s\n"
                       f"\tsmtp-data-termination-timeout {DOT}s\n\tmax-smtp-out 1\n\t{row.get('config', '')}\n</domain>\n")
        self.world.ph.write_config(self.world.config + blocks)
        self.world.__enter__()
        atexit.register(self.world.close, False)
        self.world.ph.start()
        for row in self.rows:
            for _ in range(row.get("messages", 1)):
                self._inject(row)
        self._await()

    @staticmethod
    def _is_retried(row):
        return ("then" in row and "delivered" in row["expect"]["outcome"]) or row["id"] == "SO-4XX-THEN-OK"

    def _server(self, row, certificates):
        own_name = "mta.posthaste.test"
        script = [[step[0], step[1].replace("OURNAME", own_name), *step[2:]] if step[0] == "s" else step
                  for step in row["server"]]
        scripts = [script]
        if "then" in row:
            scripts.append(row["then"])
        if row["id"] == "SO-4XX-THEN-OK":
            scripts.append(IN_CLEAR)
        context = certificates.context(**row["tls"]) if "tls" in row else None
        window = 4096 if row["id"] in ("SO-ZEROWIN", "bdat-early") else None
        return Server(f"{self.world.net}.{20 + self.rows.index(row)}", scripts, context, certificates.make(), window)

    def recipients(self, row):
        local = "\u00fc" if row.get("smtputf8") else "u"
        return [f"{local}{i}@{row['domain']}" for i in range(row.get("rcpts", 1))]

    def _inject(self, row):
        line = b"0123456789" * 7 + b"\r\n"
        body = b"Subject: case\r\n\r\nhello\r\n" + line * (row.get("size", 0) // len(line))
        options = []
        if row.get("eightbit"):
            body, options = body + "\u00e9\r\n".encode(), ["BODY=8BITMIME"]
        if row.get("smtputf8"):
            body, options = "Subject: \u00fc\r\n\r\nx\r\n".encode(), ["SMTPUTF8", "BODY=8BITMIME"]
        with smtplib.SMTP(*self.world.ph.listener, timeout=30) as client:
            client.sendmail("sender@posthaste.test", self.recipients(row), body, mail_options=options)

    def _collect(self):
        by_rcpt = {}
        for r in self.world.ph.records():
            if r["type"] == "tq":
                by_rcpt.setdefault("@" + r["queue"].split("/")[0], []).append(r)
            else:
                by_rcpt.setdefault(r["rcpt"], []).append(r)
        return by_rcpt

    def outcome(self, row, rcpt, records):
        kinds = [r["type"] for r in records.get(rcpt, [])]
        finals = [k for k in kinds if k in "db"]
        if len(finals) >= row.get("messages", 1):
            return {"d": "delivered", "b": "bounced"}[finals[0]]
        if self._is_retried(row):
            return None
        return "deferred" if "t" in kinds or records.get("@" + row["domain"]) else None

    def _is_complete(self):
        self.records = self._collect()
        for row in self.rows:
            if row["id"] in self.outcomes:
                continue
            found = [self.outcome(row, rcpt, self.records) for rcpt in self.recipients(row)]
            if None not in found:
                self.outcomes[row["id"]] = found
        return len(self.outcomes) == len(self.rows)

    def _await(self):
        end = time.monotonic() + PATIENCE
        while not self._is_complete() and time.monotonic() < end:
            time.sleep(0.2)
        self.peak_mb = 0
        for pid in self.world.ph.daemons().get("deliverd", []):
            text = open(f"/proc/{pid}/status").read()
            self.peak_mb = max(self.peak_mb, int(text.split("VmHWM:")[1].split()[0]) // 1024)


_play = None


def play():
    """Played once; what prevented that is every case's failure."""
    global _play
    if _play is None:
        try:
            _play = Play()
        except Exception as e:
            _play = e
    if isinstance(_play, Exception):
        raise _play
    return _play


def check_details(row, records, server):
    wanted = row["expect"]
    if "status" in wanted:
        statuses = [r["dsnStatus"].split()[0] for r in records if r["type"] != "d"]
        expect(wanted["status"] in statuses, f"status {statuses}, wanted {wanted['status']}")
    if "diag" in wanted:
        expect(any(wanted["diag"] in r["dsnDiag"] for r in records), f"dsnDiag {[r['dsnDiag'] for r in records]}")
    if any(step[0] == "renegotiate" for step in row["server"]):
        expect(server.n_renegotiations > 0, f"no renegotiation was asked for: {server.seen} {server.errors}")
    if wanted.get("tls"):
        expect(server.tls_versions, "no TLS session")
    if "is_tls" in row:
        expect_equal(server.tls_versions[-1] if server.tls_versions else "", row["is_tls"], "TLS version")


def check(row):
    skip = reason_to_skip(row)
    if skip:
        raise Skip(skip)
    p = play()
    server = p.servers[row["id"]]
    found = p.outcomes.get(row["id"])
    expect(found is not None, f"no outcome within {PATIENCE} s; the server saw {server.seen} {server.errors}")
    if row["id"] == "SO-4XX-THEN-OK":
        expect_equal(found, ["delivered"], "outcome after the second attempt")
        expect_equal(len(server.bodies), 1, "copies")
    elif "per_rcpt" in row["expect"]:
        expect_equal(found, row["expect"]["per_rcpt"], "outcomes")
    else:
        expect(set(found) <= set(row["expect"]["outcome"]), f"{found}, wanted {row['expect']['outcome']}; the server saw "
               f"{server.seen}")
    records = [r for rcpt in p.recipients(row) + ["@" + row["domain"]] for r in p.records.get(rcpt, [])]
    check_details(row, records, server)
    if "deferred" in found and "then" not in row:
        expect(server.connections <= 3, f"{server.connections} connections within {PATIENCE} s")


def add(row):
    @case(f"{row['id']}: {row['title']}")
    def run():
        check(row)


for each in ROWS:
    add(each)


@case("the cases of the shared corpus are at hand")
def corpus_is_there():
    if not os.path.exists(CORPUS):
        raise Skip(f"{CORPUS} is not there")


@case(f"deliverd stayed below {MAX_RSS_MB} MB under all of it")
def memory():
    p = play()
    expect(0 < p.peak_mb <= MAX_RSS_MB, f"{p.peak_mb} MB")


@case("every message is accounted for after all of it")
def audit():
    play().world.ph.audit()


if __name__ == "__main__":
    main()
