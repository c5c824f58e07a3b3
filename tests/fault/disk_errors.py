"""Calls that fail (FI-5, FI-6): once or for ever, at every kind of call. What was not flushed is not acknowledged,
and what was acknowledged outlives a power cut that follows."""
import errno
import time

from page import ERRNO, ERRNO_ONCE, SHORT, cut_power
from world import Broken, World

import scenarios
from sweep import census, strata


class NoCrash:
    """In place of a watcher: nothing ends the world here."""

    class crashed:
        @staticmethod
        def is_set():
            return False


def accepts_again(world, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        batch = world.make(1)
        try:
            world.inject(batch, sessions=1)
        except OSError:
            pass
        if batch[0].acked:
            return
        time.sleep(0.1)
    raise Broken(f"I6: accepts nothing {seconds} s after the error is over: {batch[0].answer!r}; "
                 f"{world.last_words()}")


def alive(world):
    """A daemon that gave up is master's to restart; master itself stays."""
    if world.process.poll() is not None:
        raise Broken(f"I6: the server ended ({world.process.returncode}): {world.last_words()}")


def failing_call(world, call_class, mode, error, cut):
    """Mail flows while this kind of call fails; then all is well, or the power goes first."""
    world.page.arm(mode, 1, call_class, error)
    world.inject(world.make(6) + world.make(1, size=1_100_000))
    time.sleep(0.3)
    alive(world)
    hit = world.page.hit
    started = time.monotonic_ns()
    if cut:
        cut_power(world.fs.mount)
        world.kill()
        world.page.disarm()
        world.after_power_cut()
        world.start()
    world.page.disarm()
    accepts_again(world)
    world.settle()
    world.check(started)
    return hit


def kinds(world, scenario_list):
    found = []
    for scenario in scenario_list:
        for c, k in strata(census(world, scenario)):
            if k == 1 and c not in found:
                found.append(c)
    return found


def sweep_errors(build, full, cases, wanted=lambda c: True):
    with World(build) as world:
        world.start()
        classes = [c for c in kinds(world, (scenarios.mail, scenarios.large)) if wanted(c)]
        for call_class in classes if full else classes[:8]:
            for mode, error, cut in cases:
                try:
                    failing_call(world, call_class, mode, error, cut)
                except (Broken, RuntimeError) as e:
                    name = errno.errorcode.get(error, "short")
                    raise Broken(f"{call_class}: {name} {'for ever' if mode == ERRNO else 'once'}: {e}") from None


def is_flush(call_class):
    return " fsync " in call_class or " fdatasync " in call_class


def failed_flush_is_not_acknowledged(build, full):
    """fsync and fdatasync fail with EIO once, then the power goes: nothing acknowledged is lost"""
    sweep_errors(build, full, [(ERRNO_ONCE, errno.EIO, True)], is_flush)


def failed_call_once(build, full):
    """every kind of call fails once: EIO, no space, a short write"""
    cases = [(ERRNO_ONCE, errno.EIO, False), (ERRNO_ONCE, errno.ENOSPC, False), (SHORT, 0, False)]
    sweep_errors(build, full, cases if full else cases[1:2], lambda c: not is_flush(c))


def failing_for_a_while(build, full):
    """calls fail until further notice: 4xx or a closed connection, and it heals by itself"""
    sweep_errors(build, full, [(ERRNO, errno.ENOSPC, False), (ERRNO, errno.EIO, False)] if full else
                 [(ERRNO, errno.EIO, False)], lambda c: " pwrite" in c or " write" in c or is_flush(c))


TESTS = (failed_flush_is_not_acknowledged, failed_call_once, failing_for_a_while)
