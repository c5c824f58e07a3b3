"""Signatures, as two verifiers that are not ours see them at the provider."""
import concurrent.futures
import multiprocessing
import os
import queue
import random
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402,F401
from posthaste import World  # noqa: E402
from posts import Server, posted  # noqa: E402
from verifiers import Verifiers, make_key, signatures  # noqa: E402,F401

POLICY = """
port {mx_port}
name-server {net}.53:{dns_port}
provider gmail.test { mx {net}.10; }
provider gmx.test { mx {net}.15; extensions 8bitmime pipelining; }
provider web.test { mx {net}.16; extensions 8bitmime; }
provider yahoo.test { mx {net}.12; tls yes; }
"""
MESSAGE = b"""From: "Me, Myself" <news@inject.test>\r
To: you@gmail.test\r
Subject: =?utf-8?q?f=C3=BCr?= you\r
Date: Mon, 21 Nov 2026 10:00:00 +0000\r
Message-ID: <%s@inject.test>\r
X-Id: %s\r
\r
Hello,  you\t\r
.leading dot\r
\r
the end\r
\r
\r
"""


class Signing(World):
    """A world with keys in its folder: s1 of inject.test, RSA 2048."""

    def __init__(self, config="domain-key s1,inject.test,{folder}/s1.pem\n<domain *>\n\tdkim-sign yes\n</domain>\n",
                 keys=(("s1", "inject.test", 2048),), **options):
        super().__init__(config=config, policy=options.pop("policy", POLICY), dump=True, start=False, **options)
        self.records = {}
        for selector, domain, bits in keys:
            self.add_key(selector, domain, bits)
        self.verifiers = Verifiers(self.records)
        self.n = 0

    def add_key(self, selector, domain, bits=2048, path=None):
        path = path or f"{self.folder}/{selector}.pem"
        self.records[f"{selector}._domainkey.{domain}"] = make_key(path, bits)
        return path

    def __enter__(self):
        self._start = True
        return super().__enter__()

    def send(self, rcpt="b@gmail.test", text=None, sender="a@inject.test"):
        """Injects one message and gives what came to the provider."""
        self.n += 1
        ident = b"m%d" % self.n
        with self.ph.client() as c:
            c.sendmail(sender, [rcpt], text if text is not None else MESSAGE % (ident, ident))
        self.mx.wait_recipients(self.n)
        return self.mx.message(self.mx.log()[-1])


@case("an RSA signature of 2,048 bits is good, by CHUNKING, PIPELINING, one command at a time and TLS")
def rsa():
    with Signing() as w:
        for rcpt in ("b@gmail.test", "b@gmx.test", "b@web.test", "b@yahoo.test"):
            got = w.send(rcpt)
            tags = w.verifiers.accept(got, 1, rcpt)[0]
            expect_equal((tags["a"], tags["d"], tags["s"], tags["c"], tags["i"]),
                         ("rsa-sha256", "inject.test", "s1", "relaxed/relaxed", "news@inject.test"), "tags")
            expect("l" not in tags and "t" not in tags and "x" not in tags, f"tags that nobody asked for: {tags}")
        expect_equal(w.mx.violations(), {}, "violations")
        w.drained()
        w.ph.audit()


# ---- settings: one provider, a domain for each ----

def one_provider(*names):
    return ("port {mx_port}\nname-server {net}.53:{dns_port}\nprovider many.test { mx {net}.10; domains many.test "
            + " ".join(f"{n}.test" for n in names) + "; }\n")


def letter(w, fields=b"", author=b"news@inject.test", body=b"text\r\n", extra=b""):
    w.letters = getattr(w, "letters", 0) + 1
    return (b"From: " + author + b"\r\nTo: you@x.test\r\nSubject: s\r\nX-Id: l%d\r\n" % w.letters + fields + b"\r\n" + body
            + extra)


SETTINGS = """
domain-key s1,inject.test,{folder}/s1.pem
<domain plain.test>
	dkim-sign no
</domain>
<domain simple.test>
	dkim-headers-canon simple
	dkim-body-canon simple
</domain>
<domain mixed.test>
	dkim-headers-canon relaxed
	dkim-body-canon simple
</domain>
<domain times.test>
	dkim-add-timestamp yes
	dkim-expire-after 2h
</domain>
<domain tags.test>
	dkim-query-method dns/txt
	dkim-add-body-limit yes
	dkim-algorithm rsa-sha1
</domain>
<domain headers.test>
	dkim-headers X-Id, /^x-campaign/
	dkim-disallow-adding-headers X-Priority
</domain>
<domain *>
	dkim-sign yes
</domain>
"""


@case("canonical forms, times, q=, l=, rsa-sha1 as rsa-sha256, further fields: the tags say what the configuration says")
def settings():
    names = ("plain", "simple", "mixed", "times", "tags", "headers")
    with Signing(SETTINGS, policy=one_provider(*names)) as w:
        text = {n: w.send(f"b@{n}.test", letter(w, b"X-Campaign-Id: 7\r\nX-Other: 8\r\n")) for n in names}
        expect_equal(signatures(text["plain"]), [], "signatures with dkim-sign no")
        tags = {n: w.verifiers.accept(text[n], 1, n)[0] for n in names if n != "plain"}
        expect_equal([tags[n]["c"] for n in ("simple", "mixed", "times")],
                     ["simple/simple", "relaxed/simple", "relaxed/relaxed"], "canonical forms")
        t, x = int(tags["times"]["t"]), int(tags["times"]["x"])
        expect(abs(t - time.time()) < 60 and x == t + 7200, f"t={t} x={x}")
        expect_equal((tags["tags"]["q"], tags["tags"]["l"], tags["tags"]["a"]), ("dns/txt", "6", "rsa-sha256"), "tags")
        signed = [n.lower() for n in tags["headers"]["h"].split(":")]
        for name, n in (("x-id", 1), ("x-campaign-id", 1), ("x-priority", 1), ("from", 2), ("received", 0), ("x-other", 0)):
            expect_equal(signed.count(name), n, f"times that {name} is in h=")
        expect("x-campaign-id" not in tags["times"]["h"].lower(), "signed without being asked for")
        said = open(w.folder + "/errors").read()
        expect("l=" not in tags["times"] and "WARNING" in said and "rsa-sha1" in said, "no warning in the log")


@case("nobody can add a second From, Subject or List-Unsubscribe, nor a field that may not be added")
def closed():
    with Signing(SETTINGS, policy=one_provider("headers")) as w:
        got = w.send("b@headers.test", letter(w))
        w.verifiers.accept(got)
        head, body = got.split(b"\r\n\r\n", 1)
        for line in (b"From: evil@x.test", b"Subject: evil", b"To: evil@x.test", b"Date: now", b"List-Unsubscribe: <x>",
                     b"Reply-To: evil@x.test", b"X-Priority: 1", b"MIME-Version: 1.0", b"Content-Type: text/html", b"Cc: e@x.test",
                     b"Message-ID: <x>", b"List-Unsubscribe-Post: x"):
            for changed in (line + b"\r\n" + got, head + b"\r\n" + line + b"\r\n\r\n" + body):
                expect_equal(w.verifiers.by_opendkim(changed), [False], f"with {line!r} added")
        w.verifiers.accept(b"X-Trace: 1\r\n" + got)


IDENTITY = """
domain-key s1,inject.test,{folder}/s1.pem
domain-key any,*,{folder}/any.pem
<virtual-mta narrow>
	domain-key s1,inject.test,{folder}/s1.pem
</virtual-mta>
<domain strict.test>
	dkim-identity strict-from
</domain>
<domain email.test>
	dkim-identity a.b@sub.inject.test
</domain>
<domain domain.test>
	dkim-identity @inject.test
</domain>
<domain bare.test>
	dkim-identity inject.test
</domain>
<domain *>
	dkim-sign yes
</domain>
"""


@case("the identity is the Sender's or the author's, or what is configured; keys of parent domains and of any domain sign")
def identity():
    names = ("strict", "email", "domain", "bare", "other")
    keys = (("s1", "inject.test", 2048), ("any", "else.test", 1024))
    with Signing(IDENTITY, keys, policy=one_provider(*names)) as w:
        def tags(rcpt, *args, **options):
            t = w.verifiers.accept(w.send(f"b@{rcpt}.test", letter(w, *args, **options)), 1, rcpt)[0]
            return t["s"], t["d"], t["i"]
        sender = b"Sender: (a comment) Robot <robot@sub.inject.test>\r\n"
        expect_equal(tags("other"), ("s1", "inject.test", "news@inject.test"), "by From")
        expect_equal(tags("other", sender), ("s1", "inject.test", "robot@sub.inject.test"), "by Sender")
        expect_equal(tags("strict", sender), ("s1", "inject.test", "news@inject.test"), "strict-from")
        expect_equal(tags("email"), ("s1", "inject.test", "a.b@sub.inject.test"), "an address")
        expect_equal(tags("domain"), ("s1", "inject.test", "@inject.test"), "a domain")
        expect_equal(tags("bare"), ("s1", "inject.test", "@inject.test"), "a domain without @")
        expect_equal(tags("other", author=b"me@else.test"), ("any", "else.test", "me@else.test"), "any domain")
        expect_equal(tags("other", author=b'"; d=evil" <a;b=c@inject.test>'), ("s1", "inject.test", "a=3Bb=3Dc@inject.test"),
                     "an odd local part")


FALLBACK = """
domain-key s1,inject.test,{folder}/s1.pem
<domain back.test>
	dkim-identity-fallback @inject.test
</domain>
<domain *>
	dkim-sign yes
</domain>
"""


@case("without a key for the identity a message goes unsigned, or with the fallback's signature")
def fallback():
    with Signing(FALLBACK, policy=one_provider("back", "none")) as w:
        expect_equal(signatures(w.send("b@none.test", letter(w, author=b"me@notinject.test"))), [], "signatures")
        expect_equal(signatures(w.send("b@none.test", letter(w, author=b"undisclosed"))), [], "signatures")
        t = w.verifiers.accept(w.send("b@back.test", letter(w, author=b"me@else.test")))[0]
        expect_equal((t["d"], t["i"]), ("inject.test", "@inject.test"), "the fallback")


SPELLINGS = """
domain-key g,inject.test,{folder}/g.pem
<virtual-mta v1>
	smtp-source-host {net}.201 v1.inject.test
	domain-key v1,inject.test,{folder}/v1.pem
</virtual-mta>
<virtual-mta name="v2">
	<smtp-source-host>{net}.202 name="v2.inject.test"</smtp-source-host>
	<domain-key name="v2" domain="inject.test" path="{folder}/v2.pem"/>
</virtual-mta>
<virtual-mta v3>
	smtp-source-host {net}.203 v3.inject.test
	dkim-sign {folder}/v3.pem inject.test v3 simple/relaxed
</virtual-mta>
<virtual-mta v4>
	smtp-source-host {net}.204 v4.inject.test
</virtual-mta>
<virtual-mta-pool pool>
	virtual-mta v4
	domain-key p,inject.test,{folder}/p.pem
</virtual-mta-pool>
<dkim>
	domain block.test
	selector b
	private-key-file {folder}/b.pem
	header-list from:subject:x-id
	canonicalization relaxed/simple
	sign-hash sha256
</dkim>
<domain-key k._domainkey.named.test>
	private-key {folder}/k.pem
</domain-key>
<domain-key k._domainkey.elsewhere.test>
	private-key {folder}/q.pem
	domain said.test
	selector q
</domain-key>
dkim-key-directory {folder}/keys
<domain own.test>
	dkim-sign {folder}/o.pem inject.test o
</domain>
<domain yes.test>
	dkim-sign yes
</domain>
<domain v.test>
	dkim-sign yes
</domain>
"""


@case("every spelling of a key signs: global, VirtualMTA, pool, <domain>, <dkim>, <domain-key>, key directory with its newest")
def spellings():
    keys = [(s, "inject.test", 1024) for s in ("g", "v1", "v2", "v3", "p", "o")] + [("b", "block.test", 1024),
                                                                                  ("k", "named.test", 1024), ("q", "said.test", 1024)]
    w = Signing(SPELLINGS, keys, policy=one_provider("own", "yes", "v", "no"))
    for i, name in enumerate(("old", "new")):
        os.makedirs(f"{w.folder}/keys/dir.test", exist_ok=True)
        path = w.add_key(name, "dir.test", 1024, f"{w.folder}/keys/dir.test/{name}.pem")
        os.utime(path, (1e9 + i, 1e9 + i))
    w.verifiers.renew()
    with w:
        def selector(rcpt, vmta=b"", author=b"news@inject.test"):
            fields = b"x-virtual-mta: " + vmta + b"\r\n" if vmta else b""
            got = w.send(f"b@{rcpt}.test", letter(w, fields, author))
            t = w.verifiers.accept(got, len(signatures(got)), rcpt)
            return (t[0]["s"], t[0]["c"]) if t else None
        rr = "relaxed/relaxed"
        expect_equal(selector("yes"), ("g", rr), "global")
        expect_equal(selector("v", b"v1"), ("v1", rr), "<virtual-mta>")
        expect_equal(selector("v", b"v2"), ("v2", rr), "<virtual-mta>, as elements")
        expect_equal(selector("no", b"v3"), ("v3", "simple/relaxed"), "dkim-sign with a file in <virtual-mta>")
        expect_equal(selector("yes", b"pool"), ("p", rr), "<virtual-mta-pool>")
        expect_equal(selector("own"), ("o", rr), "dkim-sign with a file in <domain>")
        expect_equal(selector("no", author=b"a@sub.block.test"), ("b", "relaxed/simple"), "<dkim>")
        expect_equal(selector("yes", author=b"a@named.test"), ("k", rr), "<domain-key>")
        expect_equal(selector("yes", author=b"a@said.test"), ("q", rr), "domain and selector in <domain-key>")
        expect_equal(selector("yes", author=b"a@dir.test"), ("new", rr), "dkim-key-directory")
        expect_equal(selector("no"), None, "without dkim-sign")
        got = w.send("b@no.test", letter(w, b"Date: today\r\n", b"a@block.test"))
        h = set(w.verifiers.accept(got)[0]["h"].lower().split(":"))
        expect_equal(h, {"from", "subject", "x-id"}, "header-list")


OPTIONS = """
domain-key s1,inject.test,{folder}/s1.pem
domain-key s2,inject.test,{folder}/s2.pem
<domain-key-list special>
	domain-key s3,*,{folder}/s3.pem
</domain-key-list>
<source {net}.0/24>
	always-allow-relaying yes
	process-x-dkim-options yes
	retain-x-dkim-options yes
</source>
<source {net}.8>
	retain-x-dkim-key yes
</source>
<source 127.0.0.0/8>
	process-x-dkim-options yes
</source>
<domain if.test>
	dkim-sign if-x-dkim-options-present
</domain>
<domain second.test>
	dkim-sign yes
	second-dkim-sign if-x-dkim-options-present
</domain>
<domain *>
	dkim-sign yes
</domain>
"""


@case("X-DKIM-Options choose selector, domain, identity, q= and key list; the field does not leave unless it is retained")
def options():
    keys = (("s1", "inject.test", 1024), ("s2", "inject.test", 1024), ("s3", "listed.test", 1024))
    with Signing(OPTIONS, keys, policy=one_provider("if", "second", "yes")) as w:
        def choose(text, rcpt="if", author=b"news@inject.test"):
            field = b"X-DKIM-Options: " + text + b"\r\n" if text is not None else b""
            got = w.send(f"b@{rcpt}.test", letter(w, field, author))
            expect(b"x-dkim-options" not in got.lower(), "the field left the server")
            return w.verifiers.accept(got, len(signatures(got)))
        expect_equal(choose(None), [], "without the field")
        expect_equal(choose(b"s=s2")[0]["s"], "s2", "s=")
        t = choose(b"s=s2;\r\n d=inject.test; i=list@news.inject.test; q=dns/txt")[0]
        expect_equal((t["s"], t["d"], t["i"], t["q"]), ("s2", "inject.test", "list@news.inject.test", "dns/txt"), "all of them")
        t = choose(b"d=listed.test; key-list=special", author=b"me@nobody.test")[0]
        expect_equal((t["s"], t["d"], t["i"]), ("s3", "listed.test", "@listed.test"), "key-list=")
        expect_equal(choose(b"s=nosuch"), [], "a selector that is not there")
        with w.ph.client(source_address=(f"{w.net}.8", 0)) as c:
            c.sendmail("a@inject.test", ["b@yes.test"], letter(w, b"X-DKIM-Key: kept\r\n"))
        w.n += 1
        w.mx.wait_recipients(w.n)
        expect(b"X-DKIM-Key: kept" in w.mx.message(w.mx.log()[-1]), "retain-x-dkim-key")
        expect_equal(choose(b"out of form")[0]["s"], "s1", "a field out of form only says that it was there")
        expect_equal([x["s"] for x in choose(b"s=s2", "second")], ["s1", "s2"], "two signatures")
        expect_equal([x["s"] for x in choose(None, "second")], ["s1"], "one")
        with w.ph.client(source_address=(f"{w.net}.7", 0)) as c:
            c.sendmail("a@inject.test", ["b@if.test"], letter(w, b"X-DKIM-Options: s=s2\r\nX-DKIM-Key: a secret\r\n"))
        w.n += 1
        w.mx.wait_recipients(w.n)
        got = w.mx.message(w.mx.log()[-1])
        expect(b"X-DKIM-Options: s=s2\r\n" in got and w.verifiers.accept(got)[0]["s"] == "s2", "retained")
        expect(b"a secret" not in got, "a private key left the server")


SECOND = """
domain-key s1,inject.test,{folder}/s1.pem
domain-key ed,inject.test,{folder}/ed.pem
domain-key esp,esp.test,{folder}/esp.pem
<domain two.test>
	second-dkim-identity @esp.test
	second-dkim-headers-canon simple
	second-dkim-body-canon simple
	second-dkim-add-timestamp yes
	second-dkim-expire-after 1h
	second-dkim-query-method dns/txt
	second-dkim-headers X-Id
	second-dkim-disallow-adding-headers X-None
	second-dkim-add-body-limit yes
</domain>
<domain back.test>
	second-dkim-identity @nokey.test
	second-dkim-identity-fallback @esp.test
</domain>
<domain *>
	dkim-sign yes
	second-dkim-sign yes
</domain>
"""


@case("two signatures: another key of the same domain (RSA and Ed25519), or another identity with settings of its own")
def second():
    keys = (("s1", "inject.test", 4096), ("ed", "inject.test", 0), ("esp", "esp.test", 1024))
    with Signing(SECOND, keys, policy=one_provider("two", "same", "back")) as w:
        t = w.verifiers.accept(w.send("b@same.test", letter(w)), 2, "same")
        expect_equal([(x["s"], x["a"]) for x in t], [("s1", "rsa-sha256"), ("ed", "ed25519-sha256")], "same domain")
        t = w.verifiers.accept(w.send("b@two.test", letter(w)), 2, "two")
        expect_equal([(x["d"], x["c"]) for x in t], [("inject.test", "relaxed/relaxed"), ("esp.test", "simple/simple")], "two")
        expect(set(t[1]) >= {"t", "x", "q", "l"} and not set(t[0]) & {"t", "x", "q", "l"}, f"tags: {t}")
        expect("x-id" in t[1]["h"].lower() and "x-none" in t[1]["h"].lower() and "x-id" not in t[0]["h"].lower(), f"h=: {t}")
        t = w.verifiers.accept(w.send("b@back.test", letter(w)), 2, "back")
        expect_equal([x["d"] for x in t], ["inject.test", "esp.test"], "the second's fallback")
        # from a file, by sendfile
        body = b"".join(b"%d  large\t \r\n.\r\n" % i for i in range(200000))
        w.verifiers.accept(w.send("b@two.test", letter(w, body=body)), 2, "large")


# ---- 1,000 odd messages ----

WORDS = ["alpha", "beta", "gamma", "a\xc3\xa4b", "=?utf-8?q?=C3=A4?=", "x;y", "<z>", "(c)", "", "\tq", "1" * 60]


def odd_text(r):
    """A field's value: words, blanks, folding."""
    gaps = [" ", "  ", "\t", " \t ", "\r\n ", "\r\n\t", " \r\n   ", "\t\r\n \t"]
    text = "".join(r.choice(gaps) + r.choice(WORDS) for _ in range(r.randrange(1, 9)))
    if r.random() < 0.3:
        text += r.choice([" ", "\t", "  \t "])
    # a line of blanks alone is no folding (RFC 5322 3.2.2)
    return re.sub(r"\r\n[ \t]+(?=\r\n|$)", "\r\n x", text)


def odd_header(r, ident):
    authors = ["news@inject.test", "<news@inject.test>", '"A, B" <news@inject.test>', "Me (it is\r\n me) <n.e+w@inject.test>",
               "\r\n news@sub.inject.test", '"a b"@inject.test', "=?utf-8?q?=C3=A4?= <x@INJECT.test>", "a@inject.test,\r\n\tb@other.test",
               "G: <g@inject.test>;"]
    fields = [f"From: {r.choice(authors)}", f"X-Id: {ident}"]
    names = ["To", "Cc", "Subject", "SUBJECT", "subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Reply-To", "List-Id",
             "List-Unsubscribe", "List-Unsubscribe-Post", "Resent-From", "Resent-To", "References", "In-Reply-To", "X-Odd", "Comments",
             "Keywords", "Received", "Return-Path", "Bcc", "Sender"]
    for _ in range(r.randrange(0, 25)):
        name = r.choice(names)
        text = " s@inject.test" if name == "Sender" else odd_text(r)
        fields.append(f"{name}:{text}")
    if r.random() < 0.1:
        fields += ["Subject: again", "To: again@x.test"] * r.randrange(1, 40)
    r.shuffle(fields)
    return "".join(f + "\r\n" for f in fields).encode("latin-1")


def odd_body(r):
    kind = r.randrange(10)
    if kind == 0:
        return b""
    if kind == 1:
        return b"\r\n" * r.randrange(1, 20)
    if kind == 2:
        return b" \t\r\n" * r.randrange(1, 5)
    lines = []
    for _ in range(r.choices([1, 3, 10, 100, 900], [30, 30, 30, 8, 2])[0]):
        line = r.choice([b"", b".", b"..", b". x", b"text", b"two  words", b" lead", b"\ttab\t", b"trail  ", b"\xff\x80\xc3\xa4",
                         b"x" * 990, b"a\t \tb", b"From here", b" ", b"\t"])
        lines.append(line)
    end = r.choice([b"", b"\r\n", b"\r\n\r\n\r\n", b" \r\n", b"\r\n \t\r\n"])
    return b"\r\n".join(lines) + end


def odd_messages(n):
    r = random.Random(20261121)
    for i in range(n):
        ident = f"odd{i}"
        head = odd_header(r, ident)
        if r.random() < 0.03:
            yield ident, head if r.random() < 0.5 else head[:-2]
        else:
            yield ident, head + b"\r\n" + odd_body(r)


ODD = """
domain-key s1,inject.test,{folder}/s1.pem
domain-key ed,inject.test,{folder}/ed.pem
<domain gmail.test>
	dkim-sign yes
</domain>
<domain gmx.test>
	dkim-sign yes
	dkim-headers-canon simple
	dkim-body-canon simple
	dkim-headers X-Odd, Comments
	dkim-add-timestamp yes
	dkim-expire-after 1d
</domain>
<domain web.test>
	dkim-sign yes
	dkim-body-canon simple
	second-dkim-sign yes
	second-dkim-headers-canon simple
	second-dkim-headers /^x-/
</domain>
<domain yahoo.test>
	dkim-sign yes
	dkim-headers-canon simple
	dkim-disallow-adding-headers X-Odd, Subject
	dkim-query-method dns/txt
</domain>
"""
SIGNATURES = {"gmail.test": 1, "gmx.test": 1, "web.test": 2, "yahoo.test": 1}


def inject_all(w, messages, rcpts):
    work = queue.SimpleQueue()
    for m in messages:
        work.put(m)

    def run():
        with w.ph.client() as c:
            while True:
                try:
                    ident, text = work.get_nowait()
                except queue.Empty:
                    return
                c.sendmail("a@inject.test", rcpts(ident), text, mail_options=["BODY=8BITMIME"])
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for f in [pool.submit(run) for _ in range(6)]:
            f.result()


_world = None


def check_one(a):
    """In a process of its own: what two verifiers say of one message; the algorithms of its signatures."""
    tags = _world.verifiers.accept(_world.mx.message(a), SIGNATURES[a.provider], f"{a.provider} {a.id}")
    return {t["a"] for t in tags}


@case("1,000 odd messages by BDAT, PIPELINING, one command at a time and TLS: python3-dkim and opendkim accept every signature")
def odd():
    keys = (("s1", "inject.test", 1024), ("ed", "inject.test", 0))
    with Signing(ODD, keys) as w:
        sent = dict(odd_messages(1000))
        inject_all(w, sent.items(), lambda _: [f"b@{d}" for d in SIGNATURES])
        w.mx.wait_recipients(len(sent) * len(SIGNATURES), 60)
        global _world
        _world = w
        log = w.mx.log()
        with multiprocessing.get_context("fork").Pool(2) as pool:
            algorithms = set().union(*pool.imap_unordered(check_one, log, 50))
        expect_equal(algorithms, {"rsa-sha256", "ed25519-sha256"}, "algorithms")
        expect_equal(w.mx.violations(), {}, "violations")
        w.drained()
        w.ph.audit()


BESIDE = """
domain-key s1,inject.test,{folder}/s1.pem
<domain pipe.test>
	type pipe
	command {folder}/taker $to
	dkim-sign yes
	dkim-body-canon simple
</domain>
<domain file.test>
	type file
	file-destination {folder}/out/file
	dkim-sign yes
	dkim-headers-canon simple
</domain>
<domain post.test>
	type http-delivery
	http-delivery-url http://127.0.0.1:{clear}/mail
	dkim-sign yes
	max-smtp-out 4
</domain>
"""
TAKER = '#!/bin/sh\nexec cat >"${0%/*}/out/pipe/$1"\n'


def written(folder):
    """The messages of a folder of files, with the line ends of the wire."""
    for name in os.listdir(folder):
        with open(f"{folder}/{name}", "rb") as f:
            yield f.read().replace(b"\n", b"\r\n")


def check_text(text):
    _world.verifiers.accept(text, 1, text[:200])
    return re.search(rb"(?im)^x-id: (\S+)", text)[1].decode()


@case("1,000 odd messages given to commands, written to files and posted: python3-dkim and opendkim accept every signature")
def odd_beside():
    keys = (("s1", "inject.test", 1024),)
    server = Server(("127.0.0.1", 0))
    w = Signing(BESIDE.replace("{clear}", str(server.server_port)), keys)
    for name in ("out", "out/pipe", "out/file"):
        os.mkdir(f"{w.folder}/{name}")
        os.chmod(f"{w.folder}/{name}", 0o777)
    with open(w.folder + "/taker", "w") as f:
        f.write(TAKER)
    os.chmod(w.folder + "/taker", 0o755)
    with w:
        sent = dict(odd_messages(1000))
        inject_all(w, sent.items(), lambda ident: [f"{ident}@{d}.test" for d in ("pipe", "file", "post")])
        w.ph.wait_records(3 * len(sent), "d", 120)
        global _world
        _world = w
        ways = {"pipe": written(w.folder + "/out/pipe"), "file": written(w.folder + "/out/file"),
                "post": (posted(p)[1] for p in server.of("/mail"))}
        with multiprocessing.get_context("fork").Pool(2) as pool:
            for way, texts in ways.items():
                expect_equal(sorted(pool.imap_unordered(check_text, texts, 50)), sorted(sent), way)
        w.drained()
        w.ph.audit()
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
