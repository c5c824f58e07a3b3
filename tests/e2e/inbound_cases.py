"""What is checked of clients and senders before their mail is taken: SPF and the client's name."""
import os
import smtplib
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from dnssim import Dnssim  # noqa: E402
from posthaste import BASE, World  # noqa: E402
from verifiers import make_key  # noqa: E402

try:
    import dkim
except ImportError:
    dkim = None

ZONE = {
    "gmail.test MX": "10 mx.gmail.test",
    "mx.gmail.test A": "{net}.10",
    "pass.test TXT": "v=spf1 ip4:{net}.0/24 -all",
    "fail.test TXT": "v=spf1 exp=why.fail.test -all",
    "why.fail.test TXT": "%{i} may not send for %{d}",
    "soft.test TXT": "v=spf1 ~all",
    "wrong.test TXT": "v=spf1 nonsense",
    "down.test TXT": "SERVFAIL",
    "void.test TXT": "v=spf1 a:v1.test a:v2.test a:v3.test ?all",
    "helo.pass.test TXT": "v=spf1 ip4:{net}.0/24 -all",
}
# the client's addresses, and what their names say
CLIENTS = {
    ".101": {"PTR": "good.client.test"},
    ".102": {"PTR": "liar.client.test"},
    ".103": {},
    ".104": {"PTR": "SERVFAIL"},
}
CONFIG = """\
<source {net}.101/32>
	check-iprev-inbound yes
	trace-iprev-check yes
	reject-iprev-check-fail yes
	reject-iprev-check-permerror yes
	reject-iprev-check-temperror yes
</source>
<source {net}.102/32>
	check-iprev-inbound yes
	reject-iprev-check-fail yes
</source>
<source {net}.103/32>
	check-iprev-inbound yes
	reject-iprev-check-permerror yes
</source>
<source {net}.104/32>
	check-iprev-inbound yes
	reject-iprev-check-temperror yes
</source>
<source {net}.110/32>
	check-spf-inbound yes
	trace-spf-check yes
</source>
<source {net}.111/32>
	check-spf-inbound yes
	reject-spf-check-fail no
	reject-spf-check-permerror no
	reject-spf-check-temperror no
	check-iprev-inbound yes
</source>
<source {net}.114/32>
	check-spf-inbound yes
	check-spf-inbound-max-void-lookups 3
</source>
"""
CONFIG += """\
<source {net}.112/32>
	check-dkim-inbound yes
	trace-dkim-check yes
</source>
<source {net}.113/32>
	check-dkim-inbound yes
</source>
"""
POLICY = "port {mx_port}\nprovider gmail.test { mx {net}.10; }\n"


class Setup:
    """World and name server."""

    def __enter__(self):
        self.w = World(policy=POLICY, config=CONFIG, base=BASE.replace("{dns_port}", "5354"), dump=True, start=False)
        zone = {k: v.replace("{net}", self.w.net) for k, v in ZONE.items()}
        a, b, c = self.w.net.split(".")
        for host, answers in CLIENTS.items():
            zone[f"{host[1:]}.{c}.{b}.{a}.in-addr.arpa PTR"] = answers.get("PTR", "NODATA")
        zone["good.client.test A"] = self.w.net + ".101"
        zone["liar.client.test A"] = self.w.net + ".1"
        for name, bits in (("rsa", 2048), ("short", 512), ("ed", 0)):
            zone[f"{name}._domainkey.sign.test TXT"] = make_key(f"{self.w.folder}/{name}.key", bits)
        zone["down._domainkey.sign.test TXT"] = "SERVFAIL"
        zone["gone._domainkey.sign.test TXT"] = "v=DKIM1; p="
        self.dns = Dnssim(self.w.net + ".53", 5354, zone)
        self.dns.__enter__()
        self.w.__enter__()
        self.w.ph.start()
        return self

    def __exit__(self, *args):
        self.w.__exit__(*args)
        self.dns.__exit__()

    def mail(self, host, sender, helo="client.test"):
        """The reply to MAIL, as code and text."""
        with smtplib.SMTP(*self.w.ph.listener, timeout=30, source_address=(self.w.net + host, 0)) as s:
            s.ehlo(helo)
            code, text = s.mail(sender)
            return code, text.decode()

    def send(self, host, sender, ident, helo="client.test", fields=""):
        """The message as it came, and the log line."""
        with smtplib.SMTP(*self.w.ph.listener, timeout=30, source_address=(self.w.net + host, 0),
                          local_hostname=helo) as s:
            s.sendmail(sender, ["a@gmail.test"], f"{fields}X-Id: {ident}\r\n\r\ntext\r\n")
        wait_for(f"{ident} came", lambda: ident in {a.id for a in self.w.mx.log()})
        return [self.w.mx.message(a).decode() for a in self.w.mx.log() if a.id == ident][0].replace("\r\n\t", " ")


def spf(t):
    net = t.w.net
    code, text = t.mail(".110", "a@fail.test")
    expect_equal((code, text), (550, "5.7.23 The sender's domain does not let your address send: "
                                f"{net}.110 may not send for fail.test"), "fail")
    expect_equal(t.mail(".110", "a@wrong.test"), (550, "5.7.24 SPF of the sender's domain is wrong: "
                                                  "the SPF record is written wrongly"), "permerror")
    expect_equal(t.mail(".110", "a@down.test")[0], 451, "temperror")
    expect_equal(t.mail(".110", "a@void.test")[0], 550, "three void look-ups")
    expect_equal(t.mail(".114", "a@void.test")[0], 250, "as many as may be")
    expect_equal(t.mail(".110", "")[0], 250, "no SPF of the HELO name")
    for sender in ("a@fail.test", "a@wrong.test", "a@down.test", "a@void.test"):
        expect_equal(t.mail(".111", sender)[0], 250, sender)
    expect(f"event=spf-check client={net}.110 result=fail name=\"fail.test\"" in t.w.ph.said(), "no trace")
    expect(f"event=spf-check client={net}.111" not in t.w.ph.said(), "a trace that nobody wants")
    expect_equal(t.mail(".1", "a@fail.test")[0], 250, "without check-spf-inbound")


def iprev(t):
    expect_equal(t.mail(".101", "a@pass.test"), (250, "2.1.0 Sender ok"), "a good name")
    expect_equal(t.mail(".102", "a@pass.test"), (550, "5.7.25 The name of your address does not lead back to it"), "liar")
    expect_equal(t.mail(".103", "a@pass.test"), (550, "5.7.25 Your address has no name"), "no name")
    expect_equal(t.mail(".104", "a@pass.test"), (451, "4.7.25 The name of your address cannot be checked now"), "failure")
    expect("event=iprev-check" in t.w.ph.said(), "no trace")
    t.w.ph.write_config(t.w.config.replace("reject-iprev-check", "#").replace("trace-", "#"))
    t.w.ph.pmtactl("reload")
    for host in (".102", ".103", ".104"):
        expect_equal(t.mail(host, "a@pass.test")[0], 250, host)


def fields(t):
    net = t.w.net
    text = t.send(".110", "a@pass.test", "f1", fields="Authentication-Results: mta.posthaste.test; spf=pass\r\n"
                  "Authentication-Results: other.test; spf=pass\r\n")
    expect(f"Authentication-Results: mta.posthaste.test; spf=pass smtp.mailfrom=pass.test\r\n" in text, text)
    expect(f"Received-SPF: pass (mta.posthaste.test) client-ip={net}.110; identity=mailfrom; helo=\"client.test\"; "
           f"envelope-from=\"a@pass.test\"\r\n" in text, text)
    expect_equal(text.count("Authentication-Results: mta.posthaste.test"), 1, "what a client wrote in our name")
    expect("Authentication-Results: other.test" in text, text)
    text = t.send(".111", "a@soft.test", "f2")
    expect(f"Authentication-Results: mta.posthaste.test; iprev=permerror policy.iprev=\"{net}.111\"; "
           f"spf=softfail smtp.mailfrom=soft.test\r\n" in text, text)
    text = t.send(".110", "", "f3", helo="helo.pass.test")
    expect("spf=pass smtp.helo=helo.pass.test\r\n" in text, text)
    text = t.send(".101", "a@soft.test", "f4")
    expect(f"iprev=pass policy.iprev=\"{net}.101\" (good.client.test)\r\n" in text, text)
    expect("spf=" not in text, text)


LETTER = "From: A <a@sign.test>\r\nTo: b@gmail.test\r\nSubject:  some\r\n\tthing \r\n\r\nOne\r\n.dot\r\n\r\nTwo  \r\n\r\n"


def signed(t, ident, selector, key, canon="relaxed/relaxed", letter=LETTER):
    """The letter with a signature of python3-dkim in front."""
    letter = f"X-Id: {ident}\r\n{letter}".encode()
    with open(f"{t.w.folder}/{key}.key", "rb") as f:
        pem = f.read()
    head, _, body = canon.partition("/")
    return (dkim.sign(letter, selector.encode(), b"sign.test", pem, canonicalize=(head.encode(), body.encode()))
            + letter).decode()


def deliver(t, host, text, ident):
    """The results of what is sent, as they came."""
    with smtplib.SMTP(*t.w.ph.listener, timeout=30, source_address=(t.w.net + host, 0)) as s:
        s.sendmail("s@sign.test", ["a@gmail.test"], text)
    wait_for(f"{ident} came", lambda: ident in {a.id for a in t.w.mx.log()})
    got = [t.w.mx.message(a).decode() for a in t.w.mx.log() if a.id == ident][0]
    expect(got.endswith(text), f"{ident}: what came is not what was sent: {got}")
    first = got.replace("\r\n\t", " ").partition("\r\n")[0]
    expect(first.startswith("Authentication-Results: mta.posthaste.test; "), got)
    return first.partition("; ")[2]


def signatures(t):
    expect_equal(deliver(t, ".112", "X-Id: k0\r\n" + LETTER, "k0"), "dkim=none", "without a signature")
    if dkim is None:
        return
    good = "dkim=pass header.d=sign.test header.s=rsa"
    for i, canon in enumerate(("relaxed/relaxed", "simple/simple", "relaxed/simple", "simple/relaxed")):
        expect_equal(deliver(t, ".112", signed(t, f"k1{i}", "rsa", "rsa", canon), f"k1{i}"), good, canon)
    expect_equal(deliver(t, ".112", signed(t, "k2", "rsa", "rsa").replace("Two", "Too"), "k2"),
                 "dkim=fail (the body was changed) header.d=sign.test header.s=rsa", "body")
    expect_equal(deliver(t, ".112", signed(t, "k3", "rsa", "rsa").replace("some", "any"), "k3"),
                 "dkim=fail (the header was changed) header.d=sign.test header.s=rsa", "header")
    for selector, wanted in (("down", "temperror (the key cannot be looked up now)"),
                             ("gone", "permerror (the key was revoked)"), ("none", "permerror (there is no key)"),
                             ("ed", "permerror (the key is of another kind)"),
                             ("short", "permerror (the key is too short)")):
        got = deliver(t, ".112", signed(t, "k4" + selector, selector, "rsa"), "k4" + selector)
        expect_equal(got, f"dkim={wanted} header.d=sign.test header.s={selector}", selector)
    twice = signed(t, "k5", "rsa", "rsa")
    twice = twice.partition("X-Id")[0] + signed(t, "k5", "gone", "rsa")
    expect_equal(deliver(t, ".112", twice, "k5"),
                 good + "; dkim=permerror (the key was revoked) header.d=sign.test header.s=gone", "two")
    large = signed(t, "k6", "rsa", "rsa", letter=LETTER + "0123456789" * 9 + "\r\n" + ("z" * 78 + "\r\n") * 14000)
    expect_equal(deliver(t, ".112", large, "k6"), good, "what is written to a file of its own")
    large = large.replace("X-Id: k6", "X-Id: k8").replace("z\r\n", "y\r\n", 1)
    expect_equal(deliver(t, ".112", large, "k8"), "dkim=fail (the body was changed) header.d=sign.test header.s=rsa", "large")
    expect('event=dkim-check client=' + t.w.net + '.112 result=pass domain="sign.test" selector="rsa"' in t.w.ph.said(),
           "no trace")
    deliver(t, ".113", signed(t, "k7", "rsa", "rsa"), "k7")
    expect("client=" + t.w.net + ".113 result" not in t.w.ph.said(), "a trace that nobody wants")


def long_addresses(t):
    """Reports about mail whose sender names its recipient (VERP) come to long local parts."""
    net = t.w.net
    with smtplib.SMTP(*t.w.ph.listener, timeout=30, source_address=(net + ".1", 0)) as s:
        s.sendmail("s@pass.test", ["b-" + "x" * 200 + "@gmail.test"], "X-Id: long\r\n\r\n")
        s.mail("s@pass.test")
        expect_equal(s.rcpt("b" * 251 + "@gmail.test")[0], 501, "251 octets")
    wait_for("it came", lambda: "long" in {a.id for a in t.w.mx.log()})


def commands(t):
    said = t.w.ph.pmtactl("check", "spf", t.w.net + ".9", "x.test", "a@pass.test").stdout
    expect("result: pass" in said and "domain: pass.test" in said, said)
    said = t.w.ph.pmtactl("check", "spf", "192.0.2.1", "x.test", "a@fail.test").stdout
    expect("result: fail" in said and "explanation: 192.0.2.1 may not send for fail.test" in said, said)
    said = t.w.ph.pmtactl("check", "mfrom", t.w.net + ".9", "helo.pass.test").stdout
    expect("result: pass" in said and "domain: helo.pass.test" in said, said)
    r = t.w.ph.pmtactl("check", "spf", "nonsense", "x.test", check=False)
    expect(r.returncode == 1 and "neither IPv4 nor IPv6" in r.stdout + r.stderr, r.stdout + r.stderr)


def without_dnsd(t):
    with smtplib.SMTP(*t.w.ph.listener, timeout=60, source_address=(t.w.net + ".110", 0)) as s:
        s.ehlo("client.test")
        t.w.ph.kill_daemon("dnsd")
        wait_for("it checks again", lambda: s.mail("a@pass.test")[0] == 250 or s.rset() is None)


@case("SPF, the client's name and DKIM are checked, refused and noted as the source says; pmtactl check spf; without dnsd "
      "mail is put off until there is another")
def checks():
    with Setup() as t:
        spf(t)
        fields(t)
        commands(t)
        long_addresses(t)
        signatures(t)
        without_dnsd(t)
        iprev(t)
        t.w.drained()
        t.w.ph.audit()


main()
