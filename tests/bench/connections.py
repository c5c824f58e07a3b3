"""Ten thousand connections to mxsim at a time, in clear: what one of them costs in memory."""
import os
import resource
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from machine import Missing  # noqa: E402

# every connection comes as far as MAIL, with a message under way, and then waits
POLICY = "port {mx_port}\nname-server {net}.53:{dns_port}\nprovider many.test { mx MX; stall mail always; }\n"
DOMAIN = ("total-max-smtp-out {n}\n<domain *>\n\tdefault-smtp-port {mx_port}\n\tmax-smtp-out {n}\n\tuse-starttls no\n"
          "\tmax-msg-per-connection 1\n\tmx-connection-attempts 1000\n</domain>\n")


def rss_kb(ph):
    """Of all deliverd processes; pages that they share count for each."""
    total = 0
    for pid in ph.daemons().get("deliverd", []):
        with open(f"/proc/{pid}/status") as f:
            total += next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))
    return total


def measure(build, n):
    os.environ["PH_BUILD"] = build
    import cases
    import posthaste
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < n + 1000:
        raise Missing(f"{n + 1000} descriptors for a process")
    policy = POLICY.replace("MX", "{net}.10,{net}.11,{net}.12,{net}.13")
    with posthaste.World(policy=policy, domain=DOMAIN.replace("{n}", str(n))) as w:
        w.inject(1, "w%r@many.test", sessions=1)
        cases.wait_for("a first connection", lambda: w.mx.provider("many.test")["connections"] >= 1, 20)
        before = rss_kb(w.ph)
        w.inject(n - 1, "u%r@many.test", sessions=20)
        try:
            cases.wait_for("the connections", lambda: w.mx.provider("many.test")["connections"] >= n, 120)
        except cases.Failed as e:
            w.ph.kill()
            raise RuntimeError(f"{e}: {w.mx.provider('many.test')['connections']} of {n}") from None
        after = rss_kb(w.ph)
        w.ph.audit()
        w.ph.kill()  # what stalls would be waited for
        return {"connections": n, "rss_mb": after / 1024, "kb_per_connection": (after - before) / (n - 1)}
