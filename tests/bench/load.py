"""The load: our sink and delaying proxy (built from the C files beside this one), and Postfix's smtp-source."""
import mmap
import os
import shlex
import socket
import struct
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CFLAGS = ("-std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes "
          "-Wconversion -Wvla -Wformat=2 -Werror").split()
WORDS = ("messages rcpts unique duplicates bytes sessions open max_open first_ns last_ns commands refused "
         "deferred unnumbered chunked broken").split()
STATS_LEN = 4096


def build(name, folder, source=None, flags=()):
    """Compiles tests/bench/NAME.c into `folder` if it is newer than the program; returns its path."""
    source = source or f"{HERE}/{name}.c"
    out = f"{folder}/{name}"
    os.makedirs(folder, exist_ok=True)
    if not os.path.exists(out) or os.path.getmtime(out) < os.path.getmtime(source):
        subprocess.run([*shlex.split(os.environ.get("CC", "cc")), *CFLAGS, *flags, "-o", out + ".new", source,
                        *(["-ldl"] if flags else [])], check=True)
        os.rename(out + ".new", out)
    return out


def free_port(ip="127.0.0.1"):
    s = socket.socket()
    s.bind((ip, 0))
    port = s.getsockname()[1]
    s.close()
    return port


def wait_for(what, condition, seconds, step=0.01):
    """Polls until condition() is true; RuntimeError with `what` when time is up."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("waited in vain for " + what)
        time.sleep(step)


def port_open(port, ip="127.0.0.1"):
    try:
        socket.create_connection((ip, port), 1).close()
        return True
    except OSError:
        return False


class Sink:
    """The receiver; its counts are read from the mapped file while it runs and after."""

    def __init__(self, folder, tools, port=None, options=(), max_ids=2_000_000, fresh=True):
        self.stats, self.port = folder + "/sink.stats", port or free_port()
        self.command = [build("sink", tools), *options, f"127.0.0.1:{self.port}", self.stats, str(max_ids)]
        if fresh and os.path.exists(self.stats):
            os.unlink(self.stats)
        self.map = self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command)
        wait_for("the sink", lambda: port_open(self.port), 10)
        with open(self.stats, "rb") as f:
            self.map = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        return self

    def __getattr__(self, name):
        if name not in WORDS:
            raise AttributeError(name)
        return struct.unpack_from("=Q", self.map, 8 * WORDS.index(name))[0] if self.map else 0

    def times(self, number):
        """How often the recipient with this number was accepted."""
        return self.map[STATS_LEN + number]

    def wait(self, n, stall_s=60, limit_s=900):
        """Until n different recipients came; False when nothing new came for stall_s, or time is up."""
        last, since, end = -1, time.monotonic(), time.monotonic() + limit_s
        while self.unique < n:
            if self.rcpts != last:
                last, since = self.rcpts, time.monotonic()
            if time.monotonic() - since > stall_s or time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class DelayProxy:
    def __init__(self, tools, target_port, one_way_ms):
        self.port = free_port()
        self.process = subprocess.Popen([build("delayproxy", tools), f"127.0.0.1:{self.port}",
                                         f"127.0.0.1:{target_port}", str(one_way_ms)])
        wait_for("the delaying proxy", lambda: port_open(self.port), 10)

    def stop(self):
        self.process.kill()
        self.process.wait()


def inject(peer, port, n, size, sessions):
    """n messages of `size` bytes to u@dst.test, each recipient with its own number in front. Seconds taken."""
    command = [peer.program("smtp-source"), "-4", "-d", "-N", "-m", str(n), "-s", str(sessions), "-l", str(size),
               "-f", "sender@src.test", "-t", "u@dst.test", f"127.0.0.1:{port}"]
    t = time.monotonic()
    r = subprocess.run(command, env=peer.environment(), capture_output=True, text=True)
    if r.returncode != 0:
        raise RuntimeError("smtp-source: " + r.stderr.strip()[:300])
    return time.monotonic() - t
