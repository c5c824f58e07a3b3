"""Accounting by commands: the header line first, every record once or more and in order, whatever dies or hangs."""
import csv
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import World, is_alive, processes  # noqa: E402

# writes each line as it comes, with its own process number in front; what is in the way is told in files beside it
TAKER = r"""#!/usr/bin/python3
import os, signal, sys, time
place = os.path.dirname(os.path.abspath(sys.argv[0]))
if os.path.exists(place + "/stubborn"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.path.exists(place + "/dies"):
    sys.exit("I die at once \x07\xff")
with open(f"{place}/out/taken", "a") as out:
    out.write(f"{os.getpid()} start {os.getuid()} {' '.join(sorted(os.listdir('/proc/self/fd'), key=int))} "
              f"{sorted(os.environ)} {sys.argv[1:]}\n")
    out.flush()
    while os.path.exists(place + "/deaf"):
        time.sleep(0.05)
    while line := sys.stdin.readline():
        out.write(f"{os.getpid()} {line}")
        out.flush()
        if os.path.exists(place + "/slow"):
            time.sleep(0.001)
        sys.stdout.write("garbage \0" * 100 if os.path.exists(place + "/garbage") else "")
    out.write(f"{os.getpid()} end\n")
"""
CONFIG = """
<acct-file |{folder}/taker one "two three">
	records d, b
	record-fields d rcpt, recordId, userString
	record-fields b rcpt, recordId, userString
	user-string said "so"
	retry-interval 2s
	write-timeout {timeout}
</acct-file>
"""


class Pipes(World):
    def __init__(self, *flags, config=CONFIG, timeout="30s", **options):
        super().__init__(config=config.replace("{timeout}", timeout), start=False, **options)
        os.mkdir(self.folder + "/out")
        os.chmod(self.folder + "/out", 0o777)
        with open(self.folder + "/taker", "w") as f:
            f.write(TAKER)
        os.chmod(self.folder + "/taker", 0o755)
        for flag in flags:
            self.flag(flag)
        self._start = True

    def flag(self, name, on=True):
        path = f"{self.folder}/{name}"
        if on:
            open(path, "w").close()
        else:
            os.remove(path)

    def runs(self):
        """What each run of the command took: lists of lines, in order."""
        runs, order = {}, []
        try:
            text = open(self.folder + "/out/taken", newline="").read()
        except FileNotFoundError:
            return []
        for line in text.splitlines():
            pid, rest = line.split(" ", 1)
            if pid not in runs:
                order.append(pid)
            runs.setdefault(pid, []).append(rest)
        return [runs[pid] for pid in order]

    def ids(self):
        """recordId of all that was taken, in order."""
        return [row["recordId"] for run in self.runs() for row in csv.DictReader(run[1:])
                if row.get("recordId") and row["type"] in ("d", "b")]

    def wait_ids(self, wanted, seconds=60):
        return wait_for(f"{len(wanted)} records at the command", lambda: wanted <= set(self.ids()) and self.ids(),
                        seconds)

    def sent(self):
        return {r["recordId"] for r in self.ph.final_records()}

    def taker(self):
        """Process of the command that runs now."""
        return wait_for("the command runs", lambda: next((p for p, (name, _) in processes().items()
                                                          if name == "taker" and self.is_mine(p)), None))

    def is_mine(self, pid):
        try:
            return self.folder.encode() in open(f"/proc/{pid}/cmdline", "rb").read()
        except OSError:
            return False


@case("a command gets the header line, then each record once, as its own user with three descriptors; stop is its end of file")
def plain():
    with Pipes("garbage", config='bounce-pipe "{folder}/taker bounces"' + CONFIG) as w:
        w.inject(200)
        w.inject(1, rcpts="nobody@nowhere.test")
        w.drained()
        wanted = w.sent()
        expect_equal(sorted(w.wait_ids(wanted)), sorted(wanted), "each once")
        of_bounces = wait_for("bounce-pipe", lambda: [r for r in w.runs() if "'bounces'" in r[0] and len(r) > 2])
        rows = list(csv.DictReader(of_bounces[0][1:]))
        expect_equal((rows[0]["type"], rows[0]["rcpt"]), ("b", "nobody@nowhere.test"), "bounce-pipe")
        run = next(r for r in w.runs() if "'one'" in r[0])
        expect_equal(run[1], "type,rcpt,recordId,userString", "header line")
        expect(all(line.endswith(',"said ""so"""') for line in run[2:]), f"columns: {run[2]}")
        uid, said = run[0].split(" ", 2)[1:]
        expect(uid != "0" or os.geteuid() != 0, "it runs as root")
        # the fourth is the listing's own
        expect(said.startswith("0 1 2 "), f"descriptors: {said}")
        expect("['HOME', 'LANG', 'LOGNAME', 'PATH', 'SHELL', 'USER']" in said.replace("'LC_CTYPE', ", ""),
               f"environment: {said}")
        expect(said.endswith("['one', 'two three']"), f"arguments: {said}")
        pid = w.taker()
        expect_equal(w.ph.stop(), 0, "stop")
        expect_equal([r[-1] for r in w.runs()], ["end"] * 2, "they read their end of file")
        expect(not is_alive(pid), "it outlived the server")


@case("under load the command, acctd and execd are killed: every record comes, in order but for what is repeated")
def killed():
    with Pipes("slow") as w:
        load = w.start_inject(900, sessions=10)
        for n, victim in enumerate(("taker", "acctd", "execd", "taker")):
            wait_for("records flow", lambda: len(w.ids()) > 60 * (n + 1), 60)
            if victim == "taker":
                os.kill(w.taker(), signal.SIGKILL)
            else:
                w.ph.kill_daemon(victim)
        w.end_inject(load)
        w.flag("slow", False)
        w.mx.wait_recipients(900, 60)
        w.drained()
        wanted = w.sent()
        got = w.wait_ids(wanted)
        expect(set(got) == wanted, f"invented: {sorted(set(got) - wanted)[:3]}")
        for run in w.runs():
            expect_equal(run[1:2], ["type,rcpt,recordId,userString"][:len(run) - 1], "header line of each run")
        # a repeat goes back at most over a pipe's worth; a failed flush aside each record is written down once
        first = list(dict.fromkeys(got))
        expect(len(got) - len(first) < 4 * 900, f"{len(got) - len(first)} repeated")
        w.conserve()


@case("a command that never reads, ignores SIGTERM and is killed for it, then one that dies at once: mail is not held up, "
      "and all of it comes when the command works again, also after the machine was gone")
def stuck():
    with Pipes("deaf", "stubborn", timeout="1s") as w:
        long = ("-w", "60")
        w.inject(600, headers=("X-Long: " + "x" * 800,), more=long)
        w.drained()  # the command took nothing, and nobody waited
        w.inject(600)
        w.drained()
        pid = w.taker()
        wait_for("write-timeout", lambda: "Error writing to" in w.ph.said(), 30)
        wait_for("it is killed", lambda: not is_alive(pid), 30)
        w.flag("dies")
        w.flag("deaf", False)
        w.flag("stubborn", False)
        wait_for("its death is told", lambda: "Error executing" in w.ph.said() and "I die at once" in w.ph.said(), 30)
        w.ph.kill()
        w.ph.start()
        w.inject(10)
        w.drained()
        w.flag("dies", False)
        wanted = w.sent()
        got = w.wait_ids(wanted)
        expect(set(got) == wanted, f"invented: {sorted(set(got) - wanted)[:3]}")
        left = [f for f in os.listdir(w.folder + "/spool/pipes") if not f.endswith(".at")]
        expect(len(left) <= 2, f"segments stay behind: {left}")
        w.conserve()


@case("after a reload with other columns the command gets what waited under the old header line, then the new one")
def columns():
    with Pipes("dies") as w:
        w.inject(20)
        w.drained()
        before = w.sent()
        w.config = w.config.replace("rcpt, recordId, userString", "orig, rcpt, recordId")
        w.ph.write_config(w.config)
        w.ph.pmtactl("reload")
        w.inject(20)
        w.drained()
        w.flag("dies", False)
        wait_for("two runs that took all", lambda: sum(len(r) - 2 for r in w.runs()[:2]) >= 40
                 and len(w.runs()) >= 2, 30)
        old, new = (list(csv.reader(r[1:])) for r in w.runs()[:2])
        expect_equal(old[0], ["type", "rcpt", "recordId", "userString"], "old header")
        expect_equal({r[2] for r in old[1:] if r[0] == "d"}, before, "records of the old columns")
        expect_equal(new[0], ["type", "orig", "rcpt", "recordId"], "new header")
        expect_equal({r[3] for r in new[1:]}, w.sent() - before, "records of the new columns")
        w.ph.write_config(w.config.replace("taker one", "taker three"))
        w.ph.pmtactl("reload")
        wait_for("what lies there for another command is told", lambda: "not configured any more" in w.ph.said())


if __name__ == "__main__":
    main()
