"""The test's end of the shim's shared page (struct page of crashpoint.c), and the watcher that ends the world."""
import fcntl
import mmap
import os
import struct
import threading
import time

N_ENTRIES, TEXT_LEN = 1 << 16, 64
FIELDS = ("counter", "at", "mode", "error", "hit", "class_counter", "device", "wall_offset_ns")
CLASS_AT, ENTRY_AT = 64, 64 + 2 * TEXT_LEN
COUNT, STOP, ERRNO_ONCE, ERRNO, SHORT = range(5)
FS_IOC_GOINGDOWN = 0x8004587D  # _IOR('X', 125, uint32_t)


class Page:
    """Calls counted over all processes; arm() chooses the one at which something happens."""

    def __init__(self, path, device):
        size = ENTRY_AT + N_ENTRIES * TEXT_LEN
        with open(path, "w+b") as f:
            f.truncate(size)
            self.map = mmap.mmap(f.fileno(), size)
        os.chmod(path, 0o600)
        self.set(device=device)

    def __getattr__(self, name):
        if name not in FIELDS:
            raise AttributeError(name)
        return struct.unpack_from("=Q", self.map, 8 * FIELDS.index(name))[0]

    def set(self, **values):
        for name, value in values.items():
            struct.pack_into("=q" if name == "wall_offset_ns" else "=Q", self.map, 8 * FIELDS.index(name), value)

    def arm(self, mode, at, call_class="", error=0):
        """at: the how-manieth call from now on, of the class if one is named."""
        self.disarm()
        text = call_class.encode()[:2 * TEXT_LEN - 1]
        self.map[CLASS_AT:CLASS_AT + 2 * TEXT_LEN] = text.ljust(2 * TEXT_LEN, b"\0")
        self.set(class_counter=0, error=error, mode=mode)
        self.set(at=at if call_class else self.counter + at)

    def disarm(self):
        self.set(at=0)
        self.set(mode=COUNT, hit=0)

    def entry(self, n):
        at = ENTRY_AT + (n % N_ENTRIES) * TEXT_LEN
        return self.map[at:at + TEXT_LEN].split(b"\0")[0].decode("latin-1")

    def entries(self, since):
        return [self.entry(n) for n in range(since + 1, self.counter + 1)]


def cut_power(mount):
    """What was not flushed is gone, and nothing can be written any more."""
    fd = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(fd, FS_IOC_GOINGDOWN, struct.pack("=I", 2))
    finally:
        os.close(fd)


class Watcher(threading.Thread):
    """Waits for the chosen call, then cuts the power (or not) and kills every process of the server. `before` may
    look at the file system as it is at that instant, with all that was written and not flushed."""

    def __init__(self, page, kill, mount=None, before=None):
        super().__init__(daemon=True)
        self.page, self.kill, self.mount, self.before = page, kill, mount, before
        self.crashed, self.over, self.at_ns, self.what = threading.Event(), threading.Event(), 0, ""
        self.start()

    def run(self):
        while not self.over.is_set():
            if self.page.hit:
                self.what = self.page.entry(self.page.hit)
                self.crash()
                return
            time.sleep(0.0005)

    def crash(self):
        self.at_ns = time.monotonic_ns()
        if self.before:
            self.before()
        if self.mount:
            cut_power(self.mount)
        self.kill()
        self.crashed.set()

    def end(self):
        """No crash any more; True when there was one."""
        self.over.set()
        self.join()
        return self.crashed.is_set()
