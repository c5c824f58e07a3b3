"""The measurements. Each takes a Bench and a way to make a server, and returns a dict of figures; a run that
lost or repeated a message is no result and says so."""
import os
import re
import signal
import subprocess
import threading
import time

import load
from machine import Calm, FreshFs, Group, Missing


class Bench:
    """What all measurements share: where the tools are, and how to make each server."""

    def __init__(self, peer, makers, tools, work):
        self.peer, self.makers, self.tools, self.work = peer, makers, tools, work

    def server(self, name, folder, target, one_connection=False):
        return self.makers[name](folder, Group(name), target, one_connection)


class Memory(threading.Thread):
    """The highest sum of PSS, looked at twice a second."""

    def __init__(self, group):
        super().__init__(daemon=True)
        self.group, self.peak, self.over = group, 0, threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.5):
            self.peak = max(self.peak, self.group.pss_kb())

    def end(self):
        self.over.set()
        self.join()
        return self.peak


def check(sink, n, what):
    if sink.unique < n or sink.duplicates or sink.broken:
        raise RuntimeError(f"{what}: {n} sent, {sink.unique} arrived, {sink.duplicates} twice, "
                           f"{sink.broken} broken lines: no result")


def relay(bench, name, n, size, sessions):
    """Acceptance and relaying with the sink up: rates, CPU, flushes, bytes."""
    with FreshFs(megabytes=max(1500, 4 * n * size // 1_000_000 + 800)) as fs:
        sink = load.Sink(bench.work, bench.tools).start()
        server = bench.server(name, fs.mount, sink.port)
        try:
            server.start()
            time.sleep(1)  # both have made what they make at their start
            os.sync()
            met = Calm.settle(fs.mount)
            cpu, disk, t = server.group.cpu_s(), fs.disk(), time.monotonic()
            took = load.inject(bench.peer, server.port, n, size, sessions)
            sink.wait(n)
            time.sleep(0.5)  # accounting and its flushes belong to the message
            used, after = server.group.cpu_s() - cpu, fs.disk()
            check(sink, n, f"{name} relay")
            return {
                "accepted_per_s": n / took, "relayed_per_s": n / (sink.last_ns / 1e9 - t),
                "cpu_s_per_1000": used * 1000 / n, "bytes_per_msg": (after[0] - disk[0]) / n,
                "flushes_per_msg": (after[1] - disk[1]) / n, "pss_mb": server.group.pss_kb() / 1024,
                **met,
            }
        finally:
            server.stop()
            server.group.remove()
            sink.stop()


def slow_link(bench, name, n):
    """One connection through 100 ms of round trip, from the first to the last message at the sink."""
    with FreshFs(megabytes=1000) as fs:
        sink = load.Sink(bench.work, bench.tools).start()
        proxy = load.DelayProxy(bench.tools, sink.port, 50)
        server = bench.server(name, fs.mount, proxy.port, one_connection=True)
        try:
            server.start()
            before = sink.sessions  # the looks whether a port is open
            load.inject(bench.peer, server.port, n, 2048, 20)
            sink.wait(n)
            check(sink, n, f"{name} slow link")
            return {"link_msgs_per_s": (n - 1) / ((sink.last_ns - sink.first_ns) / 1e9),
                    "link_connections": sink.sessions - before}
        finally:
            server.stop()
            server.group.remove()
            proxy.stop()
            sink.stop()


def count_calls(path):
    """Sum of the calls column of strace -c's table, and of the flushing calls in it."""
    total = flushes = 0
    for line in open(path):
        m = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
        if m and m.group(2) != "total":
            total += int(m.group(1))
            flushes += int(m.group(1)) if m.group(2) in ("fsync", "fdatasync") else 0
    return total, flushes


def system_calls(bench, name, n):
    """System calls a message, all processes of the server together, while strace counts them."""
    if subprocess.run(["strace", "-V"], capture_output=True).returncode != 0:
        raise Missing("strace: system calls")
    with FreshFs(megabytes=1500) as fs:
        sink = load.Sink(bench.work, bench.tools).start()
        server = bench.server(name, fs.mount, sink.port)
        try:
            server.start()
            load.inject(bench.peer, server.port, 100, 2048, 20)  # so that worker processes exist
            sink.wait(100)
            before, out = sink.messages, bench.work + "/strace." + name
            pids = [x for p in server.group.pids() for x in ("-p", str(p))]
            trace = subprocess.Popen(["strace", "-f", "-c", "-o", out, *pids], stderr=subprocess.DEVNULL)
            load.wait_for("strace", lambda: all(traced(p) for p in server.group.pids()), 10)
            load.inject(bench.peer, server.port, n, 2048, 20)
            load.wait_for("delivery under strace", lambda: sink.messages - before >= n, 300)
            time.sleep(0.5)
            trace.send_signal(signal.SIGINT)
            trace.wait()
            total, flushes = count_calls(out)
            return {"calls_per_msg": total / n, "fsync_calls_per_msg": flushes / n}
        finally:
            server.stop()
            server.group.remove()
            sink.stop()


def traced(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            return "TracerPid:\t0\n" not in f.read()
    except OSError:
        return True


def million(bench, n):
    """n queued recipients with the destination down: memory; then a crash, and how fast it is back."""
    with FreshFs(megabytes=3000 + n * 4000 // 1_000_000) as fs:
        sink = load.Sink(bench.work, bench.tools)
        server = bench.server("posthaste", fs.mount, sink.port)
        try:
            server.start()
            took = load.inject(bench.peer, server.port, n, 2048, 20)
            time.sleep(2)
            memory = Memory(server.group)
            time.sleep(5)
            pss = server.group.pss_kb()
            peak = memory.end()
            server.kill()
            sink.start()
            t = time.monotonic()
            server.start()
            load.wait_for("the end of recovery", server.has_recovered, 300, 0.05)
            recovered = time.monotonic() - t
            load.wait_for("a first delivery", lambda: sink.first_ns, 120)
            return {"queued": n, "queued_accepted_per_s": n / took, "queued_pss_mb": max(pss, peak) / 1024,
                    "first_delivery_s": sink.first_ns / 1e9 - t, "recovered_s": recovered}
        finally:
            server.stop()
            server.group.remove()
            sink.stop()
