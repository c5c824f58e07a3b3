#!/usr/bin/python3
# starts early
"""What takes its time: daemons and a master that stand still, a provider that never answers, a log that grows."""
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import DAEMONS, EVERYWHERE, World, each_daemon, freeze, is_alive, queued_recipients  # noqa: E402


@case("a daemon that stays stopped is killed and started again within 30 s; the mail goes on and nothing is lost")
def stopped_for_good():
    with World() as w:
        w.ph.pmtactl("pause", "queue", "*/*")
        w.inject(200, EVERYWHERE)
        before = dict(each_daemon(w))
        freeze(*before.values())
        wait_for("all were killed", lambda: not any(is_alive(p) for p in before.values()), 32)
        wait_for("all run again", lambda: set(w.ph.daemons()) == set(DAEMONS) and w.ph._is_up(), 30)
        expect_equal(w.ph.said().count("does not answer and is killed"), len(before), "daemons that were found hanging")
        w.ph.pmtactl("resume", "queue", "*/*")
        w.inject(200, EVERYWHERE)
        w.conserve()


@case("a master that stands still for longer than a daemon may be silent kills nobody when it goes on")
def stopped_master():
    with World() as w:
        pids = sorted(p for _, p in each_daemon(w))
        freeze(w.ph.process.pid)
        end = time.monotonic() + 26
        while time.monotonic() < end:
            w.inject(20, EVERYWHERE)
        os.kill(w.ph.process.pid, signal.SIGCONT)
        expect_equal(w.ph.pmtactl("reload").returncode, 0, "reload: master lives")
        expect_equal(sorted(p for _, p in each_daemon(w)), pids, "daemons")
        w.conserve()


@case("SIGTERM ends the server within 30 s although a provider never answers the final dot; the mail waits for the next start")
def stop_in_time():
    policy = """
port {mx_port}
name-server {net}.53:{dns_port}
provider gmail.test { mx {net}.10; stall dot always; }
provider yahoo.test { mx {net}.12; }
"""
    with World(policy=policy) as w:
        w.inject(10, "u%r@gmail.test,u%r@yahoo.test")
        w.mx.wait_recipients(5)
        began = time.monotonic()
        expect_equal(w.ph.stop(32), 0, "exit status")
        expect(time.monotonic() - began < 30, f"it took {time.monotonic() - began:.1f} s")
        w.ph.start()
        wait_for("the rest is queued", lambda: queued_recipients(w.ph) == 5, 20)
        w.ph.audit()
        w.ph.kill()  # it would wait again


@case("log-rotate-size: a log that has grown is rotated within ten seconds, and all go on in the new one, which everybody may read if that is wanted")
def log_size():
    def mode():
        return oct(os.stat(w.folder + "/log/pmta.log").st_mode & 0o777)

    with World(config="log-rotate-size 20k\nlog-rotate 3\nlog-file-world-readable yes\n") as w:
        expect_equal(mode(), "0o644", "log-file-world-readable yes")
        with open(w.folder + "/log/pmta.log", "a") as f:
            f.write("x" * 30000 + "\n")
        wait_for("the rotation", lambda: os.path.exists(w.folder + "/log/pmta.log.1"), 15)
        expect(os.path.getsize(w.folder + "/log/pmta.log") < 20000, "size of the new log")
        expect_equal(mode(), "0o644", "of the new log")
        w.ph.write_config(w.config.replace("world-readable yes", "world-readable no"))
        w.ph.pmtactl("reload")
        w.ph.pmtactl("rotate", "log")
        wait_for("log-file-world-readable no", lambda: mode() == "0o640", 10)
        w.ph.pmtactl("reload")
        wait_for("daemons in the new log", lambda: "deliverd configuration in use" in open(w.folder + "/log/pmta.log").read(), 10)


if __name__ == "__main__":
    main()
