"""Processes killed, stopped and signalled at random under load (FI-11), power cuts at random under load (FI-3), and
clocks that jump (FI-12)."""
import os
import random
import signal
import threading
import time

import load
from page import cut_power
from world import Broken, World, find

SECOND, DAY = 1_000_000_000, 86400 * 1_000_000_000


def roles(world):
    """{program: [pid]} of the daemons, master left out."""
    found = {}
    for pid in world.group.pids():
        try:
            name = open(f"/proc/{pid}/comm").read().strip()
        except OSError:
            continue
        if pid != world.process.pid:
            found.setdefault(name, []).append(pid)
    return found


def hit_one(world, rng, longest_stop):
    every = [pid for pids in roles(world).values() for pid in pids]
    if not every:
        return
    pid, sig = rng.choice(every), rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM,
                                              signal.SIGHUP])
    try:
        os.kill(pid, sig)
        if sig == signal.SIGSTOP:
            time.sleep(rng.uniform(0.2, longest_stop))
            os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass


def any_process_may_die(build, full):
    """a random daemon is killed, stopped, ended or told to reload every 200 ms under load"""
    rng = random.Random(1)
    with World(build) as world:
        world.start()
        stop = threading.Event()

        def keep_injecting():
            while not stop.is_set():
                world.inject(world.make(10) + world.make(2, "grey") + world.make(1, "refuse"))
                stop.wait(0.05)

        injector = threading.Thread(target=keep_injecting)
        injector.start()
        end = time.monotonic() + (600 if full else 6)
        while time.monotonic() < end:
            hit_one(world, rng, 10 if full else 1)
            time.sleep(0.2)
        stop.set()
        injector.join()
        if world.process.poll() is not None:
            raise Broken(f"I7: master ended ({world.process.returncode}): {world.last_words()}")
        end = time.monotonic() + 40  # back-off of what was killed often
        while not load.port_open(world.port) and time.monotonic() < end:
            time.sleep(0.1)
        world.settle(90)
        world.check(time.monotonic_ns(), old_ns=2 ** 62)  # any of them may have been in flight at some crash
        print(f"# chaos: {world.duplicates} duplicates")


def power_cut_under_load(build, full):
    """16 sessions, the power goes at a random moment; every acknowledged message is there afterwards"""
    rng = random.Random(2)
    for i in range(200 if full else 4):
        kind = ("ext4", "xfs")[i % 2]
        with World(build, kind) as world:
            world.start()
            if i % 4 < 2:
                world.sinks["plain"].stop()
            batch = world.make(2000)
            injector = threading.Thread(target=world.inject, args=(batch, 16))
            injector.start()
            goal = rng.randrange(200, 1900)
            load.wait_for("acknowledgements", lambda: sum(m.acked for m in batch) >= goal, 60, 0.002)
            now = time.monotonic_ns()
            cut_power(world.fs.mount)
            acked = sum(m.acked for m in batch)
            world.kill()
            injector.join()
            if world.sinks["plain"].process is None:
                world.sinks["plain"].start()
            world.after_power_cut()
            world.start()
            world.settle(90)
            world.check(now)
            print(f"# cut after {acked} acknowledgements on {kind}: {world.duplicates} duplicates, the oldest delivered "
                  f"{world.oldest_ms} ms before")


def mail_comes_while_the_spool_is_read(build, full):
    """what is accepted during the scan after a crash is queued once: nothing is delivered twice"""
    with World(build) as world:
        for _ in range(40 if full else 6):
            world.start(wait=False)
            load.wait_for("the port", lambda: load.port_open(world.port), 20, 0.001)
            world.inject(world.make(40), 8)
            world.settle()
            world.check()
            world.kill()


def clock_steps(build, full):
    """the wall clock jumps while mail waits: nothing expires for it, nothing is lost, retries go on"""
    with World(build) as world:
        for offset in (-3 * DAY, 400 * DAY, -SECOND, SECOND * 3600):
            world.page.set(wall_offset_ns=0)
            world.start()
            world.sinks["plain"].stop()
            world.inject(world.make(10) + world.make(2, "grey"))
            world.page.set(wall_offset_ns=offset)
            time.sleep(1.5)
            world.inject(world.make(5))
            world.sinks["plain"].start()
            world.settle(60)
            world.page.set(wall_offset_ns=0)
            world.inject(world.make(5))
            world.settle(60)
            if str(find(world.audit()[1], "expired")) != "0":
                raise Broken(f"FI-12: mail expired because the clock jumped by {offset // SECOND} s")
            world.check()
            world.terminate()


def expired(world):
    return str(find(world.audit()[1], "expired"))


def clock_leaps_over_restarts(build, full):
    """a server that starts with another time, or starts after its time was set, expires nothing that was young"""
    with World(build, more="<domain grey.test>\n\tbounce-after 30m\n</domain>") as world:
        offset = 0
        world.start()
        for while_running, at_start in ((0, 400 * DAY), (400 * DAY, 0), (-3 * DAY, 0), (0, -3 * DAY), (40 * DAY, -40 * DAY)):
            for sink in world.sinks.values():
                sink.stop()
            world.inject(world.make(10) + world.make(2, "grey"))
            offset += while_running
            world.page.set(wall_offset_ns=offset)
            if while_running:
                world.inject(world.make(5))
            world.terminate()
            offset += at_start
            world.page.set(wall_offset_ns=offset)
            for _ in range(2):  # what was not believed at the first start must not be at the second
                world.start()
                load.wait_for("the scan", lambda: str(find(world.ask("show", "ledger")[1], "scanning")).lower()
                              in ("false", "no", "0"), 20)
                if expired(world) != "0":
                    raise Broken(f"FI-12: mail expired: the clock leapt by {while_running // SECOND} s, at the start by "
                                 f"{at_start // SECOND} s")
                world.terminate()
            for sink in world.sinks.values():
                sink.start()
            world.start()
            world.settle(60)
            world.check()


def strange_dates(build, full):
    """a start in 1970, 2038 and after; ids stay unique, mail flows, the files parse"""
    with World(build) as world:
        now = time.time_ns()
        for year_s in (3600, 2147483640, 4102444800):
            world.page.set(wall_offset_ns=year_s * SECOND - now)
            world.start()
            world.inject(world.make(20))
            world.settle()
            world.check()
            world.terminate()


TESTS = (mail_comes_while_the_spool_is_read, any_process_may_die, power_cut_under_load, clock_steps, clock_leaps_over_restarts,
         strange_dates)
