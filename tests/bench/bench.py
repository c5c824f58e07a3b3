#!/usr/bin/env python3
"""Posthaste beside Debian's Postfix, in turn, in one run, each on a fresh journaled ext4.

usage: bench.py [BUILD] [--rounds N] [--only GROUP,…] [--servers posthaste,postfix] [--json FILE]
GROUP: relay-2k relay-50k relay-100 calls link tls dkim connections suppression scheduling million operators
Environment: B (build folder), BENCH_QUICK=1 (a tenth of the counts, one round), BENCH_TMP (where images go).
Exit status 1 when a demand was measured and not met."""
import argparse
import json
import os
import shutil
import signal
import sys
import tempfile

import connections
import demands
import figures
import operators
import scheduling
import secure
import signing
import suppression
from machine import Missing
from server_postfix import Peer, Postfix
from server_posthaste import Posthaste

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GROUPS = "relay-2k relay-50k relay-100 calls link tls dkim connections suppression scheduling million operators".split()


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("build", nargs="?", default=os.environ.get("B", TOP + "/build"))
    p.add_argument("--rounds", type=int)
    p.add_argument("--only", default=os.environ.get("BENCH_ONLY", ",".join(GROUPS)))
    p.add_argument("--servers", default="postfix,posthaste")
    p.add_argument("--json")
    p.add_argument("--quick", action="store_true", default=os.environ.get("BENCH_QUICK", "") not in ("", "0"))
    a = p.parse_args()
    a.build = os.path.abspath(a.build)
    a.rounds = a.rounds or (1 if a.quick else 3)
    return a


def plan(quick):
    """{group: function(bench, server)}; Postfix gets fewer messages where it needs long for each."""
    few = 10 if quick else 1
    link = {"postfix": 40, "posthaste": 1000}
    large = {"postfix": 4000, "posthaste": 12000}
    return {
        "relay-2k": lambda b, s: figures.relay(b, s, 20000 // few, 2048, 20),
        "relay-50k": lambda b, s: figures.relay(b, s, large[s] // few, 51200, 20),
        "relay-100": lambda b, s: figures.relay(b, s, 20000 // few, 2048, 100),
        "calls": lambda b, s: figures.system_calls(b, s, 2000 // few),
        "link": lambda b, s: figures.slow_link(b, s, link[s] // (4 if quick else 1)),
        "tls": lambda b, s: secure.relay(b, s, 10000 // few, 2048, 20),
        "dkim": lambda b, s: signing.measure(b, 4000 // few, 2048, 20) if s == "posthaste" else None,
        "connections": lambda b, s: connections.measure(b.build, 10_000 // few) if s == "posthaste" else None,
        "suppression": lambda b, s: suppression.measure(b, 10_000_000 // few) if s == "posthaste" else None,
        "scheduling": lambda b, s: scheduling.measure(b.build, 500_000 // few, 100_000 // few) if s == "posthaste" else None,
        "million": lambda b, s: figures.million(b, 1_000_000 // few) if s == "posthaste" else None,
        "operators": lambda b, s: operators.measure(b, 1_000_000 // few, 2 if quick else 10, 5 if quick else 15)
        if s == "posthaste" else None,
    }


def measure(bench, a):
    results, steps = {}, plan(a.quick)
    servers = a.servers.split(",")
    for group in [g for g in GROUPS if g in a.only.split(",")]:
        rounds = a.rounds if group.startswith(("relay", "tls")) else 1
        runs = results.setdefault(group, {s: [] for s in servers})
        for i in range(rounds):
            for server in servers:
                run = attempt(group, server, lambda: steps[group](bench, server))
                runs[server].append(run)
                if run:
                    text = " ".join(f"{k}={demands.number(v)}" for k, v in run.items() if not isinstance(v, list))
                    print(f"  {group} round {i + 1} {server}: {text}", flush=True)
    return results


def attempt(group, server, work):
    try:
        return work()
    except Missing as e:
        print(f"  SKIPPED {group} {server}: this machine lacks {e}", flush=True)
    except RuntimeError as e:
        print(f"  NO RESULT {group} {server}: {e}", flush=True)
    return None


def main():
    a = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that devices and mounts are given back
    work = tempfile.mkdtemp(prefix="ph-bench-")
    os.chmod(work, 0o755)
    try:
        peer = Peer(a.build + "/peers/postfix")
        makers = {
            "postfix": lambda *w: Postfix(peer, *w),
            "posthaste": lambda *w: Posthaste(a.build, *w),
        }
        bench = figures.Bench(peer, makers, a.build + "/tests/bench", work)
        print(f"bench: Postfix {peer.version()} and Posthaste in turn, {a.rounds} round(s)"
              + (", quick: counts are a tenth" if a.quick else ""), flush=True)
        bench.build = a.build
        results = measure(bench, a)
    except Missing as e:
        print(f"bench: SKIPPED: this machine lacks {e}")
        return 0
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if a.json:
        with open(a.json, "w") as f:
            json.dump(results, f, indent=1)
    print("\n" + "\n".join(demands.table(results)))
    return 1 if any(r[5] == "FAIL" for r in demands.rows(results)) else 0


if __name__ == "__main__":
    sys.exit(main())
