"""What a disk may leave of what was not flushed (FI-4): any part of it, in any order. A power cut just before a flush
loses all of it; so the test looks at the tree right before the cut, and afterwards carries out a random part of what
was lost on what the disk has:

  names    each file or directory made, renamed or removed since the last flush: done or not, each for itself
  sectors  of space that was overwritten: each old or new
  growth   to any length up to the new one; a prefix, or sectors that were never written (zeros) in between

so that a name may be there without its data, data without its name, a rename without what came before it. Recovery
must neither lose what was acknowledged nor believe what is torn."""
import fcntl
import os
import random
import stat
import struct

import scenarios
from sweep import census, point, strata
from world import Broken, World

SECTOR = 512
FS_IOC_GETVERSION = 0x80087601  # _IOR('v', 1, long): tells an inode number's uses apart
SHARES = (0.1, 0.5, 0.9)


class Entry:
    """One name: which inode it stands for, and what that holds."""

    def __init__(self, path):
        self.st = os.lstat(path)
        self.is_dir, self.is_link = stat.S_ISDIR(self.st.st_mode), stat.S_ISLNK(self.st.st_mode)
        self.key, self.data = (self.st.st_ino,), b""
        if self.is_link:
            self.data = os.readlink(path)
        elif stat.S_ISREG(self.st.st_mode):
            with open(path, "rb") as f:
                self.key = (self.st.st_ino, fcntl.ioctl(f.fileno(), FS_IOC_GETVERSION, struct.pack("l", 0)))
                self.data = f.read()

    def own(self, path):
        os.chown(path, self.st.st_uid, self.st.st_gid, follow_symlinks=False)
        if not self.is_link:
            os.chmod(path, self.st.st_mode & 0o7777)


def tree(folder):
    """{path: Entry} of all directories, plain files and symbolic links, directories before what they hold."""
    found = {}
    for top, dirs, names in os.walk(folder):
        for name in dirs + names:
            path = f"{top}/{name}"
            mode = os.lstat(path).st_mode
            if stat.S_ISDIR(mode) or stat.S_ISREG(mode) or stat.S_ISLNK(mode):
                found[path] = Entry(path)
    return found


class Unflushed:
    """The tree as the processes saw it, and what of it the cut took away."""

    def __init__(self, folder, rng):
        self.folder, self.rng, self.was, self.share = folder, rng, {}, 0.5
        self.n_names = self.n_torn = 0

    def look(self):
        self.was = tree(self.folder)

    def maybe(self):
        return self.rng.random() < self.share

    def put_back_some(self):
        self.share = self.rng.choice(SHARES)
        self.now = tree(self.folder)
        names = [p for p in self.was if p in self.now and self.now[p].key == self.was[p].key]
        self.by_key = {e.key: p for p, e in self.now.items() if not e.is_dir and not e.is_link}
        for path in self.was:
            if path not in names and self.maybe() and os.path.isdir(os.path.dirname(path)):
                self.make_name(path)
        kept = {e.key for e in self.was.values()}  # a rename takes the old name and gives the new one in one step
        for path in sorted(self.now, reverse=True):
            if path not in self.was and self.now[path].key not in kept and os.path.lexists(path) and self.maybe():
                self.remove_name(path)
        for path, entry in self.was.items():
            at = self.by_key.get(entry.key)
            if at is not None and not entry.is_dir and not entry.is_link and entry.data != self.now[at].data:
                self.tear(self.place_of(at, path), self.now_data(at), entry.data)

    def now_data(self, path):
        return self.now[path].data

    def place_of(self, old, new):
        """A file that is in both trees: under its new name when the rename was carried out."""
        return new if os.path.exists(new) and not os.path.exists(old) or old == new else old

    def make_name(self, path):
        """Something was made or renamed to here."""
        entry = self.was[path]
        old = self.by_key.get(entry.key)
        self.n_names += 1
        if entry.is_dir:
            os.makedirs(path, exist_ok=True)
        elif entry.is_link:
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink(entry.data, path)
        elif old is not None and old != path and os.path.exists(old):
            os.rename(old, path)
            return
        else:
            with open(path, "wb") as f:
                self.grow(f, 0, entry.data)
        entry.own(path)

    def remove_name(self, path):
        self.n_names += 1
        if os.path.isdir(path) and not os.path.islink(path):
            if not os.listdir(path):
                os.rmdir(path)
        else:
            os.unlink(path)

    def tear(self, path, now, was):
        if not os.path.isfile(path):
            return
        self.n_torn += 1
        with open(path, "r+b") as f:
            for at in range(0, min(len(now), len(was)), SECTOR):
                if now[at:at + SECTOR] != was[at:at + SECTOR] and self.maybe():
                    f.seek(at)
                    f.write(was[at:min(at + SECTOR, len(now), len(was))])
            if len(was) > len(now):
                self.grow(f, len(now), was)
            elif len(was) < len(now) and self.maybe():
                f.truncate(len(was))

    def grow(self, f, start, was):
        """To some length; the first part of it is there, of the rest some sectors are and the others are zeros."""
        end = self.rng.choice((len(was), start + self.rng.randrange(len(was) - start + 1)))
        sound = self.rng.choice((end, start + self.rng.randrange(end - start + 1)))
        f.seek(start)
        f.write(was[start:sound])
        for at in range(sound, end, SECTOR):
            if self.maybe():
                f.seek(at)
                f.write(was[at:min(at + SECTOR, end)])
        f.truncate(max(end, start))


def reordered(build, kind, scenario, times, rng, sums):
    """One world: the power goes before each kind of flush, `times` times, each time with another part kept."""
    with World(build, kind) as world:
        world.start()
        classes = [c for c, k in strata(census(world, scenario)) if k == 1 and "sync" in c]
        for call_class in classes:
            for i in range(times):
                lost = Unflushed(world.fs.mount, rng)
                try:
                    sums["states"] += bool(point(world, scenario, "cut", 1 + i % 4, call_class, lost.look,
                                                 lost.put_back_some))
                except Broken as e:
                    raise Broken(f"{scenario.__name__} on {kind} before {call_class} {1 + i % 4}: {e}") from None
                sums["names"] += lost.n_names
                sums["torn files"] += lost.n_torn
        with open(world.folder + "/log", errors="replace") as f:
            sums["torn groups told"] += sum("event=torn-group" in line for line in f)
        sums["duplicates in flight"] += world.duplicates


def flushes_torn_anyhow(build, full):
    """of what was not flushed when the power went any part may be on the disk, names and data"""
    rng = random.Random(3)
    sums = dict.fromkeys(("states", "names", "torn files", "torn groups told", "duplicates in flight"), 0)
    for scenario in scenarios.ALL if full else (scenarios.mail, scenarios.large):
        for kind in ("ext4", "xfs") if full else ("ext4",):
            reordered(build, kind, scenario, 4 if full else 1, rng, sums)
    print("# reordering: " + ", ".join(f"{n} {what}" for what, n in sums.items()))


TESTS = (flushes_torn_anyhow,)
