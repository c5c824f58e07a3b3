#!/usr/bin/env python3
"""Tries the tests of the configuration's rows: is each row missed by a test when it is not honoured?
usage: tried.py [--build DIR] [--jobs N] [--most N] [--survey] [ROW…]

For each row of directives.def that is honoured, and each other spelling of aliases.def (those that hold one of the words
given; all without), the cases are run whose configurations have it, one at a time, with PH_UNHONOURED (tests/lib/rows.py):
one of them must fail, and pass when it is run the same way with the row. What fails only because the server then refuses the
configuration, or is about what -t says, counts as weak. What is in which case's configuration is found by running each
test once; all is kept in BUILD/rows/ and done again only for files that changed. At the end: each row with the case that
misses it, and the rows that nobody misses (exit 1)."""
import argparse
import ast
import concurrent.futures
import functools
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, TOP + "/tests/lib")
import rows  # noqa: E402

# packages, browsers and other servers; nothing there is about a row
OTHERS = {"package", "browser", "score", "mxsim", "postfix", "spool", "spine", "workers", "standstill", "planted", "guides"}
CASE = re.compile(r"^(ok|not ok|skip) (.*)$", re.M)
REFUSED = re.compile(r"Posthaste ended with|reload: \d+:|did you mean|returncode")
ABOUT_CHECKS = re.compile(r"(^|\W)-t\b|\b(is an|are) errors?\b")
PREFIX = re.compile(r"^(process|retain|allow|check|trace|reject|log|global|smtp|dummy-smtp|backoff)-")
BUSY = "Address already in use"


def digest(path):
    return hashlib.sha256(open(path, "rb").read()).hexdigest()[:16]


class Notes:
    """A file of results that survives being stopped at any time."""

    def __init__(self, path):
        self.path, self.lock = path, threading.Lock()
        try:
            self.all = json.load(open(path))
        except (OSError, ValueError):
            self.all = {}

    def put(self, key, value):
        with self.lock:
            self.all[key] = value
            with open(self.path + ".new", "w") as f:
                json.dump(self.all, f, indent=1)
            os.rename(self.path + ".new", self.path)


@functools.cache
def parts(path):
    """Of a file of cases: the text behind each sentence: the function, and the constants and classes that it names."""
    text = open(path).read()
    tree = ast.parse(text)
    named = {}
    for node in tree.body:
        names = [t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)]
        for name in names or [getattr(node, "name", None)]:
            named[name] = ast.get_source_segment(text, node) or ""
    found = {}
    for node in tree.body:
        for d in getattr(node, "decorator_list", []):
            if isinstance(d, ast.Call) and isinstance(d.args[0], ast.Constant):
                reached, more = "", [node.name]
                while more:
                    source = named.get(more.pop(), "")
                    if source not in reached:
                        reached += source
                        more += [n for n in set(re.findall(r"\w+", source)) if n in named]
                found[d.args[0].value] = (ast.get_source_segment(text, node), reached)
    return found


class Runner:
    def __init__(self, build):
        self.build, self.folder = build, build + "/rows"
        os.makedirs(self.folder, exist_ok=True)
        self.survey, self.tried = Notes(self.folder + "/survey.json"), Notes(self.folder + "/tried.json")
        self.controls = Notes(self.folder + "/controls.json")

    def run(self, command, limit, **more):
        """(what it printed, did it end in time)"""
        place = tempfile.mkdtemp(prefix="posthaste-rows-", dir=os.environ.get("PH_TMP", "/var/tmp"))
        os.chmod(place, 0o755)
        env = dict(os.environ, PH_BUILD=self.build, PH_TMP=place, PYTHONUNBUFFERED="1", **more)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, errors="replace", env=env, cwd=TOP, start_new_session=True)
        try:
            return process.communicate(timeout=limit)[0], True
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                return process.communicate(timeout=10)[0], False
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return process.communicate()[0], False
        finally:
            shutil.rmtree(place, ignore_errors=True)

    # ---- which case has which rows ----

    def look_at(self, path):
        """Runs a file of tests as it is."""
        name = os.path.relpath(path, TOP)
        known = self.survey.all.get(name)
        if known is not None and known["digest"] == digest(path):
            return
        with tempfile.NamedTemporaryFile(prefix="rows-", dir=self.folder) as f:
            said, _ = self.run(["/usr/bin/python3", path], 600, PH_ROWS_SEEN=f.name)
            seen = {}
            for line in open(f.name):
                case, row = line.rstrip("\n").split("\t")
                seen.setdefault(case, set()).add(row)
        found = {}
        for m in CASE.finditer(said):
            sentence = re.sub(r" \((\d+\.\d) s\)$", "", m.group(2))
            seconds = re.search(r"\((\d+\.\d) s\)$", m.group(2))
            case = next((c for c in seen if c and sentence.startswith(c)), None)
            if m.group(1) == "ok" and case:
                found[sentence] = {"seconds": float(seconds.group(1)), "rows": sorted(seen[case])}
            elif m.group(1) == "not ok":
                print(f"# {name} fails as it is: {sentence}", flush=True)
        self.survey.put(name, {"digest": digest(path), "cases": found})

    def cases_of(self, row, most):
        """(path, sentence) of what has the row, the likeliest first: whose sentence or text names it, then others."""
        word, found = row.split("/")[1], []
        for path in glob.glob(TOP + "/tests/replay/queue/*.scn"):
            text = open(path).read()
            if row in rows.of_text(script_configuration(text)):
                found.append((0 if word in text.split("\n")[0] else 1, 0, path, ""))
        for name, file in self.survey.all.items():
            path = f"{TOP}/{name}"
            if not os.path.exists(path):
                continue
            for sentence, case in file["cases"].items():
                if row in case["rows"]:
                    own, reached = parts(path).get(sentence, ("", ""))
                    said = word in sentence or PREFIX.sub("", word) in sentence
                    rank = 0 if said and not ABOUT_CHECKS.search(sentence) else 1 if word in own else 2 if word in reached else 3
                    found.append((rank, case["seconds"], path, sentence))
        found.sort()
        near = [f for f in found if f[0] < 3]
        return [f[2:] for f in near[:3 * most] + [f for f in found if f[0] == 3][:most if len(found) > 2 * most else 2 * most]]

    # ---- without the row ----

    def misses(self, row, path, sentence):
        """How the case fails without the row; None: it passes."""
        if path.endswith(".scn"):
            said, _ = self.run(["/usr/bin/python3", TOP + "/tests/replay/machines_cases.py", "--as-built", path], 60,
                               PH_UNHONOURED=row)
            return None if said.startswith("ok ") else "".join(said.splitlines(True)[-6:])
        how = self.how_it_fails(path, sentence, PH_UNHONOURED=row)
        if how is not None and self.is_unsteady(path, sentence):
            return None
        return how

    def how_it_fails(self, path, sentence, **env):
        for _ in range(3):
            how = self.run_case(path, sentence, **env)
            if how is None or BUSY not in how:
                break
            time.sleep(2)  # another one listens at every address, or this one wants to and must not
        return how

    def run_case(self, path, sentence, **env):
        seconds = self.survey.all[os.path.relpath(path, TOP)]["cases"][sentence]["seconds"]
        patience = max(6.0, 2.5 * seconds)
        said, in_time = self.run(["/usr/bin/python3", path, sentence], 30 + 3 * patience, PH_PATIENCE=str(patience), **env)
        if not in_time:
            return "it does not end"
        m = re.search(r"^not ok .*$", said, re.M)
        return m.group(0).removeprefix(f"not ok {sentence}: ")[:600] if m else None

    def is_unsteady(self, path, sentence):
        """Does the case fail in the same way of running it, with everything honoured?"""
        key = f"{os.path.relpath(path, TOP)}: {sentence}: {digest(path)}"
        if key not in self.controls.all:
            self.controls.put(key, self.how_it_fails(path, sentence))
        return self.controls.all[key] is not None

    def try_row(self, row, most):
        known = self.tried.all.get(row, {})
        passed = dict(known.get("passed", {}))
        if known.get("by") and os.path.exists(TOP + "/" + known["by"]) and known["digest"] == digest(TOP + "/" + known["by"]):
            if not known["weak"]:
                return known
        best = None
        for path, sentence in self.cases_of(row, most):
            name = os.path.relpath(path, TOP)
            if passed.get(f"{name}: {sentence}") == digest(path):
                continue
            how = self.misses(row, path, sentence)
            if how is None:
                passed[f"{name}: {sentence}"] = digest(path)
                continue
            weak = bool(REFUSED.search(how) or ABOUT_CHECKS.search(sentence))
            best = {"by": name, "case": sentence, "digest": digest(path), "how": how, "weak": weak}
            if not weak:
                break
        self.tried.put(row, dict(best or {}, passed=passed))
        return self.tried.all[row]


def script_configuration(text):
    """The configuration of a replay's script."""
    return "".join(line[5:] + "\n" if line.startswith("conf ") else "\n" for line in text.splitlines())


def wanted(words):
    all_rows = [r for r, status in rows.directives().items() if status in ("HONOURED", "DEPRECATED")]
    all_rows += [r for r in (*rows.spellings(), *rows.IN_BLOCKS) if r not in all_rows]
    return [r for r in all_rows if not words or r in words]


def show(row, result):
    if not result.get("by"):
        return f"| {row} | **nobody misses it** | {len(result['passed'])} cases pass without it |"
    where = result["by"] + (": " + result["case"] if result["case"] else "")
    how = result["how"].replace("\n", " ").replace("|", "/")[:160]
    return f"| {row} | {where}{' (weak)' if result['weak'] else ''} | {how} |"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default=os.environ.get("PH_BUILD", TOP + "/build"))
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--most", type=int, default=6, help="cases tried for a row")
    p.add_argument("--survey", action="store_true", help="only find which case has which rows")
    p.add_argument("--table", action="store_true", help="only show what is known")
    p.add_argument("rows", nargs="*")
    a = p.parse_args()
    r = Runner(os.path.abspath(a.build))
    names = wanted(set(a.rows))
    files = [f for f in sorted(glob.glob(TOP + "/tests/e2e/*_cases.py"))
             if os.path.basename(f).removesuffix("_cases.py") not in OTHERS]
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        if not a.table:
            list(pool.map(r.look_at, files))
        if a.survey:
            return 0
        if not a.table:
            began = time.monotonic()
            for i, (row, result) in enumerate(zip(names, pool.map(lambda n: r.try_row(n, a.most), names))):
                print(f"# {time.monotonic() - began:.0f} s {i + 1}/{len(names)} {show(row, result)}", flush=True)
    results = {row: r.tried.all.get(row, {"passed": {}}) for row in names}
    print("| row | missed by | how |\n|---|---|---|")
    for row in names:
        print(show(row, results[row]))
    survivors = [row for row in names if not results[row].get("by")]
    weak = [row for row in names if results[row].get("weak")]
    print(f"{len(names) - len(survivors)} rows are missed, {len(weak)} of them weakly; by nobody: {' '.join(survivors) or '-'}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
