"""A full disk (FI-7, FI-19): answered with 452, nothing lost, well again by itself within seconds."""
import glob
import os
import subprocess
import tempfile
import time

import load
from world import Broken, World

BALLAST = "ballast"


def fill(folder, keep_kb=0):
    """Takes what is free, but for keep_kb."""
    s = os.statvfs(folder)
    with open(f"{folder}/{BALLAST}", "wb") as f:
        left = s.f_bavail * s.f_frsize - keep_kb * 1024
        if left > 0:
            os.posix_fallocate(f.fileno(), 0, left)
        try:
            while keep_kb == 0:
                os.write(f.fileno(), b"x" * 4096)
        except OSError:
            pass


def free(folder):
    os.unlink(f"{folder}/{BALLAST}")


def refused(world, messages, want=("452", "451", "421")):
    """True when one of them was answered as a full disk must be; Broken when any was answered otherwise."""
    world.inject(messages)
    for m in messages:
        if not m.acked and m.answer and m.answer[:3] not in want:
            raise Broken(f"I6: a full disk was answered with {m.answer!r}")
    return any(m.answer.startswith("452") for m in messages)


def until_refused(world, size, what):
    """Injects until 452 comes."""
    for _ in range(40):
        if refused(world, world.make(8, size=size)):
            return
    raise Broken(f"I6: no 452 although the disk is full ({what})")


def heals(world, size=2048, seconds=20):
    """Accepts again soon after space is back, and all that was acknowledged arrives."""
    end = time.monotonic() + seconds
    while True:
        batch = world.make(1, size=size)
        world.inject(batch, sessions=1)
        if batch[0].acked:
            break
        if time.monotonic() > end:
            raise Broken(f"I6: still refuses {seconds} s after the space came back: {batch[0].answer!r}")
        time.sleep(0.2)
    world.settle()
    world.check(time.monotonic_ns())


def full_while_accepting(build, full):
    """journal segments cannot grow: 452, deliveries go on, acceptance comes back"""
    with World(build, megabytes=300) as world:
        world.start()
        world.sinks["plain"].stop()
        world.inject(world.make(20))
        fill(world.fs.mount)
        until_refused(world, 700_000, "accepting")
        world.sinks["plain"].start()
        free(world.fs.mount)
        heals(world)


def full_while_delivering(build, full):
    """what was accepted is delivered and accounted for when the disk is full, or at the latest when it no longer is"""
    with World(build, megabytes=300) as world:
        world.start()
        world.sinks["plain"].stop()
        world.inject(world.make(50))
        fill(world.fs.mount)
        world.sinks["plain"].start()
        load.wait_for("deliveries on a full disk", lambda: not list(world.open_numbers()), 40)
        free(world.fs.mount)
        heals(world)


def full_at_the_very_first_start(build, full):
    """nothing of the spool is there yet, and there is no room but root's own: 452, and well by itself later"""
    with World(build, megabytes=300) as world:
        fill(world.fs.mount, keep_kb=1)
        world.start()
        until_refused(world, 2000, "the first start")
        free(world.fs.mount)
        heals(world)


def full_at_several_starts(build, full):
    """crashes on a full disk: spare segments give way to the done log, so mail ends before there is room again"""
    with tempfile.TemporaryDirectory(prefix="ph-acct-") as acct:
        os.chmod(acct, 0o755)
        with World(build, megabytes=600, acct=acct) as world:
            world.start()
            world.sinks["plain"].stop()
            world.inject(world.make(110, size=900_000))
            world.sinks["plain"].start()
            world.settle()
            world.check()
            # each crash takes some of the room that was left: a second one is only asked of the whole sweep
            for _ in range(2 if full else 1):
                world.sinks["plain"].stop()
                world.inject(world.make(20))
                fill(world.fs.mount)
                world.kill()
                world.start()
                world.sinks["plain"].start()
                world.settle(30)
                world.check(time.monotonic_ns(), old_ns=2 ** 62)
            free(world.fs.mount)
            heals(world)


def full_while_writing_queue_files(build, full):
    """large messages go straight to queue files: 452 when they cannot be written"""
    with World(build, megabytes=300) as world:
        world.start()
        fill(world.fs.mount, keep_kb=3000)
        until_refused(world, 1_500_000, "queue files")
        free(world.fs.mount)
        heals(world, size=1_500_000)


def no_inodes_left(build, full):
    """no more files can be made, space is there"""
    with World(build, megabytes=300, inodes=1000) as world:
        world.start()
        folder = world.fs.mount + "/many"
        os.mkdir(folder)
        try:
            for i in range(100000):
                open(f"{folder}/{i}", "w").close()
        except OSError:
            pass
        until_refused(world, 1_500_000, "inodes")
        for path in glob.glob(folder + "/*"):
            os.unlink(path)
        heals(world, size=1_500_000)


def full_while_accounting(build, full):
    """the volume of the accounting files is full: nothing is forgotten, every record is there in the end"""
    acct = tempfile.mkdtemp(prefix="ph-acct-")
    os.chmod(acct, 0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", acct], check=True)
    try:
        with World(build, acct=acct) as world:
            world.start()
            world.inject(world.make(5))
            world.settle()
            fill(acct)
            for _ in range(8):
                refused(world, world.make(20))
            time.sleep(1)
            free(acct)
            heals(world)
    finally:
        subprocess.run(["umount", "-l", acct], check=False)
        os.rmdir(acct)


TESTS = (full_while_accepting, full_while_delivering, full_at_the_very_first_start, full_at_several_starts,
         full_while_writing_queue_files, no_inodes_left, full_while_accounting)
