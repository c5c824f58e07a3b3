"""What a disk may leave of writes that were not flushed (FI-4): any part of them, in any order, sectors torn. A power
cut just before a flush loses all of it; so the test looks at the files right before the cut, and afterwards puts
a random part of what was lost back, sector by sector: overwritten space in any combination, a file's growth as a
prefix, as journaling file systems do. Recovery must neither lose what was acknowledged nor believe torn records."""
import os
import random

import scenarios
from sweep import census, point, strata
from world import World

SECTOR = 512


class Unflushed:
    """The files as the processes saw them, and what of it the cut took away."""

    def __init__(self, folder, rng):
        self.folder, self.rng, self.files = folder, rng, {}

    def look(self):
        self.files = {}
        for top, _, names in os.walk(self.folder):
            for name in names:
                path = f"{top}/{name}"
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as f:
                        self.files[path] = (f.read(), os.stat(path))

    def put_back_some(self):
        share = self.rng.choice((0.1, 0.5, 0.9))
        for path, (was, st) in self.files.items():
            if os.path.isdir(os.path.dirname(path)):
                self._file(path, was, st, share)

    def _file(self, path, was, st, share):
        is_new = not os.path.exists(path)
        if is_new and self.rng.random() > share:
            return
        with open(path, "wb" if is_new else "r+b") as f:
            now = b"" if is_new else f.read()
            common = min(len(now), len(was))
            if now[:common] != was[:common]:
                self._overwritten(f, now, was, common, share)
            if len(was) > len(now):
                grown = was[len(now):len(now) + self.rng.randrange(len(was) - len(now) + 1)]
                f.seek(len(now))
                f.write(grown)
        if is_new:
            os.chown(path, st.st_uid, st.st_gid)
            os.chmod(path, st.st_mode & 0o7777)

    def _overwritten(self, f, now, was, common, share):
        for at in range(0, common, SECTOR):
            end = min(at + SECTOR, common)
            if now[at:end] != was[at:end] and self.rng.random() < share:
                f.seek(at)
                f.write(was[at:end])


def flushes_torn_anyhow(build, full):
    """of what was not flushed when the power went any part may be on the disk"""
    points = duplicates = 0
    rng = random.Random(3)
    for scenario in (scenarios.mail, scenarios.large, scenarios.deferral) if full else (scenarios.mail,):
        with World(build) as world:
            world.start()
            classes = [c for c, k in strata(census(world, scenario)) if k == 1 and "sync" in c]
            for call_class in classes:
                for i in range(12 if full else 2):
                    lost = Unflushed(world.fs.mount, rng)
                    points += bool(point(world, scenario, "cut", 1 + i % 4, call_class, lost.look, lost.put_back_some))
            duplicates += world.duplicates
    print(f"# reordering: {points} torn states, {duplicates} duplicates in flight")


TESTS = (flushes_torn_anyhow,)
