"""Operators beside a full server: a million recipients wait in 50,000 queues, mail flows, and every command and every
URL is asked, each with its time; then the flow with operators who watch and without, in turn. A command or URL that
is in the program's tables and not here is an error."""
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

import asked
import load
from machine import FreshFs

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, TOP + "/tests/lib")
from control_client import Client as ControlClient  # noqa: E402

KEY = "bench_" + "0123456789" * 3
VMTAS = ("v0", "v1")
PER_QUEUE = 20
SHOW_VERSION = 9
CONFIG = """http-mgmt-port {web}
http-access 127.0.0.1 admin
http-api-key """ + KEY + """
<source 127.0.0.1>
	process-x-virtual-mta yes
	process-x-job yes
	process-x-envid yes
</source>
<virtual-mta v0>
	smtp-source-host 127.0.0.1 v0.bench.test
</virtual-mta>
<virtual-mta v1>
	smtp-source-host 127.0.0.1 v1.bench.test
</virtual-mta>
<domain *.wait.test>
	smtp-hosts [127.0.0.1]:{closed}
	retry-after 6h
	bounce-after 2d
</domain>
"""


class Full:
    """The server with its waiting mail, a sink for what flows, and who asks."""

    def __init__(self, bench, fs, n):
        self.bench, self.n_queues = bench, n // PER_QUEUE
        self.n_domains = self.n_queues // len(VMTAS)
        self.sink = load.Sink(bench.work, bench.tools, max_ids=50_000_000).start()
        self.server = bench.server("posthaste", fs.mount, self.sink.port)
        self.web = load.free_port()
        self.server.more = CONFIG.format(web=self.web, closed=load.free_port())
        self.config = None
        self.flowing, self.n_flows = None, 0

    def start(self):
        self.server.start()
        self.config = self.server.folder + "/config"
        # its processes check who may ask for themselves
        load.wait_for("the monitor", lambda: load.port_open(self.web), 20)

    def inject(self, n, rcpts, sessions=20, headers=(), size=600, wait=True):
        command = [self.bench.build + "/tests/inject", "-q", "-s", f"127.0.0.1:{self.server.port}", "-n", str(n),
                   "-c", str(sessions), "-b", str(size), "-t", rcpts]
        for h in headers:
            command += ["-H", h]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if not wait:
            return process
        out, err = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"inject: {err.decode()[-300:]}")
        return json.loads(out)

    def fill(self):
        """PER_QUEUE recipients in each queue, each of another job."""
        for k in range(PER_QUEUE):
            for v in VMTAS:
                self.inject(self.n_domains, f"u{k}-%r@d%r.wait.test", 20,
                            ["x-virtual-mta: " + v, f"x-job: job{k}", "x-envid: e%n"])

    def begin_flow(self):
        self.n_flows += 1
        self.flowing = self.inject(100_000_000, f"f%r@flow{self.n_flows}.test", 20, size=2048, wait=False)

    def end_flow(self):
        if self.flowing:
            self.flowing.kill()
            self.flowing.communicate()
            self.flowing = None

    def pmtactl(self, *words, first_line=False):
        """(seconds, output); first_line: of an answer that has no end, until its first line."""
        began = time.monotonic()
        p = subprocess.Popen([self.bench.build + "/sbin/pmtactl", "-c", self.config, *words], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        out = p.stdout.readline() if first_line else p.stdout.read()
        took = time.monotonic() - began
        if first_line:
            p.kill()
        p.stdout.close()
        return took, out.decode(errors="replace"), p.wait()

    def n_waiting(self):
        return json.loads(self.pmtactl("--json", "show", "ledger")[1])["data"]["ledger"]["queued"]

    def some_id(self):
        return json.loads(self.pmtactl("--json", "list", "--queue=d9.wait.test/v1", "--maxitems=1")[1])["data"]["rcpt"][0]["id"]

    def stop(self):
        self.end_flow()
        self.server.stop()
        self.server.group.remove()
        self.sink.stop()


class Pulse(threading.Thread):
    """Asks queued for its version again and again over a connection of its own: how long does another question, or
    what it does for the mail, keep it from answering?"""

    def __init__(self, folder):
        super().__init__(daemon=True)
        world = type("", (), {"folder": folder})
        self.client, self.over, self.times = ControlClient(world), threading.Event(), []
        self.start()

    def run(self):
        while not self.over.wait(0.01):
            began = time.monotonic()
            self.client.ask(SHOW_VERSION, [])
            self.times.append(time.monotonic() - began)

    def take(self):
        """The longest since the last call."""
        times, self.times = self.times, []
        return max(times, default=0.0)

    def end(self):
        self.over.set()
        self.join()
        self.client.close()


def timed(full, pulse, kind, name, work, times):
    found = []
    pulse.take()
    for _ in range(times):
        took, said, status = work()
        found.append(took)
        if status not in (0, 200, -signal.SIGKILL):
            print(f"    {name}: {status} {said[:200]!r}", flush=True)
    row = {"kind": kind, "name": name, "max_s": max(found), "median_s": statistics.median(found), "stall_s": pulse.take()}
    print(f"    {kind:8} {row['max_s'] * 1000:8.1f} {row['median_s'] * 1000:8.1f} {row['stall_s'] * 1000:8.1f}  {name}",
          flush=True)
    return row


def ask_everything(full):
    pulse = Pulse(full.server.folder + "/spool/..")
    rows = []
    print("    kind       max ms   med. ms  stall ms", flush=True)
    try:
        time.sleep(2)
        print(f"    nobody asks: stall {pulse.take() * 1000:.1f} ms", flush=True)
        for words in asked.reading(full):
            stream = words[0] in asked.STREAMS
            rows.append(timed(full, pulse, "command", " ".join(words), lambda: full.pmtactl(*words, first_line=stream),
                              1 if stream else 5))
        for words in asked.local(full):
            rows.append(timed(full, pulse, "command", " ".join(words), lambda: full.pmtactl(*words), 5))
        page = asked.Page(full.web, KEY)
        for url in asked.urls(full):
            rows.append(timed(full, pulse, "url", url, lambda: page.get(url), 5))
        for words in asked.changing(full):
            rows.append(timed(full, pulse, "change", " ".join(words), lambda: full.pmtactl(*words),
                              5 if "--dry-run" in words else 1))
    finally:
        pulse.end()
    return rows


def watched(full, seconds, is_watched):
    """Delivered a second, and CPU of the server for each thousand."""
    watchers = subprocess.Popen([sys.executable, HERE + "/watchers.py", str(full.web), KEY, full.bench.build + "/sbin/pmtactl",
                                 full.config]) if is_watched else None
    try:
        time.sleep(1)
        n, cpu, began = full.sink.rcpts, full.server.group.cpu_s(), time.monotonic()
        time.sleep(seconds)
        n, cpu, took = full.sink.rcpts - n, full.server.group.cpu_s() - cpu, time.monotonic() - began
    finally:
        if watchers:
            watchers.send_signal(signal.SIGTERM)
            watchers.wait()
    if n == 0:
        raise RuntimeError("nothing was delivered while it was measured")
    return n / took, cpu * 1000 / n


def compare(full, pairs, seconds):
    rates, costs = [], []
    for i in range(pairs):
        order = (False, True) if i % 2 == 0 else (True, False)
        got = {w: watched(full, seconds, w) for w in order}
        rates.append(got[True][0] / got[False][0])
        costs.append(got[True][1] / got[False][1])
        print(f"    pair {i + 1}: {got[False][0]:.0f} a second with nobody looking, {got[True][0]:.0f} watched "
              f"({rates[-1]:.3f}); CPU for 1,000 {got[False][1]:.3f} s, {got[True][1]:.3f} s ({costs[-1]:.3f})", flush=True)
    return statistics.median(rates), statistics.median(costs)


def resident_mb(full, name):
    for pid in full.server.group.pids():
        if open(f"/proc/{pid}/comm").read().strip() == name:
            return int(re.search(r"^VmHWM:\s+(\d+)", open(f"/proc/{pid}/status").read(), re.M).group(1)) / 1024
    return None


def measure(bench, n, pairs, seconds):
    with FreshFs(megabytes=3000 + n * 4000 // 1_000_000) as fs:
        full = Full(bench, fs, n)
        try:
            full.start()
            began = time.monotonic()
            full.fill()
            load.wait_for("all are queued", lambda: full.n_waiting() >= n, 300, 0.5)
            print(f"    filled in {time.monotonic() - began:.0f} s", flush=True)
            full.begin_flow()
            time.sleep(3)
            rows = ask_everything(full)
            full.end_flow()
            audit_s = full.pmtactl("audit")[0]
            full.begin_flow()
            time.sleep(3)
            rate, cost = compare(full, pairs, seconds)
            return {"slowest_command_s": max(r["median_s"] for r in rows if r["kind"] == "command"),
                    "slowest_page_s": max(r["median_s"] for r in rows if r["kind"] == "url"),
                    "slowest_change_s": max(r["median_s"] for r in rows if r["kind"] == "change"),
                    "longest_stall_s": max(r["stall_s"] for r in rows), "watched_rate": rate, "watched_cpu": cost,
                    "audit_s": audit_s, "webd_mb": resident_mb(full, "webd"), "asked": rows}
        finally:
            full.stop()
