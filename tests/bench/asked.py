"""What is asked of a full server: an example, or several, of every command, every URL and every page. reading(),
changing() and urls() raise RuntimeError for what the program's tables have and this one has not."""
import http.client
import os
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, TOP + "/tests/lib")
import tables  # noqa: E402

STREAMS = ("tail", "trace")
Q = "d7.wait.test/v1"

# by the command's words; {id}: of a message that waits
READING = {
    "show status": ["", "detail"],
    "show queues": ["", "--connected=yes", "--no-rcpt-events nowhere.test", "--sort=name", "--errors --mode-events", "--sort=size", "--sort=rcpt --maxitems=1000", "--mode=backoff", "--paused=yes",
                    "d7.wait.test", "*/v1"],
    "show topqueues": ["", "--maxitems=100"],
    "show domains": ["", "--vmta=v1", "--maxitems=1000", "--sort=bounces --maxitems=100", "d7*"],
    "show topdomains": ["", "--errors", "--connected=no", "--paused=no"],
    "show vmtas": ["", "--maxitems=1", "--sort=size"],
    "show jobs": ["", "--sort=size", "--maxitems=5"],
    "show settings": [Q, "d7.wait.test"],
    "show vmta-settings": ["v1"],
    "show version": [""],
    "show precache": [""],
    "list": ["", "--queue=" + Q, "--rcpt=u3-7@d7.wait.test", "--rcpt=nobody@nowhere.test", "--rcpt=*@d7.wait.test", "--rcpt=u19-77*",
             "--orig=sender@inject.test", "--orig=nobody@inject.test", "--jobId=job19", "--envId=e77", "--envId=none",
             "--older-than=1d", "--rcpt=nobody*", "--queue=*4*4*.wait.test", "--queue=*.wait.test --maxitems=1000",
             "--rcpt=*q*", "--rcpt=*b*", "--rcpt=*u*z*", "--rcpt=*9?9?9*", "--rcpt=*@*gmail*", "--rcpt=*7@*", "--rcpt=*", "--rcpt=z*",
             "--orig=*q*", "--orig=*nobody*", "--orig=*", "--envId=*q*", "--envId=*9?9?9*", "--jobId=*q*", "--jobId=job1?",
             "--older-than=0s --priority --schedule --pause", "--jobId=job7 --rcpt=*5?5?5* --orig=s*"],
    "explain": [Q, "*.wait.test", "nowhere.test", "u3-7@d7.wait.test", "nobody@d7.wait.test", "*q*@*", "*5?5?5*@*"],
    "resolve": ["d7.wait.test"],
    "check spf": ["127.0.0.1 bench.test"],
    "check mfrom": ["127.0.0.1 bench.test"],
    "show ledger": [""],
    "show alerts": [""],
    "show changes": [""],
    "show rates": [""],
    "show metrics": [""],
    "show disabled sources": ["", Q],
    "show suppressed": ["u3-7@d7.wait.test"],
    "classify": ["550_no_such_user"],
    "cat": ["{id}"],
    "tail": [""],
    "trace": [Q],
}
CHANGING = {
    "delete": ["--jobId=job18 --dry-run", "--queue=*.wait.test --dry-run", "--queue=*/v1 --dry-run", "--rcpt=* --dry-run",
               "--rcpt=*@*.wait.test --dry-run", "--rcpt=*q* --dry-run", "--rcpt=*9?9?9* --dry-run", "--rcpt=u1* --dry-run",
               "--orig=sender@inject.test --dry-run", "--orig=*q* --dry-run", "--envId=*7* --dry-run", "--jobId=job1* --dry-run",
               "--older-than=0s --dry-run", "--rcpt=u3-7@d7.wait.test", "--queue=d8.wait.test/v0 --dsn --no-accounting"],
    "schedule": ["*.wait.test --dry-run", Q, "--retry-recipients d11.wait.test"],
    "set priority": ["--queue=*.wait.test --dry-run 80", "--rcpt=*9?9?9* --dry-run 80", "--queue=" + Q + " 80", "--jobId=job3 80"],
    "pause queue": [Q, "*/v1"],
    "resume queue": [Q, "*/v1"],
    "pause job": ["job17"],
    "resume job": ["job17"],
    "pause domain": ["d7.wait.test"],
    "resume domain": ["d7.wait.test"],
    "hold": ["v1"],
    "release": ["v1"],
    "clear dnscache": ["", "d7.wait.test"],
    "rotate log": [""],
    "rotate acct": [""],
    "reset counters": [""],
    "reset status": [""],
    "set queue": ["--mode=backoff */v1", "--mode=normal */v1"],
    "disable source": ["127.0.0.1 */v1"],
    "enable source": ["127.0.0.1 */v1"],
    "suppress": ["u5@nowhere.test"],
    "unsuppress": ["u5@nowhere.test"],
    "suppression export": [""],
    "suppression import": [""],
    "reload": [""],
    "stop": ["--dry-run"],
}
# needs no server, or asks it several things; audit is measured by itself, for it reads all there is
LOCAL = {
    "help": [""], "test config": [""], "completion bash": [""], "digest": ["--siphash --key=k text"], "show license": [""],
    "top": ["--once"], "history": ["u3-7@d7.wait.test", "f7@flow1.test", "--maxitems=5 nobody@nowhere.test"],
}
# of webd's tables: script.c and route.c; what a page asks is among them
URLS = {
    "/status": [""],
    "/queues": ["", "sort=rcpt&maxitems=5", "queue=" + Q, "paused=yes", "sort=rcpt&maxitems=2000"],
    "/queueDetail": ["queue=" + Q, "queue=*/*&maxitems=200"],
    "/domains": ["", "sort=rcpt&maxitems=5", "sort=bounces&maxitems=100"],
    "/domainDetail": ["domain=d7.wait.test"],
    "/vmtas": ["maxitems=1000"],
    "/jobs": ["maxitems=1000"],
    "/jobDetail": ["jobid=job3"],
    "/listqueue": ["queue=" + Q, "queue=*/*", "rcpt=u3-7@d7.wait.test", "jobid=job3", "rcpt=nobody@d7.wait.test", "rcpt=*q*",
                   "rcpt=*9?9?9*", "orig=*q*", "envid=*9?9?9*"],
    "/": [""], "/session": [""], "/history": [""], "/labels": [""], "/metrics": [""], "/commands": [""],
    "/events": [""],
    "/command": ["command=show+status", "command=show+alerts", "command=show+disabled+sources", "command=explain&target=" + Q,
                 "command=explain&target=u3-7@d7.wait.test", "command=show+settings&target=" + Q, "command=show+ledger",
                 "command=show+rates", "command=show+changes&maxitems=500", "command=show+precache",
                 "command=show+suppressed&target=u3-7@d7.wait.test", "command=resolve&target=d7.wait.test",
                 "command=list&rcpt=*q*&target=*"],
    "/configFile": [""], "/logs": ["", "search=queued"], "/getFile": ["file=log.txt"],
    "/ui/": [""],
}


def commands(*rights):
    return [words for _, words, right in tables.commands() if right in rights]


def check(what, there, here):
    missing = set(there) - set(here)
    if missing:
        raise RuntimeError(f"tests/bench/asked.py asks none of these {what}: {', '.join(sorted(missing))}")


def examples(table, full):
    found = []
    for words, rows in table.items():
        for more in rows:
            if "{id}" in more:
                more = more.replace("{id}", full.some_id())
            found.append(words.split() + more.split())
    return found


def reading(full):
    check("commands", commands("READ"), READING)
    return examples(READING, full)


def local(full):
    return examples(LOCAL, full)


def changing(full):
    """Each first with --dry-run, where it takes that."""
    check("commands", commands("OPERATE", "ADMIN"), {**CHANGING, **READING})
    found, dry = [], tables.dry_commands()
    for words, rows in CHANGING.items():
        for example in examples({words: rows}, full):
            if words in dry and "--dry-run" not in example:
                found.append(example + ["--dry-run"])
            found.append(example)
    return found


def urls(full):
    check("URLs", [path for path, is_post, _ in tables.web_routes() if not is_post], URLS)
    return [path + "?" + more + ("&" if more else "") + "format=json" for path, rows in URLS.items() for more in rows]


class Page:
    """A browser's connection, kept."""

    def __init__(self, port, key):
        self.c, self.key = http.client.HTTPConnection("127.0.0.1", port, timeout=60), key

    def get(self, path):
        began = time.monotonic()
        self.c.request("GET", path, headers={"X-API-Key": self.key})
        r = self.c.getresponse()
        if path.startswith("/events"):
            body = r.fp.readline()
            took = time.monotonic() - began
            self.c.close()
            return took, body.decode(), r.status
        body = r.read()
        return time.monotonic() - began, body.decode(errors="replace"), 200 if r.status in (200, 303, 400) else r.status
