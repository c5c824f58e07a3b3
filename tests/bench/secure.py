"""Relaying with TLS on both legs: tests/inject speaks STARTTLS to the server, the server to mxsim."""
import json
import os
import subprocess
import sys
import time

import load
from machine import Calm, FreshFs

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

SINK = "port {port}\nprovider dst.test { mx 127.0.0.1; tls required; accept-any; }\n"


def certificate(folder):
    """One PEM file, key and certificate, for both servers."""
    path = folder + "/tls.pem"
    if not os.path.exists(path):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "10", "-subj", "/CN=mta.bench.test", "-keyout", path + ".key", "-out", path + ".crt"],
                       check=True, capture_output=True)
        with open(path, "w") as f:
            f.write(open(path + ".key").read() + open(path + ".crt").read())
        os.chmod(path, 0o600)
    return path


def inject(build, port, n, size, sessions):
    r = subprocess.run([build + "/tests/inject", "-q", "-T", "-s", f"127.0.0.1:{port}", "-n", str(n), "-c", str(sessions),
                        "-b", str(size), "-f", "sender@src.test", "-t", "%r@dst.test"], capture_output=True, text=True)
    if r.returncode != 0 or json.loads(r.stdout)["acked"] != n:
        raise RuntimeError(f"inject: {r.stderr.strip()[:300]} {r.stdout[:200]}")


def relay(bench, name, n, size, sessions):
    import mxsim
    with FreshFs(megabytes=max(1500, 4 * n * size // 1_000_000 + 800)) as fs:
        port = load.free_port()
        sink = mxsim.Mxsim(bench.build, f"{bench.work}/mxsim.{name}", SINK.replace("{port}", str(port))).start()
        server = bench.server(name, fs.mount, port)
        server.tls = certificate(bench.work)
        try:
            server.start()
            time.sleep(1)
            met = Calm.settle(fs.mount)
            before, t = server.group.cpu_s(), time.monotonic()
            inject(bench.build, server.port, n, size, sessions)
            took = time.monotonic() - t
            stats = sink.wait_recipients(n, 300)
            relayed = time.monotonic() - t
            if stats["duplicates"] or sink.provider("dst.test")["recipients"] != n:
                raise RuntimeError(f"{name}: {n} sent, {stats['recipients']} came, {stats['duplicates']} twice")
            if any(not a.tls for a in sink.log()):
                raise RuntimeError(f"{name}: some went in clear")
            return {"accepted_per_s": n / took, "relayed_per_s": n / relayed,
                    "cpu_s_per_1000": (server.group.cpu_s() - before) * 1000 / n,
                    "connections": sink.provider("dst.test")["connections_total"], **met}
        finally:
            server.stop()
            server.group.remove()
            sink.stop()
