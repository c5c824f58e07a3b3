"""One world of the fault tests: a loop file system, our server on it with the shim in every process, three
receivers that outlive every crash, and what must be true when all is quiet again."""
import csv
import glob
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE) + "/bench")
import client  # noqa: E402
import load  # noqa: E402
from machine import FreshFs, Group  # noqa: E402
from page import Page  # noqa: E402

MAX_IDS = 2_100_000
CONFIG = """host-name mta.fault.test
postmaster postmaster@plain.test
smtp-listener 127.0.0.1:{port}
<spool {fs}/spool>
</spool>
log-file {log}
<acct-file {acct}/acct.csv>
	records d, b
	record-fields d *, recordId
	record-fields b *, recordId
	max-size 1M
	move-to {acct}/moved
	move-interval 1h
</acct-file>
<source 127.0.0.1>
	always-allow-relaying yes
	smtp-service yes
	max-message-size 20M
</source>
<domain *>
	max-smtp-out 4
	retry-after 1s
	retry-recipients-after 1s
	bounce-after 1h
</domain>
<domain plain.test>
	smtp-hosts [127.0.0.1]:{plain}
</domain>
<domain grey.test>
	smtp-hosts [127.0.0.1]:{grey}
</domain>
<domain refuse.test>
	smtp-hosts [127.0.0.1]:{refuse}
</domain>
{more}
"""
SINKS = {"plain": (), "grey": ("-g",), "refuse": ("-x", "1")}


class Broken(Exception):
    """A promise was broken: what and how."""


class World:
    def __init__(self, build, kind="ext4", megabytes=900, more="", acct=None, inodes=None, where="/dev/shm"):
        self.build, self.kind, self.more, self.acct = os.path.abspath(build), kind, more, acct
        self.fs = FreshFs(kind, megabytes, where if os.path.isdir(where) else None, inodes)
        self.next_number, self.messages, self.duplicates, self.points = 1, [], 0, 0
        self.seen, self.read_to, self.settled = {}, {}, {}
        self.oldest_ms = 0  # of all duplicates: the longest time from the first delivery to the crash
        self.process = None

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="ph-fault-")
        os.chmod(self.folder, 0o755)
        self.group = Group("fault")
        self.fs.__enter__()
        self.acct = self.acct or self.fs.mount + "/acct"
        self.sinks = {}
        for name, options in SINKS.items():
            os.mkdir(f"{self.folder}/{name}")
            log = f"{self.folder}/{name}/log"
            self.sinks[name] = load.Sink(f"{self.folder}/{name}", self.tools(), None, (*options, "-w", log),
                                         MAX_IDS).start()
        self.page_path = self.folder + "/page"
        self.page = Page(self.page_path, os.stat(self.fs.mount).st_dev)
        self._make_tree()
        self.port = load.free_port()
        self.config = self.folder + "/config"
        self.write_config()
        return self

    def failed(self):
        """After a broken promise: keeps what a person needs to see how it came, under BUILD/tests/fault/failed."""
        try:
            os.makedirs(self.tools() + "/failed", exist_ok=True)
            self._keep()
        except OSError as e:
            print(f"# could not keep the logs: {e}")

    def _keep(self):
        kept = tempfile.mkdtemp(prefix=time.strftime("%H%M%S-"), dir=self.tools() + "/failed")
        shutil.copytree(self.folder, kept, dirs_exist_ok=True, symlinks=True,
                        ignore=shutil.ignore_patterns("sink.stats", "page", "launcher", "libexec", "sbin"))
        shutil.copytree(self.acct, kept + "/acct", dirs_exist_ok=True, symlinks=True)
        shutil.copytree(self.fs.mount + "/spool", kept + "/spool", symlinks=True,
                        ignore=lambda top, names: [n for n in names if "-" in n or n == "control"])

    def __exit__(self, kind, *_):
        self.page.disarm()
        if kind is not None and issubclass(kind, Broken):
            self.failed()
        self.group.remove()
        for s in self.sinks.values():
            s.stop()
        self.fs.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    def tools(self):
        return self.build + "/tests/fault"

    def _make_tree(self):
        """A tree like the build's whose daemons are the launcher: it preloads the shim and executes the real one."""
        real = self.build + "/libexec/posthaste"
        shim = load.build("crashpoint.so", self.tools(), HERE + "/crashpoint.c", ("-shared", "-fPIC"))
        launcher = self.folder + "/launcher"
        subprocess.run([*shlex.split(os.environ.get("CC", "cc")), *load.CFLAGS, f'-DREAL_DIR="{real}"', f'-DSHIM="{shim}"',
                        f'-DPAGE="{self.page_path}"', "-o", launcher, HERE + "/launcher.c"], check=True)
        os.makedirs(self.folder + "/libexec/posthaste")
        os.makedirs(self.folder + "/sbin")
        for name in os.listdir(real):
            shutil.copy(launcher, f"{self.folder}/libexec/posthaste/{name}")
        shutil.copy(self.build + "/sbin/posthaste", self.folder + "/sbin/posthaste")
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_PRELOAD": shim, "CRASH_PAGE": self.page_path}

    def write_config(self, more=None):
        os.makedirs(self.acct + "/moved", exist_ok=True)
        with open(self.config, "w") as f:
            f.write(CONFIG.format(port=self.port, fs=self.fs.mount, acct=self.acct, log=self.folder + "/log",
                                  more=self.more if more is None else more,
                                  **{k: s.port for k, s in self.sinks.items()}))

    # ---- the server's life ----

    def start(self, wait=True):
        out = open(self.folder + "/stderr", "a")
        self.process = subprocess.Popen([self.folder + "/sbin/posthaste", "-f", "-c", self.config],
                                        env=self.environment, preexec_fn=self.group.enter,
                                        stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        out.close()
        log = self.folder + "/log"
        self.log_before = os.path.getsize(log) if os.path.exists(log) else 0
        if wait:
            load.wait_for("the server", self.is_up, 30)

    def is_up(self):
        if self.process.poll() is not None:
            raise Broken(f"the server ended by itself ({self.process.returncode}): {self.last_words()}")
        return self.has_begun() and load.port_open(self.port) and self.ctl("show", "version")[0] == 0

    def has_begun(self):
        """All daemons have: the first that serve do so before the last are ready."""
        if not os.path.exists(self.folder + "/log"):
            return False
        with open(self.folder + "/log", errors="replace") as f:
            f.seek(self.log_before)
            return "master ready" in f.read()

    def last_words(self):
        words = ""
        for name in ("stderr", "log"):
            if os.path.exists(f"{self.folder}/{name}"):
                words += open(f"{self.folder}/{name}", errors="replace").read()[-500:]
        return words

    def kill(self):
        self.group.end()
        self.process.wait()

    def terminate(self, seconds=20):
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Broken("SIGTERM: still there after %d s" % seconds) from None
        load.wait_for("the last process", lambda: not self.group.pids(), 5)

    def ctl(self, *args, timeout=20):
        """pmtactl as an operator runs it: (exit status, what it printed)."""
        try:
            r = subprocess.run([self.build + "/sbin/pmtactl", "-c", self.config, *args], capture_output=True,
                               text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            return 1, ""
        return r.returncode, r.stdout + r.stderr

    def ask(self, *command):
        status, text = self.ctl("--json", *command)
        try:
            return status, json.loads(text)
        except ValueError:
            return status or 1, {"text": text}

    def audit(self):
        """(0 when it balances, the figures); pmtactl itself asks again while a tick may be under way."""
        return self.ask("audit")

    def after_power_cut(self):
        """Everything was killed; what is on the disk is what was flushed."""
        self.fs.remount()
        self.page.set(device=os.stat(self.fs.mount).st_dev)

    def quiet(self):
        """Until nobody has changed the file system for a while (what is prepared ahead is prepared)."""
        end = time.monotonic() + 5
        before = -1
        while before != self.page.counter and time.monotonic() < end:
            before = self.page.counter
            time.sleep(0.15)

    # ---- mail ----

    def make(self, count, kind="plain", size=2048, recipients=1):
        made = []
        for _ in range(count):
            made.append(client.Message(self.next_number, kind, size, recipients))
            self.next_number += recipients
        return made

    def inject(self, messages, sessions=4):
        self.messages += messages
        client.inject(self.port, messages, sessions)

    def times(self, kind, number):
        return self.sinks[kind].times(number)

    def open_numbers(self):
        """Recipients of acknowledged messages whose end did not come yet, as the receivers saw it."""
        for m in self.messages:
            if not m.acked:
                continue
            for n in m.numbers:
                if m.kind == "refuse":
                    if not self.times("plain", m.numbers[0] + client.BOUNCE_OFFSET):
                        yield n
                elif not self.times(m.kind, n):
                    yield n

    def settle(self, seconds=60):
        """Waits until every acknowledged recipient has its end and the queues are empty."""
        self.pending = list(self.open_numbers())

        def arrived():
            self.pending = list(self.open_numbers())
            return not self.pending

        try:
            load.wait_for("mail", arrived, seconds, 0.02)
        except RuntimeError:
            raise Broken(f"LOST: {len(self.pending)} acknowledged recipients did not arrive in {seconds} s, "
                         f"e.g. {self.pending[:5]}; audit {self.audit()}; {self.last_words()}") from None
        try:
            load.wait_for("empty queues", self.is_idle, seconds, 0.05)
        except RuntimeError:
            raise Broken(f"the queues do not become empty: {self.audit()}") from None

    def is_idle(self):
        """Nothing is queued and the spool was read to its end."""
        status, tree = self.ask("show", "ledger")
        return status == 0 and str(find(tree, "queued")) == "0" and str(find(tree, "scanning")).lower() in ("false", "no", "0")

    # ---- what must be true in quiet ----

    def check(self, *crashes_ns, old_ns=2_000_000_000):
        """crashes_ns: when they were; a duplicate's first delivery must be within old_ns before one of them, or on a
        busy machine, where everything takes longer, within so many times of it as there are who want a processor."""
        old_ns *= max(1, os.getloadavg()[0] / os.cpu_count())
        try:
            self.check_bodies()
            self.check_duplicates(crashes_ns, old_ns)
            self.check_accounting()
            status, tree = self.audit()
            if status != 0:
                raise Broken(f"I1: the audit does not balance: {tree}")
        finally:
            self.points += 1
            self.messages = []

    def read_deliveries(self):
        """self.seen: number -> [(sum and length, when)], from the receivers' logs."""
        for name in ("plain", "grey"):
            with open(f"{self.folder}/{name}/log") as f:
                f.seek(self.read_to.get(name, 0))
                for line in f.read().splitlines():
                    number, crc, length, when = line.split()
                    self.seen.setdefault(int(number), []).append((f"{crc} {length}", int(when)))
                self.read_to[name] = f.tell()

    def check_bodies(self):
        self.read_deliveries()
        known = {n: m for m in self.messages for n in m.numbers}
        for number, got in self.seen.items():
            m = known.get(number)
            if m and any(s != m.sum for s, _ in got):
                raise Broken(f"I4: number {number} arrived as {got}, sent as {m.sum}")
            if number >= self.next_number and number < client.BOUNCE_OFFSET:
                raise Broken(f"I2: number {number} was never sent")
        if any(s.broken for s in self.sinks.values()):
            raise Broken("I4: a receiver saw a line without CRLF")

    def check_duplicates(self, crashes_ns, old_ns):
        for n, got in self.seen.items():
            new = len(got) - max(1, self.settled.get(n, 0))
            if new > 0:
                self.duplicates += new
                # at the last crash, or at one before it; what lay in a socket arrives a little later
                before = [c - got[0][1] for c in crashes_ns if c - got[0][1] > -1_000_000_000 or c == crashes_ns[-1]]
                if not before or min(before) > old_ns:
                    ages = [(c - when) // 1_000_000 for _, when in got for c in crashes_ns]
                    raise Broken(f"I3: number {n} was delivered {len(got)} times and was not in flight (ms before the "
                                 f"crashes: {ages})")
                self.oldest_ms = max(self.oldest_ms, min(before) // 1_000_000)
            self.settled[n] = len(got)

    def check_accounting(self):
        """Every file parses to its last line; repeats dropped by recordId, one final record a recipient."""
        final = {}
        for path in sorted(set(map(os.path.realpath, glob.glob(self.acct + "/**/*.csv", recursive=True)))):
            with open(path, newline="") as f:
                text = f.read()
            if text and not text.endswith("\n"):
                raise Broken(f"I9: {path} ends within a line")
            rows = list(csv.reader(text.splitlines(keepends=True), strict=True))
            for row in rows[1:]:
                if len(row) != len(rows[0]):
                    raise Broken(f"I9: {path}: a line with {len(row)} of {len(rows[0])} columns: {row[:4]}")
                record = dict(zip(rows[0], row))
                final.setdefault(record["rcpt"], {})[record["recordId"]] = record["type"]
        for m in self.messages:
            for n in m.numbers:
                self.check_record(m, n, final.get(f"u{n}@{m.kind}.test", {}))

    def check_record(self, m, n, records):
        delivered = m.kind != "refuse" and bool(self.times(m.kind, n))
        want = {"b"} if m.kind == "refuse" else {"d"}
        if (m.acked or delivered) and (len(records) != 1 or set(records.values()) != want):
            raise Broken(f"I1/I9: number {n} ({m.kind}, {m.answer[:30]!r}): final records {records}")
        if not m.acked and not delivered and m.kind != "refuse" and records:
            raise Broken(f"I2: number {n} was not delivered and has the record {records}")


def find(tree, key):
    """The first value under this key, wherever the tree has it."""
    if isinstance(tree, dict):
        if key in tree:
            return tree[key]
        tree = list(tree.values())
    for value in tree if isinstance(tree, list) else []:
        found = find(value, key)
        if found is not None:
            return found
    return None
