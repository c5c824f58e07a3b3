"""Posts: web hooks of accounting and deliveries of type http-delivery, against a server of our own, with and without TLS,
signed and unsigned."""
import base64
import csv
import gzip
import io
import json
import os
import shutil
import ssl
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from authority import Authority  # noqa: E402
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import World  # noqa: E402
from posts import Server, posted  # noqa: E402
from verifiers import Verifiers, make_key, signatures  # noqa: E402

CONFIG = """
<acct-file {folder}/acct/hook.json>
	records d, b
	record-fields d rcpt, recordId, header_X-Odd
	http-webhook-url https://localhost:{port}/json?x=1
	http-webhook-max-interval 1m
	http-webhook-ca-file {folder}/ca.pem
	http-webhook-certificate {folder}/client.pem
	http-webhook-extra-headers {folder}/fields
	http-webhook-log-verbose yes
	retry-interval 2s
	max-size 1m
</acct-file>
<acct-file {folder}/acct/hook.csv>
	records d
	record-fields d rcpt, recordId
	http-webhook-url http://127.0.0.1:{clear}/csv
	http-webhook-transfer-encoding gzip
	max-size 1m
	http-webhook-io-timeout 1s
	retry-interval 2s
</acct-file>
<domain http.test>
	type http-delivery
	http-delivery-url http://127.0.0.1:{clear}/mail
	http-delivery-extra-headers {folder}/fields
	max-smtp-out 2
</domain>
"""


def rows_of(posts):
    """The records of each post."""
    found = []
    for path, headers, body, _ in posts:
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if "json" in path:
            found.append(json.loads(body))
        else:
            found.append(list(csv.DictReader(io.StringIO(body.decode(), newline=""))))
    return found


class Hooks(World):
    def __init__(self):
        super().__init__(config=CONFIG, start=False)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority = Authority(self.folder)
        context.load_cert_chain(authority.certificate("localhost"))
        context.load_verify_locations(authority.path)
        context.verify_mode = ssl.CERT_REQUIRED  # who shows no certificate gets nowhere
        shutil.copy(authority.certificate("hook.test"), self.folder + "/client.pem")
        os.chmod(self.folder + "/client.pem", 0o644)
        self.tls = Server(("127.0.0.1", 0), context)
        self.clear = Server(("127.0.0.1", 0))
        for text, value in (("{port}", self.tls.server_port), ("{clear}", self.clear.server_port)):
            self.config = self.config.replace(text, str(value))
        with open(self.folder + "/fields", "w") as f:
            f.write("# ours\nX-Token: secret one\n\nX-Other: 2\n")
        self.ph.write_config(self.config)
        self._start = True

    def close(self, has_failed):
        super().close(has_failed)
        for s in (self.tls, self.clear):
            s.shutdown()
            s.server_close()


@case("web hooks: batches of JSON or CSV, each record once, in order; what fails comes again, also after a restart; over TLS "
      "only to whom the authority vouches for; http-delivery: a message a post, 2xx is delivered, everything else waits")
def hooks():
    with Hooks() as w:
        w.clear.answers["/csv"] = [-1, 0, 302]
        w.clear.answers["/mail"] = [500]
        w.inject(30, headers=("X-Odd: caf\u00e9 \"q\"",))
        w.drained()
        for name in ("hook.json", "hook.csv"):
            w.ph.pmtactl("rotate", "acct", name)
        posts = wait_for("a post by TLS", lambda: w.tls.of("/json?x=1"))
        wanted = {r["recordId"] for r in w.ph.final_records()}
        rows = rows_of(posts)[0]
        expect_equal(sorted(r["recordId"] for r in rows if r["type"] == "d"), sorted(wanted), "records by JSON")
        expect_equal({r["header_X-Odd"] for r in rows}, {'caf\u00e9 "q"'}, "a value")
        headers = posts[0][1]
        expect_equal((headers["X-Token"], headers["Content-Type"]), ("secret one", "application/json"), "fields")
        got = rows_of(wait_for("a post that went through", lambda: w.clear.of("/csv"), 30))[0]
        expect_equal({r["recordId"] for r in got}, wanted, "records by CSV")
        expect_equal([p[3] for p in w.clear.posts if p[0] == "/csv"], [-1, 0, 302, 200], "tries")
        expect("Error posting to" in w.ph.said() and "no answer" in w.ph.said(), "the failure in the log")
        wait_for("http-webhook-log-verbose", lambda: "acct posted to" in w.ph.said())

        with w.ph.client() as s:
            s.sendmail("a@inject.test", ["x@http.test"], "Subject: h\u00e9\r\n\r\n.\r\nend".encode())
            s.sendmail("a@inject.test", ["y@http.test"], b"Subject: raw\r\n\r\n\xff\r\n")
        found = wait_for("both", lambda: len(p := w.clear.of("/mail")) == 2 and p, 30)
        mail = {m["rcpt_to"]: m for m in (json.loads(p[2]) for p in found)}
        text = mail["x@http.test"]["content"]["email_rfc822"]
        expect(text.endswith("\r\n\r\n.\r\nend\r\n"), f"the message: {text!r}")
        expect({"Subject": "h\u00e9"} in mail["x@http.test"]["content"]["headers"], "its fields")
        expect_equal(mail["x@http.test"]["msg_from"], "a@inject.test", "msg_from")
        raw = mail["y@http.test"]["content"]
        expect(raw["email_rfc822_is_base64"] and base64.b64decode(raw["email_rfc822"]).endswith(b"\r\n\xff\r\n"), "raw")
        expect_equal(found[0][1]["X-Other"], "2", "http-delivery-extra-headers")
        w.drained()
        d = [r for r in w.ph.records("d") if r["rcpt"].endswith("@http.test")]
        expect_equal({(r["dlvType"], r["dsnDiag"].split(":")[0]) for r in d}, {("http", "x-pmta;accepted")}, "records")
        expect_equal([r["dsnStatus"].split()[0] for r in w.ph.records("t") if r["rcpt"].endswith("http.test")], ["4.0.0"],
                     "500 is temporary")

        # another authority: nothing is shown to that server any more, and what waits survives the end of all
        Authority(w.folder, "Another")
        before = len(w.tls.posts)
        w.inject(5)
        w.drained()
        w.ph.pmtactl("rotate", "acct", "hook.json")
        wait_for("the certificate is refused", lambda: "certificate verify failed" in w.ph.said()
                 or "self-signed" in w.ph.said() or "unable to get" in w.ph.said())
        expect_equal(len(w.tls.posts), before, "posts to a server that is not vouched for")
        w.ph.kill()
        os.rename(w.folder + "/fields", w.folder + "/gone")
        w.ph.write_config(w.config.replace(f"\thttp-webhook-ca-file {w.folder}/ca.pem\n", "")
                          .replace("https://localhost:" + str(w.tls.server_port), "http://127.0.0.1:"
                                   + str(w.clear.server_port)))
        w.ph.start()
        wait_for("fields are missing", lambda: "/fields" in w.ph.said())
        os.rename(w.folder + "/gone", w.folder + "/fields")
        rows = rows_of(wait_for("what waited, at the new place", lambda: w.clear.of("/json?x=1"), 30))[0]
        expect_equal({r["recordId"] for r in rows if r["type"] == "d"}, {r["recordId"] for r in w.ph.records("d")
                     if r["recordId"] not in wanted}, "records after the restart")
        w.ph.audit()


SIGNED = """
domain-key s1,inject.test,{folder}/s1.pem
domain-key ed,inject.test,{folder}/ed.pem
<domain signed.test>
	type http-delivery
	http-delivery-url http://127.0.0.1:{clear}/signed
	dkim-sign yes
	second-dkim-sign yes
</domain>
<domain plain.test>
	type http-delivery
	http-delivery-url http://127.0.0.1:{clear}/plain
</domain>
"""
LETTERS = [b"From: news@inject.test\r\nSubject: dots\r\n\r\n.\r\n..two\r\ntrailing  \t\r\n\r\n\r\n",
           b"From: news@inject.test\r\nSubject: no body\r\n\r\n",
           b"From: news@inject.test\r\nSubject: raw \xff\r\n\tfolded\r\n\r\n\xfe\xff\r\n",
           b"From: news@inject.test\r\nSubject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 80000]


@case("http-delivery posts what dkim-sign has signed: every signature of each message is good for two verifiers, as text and "
      "as base64; where it is not said nothing is signed")
def signed_posts():
    w = World(config=SIGNED, start=False)
    clear = Server(("127.0.0.1", 0))
    records = {f"{name}._domainkey.inject.test": make_key(f"{w.folder}/{name}.pem", bits) for name, bits in (("s1", 2048), ("ed", 0))}
    verifiers = Verifiers(records)
    w.ph.write_config(w.config.replace("{clear}", str(clear.server_port)))
    w._start = True
    try:
        with w, w.ph.client() as s:
            for i, letter in enumerate(LETTERS):
                s.sendmail("a@inject.test", [f"m{i}@signed.test"], letter)
            s.sendmail("a@inject.test", ["m0@plain.test"], LETTERS[0])
            posts = wait_for("all of them", lambda: len(p := clear.of("/signed")) == len(LETTERS) and p, 30)
            got = dict(posted(p) for p in posts)
            for i, letter in enumerate(LETTERS):
                text = got[f"m{i}@signed.test"]
                tags = verifiers.accept(text, 2, letter[:60])
                expect_equal(sorted((t["a"], t["s"]) for t in tags), [("ed25519-sha256", "ed"), ("rsa-sha256", "s1")], "keys")
                expect(text.endswith(letter.split(b"\r\n\r\n", 1)[1]), f"the body: {text[-100:]!r}")
            _, text = posted(wait_for("the other", lambda: clear.of("/plain"), 30)[0])
            expect_equal(signatures(text), [], "signatures where nobody said so")
            w.drained()
            w.ph.audit()
    finally:
        clear.shutdown()
        clear.server_close()


if __name__ == "__main__":
    main()
