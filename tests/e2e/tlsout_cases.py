#!/usr/bin/python3
"""TLS towards providers: whom we take for whom, versions, ciphers, our own certificate, sessions used again. One
Posthaste, a provider for each row."""
import atexit
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from authority import Authority  # noqa: E402
from posthaste import BUILD, World  # noqa: E402

CA = "smtp-tls-ca-file {ca}"
MUST = "require-starttls yes"
# name: (what the provider does, what its <domain> says); {host}: a certificate for the host's name from the authority
# {ca}; {other}: one for another name; by default mxsim signs for itself
ROWS = {
    "known": ("tls yes; certificate {host}", f"{CA}\n{MUST}"),
    "stranger": ("tls yes", CA),
    "strangermust": ("tls yes", f"{CA}\n{MUST}"),
    "misnamed": ("tls yes; certificate {other}", f"{CA}\n{MUST}"),
    "plain": ("tls no", MUST),
    "unused": ("tls yes", "use-starttls no"),
    "twelve": ("tls yes; tls-max 1.2", ""),
    "only13": ("tls yes; tls-max 1.2", f"smtp-tls-allow-tlsv1.2 no\nsmtp-tls-allow-tlsv1.1 no\n{MUST}"),
    "not13": ("tls yes", "smtp-tls-allow-tlsv1.3 no"),
    "eleven": ("tls yes; tls-max 1.1; tls-ciphers ALL:@SECLEVEL=0", MUST),
    "noeleven": ("tls yes; tls-max 1.1; tls-ciphers ALL:@SECLEVEL=0", f"smtp-tls-allow-tlsv1.1 no\n{MUST}"),
    "ten": ("tls yes; tls-max 1.0; tls-ciphers ALL:@SECLEVEL=0", f"smtp-tls-allow-tlsv1 yes\n{MUST}"),
    "noten": ("tls yes; tls-max 1.0; tls-ciphers ALL:@SECLEVEL=0", MUST),
    "cipher": ("tls yes; tls-max 1.2", "smtp-tls-ciphers ECDHE-ECDSA-AES128-GCM-SHA256"),
    "suite": ("tls yes", "smtp-tls-tlsv1.3-ciphersuites TLS_CHACHA20_POLY1305_SHA256"),
    "shown": ("tls yes; client-ca {ca}", "smtp-client-certificate {client}"),
    "locked": ("tls yes; client-ca {ca}", 'smtp-client-certificate {locked} "pass word"'),
    "hidden": ("tls yes; client-ca {ca}", ""),
    "again": ("tls yes", "reuse-ssl-session yes\nmax-msg-per-connection 1\nmax-smtp-out 1"),
    "again12": ("tls yes; tls-max 1.2", "reuse-ssl-session yes\nmax-msg-per-connection 1\nmax-smtp-out 1"),
    "anew": ("tls yes", "max-msg-per-connection 1\nmax-smtp-out 1"),
}
MANY = {"again": 4, "again12": 4, "anew": 4}


class Play:
    def __init__(self):
        self.world = w = World(policy="", start=False)
        authority = Authority(w.folder + "/ca")
        paths = {"ca": authority.path, "client": authority.certificate("client.test"),
                 "locked": authority.certificate("client.test", password="pass word"),
                 "other": authority.certificate("elsewhere.test")}
        for path in paths.values():
            os.chmod(path, 0o600)
        policy, config = "port {mx_port}\nname-server {net}.53:{dns_port}\n", ""
        for n, (name, (provider, domain)) in enumerate(ROWS.items()):
            paths["host"] = authority.certificate(f"mx1.{name}.test") if "{host}" in provider else ""
            policy += f"provider {name}.test {{ mx {w.net}.{20 + n}; {provider.format(**paths)}; }}\n"
            config += f"<domain {name}.test>\n" + "".join(f"\t{x}\n" for x in domain.format(**paths).split("\n")) + "</domain>\n"
        config += "<domain *>\n\tdefault-smtp-port {mx_port}\n\tretry-after 1h\n</domain>\n"
        w.mx._write(w.fill(policy))
        w.ph.write_config(w.config.split("<domain *>")[0] + w.fill(config))
        w.__enter__()
        atexit.register(w.close, False)
        w.ph.start()
        for name in ROWS:
            for _ in range(MANY.get(name, 1)):
                with w.ph.client() as client:
                    client.sendmail("sender@posthaste.test", [f"u@{name}.test"], b"Subject: x\r\n\r\nhello\r\n")

    def records(self, name, n=1):
        def find():
            found = [r for r in self.world.ph.records() if r["rcpt"] == f"u@{name}.test"
                     or (r["queue"] or "").startswith(f"{name}.test/")]
            return len(found) >= n and found
        return wait_for(f"{n} records of {name}", find, 40)


_play = []


def play():
    if not _play:
        _play.append(Play())
    return _play[0]


def delivered(name, protocol=None, cipher=None):
    r = play().records(name)[-1]
    expect_equal(r["type"], "d", f"{name}: {r['dsnDiag']}")
    if protocol is not None:
        expect_equal(r["dlvTlsProtocol"], protocol, f"{name}: protocol")
    if cipher is not None:
        expect_equal(r["dlvTlsCipher"], cipher, f"{name}: cipher")


def deferred(name, *words):
    r = play().records(name)[0]
    expect(r["type"] in ("tq", "t") and r["dsnStatus"].startswith("4"), f"{name}: {r['type']} {r['dsnStatus']} {r['dsnDiag']}")
    for word in words:
        expect(word in r["dsnDiag"], f"{name}: {r['dsnDiag']}")
    expect_equal(play().world.mx.provider(f"{name}.test")["messages"], 0, f"{name}: messages taken")


@case("smtp-tls-ca-file: a certificate of that authority for the host's name is taken")
def known():
    delivered("known", "TLSv1.3")


@case("smtp-tls-ca-file: a stranger's certificate means in clear, or with require-starttls a deferral")
def stranger():
    delivered("stranger", "")
    deferred("strangermust", "certificate is not accepted")
    deferred("misnamed", "ostname mismatch")


@case("require-starttls defers where there is no STARTTLS; use-starttls no never asks for it")
def starttls():
    deferred("plain", "does not offer STARTTLS")
    delivered("unused", "")
    expect_equal(play().world.mx.provider("unused.test")["tls"], 0, "handshakes")


@case("each version is used only where it is allowed")
def versions():
    delivered("twelve", "TLSv1.2")
    delivered("not13", "TLSv1.2")
    deferred("only13", "TLS")
    delivered("eleven", "TLSv1.1")
    deferred("noeleven", "TLS")
    delivered("ten", "TLSv1")
    deferred("noten", "TLS")


@case("smtp-tls-ciphers and smtp-tls-tlsv1.3-ciphersuites choose the cipher")
def ciphers():
    delivered("cipher", "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")
    delivered("suite", "TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256")


@case("smtp-client-certificate is shown to who asks, its key locked by a password or not; the file is master's alone")
def client_certificate():
    for name, n in (("shown", 1), ("locked", 1), ("hidden", 0)):
        delivered(name)
        expect_equal(play().world.mx.provider(f"{name}.test")["tls_client_certificates"], n, f"{name}: certificates shown")


@case("reuse-ssl-session resumes sessions, with TLS 1.3 and 1.2; without it each is new")
def sessions():
    for name, wanted in (("again", True), ("again12", True), ("anew", False)):
        play().records(name, MANY[name])
        p = play().world.mx.provider(f"{name}.test")
        expect_equal(p["connections_total"], 4, f"{name}: connections")
        expect_equal(p["tls_resumed"] > 0, wanted, f"{name}: {p['tls_resumed']} of {p['tls']} sessions were resumed")


@case("a reload brings new files into use, and one with bad files changes nothing")
def reload():
    w = play().world
    text = open(w.ph.config_path).read()
    w.ph.write_config(text.replace("<domain *>", "<domain late.test>\n\tsmtp-tls-ca-file /does/not/exist\n</domain>\n<domain *>"))
    r = w.ph.pmtactl("reload", check=False)
    expect(r.returncode != 0 and "/does/not/exist cannot be read" in r.stdout + r.stderr, r.stdout + r.stderr)
    w.ph.write_config(text.replace("\trequire-starttls yes\n</domain>\n<domain misnamed", "</domain>\n<domain misnamed"))
    w.ph.pmtactl("reload")

    def came():
        # the daemons switch one after the other: an attempt between may still go by the old one
        w.ph.pmtactl("schedule", "strangermust.test/*")
        return w.mx.provider("strangermust.test")["messages"] == 1
    wait_for("the stranger's mail", came)


@case("-t names the line of a certificate that cannot be used")
def check():
    w = play().world
    bad = w.folder + "/bad.pem"
    with open(bad, "w") as f:
        f.write("no certificate\n")
    config = w.ph.config_path + ".bad"
    for directive in (f"smtp-tls-ca-file {bad}", f"smtp-client-certificate {bad}", "smtp-tls-ciphers NONSENSE",
                      "smtp-tls-tlsv1.3-ciphersuites NONSENSE"):
        with open(config, "w") as f:
            f.write(open(w.ph.config_path).read() + f"<domain bad.test>\n\t{directive}\n</domain>\n")
        r = subprocess.run([BUILD + "/sbin/posthaste", "-t", "-c", config], capture_output=True, text=True)
        expect(r.returncode == 78 and "config.bad:" in r.stderr, f"{directive}: {r.returncode} {r.stdout[-200:]}{r.stderr[-300:]}")


@case("every message is accounted for after all of it")
def audit():
    play().world.ph.audit()


if __name__ == "__main__":
    main()
