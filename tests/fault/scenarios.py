"""What the server is doing when the world ends: one function a scenario. Each runs against a living, idle server
with the page armed, and returns when its work is done or the crash came."""
import os
import signal

import load


def over(world, watcher, condition, what, seconds=30):
    load.wait_for(what, lambda: watcher.crashed.is_set() or condition(), seconds, 0.02)


def mail(world, watcher):
    """Acceptance, commit, delivery, done mark, accounting."""
    batch = world.make(8) + world.make(1, recipients=5)
    world.inject(batch)
    over(world, watcher, world.is_idle, "delivery")


def deferral(world, watcher):
    """First attempts refused for now: retries, state, delivery later."""
    world.inject(world.make(6, "grey") + world.make(2))
    over(world, watcher, world.is_idle, "delivery after a retry", 40)


def large(world, watcher):
    """A message that is written as its queue file at once."""
    world.inject(world.make(2, size=1_300_000) + world.make(2))
    over(world, watcher, world.is_idle, "delivery of large messages")


def segments(world, watcher):
    """More than one journal segment: sealing, moving out what little is left, freeing, using again."""
    world.inject(world.make(3, "grey") + world.make(30, size=900_000), sessions=4)
    over(world, watcher, world.is_idle, "delivery over segments", 60)


def bounce(world, watcher):
    """Refused for good: records, reports made, accepted and delivered."""
    world.inject(world.make(4, "refuse") + world.make(2))
    over(world, watcher, lambda: not list(world.open_numbers()) and world.is_idle(), "reports")


def rotation(world, watcher):
    """Accounting files are changed while records come."""
    world.inject(world.make(4))
    world.ctl("rotate", "acct")
    world.inject(world.make(4))
    world.ctl("rotate", "acct")
    over(world, watcher, world.is_idle, "delivery around a rotation")


def reload(world, watcher):
    """A new configuration while mail flows."""
    world.inject(world.make(3))
    world.write_config(world.more + "\n# changed")
    os.kill(world.process.pid, signal.SIGHUP) if not watcher.crashed.is_set() else None
    world.inject(world.make(5))
    over(world, watcher, world.is_idle, "delivery around a reload")


def shutdown(world, watcher):
    """SIGTERM while mail flows; what is left waits for the next start."""
    world.inject(world.make(10))
    if not watcher.crashed.is_set():
        world.process.send_signal(signal.SIGTERM)
    over(world, watcher, lambda: world.process.poll() is not None, "the end after SIGTERM", 30)


def recovery(world, watcher):
    """The start after a crash that left much in flight; the page is armed anew for the start."""
    over(world, watcher, lambda: world.is_up() and world.is_idle(), "recovery", 40)


ALL = (mail, deferral, large, segments, bounce, rotation, reload, shutdown, recovery)
