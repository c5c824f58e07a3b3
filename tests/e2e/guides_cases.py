"""What README and docs/guides show is true: every piece of configuration is accepted, every command exists, the
monitoring files are well-formed, and the programs that send do."""
import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BUILD, DAEMONS, ROOT, World  # noqa: E402

MANUAL = [*sorted(glob.glob(ROOT + "/man/*.[1-8]")), BUILD + "/man/posthaste.conf.5"]
PAGES = [ROOT + "/README.md", ROOT + "/docs/operations.md", ROOT + "/docs/security.md",
         *sorted(glob.glob(ROOT + "/docs/guides/*.md"))]
BLOCK = re.compile(r"^<(source|domain|virtual-mta|smtp-|acct-file|http>|spool|pattern-list|bounce|fbl|mx-rollup)")
DIRECTIVES = ("host-name", "name-server", "postmaster", "smtp-listener", "max-queue-size", "http-access", "log-file", "dnsbl-")
ELASTIC = ROOT + "/docs/guides/elasticsearch.md"
NEEDED = "log-file {folder}/log/pmta.log\n<spool {folder}/spool>\n</spool>\n"
# what fragments refer to and do not say
NAMED = ("<virtual-mta campaigns>\n</virtual-mta>\n", "<virtual-mta news>\n</virtual-mta>\n",
         "<virtual-mta news-new>\n</virtual-mta>\n")
PROGRAMS = ("pmtactl", "pmta", "posthaste")


def manual_blocks(path):
    """The examples of a manual page."""
    text = open(path).read().replace("\\e", "\\")
    return [(text[:m.start()].count("\n") + 1, m.group(1)) for m in re.finditer(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed", text, re.M)]


def blocks(path):
    """The indented blocks of a page: (first line's number, text)."""
    if re.search(r"\.[1-8]$", path):
        return manual_blocks(path)
    found, lines, began = [], [], 0
    for n, line in enumerate(open(path).read().splitlines() + ["end"], 1):
        if line.startswith("    ") or (not line.strip() and lines):
            began = began or n
            lines.append(line[4:])
        elif lines:
            found.append((began, "\n".join(lines).rstrip() + "\n"))
            lines, began = [], 0
    return found


def parts(text):
    """Pieces between empty lines outside of blocks: configuration and commands stand in one indented block."""
    return [p for p in re.split(r"\n\n(?=\S)", text) if p.strip()]


def is_configuration(text):
    first = next((line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")), "")
    return bool(BLOCK.match(first)) or first.startswith(DIRECTIVES)


def fragments(path):
    return [(n, "\n".join(p for p in parts(text) if is_configuration(p))) for n, text in blocks(path)]


def commands(path):
    for n, text in blocks(path):
        for line in text.splitlines():
            line = line.split("  #")[0].strip()
            if line.split(" ")[0] in PROGRAMS and "|" not in line:
                yield n, line


def missing_names(text):
    return "".join(v for v in NAMED if v.split(">")[0] + ">" not in text)


@case("every piece of configuration in README, guides and manual pages is accepted")
def configurations():
    n_seen = 0
    with World(start=False) as w:
        for path in PAGES + MANUAL:
            for line, text in fragments(path):
                if not text:
                    continue
                needed = "".join(x + "\n" for x in w.fill(NEEDED).split("\n", 1)[:1] if "log-file" not in text)
                needed += "" if "<spool" in text else w.fill("<spool {folder}/spool>\n</spool>\n")
                w.ph.write_config(needed + text + "\n" + missing_names(text))
                r = subprocess.run([BUILD + "/sbin/posthaste", "-t", "-a", "-c", w.ph.config_path], capture_output=True,
                                   text=True, timeout=60)
                expect_equal(r.returncode, 0, f"{os.path.basename(path)}:{line}: {r.stderr}\n{text}")
                n_seen += 1
    expect(n_seen >= 14, f"only {n_seen} pieces were found")


@case("the providers' policies and the sample are accepted, and the files for monitoring are well-formed")
def samples():
    with World(start=False) as w:
        shutil.copytree(ROOT + "/conf/providers", w.folder + "/providers")
        w.ph.write_config(open(ROOT + "/conf/sample.conf").read())
        for path in (w.ph.config_path, *glob.glob(w.folder + "/providers/*")):
            os.chmod(path, 0o644)
        r = subprocess.run([BUILD + "/sbin/posthaste", "-t", "-c", w.ph.config_path], capture_output=True, text=True)
        expect(r.returncode == 0 and "note:" not in r.stderr, f"the sample: {r.stderr}")
    for path in glob.glob(ROOT + "/conf/monitoring/*.json"):
        json.load(open(path))
    stats = open(ROOT + "/lib/stats/stats.def").read()
    for name in glob.glob(ROOT + "/conf/monitoring/*"):
        for metric in re.findall(r"posthaste_([a-z_]+)", open(name).read()):
            bare = re.sub(r"_(bucket|sum|count)$", "", metric)
            expect(f'"{bare}"' in stats or bare == "info", f"{os.path.basename(name)}: there is no posthaste_{metric}")
    promtool = shutil.which("promtool")
    if promtool:  # operations_cases.py fetches it where it is not there
        r = subprocess.run([promtool, "check", "rules", ROOT + "/conf/monitoring/posthaste.rules.yml"], capture_output=True,
                           text=True)
        expect_equal(r.returncode, 0, f"promtool: {r.stdout}{r.stderr}")


@case("posthaste-acct(5) names every column of accounting, and each page that another names is there")
def pages():
    page = open(ROOT + "/man/posthaste-acct.5").read()
    for name in re.findall(r'^FIELD\(\w+, "([^"]+)"', open(ROOT + "/lib/acct/fields.def").read(), re.M):
        shown = name + "NAME" if name.endswith("_") else name
        expect(re.search(rf"^\.It {shown} Ta ", page, re.M), f"posthaste-acct(5) does not name {shown}")
    all_pages = {os.path.basename(p): open(p).read() for p in glob.glob(ROOT + "/man/*.[1-8]") + glob.glob(BUILD + "/man/*.[1-8]")}
    for name, text in all_pages.items():
        for other, section in re.findall(r"^\.Xr (\S+) (\d)", text, re.M):
            ours = other.startswith(("posthaste", "pmtactl")) or os.path.isdir(f"{ROOT}/{other}")
            expect(not ours or f"{other}.{section}" in all_pages, f"{name} names {other}({section}), which is not there")
    for daemon in DAEMONS:
        expect(f"{daemon}.8" in all_pages, f"{daemon} has no manual page")


def try_command(w, line):
    words = shlex.split(line)
    if words[0] == "posthaste":
        if "-t" not in words:
            return
    if words[1:2] == ["tail"]:
        return  # it goes on until it is interrupted
    words = [re.sub(r"^/etc/pmta/config.*", w.ph.config_path, word) for word in words]
    r = subprocess.run([f"{BUILD}/sbin/{words[0]}", "-c", w.ph.config_path, *words[1:]], capture_output=True, text=True,
                       timeout=60, stdin=subprocess.DEVNULL)
    return r.returncode, r.stdout + r.stderr


@case("every command of posthaste and pmtactl in README and guides is understood; the programs that send do")
def all_commands():
    vmtas = "<virtual-mta bulk>\n</virtual-mta>\n<virtual-mta receipts>\n</virtual-mta>\n" + "".join(NAMED)
    policy = "port {mx_port}\nname-server {net}.53:{dns_port}\nprovider example.net { mx {net}.10; domains example.net example.com; }"
    columns = fragments(ELASTIC)[0][1].replace("/var/log/pmta/acct.csv", "{folder}/acct/elastic.csv")
    with World(policy=policy, config=vmtas + columns) as w:
        sending(w)
        elastic(w)
        n_seen = 0
        for path in PAGES:
            for n, line in commands(path):
                result = try_command(w, line)
                n_seen += 1
                expect(result is None or not (result[0] in (2, 64) or "There is no command" in result[1] or
                                              "no option" in result[1]), f"{os.path.basename(path)}:{n}: {line}: {result}")
        expect(n_seen >= 30, f"only {n_seen} commands were found")
        ten_questions(w)


def ten_questions(w):
    """Each is answered by one command, with something that was sent."""
    w.inject(1, "you@example.net")
    wait_for("its record", lambda: any(r["rcpt"] == "you@example.net" for r in w.ph.records("d")))
    page = open(ROOT + "/docs/guides/questions.md").read().split("\n## ")[0]
    found = re.findall(r"^\*\*(.+?\?)\*\*(?:(?!^\*\*).)*?\n\n    ([^\n]+)\n\nIn the monitor", page, re.M | re.S)
    expect_equal(len(found), 10, "questions with one command")
    for question, line in found:
        status, said = try_command(w, line)
        expect(status == 0 and said.strip(), f"{question} {line}: {status} {said}")
        if " history " in line:
            expect(re.search(r" d +example.net/", said), f"{line}: {said}")


def elastic(w):
    """The header line that the guide shows is what is written, and what the pipeline takes apart."""
    wait_for("records for Elasticsearch", lambda: os.path.exists(w.folder + "/acct/elastic.csv"))
    header = open(w.folder + "/acct/elastic.csv").readline().strip()
    expect(any(text.strip() == header for _, text in blocks(ELASTIC)), f"the guide does not show {header}")
    pipeline = json.load(open(ROOT + "/conf/monitoring/elasticsearch-pipeline.json"))
    expect_equal(",".join(pipeline["processors"][0]["csv"]["target_fields"]), header, "the pipeline's columns")


def program(name):
    """The block of guides/programs.md that is this program."""
    for _, text in blocks(ROOT + "/docs/guides/programs.md"):
        for part in re.split(r"\n\n(?=python3 |php )", text):
            if part.startswith("<?php" if name == "send.php" else "import smtplib"):
                return part
    raise AssertionError(name)


def sending(w):
    """send.py, and send.php where there is PHP, as the guide prints them, but for the address."""
    tried = [(sys.executable, "send.py")] + ([(shutil.which("php"), "send.php")] if shutil.which("php") else [])
    for interpreter, name in tried:
        text = program(name).replace('"127.0.0.1", 25', f'"{w.net}.1", {w.ph.listener[1]}')
        text = text.replace("127.0.0.1:25", f"{w.net}.1:{w.ph.listener[1]}")
        with open(f"{w.folder}/{name}", "w") as f:
            f.write(text)
        r = subprocess.run([interpreter, f"{w.folder}/{name}"], capture_output=True, text=True, timeout=60)
        expect_equal((r.returncode, r.stdout + r.stderr), (0, ""), f"{name} says nothing when all was taken")
    w.mx.wait_recipients(2 * len(tried))
    records = w.ph.wait_records(2 * len(tried), "d")
    expect_equal({r["vmta"] for r in records}, {"bulk"}, "chosen by the programs")
    expect({"hello-0", "hello-1"} <= {r["envId"] for r in records}, f"envId: {records}")
    if len(tried) == 1:
        print("# php is not installed: send.php was not tried")


if __name__ == "__main__":
    main()
