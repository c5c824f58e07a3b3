"""Signatures, as two verifiers that are not ours see them at the provider."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402,F401
from posthaste import World  # noqa: E402
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


if __name__ == "__main__":
    main()
