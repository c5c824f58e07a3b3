"""A private Posthaste in a folder of its own, mxsim beside it, and what tests ask of both.

    with World(policy=POLICY, config=CONFIG) as w:
        w.inject(n=100, rcpts="u%r@gmail.test")
        w.mx.wait_recipients(100)
        w.conserve()

Every test program has its own part of 127/8 ({net}.1 the listener, {net}.53 the name server, {net}.10 and on for MX
hosts, {net}.200 and on for sources), so that several run at the same time on the same ports.
"""
import csv
import glob
import grp
import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rows  # noqa: E402
from cases import Failed, Skip, expect, expect_equal, wait_for  # noqa: E402,F401
from mxsim import Mxsim  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("PH_BUILD", ROOT + "/build"))
# built with sanitizers: no filter of system calls, dumpable, and memory that was freed is kept for a while
IS_SANITIZED = BUILD.endswith("-san")
DAEMONS = ("injectd", "queued", "dnsd", "deliverd", "bounced", "acctd", "signd", "execd", "fbld", "webd")
USERS = {"injectd": "pmta-inject", "queued": "pmta-queue", "dnsd": "pmta-dns", "deliverd": "pmta-deliver",
         "bounced": "pmta-bounce", "acctd": "pmta-acct", "signd": "pmta-sign", "execd": "root", "fbld": "pmta-fbl",
         "webd": "pmta-web"}
MX_PORT, SMTP_PORT, DNS_PORT = 2525, 2526, 5353

BASE = """\
host-name mta.posthaste.test
postmaster postmaster@posthaste.test
smtp-listener {net}.1:{smtp_port}
name-server {net}.53:{dns_port}
<spool {folder}/spool>
</spool>
log-file {folder}/log/pmta.log
<acct-file {folder}/acct/acct.csv>
	records d, b, t, tq
	record-fields d *, recordId, header_X-Id, dlvTlsProtocol, dlvTlsCipher
	record-fields b *, recordId, header_X-Id
	record-fields t *, header_X-Id
</acct-file>
<source 127.0.0.0/8>
	always-allow-relaying yes
	smtp-service yes
	process-x-virtual-mta yes
	process-x-job yes
	process-x-envid yes
	max-message-size unlimited
</source>
"""
DOMAIN = """\
<domain *>
	default-smtp-port {mx_port}
	max-smtp-out 20
	retry-after 2s
	retry-recipients-after 2s
	bounce-after 1h
</domain>
"""
POLICY = """\
port {mx_port}
name-server {net}.53:{dns_port}
provider gmail.test { mx {net}.10 {net}.11; domains gmail.test googlemail.test; }
provider yahoo.test { mx {net}.12; }
provider outlook.test { mx {net}.13@10 {net}.14@10; domains outlook.test hotmail.test; }
provider gmx.test { mx {net}.15; extensions 8bitmime; }
provider web.test { mx {net}.16; extensions pipelining 8bitmime size; }
"""
# a recipient at each of them
EVERYWHERE = ",".join(f"u%r@{d}" for d in ("gmail.test", "yahoo.test", "outlook.test", "gmx.test", "web.test"))
_worlds = 0


def unique_net():
    """127.A.B for this process and its n-th world."""
    global _worlds
    _worlds += 1
    n = (os.getpid() * 7 + _worlds * 4001) % 48000
    return f"127.{64 + n // 256}.{n % 256}"


def fill(text, names):
    """Puts the values in for {name}; other braces stay."""
    for name, value in names.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def each_daemon(w):
    """(name, process id) of all of them."""
    return [(name, pid) for name, pids in w.ph.daemons().items() for pid in pids]


class Acks:
    """What the injector was told: by id (hash, reply, recipients)."""

    def __init__(self, path):
        self.acked, self.unknown, self.refused = {}, {}, {}
        kinds = {"ack": self.acked, "unknown": self.unknown, "refused": self.refused}
        for line in open(path, errors="replace"):
            kind, ident, digest, reply, *rcpts = line.rstrip("\n").split("\t")
            kinds[kind][ident] = (digest, reply, rcpts)

    def pairs(self):
        return {(ident, rcpt) for ident, (_, _, rcpts) in self.acked.items() for rcpt in rcpts}

    def unknown_pairs(self):
        return {(ident, rcpt) for ident, (_, _, rcpts) in self.unknown.items() for rcpt in rcpts}


class Posthaste:
    def __init__(self, folder, config, listener):
        self.folder, self.listener, self.process = folder, listener, None
        self.config_path = folder + "/config"
        self.write_config(config)
        for name in ("log", "acct"):
            os.makedirs(f"{folder}/{name}", exist_ok=True)
            if os.geteuid() == 0:
                os.chown(f"{folder}/{name}", -1, grp.getgrnam("pmta").gr_gid)
                os.chmod(f"{folder}/{name}", 0o2770)

    # ---- the processes ----

    def write_config(self, text):
        rows.seen(self, text)
        with open(self.config_path, "w") as f:
            f.write(rows.as_if(text))

    def start(self, seconds=30):
        rows.look_through(self, self.config_path)
        self.errors = open(self.folder + "/errors", "a")
        self.starts_before = self._starts()
        self.process = subprocess.Popen([BUILD + "/sbin/posthaste", "-f", "-c", self.config_path], cwd="/",
                                        stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors)
        wait_for("Posthaste answers", self._is_up, seconds)
        return self

    def _is_up(self):
        if self.process.poll() is not None:
            raise Failed(f"Posthaste ended with {self.process.returncode}: {self.said()[-2000:]}")
        # the first daemons serve before the last have begun
        return self._starts() > self.starts_before and self._greets() and (
            self.pmtactl("show", "status", check=False).returncode == 0)

    def _starts(self):
        return self.said().count("master ready")

    def _greets(self):
        try:
            with socket.create_connection(self.listener, 5) as s:
                return s.recv(3) == b"220"
        except OSError:
            return False

    def said(self):
        """The log, or standard error as long as there is none."""
        text = "".join(open(path, errors="replace").read() for path in sorted(glob.glob(self.folder + "/log/*")))
        return text or open(self.folder + "/errors", errors="replace").read()

    def stop(self, seconds=30):
        """SIGTERM and the end; the exit status."""
        if self.process is None or self.process.poll() is not None:
            return None if self.process is None else self.process.returncode
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"Posthaste did not end within {seconds} s after SIGTERM") from None

    def kill(self):
        """As a crash would: every process at once, and the end of all of them."""
        pids = [self.process.pid] + [p for pids in self.daemons().values() for p in pids]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        wait_for("all processes are gone", lambda: not any(is_alive(p) for p in pids), 10)

    def daemons(self):
        """Name and process ids of master's children."""
        found = {}
        for pid, (name, parent) in processes().items():
            if parent == self.process.pid and name in DAEMONS:
                found.setdefault(name, []).append(pid)
        return found

    def signal_daemon(self, name, number):
        """To the first process of that name; its id."""
        pid = wait_for(f"{name} runs", lambda: self.daemons().get(name))[0]
        os.kill(pid, number)
        return pid

    def freeze_daemon(self, name):
        """SIGSTOP to the first process of that name, which stands still from now on; its id. See go_on()."""
        pid = wait_for(f"{name} runs", lambda: self.daemons().get(name))[0]
        freeze(pid)
        return pid

    def kill_daemon(self, name):
        """kill -9, and waits until master has started another that is ready."""
        before = set(wait_for(f"{name} runs", lambda: self.daemons().get(name)))
        pid = self.signal_daemon(name, signal.SIGKILL)
        wait_for(f"another {name}", lambda: set(self.daemons().get(name, [])) - before
                 and not is_alive(pid), 20)
        return pid

    # ---- asking ----

    def pmtactl(self, *words, check=True, seconds=60):
        if words[:1] == ("reload",):
            rows.look_through(self, self.config_path)
        end = time.monotonic() + seconds
        while True:
            r = subprocess.run([BUILD + "/sbin/pmtactl", "-c", self.config_path, *words], capture_output=True,
                               text=True, timeout=seconds, stdin=subprocess.DEVNULL)
            # it answers before the last daemon is ready
            if "reload is under way" not in r.stdout + r.stderr or time.monotonic() > end:
                break
            time.sleep(0.05)
        if check and r.returncode != 0:
            raise Failed(f"pmtactl {' '.join(words)}: {r.returncode}: {r.stdout}{r.stderr}")
        return r

    def json(self, *words):
        return json.loads(self.pmtactl("--json", *words).stdout)["data"]

    def records(self, kind=None):
        """All accounting records as dicts; kind: d, b, t."""
        found = []
        for path in sorted(glob.glob(self.folder + "/acct/**/*.csv", recursive=True)):
            if os.path.islink(path):
                continue
            with open(path, newline="", errors="surrogateescape") as f:
                for row in csv.DictReader(f):
                    if kind is None or row["type"] == kind:
                        found.append(row)
        return found

    def final_records(self):
        return [r for r in self.records() if r["type"] in ("d", "b")]

    def wait_records(self, n, kind, seconds=30):
        return wait_for(f"{n} records {kind}", lambda: len(r := self.records(kind)) >= n and r, seconds)

    def wait_bounces(self, n, seconds=30):
        """Records of n recipients that bounced, without the reports about them, which may bounce as well."""
        return wait_for(f"{n} bounces", lambda: len(r := [r for r in self.records("b") if r["orig"]]) >= n and r, seconds)

    def audit(self):
        r = self.pmtactl("audit", check=False)
        if r.returncode != 0:
            raise Failed(f"the audit does not balance: {r.stdout}{r.stderr}")
        return r.stdout

    def client(self, **options):
        return smtplib.SMTP(*self.listener, timeout=30, **options)


class World:
    def __init__(self, policy=POLICY, config="", domain=DOMAIN, base=BASE, dump=False, start=True, keep=None):
        self.net = unique_net()
        # on a disk if there is one: a memory file system has no flushes to wait for
        self.folder = tempfile.mkdtemp(prefix="posthaste-", dir=os.environ.get("PH_TMP", "/var/tmp"))
        os.chmod(self.folder, 0o755)
        self.keep = os.environ.get("PH_KEEP") if keep is None else keep
        self.names = {"net": self.net, "folder": self.folder, "mx_port": MX_PORT, "smtp_port": SMTP_PORT,
                      "dns_port": DNS_PORT}
        self.mx = Mxsim(BUILD, self.folder + "/mxsim", fill(policy, self.names), dump)
        self.config = fill(base + config + domain, self.names)
        self.ph = Posthaste(self.folder, self.config, (f"{self.net}.1", SMTP_PORT))
        self.injections = 0
        self.all_acks = []
        self._start = start

    def __enter__(self):
        try:
            self.mx.start()
            if self._start:
                self.ph.start()
        except BaseException:
            self.close(True)
            raise
        return self

    def __exit__(self, kind, *rest):
        self.close(kind is not None)

    def close(self, has_failed):
        rows.ended(self.ph)
        if has_failed and self.ph.process is not None:
            for line in self.ph.said().splitlines()[-40:]:
                print("# " + line)
        try:
            self.ph.stop()
        except Failed as e:
            if not has_failed:
                raise
            print(f"# {e}")
        else:
            reports = self.sanitizer_reports() if IS_SANITIZED else ""
            if reports and not has_failed:
                raise Failed("a sanitizer found something:\n" + reports)
        finally:
            self.mx.stop()
            if self.keep == "quietly":
                pass
            elif self.keep:
                print(f"# kept: {self.folder}")
            else:
                shutil.rmtree(self.folder, ignore_errors=True)

    def sanitizer_reports(self):
        """What address and undefined-behaviour sanitizers of all processes said, and of leaks at their end."""
        said = "".join(open(path, errors="replace").read() for path in
                       [*glob.glob(self.folder + "/errors"), *glob.glob(self.folder + "/log/*")])
        at = [i for word in ("Sanitizer", "runtime error:") if (i := said.find(word)) >= 0]
        return said[max(0, min(at) - 200):min(at) + 3000] if at else ""

    def fill(self, text):
        return fill(text, self.names)

    def start_inject(self, n=100, rcpts="u%r@gmail.test", sessions=10, headers=(), size=2048, per_message=1, more=()):
        """The C injector in the background; finish with end_inject()."""
        self.injections += 1
        path = f"{self.folder}/acks.{self.injections}"
        command = [BUILD + "/tests/inject", "-q", "-s", f"{self.net}.1:{SMTP_PORT}", "-n", str(n), "-c", str(sessions),
                   "-b", str(size), "-r", str(per_message), "-t", rcpts, "-i", f"i{self.injections}-", "-a", path,
                   *more]
        for h in headers:
            command += ["-H", h]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        process.acks_path = path
        return process

    def end_inject(self, process, seconds=120):
        """(summary, Acks)"""
        out, err = process.communicate(timeout=seconds)
        if process.returncode != 0:
            raise Failed(f"inject: {err}{out}")
        acks = Acks(process.acks_path)
        self.all_acks.append(acks)
        return json.loads(out), acks

    def inject(self, n=100, *args, **options):
        summary, acks = self.end_inject(self.start_inject(n, *args, **options))
        return summary, acks

    def drained(self):
        """Is nothing queued any more?"""
        return wait_for("the queues are empty", lambda: queued_recipients(self.ph) == 0, 60)

    def conserve(self, bounced=(), may_repeat=0):
        """
        Every acknowledged recipient came to mxsim with the right body and has exactly one final record; those in
        `bounced` (recipients) did not come and have a `b`; nothing came that was not sent; at most `may_repeat`
        duplicates; the audit balances.
        """
        self.drained()
        acked = set().union(*(a.pairs() for a in self.all_acks))
        unknown = set().union(*(a.unknown_pairs() for a in self.all_acks))
        hashes = {i: h for a in self.all_acks for kind in (a.acked, a.unknown) for i, (h, _, _) in kind.items()}
        log = self.mx.log()
        came = {(a.id, a.rcpt) for a in log}
        wanted = {(i, r) for i, r in acked if r not in bounced}
        expect(not wanted - came, f"{len(wanted - came)} acknowledged recipients never came: {sorted(wanted - came)[:3]}")
        expect(not came - acked - unknown, f"came without having been sent: {sorted(came - acked - unknown)[:3]}")
        wrong = [a for a in log if hashes.get(a.id) != a.hash]
        expect(not wrong, f"{len(wrong)} bodies were changed, such as {wrong[0].id if wrong else ''}")
        repeated = [a for a in log if a.times > 1]
        expect(len(repeated) <= may_repeat, f"{len(repeated)} duplicates, {may_repeat} are allowed; "
               f"such as {self._history(repeated[0]) if repeated else ''}")
        self._check_records(acked, unknown, set(bounced))
        self.ph.audit()
        return len(repeated)

    def _history(self, accepted):
        """All that is known of one message."""
        came = [(a.when_us, a.provider, a.number, a.peer, a.rcpt) for a in self.mx.log() if a.id == accepted.id]
        records = [(r["type"], r["timeLogged"], r["dsnDiag"], r.get("recordId")) for r in self.ph.records()
                   if r["header_X-Id"] == accepted.id]
        return f"{accepted.id}: {came} {records}"

    def _check_records(self, acked, unknown, bounced):
        def complete():
            finals = {(r["header_X-Id"], r["rcpt"]) for r in self.ph.final_records()}
            return acked <= finals
        wait_for("a final record for every acknowledged recipient", complete, 10)
        by_id = {}
        for r in self.ph.final_records():
            pair = (r["header_X-Id"], r["rcpt"])
            if not r["header_X-Id"]:
                continue
            expect(pair in acked or pair in unknown, f"a record for what was never sent: {pair}")
            by_id.setdefault(pair, {})[r["recordId"]] = r["type"]
        for pair, records in by_id.items():
            expect(len(records) == 1, f"{pair} has several final records: {records}")
            wanted = "b" if pair[1] in bounced else "d"
            expect(set(records.values()) == {wanted}, f"{pair}: {records}, wanted {wanted}")


def queued_recipients(ph):
    """Recipients in the queues, -1 while nobody answers or the spool is still being read."""
    r = ph.pmtactl("--json", "show", "ledger", check=False)
    try:
        ledger = json.loads(r.stdout)["data"]["ledger"]
        return -1 if ledger["scanning"] else ledger["queued"]
    except (ValueError, KeyError):
        return -1


def processes():
    """pid: (name, parent's pid) of all processes."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = open(f"/proc/{pid}/stat", errors="replace").read()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        if rest[0] != "Z":
            found[int(pid)] = (name, int(rest[1]))
    return found


def is_alive(pid):
    return pid in processes()


def _stands_still(pid):
    """Does every thread? Of what is gone, too."""
    for path in glob.glob(f"/proc/{pid}/task/*/stat"):
        try:
            text = open(path, errors="replace").read()
        except OSError:
            continue
        if text[text.rindex(")") + 2] not in "TtZX":
            return False
    return True


def freeze(*pids):
    """SIGSTOP, and waits until all stand still: kill() returns before they do, and what they still do then surprises."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    wait_for("they stand still", lambda: all(_stands_still(pid) for pid in pids))


def go_on(pid, number=signal.SIGCONT):
    """Ends what freeze() began; master may have found before that it hangs, and have killed it."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
