#!/usr/bin/python3
"""Runs the tests and counts: run_tests.py BUILD [--only FOLDER-OR-FILE …] [--full]

A test is a program that prints `ok …`, `not ok …` or `skip …` for each case (TAP). Unit tests are the binaries under
BUILD/tests/unit, fuzz replays those under BUILD-san/tests/fuzz with tests/fuzz/seeds/NAME/*, all others the files
*_cases.py and *_cases.sh under tests/e2e, fault, golden and replay, and the programs tests/FOLDER/run (called with
--build BUILD; fault with --check too, unless --full). Most of their time they wait, so there runs one more at a time
than there are processors, four at most; files with a line `# starts early` among their first ten begin, for they take
long; the fault tests and those with `# runs alone` run by themselves. A program that fails without a failed case
counts as one.
A unit test or a file of tests/e2e that fails is run once more at the end, by itself, with nothing else to share the
machine: what passes then is named unsteady, what fails again has failed. More than three such are not unsteady: all
count. Golden files, replays, seeds and fault tests get no second try: nothing in them may depend on the machine.
The environment holds PH_BUILD, and PH_FULL=1 with --full.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CASE = re.compile(r"^(not ok|ok|skip)\b(?:\s+\d+\b)?\s*(?:- )?(.*)$")
SKIP = re.compile(r"#\s*skip", re.I)
MOST_UNSTEADY = 3


class Test:
    def __init__(self, name, command, limit, alone=False, early=False):
        self.name, self.command, self.limit, self.alone, self.early = name, command, limit, alone, early
        self.unsteady, self.may_be_unsteady = [], name.startswith(("unit/", "tests/e2e/"))
        self._clear()

    def _clear(self):
        self.passed, self.failed, self.skipped, self.seconds, self.output = 0, [], [], 0.0, ""

    def run_again(self):
        first = self.failed
        self._clear()
        self.run()
        if not self.failed:
            self.unsteady = first
        return self

    def run(self):
        began = time.monotonic()
        env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", PYTHONUNBUFFERED="1")
        process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT, env=env,
                                   stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        try:
            self.output, _ = process.communicate(timeout=self.limit)
            status = process.returncode
        except subprocess.TimeoutExpired:
            status = f"no end after {self.limit} s"
            os.killpg(process.pid, signal.SIGTERM)
            try:
                self.output, _ = process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                self.output, _ = process.communicate()
        self.seconds = time.monotonic() - began
        self._count(status)
        return self

    def _count(self, status):
        for line in self.output.splitlines():
            m = CASE.match(line)
            if m is None:
                continue
            if m.group(1) == "skip" or SKIP.search(m.group(2)):
                self.skipped.append(m.group(2))
            elif m.group(1) == "ok":
                self.passed += 1
            else:
                self.failed.append(m.group(2))
        if status != 0 and not self.failed:
            self.failed.append(f"ended with {status}")
        if status == 0 and not self.passed and not self.failed and not self.skipped:
            self.failed.append("no case was run")


class Replay(Test):
    """A fuzz target over its seeds: one case."""

    def _count(self, status):
        if status == 0:
            self.passed = 1
        else:
            self.failed.append(f"seeds: ended with {status}")


def script(path):
    with open(path, errors="replace") as f:
        head = [next(f, "") for _ in range(10)]
    alone, early = (any(mark in line for line in head) for mark in ("# runs alone", "# starts early"))
    command = ["/usr/bin/python3", path] if path.endswith(".py") else ["/bin/sh", path]
    return Test(path, command, 420, alone, early)


def runner(path, build, full):
    folder = path.split("/")[1]
    alone, mode = folder == "fault", []
    if alone and not full:
        mode = ["--check"]
    return Test(path, [path, "--build", os.path.abspath(build)] + mode, 7200 if full else 420, alone)


def find(build, full):
    tests = []
    for path in sorted(glob.glob(f"{build}/tests/unit/*/*_test")):
        tests.append(Test("unit/" + os.path.relpath(path, f"{build}/tests/unit"), [path], 240))
    for path in sorted(glob.glob(f"{build}-san/tests/fuzz/*_fuzz")):
        name = os.path.basename(path)[:-len("_fuzz")]
        seeds = sorted(glob.glob(f"tests/fuzz/seeds/{name}/*"))
        tests.append(Replay("fuzz/" + name, [path] + seeds, 120))
    for folder in ("golden", "replay", "e2e", "fault"):
        for path in sorted(glob.glob(f"tests/{folder}/*_cases.py") + glob.glob(f"tests/{folder}/*_cases.sh")):
            tests.append(script(path))
        if os.access(f"tests/{folder}/run", os.X_OK):
            tests.append(runner(f"tests/{folder}/run", build, full))
    tests.append(Test("lint (short)", ["scripts/lint.sh", build, "short"], 120))
    return tests


def report(test):
    mark = "ok  " if not test.failed else "FAIL"
    skipped = f", {len(test.skipped)} skipped" if test.skipped else ""
    print(f"{mark} {test.name}: {test.passed} passed, {len(test.failed)} failed{skipped} ({test.seconds:.1f} s)", flush=True)
    for text in test.skipped:
        print(f"     skipped: {text}", flush=True)
    if test.failed:
        print("     | " + "\n     | ".join(test.output.splitlines()[-60:]), flush=True)


def run_all(tests):
    together = sorted((t for t in tests if not t.alone), key=lambda t: not t.early)
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(4, 1 + (os.cpu_count() or 1))) as pool:
        for done in concurrent.futures.as_completed([pool.submit(t.run) for t in together]):
            report(done.result())
    for test in tests:
        if test.alone:
            report(test.run())
    doubtful = [t for t in tests if t.failed and t.may_be_unsteady]
    if len(doubtful) <= MOST_UNSTEADY:
        for test in doubtful:
            report(test.run_again())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--full", action="store_true")
    args = parser.parse_args()
    os.chdir(ROOT)
    os.environ["PH_BUILD"] = os.path.abspath(args.build)
    if args.full:
        os.environ["PH_FULL"] = "1"
    tests = [t for t in find(args.build, args.full) if not args.only or any(t.name.startswith(o) for o in args.only)]
    began = time.monotonic()
    run_all(tests)
    failed = [(t.name, name) for t in tests for name in t.failed]
    for name, case in failed:
        print(f"failed: {name}: {case}")
    for test in tests:
        for case in test.unsteady:
            print(f"unsteady: {test.name}: failed at first, passed by itself: {case}")
    skipped = sum(len(t.skipped) for t in tests)
    print(f"{time.monotonic() - began:.0f} s" + (f", {skipped} skipped" if skipped else ""))
    print(f"{sum(t.passed for t in tests)} passed, {len(failed)} failed")
    sys.exit(1 if failed or not tests else 0)


if __name__ == "__main__":
    main()
