#!/usr/bin/env python3
"""Session and queue replays: real state machines under a clock that the scripts turn.
usage: machines_cases.py [--build DIR] [--renew] [--as-built] [FILE…]

Each FILE.scn is executed by the program of its folder (session/: deliverd's sessions, queue/: queued's schedule),
which prints the script with what happened put in; that must be the file itself. --renew writes it back: read the
difference before you believe it."""
import argparse
import difflib
import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, TOP + "/tests/lib")
import rows  # noqa: E402


def parts_of(machine):
    """What its replay has beside its main program."""
    return sorted("tests/replay/" + os.path.basename(path)[:-2] for path in glob.glob(f"{HERE}/{machine}_*.c")
                  if not path.endswith("_replay.c"))


# which objects a replay is made of: folders, without these files, and what the linker must be told
PROGRAMS = {
    "session": {
        "folders": ["deliverd", "lib/smtp", "lib/base"],
        "only": {"deliverd": ["session.c", "session_end.c", "session_feed.c", "session_reply.c", "session_auth.c", "session_doubt.c", "outq.c", "mail.c"]},
        "link": [],
    },
    "queue": {
        "folders": ["queued", "lib/command", "lib/ctl", "lib/conf", "lib/classify", "lib/acct", "lib/suppress", "lib/mail",
                    "lib/spf", "lib/sts", "lib/spool", "lib/net", "lib/ipc", "lib/ev", "lib/stats", "lib/base"],
        "only": {"lib/suppress": ["filter.c"]},
        "without": {"queued": ["main.c"], "lib/ev": ["ev_libevent.c", "worker.c"]},
        "also": ["lib/ev/ev_fake", *parts_of("queue")],
        "link": ["-Wl,--wrap=ipc_chan_new"],
    },
}

# by hand and in the bench: what scheduling costs
LOAD = dict(PROGRAMS["queue"], also=["lib/ev/ev_fake", "tests/replay/queue_fakes"])


def make(build):
    """The call of make that builds there; a folder of `make SAN=1` has a name of that ending."""
    place = ["SAN=1", f"B={build.removesuffix('-san')}"] if build.endswith("-san") else [f"B={build}"]
    return ["make", "-s", "-C", TOP, *place]


def make_value(build, variable):
    """What the Makefile thinks it is."""
    out = subprocess.run([*make(build), "--eval", f"print-it:;@echo '$({variable})'",
                          "print-it"], capture_output=True, text=True, check=True)
    return out.stdout.split()


def objects(build, plan):
    found = []
    for folder in plan["folders"]:
        have = make_value(build, f"OBJ-{folder}")
        only, without = plan.get("only", {}).get(folder), plan.get("without", {}).get(folder, [])
        sources = {o: os.path.basename(o)[:-2] + ".c" for o in have}
        found += [o for o in have if (not only or sources[o] in only) and sources[o] not in without]
    return found + [f"{build}/obj/{x}.o" for x in plan.get("also", [])]


def build_program(build, name):
    plan, source = PROGRAMS[name], f"tests/replay/{name}_replay.c"
    wanted = objects(build, plan) + [f"{build}/obj/tests/replay/{name}_replay.o"]
    subprocess.run([*make(build), *wanted], check=True, stdout=subprocess.DEVNULL)
    out = f"{build}/tests/replays/{name}_replay"
    os.makedirs(os.path.dirname(out), exist_ok=True)
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), *make_value(build, "LDHARD"), *plan["link"], "-o", out, *wanted,
                    *make_value(build, "LDLIBS")], check=True, cwd=TOP)
    assert os.path.exists(TOP + "/" + source)
    return out


def script(path):
    """The text of a script, its configuration without the row that nobody is to honour (tests/lib/rows.py)."""
    text = open(path).read()
    lines = text.splitlines()
    here = [i for i, line in enumerate(lines) if line.startswith("conf ")]
    kept = rows.as_if("".join(lines[i][len("conf "):] + "\n" for i in here)).splitlines()
    for i, line in zip(here, kept):
        lines[i] = "conf " + line
    return "\n".join(lines) + "\n" if rows.DROPPED else text


def replay(program, path, renew):
    want = script(path)
    with tempfile.TemporaryDirectory(prefix="ph-replay-") as folder:
        with open(folder + "/script", "w") as f:
            f.write(want)
        r = subprocess.run([program, folder + "/script", folder], capture_output=True, text=True)
    name = re.sub(r"[-_]", " ", os.path.basename(path)[:-4])
    if r.returncode == 0 and r.stdout == want:
        print(f"ok {name}")
        return True
    if r.returncode == 0 and renew:
        with open(path, "w") as f:
            f.write(r.stdout)
        print(f"# renewed {path}")
        return True
    print(f"not ok {name}: exit {r.returncode} {r.stderr.strip()}")
    sys.stdout.writelines(difflib.unified_diff(want.splitlines(True), r.stdout.splitlines(True), "expected", "happened"))
    return False


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default=os.environ.get("PH_BUILD", TOP + "/build"))
    p.add_argument("--renew", action="store_true")
    p.add_argument("--as-built", action="store_true", help="the programs that are there")
    p.add_argument("files", nargs="*")
    a = p.parse_args()
    a.build = os.path.abspath(a.build)
    passed = failed = 0
    for name in PROGRAMS:
        files = [f for f in a.files or sorted(glob.glob(f"{HERE}/{name}/*.scn")) if f"/{name}/" in os.path.abspath(f)]
        program = f"{a.build}/tests/replays/{name}_replay" if a.as_built else build_program(a.build, name) if files else None
        for path in files:
            ok = replay(program, path, a.renew)
            passed, failed = passed + ok, failed + (not ok)
    print(f"replay: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
