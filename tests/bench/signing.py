"""What DKIM costs: relaying with an RSA-2048 signature on each message, beside the same without one and beside the bare
signing operation, all in one run."""
import os
import statistics
import subprocess

import figures

SIGN = """domain-key bench,src.test,{key}
<domain *>
	dkim-sign yes
</domain>
"""
ROUNDS = 5


def make_key(folder):
    path = folder + "/dkim.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path], check=True,
                   capture_output=True)
    os.chmod(path, 0o600)
    return path


def bare_us(tools, key, n):
    r = subprocess.run([tools + "/sign", key, str(n)], capture_output=True, text=True)
    if r.returncode != 0:
        raise RuntimeError("sign: " + r.stderr)
    return float(r.stdout)


def signd_us(parent):
    """CPU of the signds of this server: it tells that they signed."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = open(f"/proc/{pid}/stat").read()
        except OSError:
            continue
        rest = text[text.rindex(")") + 2:].split()
        if "(signd)" in text and int(rest[1]) == parent:
            total += int(rest[11]) + int(rest[12])
    return total * 1e6 / os.sysconf("SC_CLK_TCK")


class Signing(figures.Bench):
    """The same bench, whose servers sign; at a server's end it knows what its signds used."""

    def __init__(self, bench, key):
        super().__init__(bench.peer, bench.makers, bench.tools, bench.work)
        self.key, self.used_us = key, 0

    def server(self, *args, **options):
        server = super().server(*args, **options)
        server.more = SIGN.format(key=self.key)
        stop = server.stop

        def look_and_stop():
            if server.process is not None:
                self.used_us = signd_us(server.process.pid)
            stop()
        server.stop = look_and_stop
        return server


def measure(bench, n, size, sessions):
    """Each round measures all three close together and the bare operation on both sides of the relaying, for a machine's speed
    drifts; the cost is the median of the rounds' ratios."""
    key = make_key(bench.work)
    signing = Signing(bench, key)
    rounds = [one_round(bench, signing, key, n, size, sessions) for _ in range(ROUNDS)]
    return {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}


def one_round(bench, signing, key, n, size, sessions):
    before = bare_us(bench.tools, key, 1000)
    plain = figures.relay(bench, "posthaste", n, size, sessions)
    signed = figures.relay(signing, "posthaste", n, size, sessions)
    bare = (before + bare_us(bench.tools, key, 1000)) / 2
    if signing.used_us < 0.4 * n * bare:
        raise RuntimeError(f"signd used {signing.used_us:.0f} us for {n} messages: they were not signed")
    plain_us, signed_us = plain["cpu_s_per_1000"] * 1000, signed["cpu_s_per_1000"] * 1000
    return {"bare_us": bare, "plain_us": plain_us, "signed_us": signed_us, "dkim_cost": signed_us / (bare + plain_us),
            "signed_per_s": signed["relayed_per_s"]}
