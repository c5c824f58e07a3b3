#!/usr/bin/env python3
"""A kill and a power cut at every call that changes the file system, scenario by scenario (FI-1, FI-2).

usage: sweep.py [--build DIR] [--fs ext4,xfs] [--scenario NAME,…] [--seconds N] [--modes cut,kill,twice] [--every N]
                [--thin N] [--first N]
                [--class "PROGRAM CALL FILE" --at N]
With --seconds the sweep is stratified: of each kind of call (program, call, kind of file) the first and the middle
one, dealt over file systems and modes, until the time is up. Without it: every call. Mode `twice` is a kill and,
when all is quiet after the start that follows it, a power cut. Each point ends with a restart, everything delivered, the audit, bodies, accounting and duplicates checked. Needs root."""
import argparse
import os
import random
import signal
import sys
import time
import traceback

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/bench")
import scenarios  # noqa: E402
from page import STOP, Watcher  # noqa: E402
from world import Broken, World  # noqa: E402

from machine import Missing  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def prepare(world, scenario):
    """The server as the scenario wants to find it."""
    if scenario is scenarios.recovery:
        world.sinks["plain"].stop()
        world.inject(world.make(6) + world.make(1, size=1_200_000) + world.make(2, "grey"))
        world.kill()
        world.sinks["plain"].start()


def census(world, scenario, warm=False):
    """What the scenario calls, in order, without any fault; the second time, when what a new spool needs was made."""
    if not warm:
        census(world, scenario, True)
    prepare(world, scenario)
    world.page.disarm()
    world.quiet()
    before, watcher = world.page.counter, Watcher(world.page, world.kill)
    if scenario is scenarios.recovery:
        world.start()
    scenario(world, watcher)
    watcher.end()
    entries = world.page.entries(before)
    if scenario is scenarios.shutdown:
        world.start()
    world.settle()
    world.check()
    return entries


def point(world, scenario, mode, at, call_class="", before=None, after=None):
    """One crash; returns the call at which it came, or '' when the scenario ended before. `before` runs just before
    the power goes, `after` on what was left of the file system."""
    prepare(world, scenario)
    world.quiet()
    world.page.arm(STOP, at, call_class)
    watcher = Watcher(world.page, world.kill, world.fs.mount if mode == "cut" else None, before)
    try:
        if scenario is scenarios.recovery:
            world.start(wait=False)
        scenario(world, watcher)
    except (OSError, RuntimeError, Broken):
        if not watcher.crashed.wait(20):  # the end of them all takes a while on a busy machine
            raise
    hit = watcher.end()
    world.page.disarm()
    if hit and mode == "cut":
        world.after_power_cut()
        if after:
            after()
    if hit or scenario is scenarios.shutdown:
        world.process.wait()
        world.start()
    crashes = [watcher.at_ns] if hit else []
    if hit and mode == "twice":
        crashes.append(second_crash(world))
    world.settle()
    world.check(*crashes)
    return watcher.what if hit else ""


def second_crash(world):
    """After a kill the server was started and went on; now the power goes: what it believed and what lay in the page
    cache only is gone. When that was."""
    world.page.disarm()
    world.settle()
    again = Watcher(world.page, world.kill, world.fs.mount)
    again.crash()
    again.end()
    world.after_power_cut()
    world.process.wait()
    world.start()
    return again.at_ns


def strata(entries):
    """[(class, k)]: of each class of calls the first, and one in the middle."""
    counts = {}
    for e in entries:
        counts[e] = counts.get(e, 0) + 1
    first = [(c, 1) for c in counts]
    return first + [(c, 1 + n // 2) for c, n in counts.items() if n > 2]


VERBOSE = "--verbose" in sys.argv


class Tally:
    def __init__(self):
        self.points, self.missed, self.broken, self.duplicates, self.oldest_ms = 0, 0, [], 0, 0


def run_points(world, scenario, points, modes, tally, deadline):
    """Goes through the points; after a broken promise the world is of no more use and this returns False."""
    for i, (call_class, at) in enumerate(points):
        if deadline and time.monotonic() > deadline:
            return True
        mode = modes[i % len(modes)]
        began = time.monotonic()
        name = f"{scenario.__name__} {mode} at {call_class or 'call'} {at} ({world.kind})"
        try:
            what = point(world, scenario, mode, at, call_class)
            tally.points += bool(what)
            tally.missed += not what
            if VERBOSE:
                print(f"# {name}: {what or 'past the end'} ({time.monotonic() - began:.1f} s)", flush=True)
        except (Broken, RuntimeError, OSError) as e:
            tally.broken.append(f"{name}: {e}")
            print(f"not ok {name}: {e} ({time.monotonic() - began:.1f} s)", flush=True)
            if isinstance(e, Broken):
                world.failed()
            else:
                traceback.print_exc()
            return False
    return True


def sweep_short(a, kind, scenarios_of_kind, modes, tally, deadline):
    """Several scenarios in one world: a part of each, dealt over the time that is left."""
    while scenarios_of_kind and time.monotonic() < deadline:
        with World(a.build, kind) as world:
            world.start()
            census(world, scenarios.mail)
            while scenarios_of_kind and time.monotonic() < deadline:
                scenario = scenarios_of_kind.pop(0)
                start, before = time.monotonic(), tally.points
                points = chosen(a, census(world, scenario, True))
                until = start + (deadline - start) / (1 + len(scenarios_of_kind))
                if not run_points(world, scenario, points, modes, tally, until):
                    break
                print(f"ok {scenario.__name__} on {kind}: {tally.points - before} crashes "
                      f"({time.monotonic() - start:.0f} s)", flush=True)
            tally.duplicates += world.duplicates
            tally.oldest_ms = max(tally.oldest_ms, world.oldest_ms)


def sweep(a, kind, scenario, modes, tally, deadline):
    """One scenario on one file system."""
    points, start = None, time.monotonic()
    while points is None or points:
        with World(a.build, kind) as world:
            world.start()
            entries = census(world, scenario)
            if points is None:
                points = chosen(a, entries)
                print(f"# {scenario.__name__} on {kind}: {len(entries)} calls, {len(points)} points", flush=True)
            before = tally.points + tally.missed
            whole = run_points(world, scenario, points, modes, tally, deadline)
            tally.duplicates += world.duplicates
            tally.oldest_ms = max(tally.oldest_ms, world.oldest_ms)
            points = [] if whole else points[tally.points + tally.missed - before + 1:]
    if not tally.broken:
        print(f"ok {scenario.__name__} on {kind} ({time.monotonic() - start:.0f} s)", flush=True)


def chosen(a, entries):
    if a.call_class:
        return [(a.call_class, a.at)] * a.times
    if a.seconds:
        points = strata(entries)
        random.Random(a.seed).shuffle(points)
        return points
    return [("", n) for n in numbers(entries, a.thin)[::a.every] if n >= a.first]


def numbers(entries, thin):
    """Calls by number; of each row of equal ones the first, the last, and every thin-th."""
    chosen, in_row = [], 0
    for n, e in enumerate(entries, 1):
        in_row = in_row + 1 if n > 1 and e == entries[n - 2] else 0
        if in_row % thin == 0 or n == len(entries) or entries[n] != e:
            chosen.append(n)
    return chosen


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default=os.environ.get("B", TOP + "/build"))
    p.add_argument("--fs", default="ext4,xfs")
    p.add_argument("--scenario", default=",".join(s.__name__ for s in scenarios.ALL))
    p.add_argument("--modes", default="cut,kill,twice")
    p.add_argument("--seconds", type=float)
    p.add_argument("--every", type=int, default=1)
    p.add_argument("--thin", type=int, default=1, help="of equal calls in a row only each N-th")
    p.add_argument("--first", type=int, default=1, help="go on with this call")
    p.add_argument("--class", dest="call_class", help="only this kind of call")
    p.add_argument("--at", type=int, default=1)
    p.add_argument("--times", type=int, default=1)
    p.add_argument("--verbose", action="store_true")
    p.add_argument("--seed", type=int, default=1)
    return p.parse_args()


def main():
    a, tally = arguments(), Tally()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that devices and mounts are given back
    wanted = [s for s in scenarios.ALL if s.__name__ in a.scenario.split(",")]
    kinds, modes = a.fs.split(","), a.modes.split(",")
    start = time.monotonic()
    try:
        if a.seconds and not a.call_class:
            for i, kind in enumerate(kinds):
                deadline = start + a.seconds * (i + 1) / len(kinds)
                sweep_short(a, kind, wanted[i::len(kinds)], modes, tally, deadline)
        else:
            for kind, scenario, mode in [(k, s, m) for s in wanted for k in kinds for m in modes]:
                sweep(a, kind, scenario, [mode], tally, None)
    except Missing as e:
        print(f"skip crash sweep: this machine lacks {e}")
        return 0
    print(f"# {tally.points} crashes, {tally.missed} points past the end, {tally.duplicates} duplicates of what was "
          f"delivered in the {tally.oldest_ms} ms before the crash, {len(tally.broken)} broken promises, {time.monotonic() - start:.0f} s")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
