"""What is measured on the machine itself: CPU of a control group, memory of its processes, and a fresh file
system on a loop device whose own statistics count flushes and bytes. Everything here needs root; Missing says
what is not there."""
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time

CPUACCT = "/sys/fs/cgroup/cpuacct"
PROBE_MB, PROBE_LEAST, PROBE_PAUSE_S, PATIENCE_S = 128, 67, 5, 300


class Missing(Exception):
    """Something that a figure needs is not on this machine."""


class Group:
    """A cpuacct control group: all processes of one server, and nothing else."""

    def __init__(self, name):
        if not os.access(CPUACCT + "/cgroup.procs", os.W_OK):
            raise Missing("control group cpuacct (v1), writable: CPU, memory")
        self.path = f"{CPUACCT}/posthaste-bench-{os.getpid()}/{name}"
        os.makedirs(self.path, exist_ok=True)

    def enter(self):
        """For a child between fork and exec."""
        with open(self.path + "/cgroup.procs", "w") as f:
            f.write(str(os.getpid()))

    def pids(self):
        with open(self.path + "/cgroup.procs") as f:
            return [int(x) for x in f.read().split()]

    def cpu_s(self):
        with open(self.path + "/cpuacct.usage") as f:
            return int(f.read()) / 1e9

    def pss_kb(self):
        """Sum of the proportional set sizes, so shared pages count once."""
        total = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    total += next(int(l.split()[1]) for l in f if l.startswith("Pss:"))
            except (OSError, StopIteration):
                pass
        return total

    def end(self, sig=signal.SIGKILL, wait_s=20):
        """Ends what is left in the group (only what was started in it can be there)."""
        for pid in self.pids():
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass
        end = time.monotonic() + wait_s
        while self.pids() and time.monotonic() < end:
            time.sleep(0.01)

    def remove(self):
        self.end()
        for path in (self.path, os.path.dirname(self.path)):
            try:
                os.rmdir(path)
            except OSError:
                pass


class Calm:
    """How fast this machine is at this minute. Others share it, and a ratio of two servers says nothing when one of them
    met it in a bad minute: settle() waits, for whomever is measured next, while CPU, memory or disk give less than
    two thirds of the most that was seen, five minutes in all; what was met is printed with the figures."""
    best, waited_s = {}, 0

    @staticmethod
    def _disk(folder):
        piece, path = bytes(1 << 20), folder + "/probe"
        start = time.monotonic()
        with open(path, "wb", buffering=0) as f:
            for _ in range(PROBE_MB):
                f.write(piece)
            os.fsync(f.fileno())
        took = time.monotonic() - start
        os.unlink(path)
        os.sync()
        return PROBE_MB / took

    @staticmethod
    def _cpu():
        piece, start = bytes(1 << 20), time.monotonic()
        for _ in range(PROBE_MB):
            hashlib.sha256(bytearray(piece)).digest()
        return PROBE_MB / (time.monotonic() - start)

    @classmethod
    def _percent(cls, name, speed):
        cls.best[name] = max(cls.best.get(name, 0), speed)
        return 100 * speed / cls.best[name]

    @classmethod
    def settle(cls, folder):
        """{figure: percent of the best seen}"""
        while True:
            met = {"cpu_percent": cls._percent("cpu", cls._cpu()), "disk_percent": cls._percent("disk", cls._disk(folder))}
            if min(met.values()) >= PROBE_LEAST or cls.waited_s >= PATIENCE_S:
                return met
            time.sleep(PROBE_PAUSE_S)
            cls.waited_s += PROBE_PAUSE_S


class FreshFs:
    """A newly made file system in an image file below a temporary folder, mounted through a loop device with
    direct I/O. `with FreshFs("ext4", 2000) as fs:` gives fs.mount and fs.disk()."""

    def __init__(self, kind="ext4", megabytes=3000, where=None, inodes=None):
        self.kind, self.megabytes, self.inodes = kind, megabytes, inodes
        self.where, self.folder, self.loop, self.mounted = where, None, None, False

    def __enter__(self):
        if os.geteuid() != 0:
            raise Missing("root: a fresh file system on a loop device")
        self.folder = tempfile.mkdtemp(prefix="ph-fs-", dir=self.where or os.environ.get("BENCH_TMP"))
        os.chmod(self.folder, 0o755)
        self.mount = self.folder + "/m"
        os.mkdir(self.mount)
        self.image = self.folder + "/image"
        try:
            subprocess.run(["fallocate", "-l", f"{self.megabytes}M", self.image], check=True)
            self._attach(self.image)
            self._format()
            self.remount()
        except (subprocess.CalledProcessError, FileNotFoundError) as e:
            self.__exit__()
            raise Missing(f"loop device with {self.kind}: {e}") from None
        return self

    def _attach(self, image):
        for direct in (["--direct-io=on"], []):
            r = subprocess.run(["losetup", *direct, "--show", "-f", image], capture_output=True, text=True)
            if r.returncode == 0:
                self.loop = r.stdout.strip()
                return
        raise Missing("loop device: " + r.stderr.strip())

    def _format(self):
        if self.kind == "ext4":
            make = ["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0",
                    *(["-N", str(self.inodes)] if self.inodes else [])]
        else:
            make = ["mkfs.xfs", "-q", "-f", "-K"]
        subprocess.run([*make, self.loop], check=True, capture_output=True)

    def remount(self):
        """Mounts (again). A file system that was shut down stays so while anybody has it mounted, in whatever mount
        name space; then it is attached anew, as another device."""
        for attempt in range(20):
            if self.mounted:
                self.unmount()
            if attempt in (5, 15):
                subprocess.run(["losetup", "-d", self.loop], capture_output=True)
                self._attach(self.image)
            subprocess.run(["mount", "-t", self.kind, "-o", "noatime" + (",nouuid" if self.kind == "xfs" else ""),
                            self.loop, self.mount], check=True, capture_output=True)
            self.mounted = True
            try:
                os.chmod(self.mount, 0o755)
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the file system cannot be mounted again")

    def unmount(self):
        for _ in range(100):
            if subprocess.run(["umount", self.mount], capture_output=True).returncode == 0:
                break
            time.sleep(0.05)
        self.mounted = False

    def disk(self):
        """(bytes written, flushes) of the device so far."""
        with open(f"/sys/block/{os.path.basename(self.loop)}/stat") as f:
            v = [int(x) for x in f.read().split()]
        if len(v) < 16:
            raise Missing("flush counts in the block device's statistics")
        return v[6] * 512, v[15]

    def __exit__(self, *_):
        if self.mounted:
            self.unmount()
        if self.loop:
            subprocess.run(["losetup", "-d", self.loop], capture_output=True)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
