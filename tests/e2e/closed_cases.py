# starts early
"""Who has no right reads nothing and changes nothing: every command of the control socket and every URL of the monitor,
taken from the program's own tables, by local users without a group, by readers and operators, and by HTTP clients of every
role. What strangers write reaches every form of every answer as data."""
import csv
import grp
import io
import json
import os
import pwd
import resource
import socket
import sys
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import Skip, case, expect, expect_equal, main, wait_for  # noqa: E402
from control_client import Client as Control, request  # noqa: E402
from posthaste import POLICY, World, queued_recipients  # noqa: E402
from tables import ADMIN, OPERATE, READ, commands, pages, web_routes  # noqa: E402
from web import PORT, Client, hash_of, write_access_file  # noqa: E402

# .9 has no line, .7 may look, .6 may operate
CONFIG = """
http-mgmt-port 8080
http-access 127.0.0.1 admin
http-access {net}.7 monitor
http-access {net}.6 operator
<http>
	address {net}.1
	access-file {folder}/access.json
	enable-config-editing yes
</http>
"""
EVIL = '<img src=x onerror=alert(1)>"\'&,;=1+1'
REPLY = 'provider evil.test { mx {net}.77; reply rcpt always "450 4.2.1 </script><img src=x onerror=alert(1)>&,\'=1+1"; }\n'
STREAMS = ("tail", "trace")
PUBLIC = {("/", False), ("/session", False), ("/login", True), ("/logout", True)}
_world = None
_slow = None


def world():
    global _world, _slow
    if _world is None:
        _world = World(policy=POLICY + REPLY, config=CONFIG)
        write_access_file(_world.folder + "/access.json", [("anna", hash_of(), "admin")])
        _world.__enter__()
        _world.ph.pmtactl("pause", "queue", "gmail.test")
        _world.inject(n=6, rcpts="u%r@gmail.test", sessions=2, headers=["x-job: summer"])
        with _world.ph.client() as s:
            s.ehlo("c.test")
            for i in (0, 1):
                s.sendmail("me@inject.test", [f'"<img src=x onerror=alert(1)>,{i}"@evil.test'],
                           f"Subject: {EVIL}\r\nx-job: {EVIL}\r\nx-envid: {EVIL}\r\n\r\n{EVIL}\r\n")
        wait_for("the reply is known", lambda: "onerror" in _world.ph.pmtactl("show", "queues", "evil.test").stdout, 30)
        _slow = socket.create_connection((f"{_world.net}.1", PORT))
        _slow.sendall(b"GET /session HTTP/1.1\r\nHost: loc")
        _world.is_up = True
    expect(getattr(_world, "is_up", False), "it did not start")
    return _world


def everything(w):
    """All that a command could have changed."""
    names = {"queues": ("show", "queues", "--sort=name"), "jobs": ("show", "jobs"), "vmtas": ("show", "vmtas"),
             "sources": ("show", "disabled", "sources"), "suppressed": ("show", "suppressed", "a@gmail.test"),
             "priorities": ("list", "--queue=gmail.test", "--priority", "--pause")}
    found = {}
    for name, words in names.items():
        rows = next((v for v in w.ph.json(*words).values() if isinstance(v, list)), [])
        keep = ("name", "rcp", "paused", "mode", "held", "rcpt", "priority", "ip", "queue", "address")
        found[name] = [{k: r[k] for k in keep if k in r} for r in rows]
    found["queued"] = queued_recipients(w.ph)
    found["config"] = open(w.ph.config_path).read()
    found["daemons"] = w.ph.daemons()
    return found


def texts_for(words):
    """Arguments with which the command would do something."""
    texts = [b""] * 12
    texts[0] = {"hold": b"{default}", "release": b"{default}", "pause job": b"summer", "resume job": b"summer",
                "cat": b"0" * 16}.get(words, b"a@gmail.test" if "suppress" in words else b"gmail.test")
    if words == "set queue":
        texts[8] = b"backoff"
    if words == "set priority":
        texts[9] = b"90"
    if words in ("disable source", "enable source"):
        texts[1] = b"127.0.0.1"
    return texts


def as_user(groups, work):
    """What work() gives in a process of the user nobody, with these groups."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    there, here = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(there)
        try:
            os.setgroups([grp.getgrnam(g).gr_gid for g in groups])
            os.setresgid(*[grp.getgrnam("nogroup").gr_gid] * 3)
            os.setresuid(*[pwd.getpwnam("nobody").pw_uid] * 3)
            answer = work()
        except BaseException as e:
            answer = f"{type(e).__name__}: {e}"
        with os.fdopen(here, "w") as f:
            json.dump(answer, f)
        os._exit(0)
    os.close(here)
    with os.fdopen(there) as f:
        answer = json.load(f)
    os.waitpid(pid, 0)
    return answer


def refused_at_the_door(w):
    """Every command, over a connection of its own: what comes back."""
    said = {}
    for number, words, _ in commands():
        try:
            with Control(w, greet=False) as c:
                c.send(request(number, texts_for(words)))
                said[words] = c.socket.recv(100).decode(errors="replace")
        except PermissionError:
            said[words] = "no permission"
        except ConnectionResetError:
            said[words] = ""
    return said


def answers(w, rights):
    """{words: the message} of the commands of these rights, over one connection."""
    with Control(w) as c:
        return {words: c.ask(number, texts_for(words))[1] for number, words, right in commands() if right in rights}


@case("a local user who is in no group gets no answer to any command, whether the socket's mode or the server refuses him")
def local_stranger():
    w = world()
    before = everything(w)
    path = w.folder + "/spool/control"
    said = as_user([], lambda: refused_at_the_door(w))
    expect(isinstance(said, dict) and set(said.values()) == {"no permission"}, f"by the mode: {said}")
    os.chmod(path, 0o666)
    os.chmod(w.folder + "/spool", os.stat(w.folder + "/spool").st_mode | 0o005)
    try:
        said = as_user([], lambda: refused_at_the_door(w))
        expect(isinstance(said, dict), f"by the server: {said}")
        expect_equal((len(said), set(said.values())), (len(commands()), {""}), "by the server")
        for name in ("spool/state/pauses", "spool/state", "spool/journal", "spool/done", "config", "access.json"):
            expect_equal(as_user([], lambda n=name: os.access(f"{w.folder}/{n}", os.W_OK)), False, f"{name} can be written")
        for name in ("spool/state", "spool/journal", "spool/done"):
            expect_equal(as_user([], lambda n=name: os.access(f"{w.folder}/{n}", os.R_OK)), False, f"{name} can be read")
    finally:
        os.chmod(path, 0o660)
    expect_equal(everything(w), before, "what he changed")


@case("a reader changes nothing by any command, an operator administers nothing; each is told so")
def local_roles():
    w = world()
    w.ph.kill_daemon("queued")  # which looks the groups up at its start
    wait_for("the server answers", lambda: queued_recipients(w.ph) == 8)
    before = everything(w)
    try:
        readers = ["pmta", grp.getgrnam("pmta-read").gr_name]
    except KeyError:
        raise Skip("there is no group pmta-read") from None
    for groups, rights in ((readers, (OPERATE, ADMIN)), (["pmta"], (ADMIN,))):
        said = as_user(groups, lambda g=rights: answers(w, g))
        expect(isinstance(said, dict), f"{groups}: {said}")
        expect_equal(len(said), len([c for c in commands() if c[2] in rights]), f"commands for {groups}")
        for words, message in said.items():
            expect_equal(message, f'You may not use "{words}".', f"{groups}: {words}")
    expect_equal(everything(w), before, "what they changed")


def address(words):
    return "/command?command=" + words.replace(" ", "+") + "+gmail.test"


@case("an HTTP client without a role gets the log-in page and nothing else, at every URL and for every command, by GET and by POST")
def web_stranger():
    w = world()
    before = everything(w)
    c = Client((f"{w.net}.1", PORT), source=f"{w.net}.9")
    for path, is_post, _ in web_routes():
        if (path, is_post) in PUBLIC:
            continue
        got = c.post(path, {"command": "show status", "op": "listconfigfiles"}) if is_post else c.get(path + "?format=json")
        expect_equal(got.status, 403, f"{path} by {'POST' if is_post else 'GET'}: {got.body[:100]}")
        expect(b"gmail" not in got.body, f"{path} told something: {got.body[:200]}")
    for _, words, _ in commands():
        for got in (c.get(address(words)), c.command(words + " gmail.test"), c.command(words, token=False),
                    c.command(words, Cookie="posthaste=" + "0" * 64)):
            expect_equal(got.status, 403, f"{words}: {got.body[:100]}")
    for name in pages():
        body = c.get("/ui/" + name).body
        expect(b"gmail" not in body and b"summer" not in body, f"/ui/{name} holds data")
    expect("gmail" not in json.dumps(c.get("/session").json()), "/session holds data")
    expect_equal(everything(w), before, "what it changed")


@case("a monitor reads by every URL and changes by none; an operator administers by none; what changes is not done by GET")
def web_roles():
    w = world()
    before = everything(w)
    monitor, operator = (Client((f"{w.net}.1", PORT), source=f"{w.net}.{n}") for n in (7, 6))
    for path, is_post, right in web_routes():
        if is_post or path in ("/events", "/command"):
            continue
        expect_equal(monitor.get(path + "?format=json").status == 403, right in ("operator", "admin"), f"monitor: {path}")
    for _, words, right in commands():
        if right != READ:
            expect_equal(monitor.command(words + " gmail.test").status, 403, f"monitor: {words}")
        if right == ADMIN:
            expect_equal(operator.command(words).status, 403, f"operator: {words}")
        if right == OPERATE:
            expect_equal(operator.get(address(words)).status, 405, f"operator by GET: {words}")
        if right != READ:
            expect_equal(operator.command(words, token=False).status, 403, f"operator without a token: {words}")
    for path, is_post, right in web_routes():
        if is_post and right == "admin":
            expect_equal(operator.post(path, {"op": "write", "content": "x"}).status, 403, f"operator: {path}")
    expect_equal(everything(w), before, "what they changed")


def strict(text):
    def once(pairs):
        keys = [k for k, _ in pairs]
        expect_equal(len(keys), len(set(keys)), "names in an object")
        return dict(pairs)
    return json.loads(text, object_pairs_hook=once, parse_constant=lambda c: expect(False, c))


@case("replies, jobs, ids, addresses and EHLO names with markup, quotes and commas: strict JSON, XML and CSV readers get them back whole")
def hostile_data():
    w = world()
    c = Client((f"{w.net}.1", PORT))
    with w.ph.client() as s:
        s.docmd("EHLO", "<script>alert(1)</script>")
        s.docmd("MAIL", "FROM:<=cmd|'/c'!A1@inject.test>")
    for words in (["show", "queues", "--errors", "evil.test"], ["show", "domains", "--errors"], ["show", "jobs"],
                  ["list", "--queue=evil.test"], ["explain", "evil.test"], ["show", "alerts"], ["show", "status"]):
        data = strict(w.ph.pmtactl("--json", *words).stdout)
        expect_equal(data["status"], "success", f"{words}")
        ElementTree.fromstring(w.ph.pmtactl("--xml", *words).stdout.encode())
        path = "/command?command=" + "+".join(words)
        strict(c.get(path + "&format=json").body)
        ElementTree.fromstring(c.get(path + "&format=xml").body)
    found = strict(c.get("/queueDetail?queue=evil.test&format=json").body)["data"]["queue"][0]
    expect("<img src=x onerror=alert(1)>" in found["lastError"], f"the reply: {found}")
    rows = strict(c.get("/listqueue?queue=evil.test&format=json").body)["data"]["rcpt"]
    expect_equal(sorted(r["rcpt"] for r in rows), [f'"<img src=x onerror=alert(1)>,{i}"@evil.test' for i in (0, 1)], "addresses")
    expect_equal({r["jobId"] for r in rows}, {EVIL}, "jobs")
    root = ElementTree.fromstring(c.get("/listqueue?queue=evil.test&format=xml").body)
    expect_equal({x.text for x in root.iter("jobId")}, {EVIL}, "jobs in XML")
    for path in ("/queueDetail?queue=evil.test&format=", "/jobs?format=", "/listqueue?queue=*&format="):
        for form in ("json", "xml", "dom"):
            kind = c.get(path + form).headers["content-type"]
            expect("html" not in kind, f"{path}{form} is {kind}")
    w.ph.pmtactl("suppress", "--reason=" + EVIL, '"=1+1,x"@evil.test')
    exported = list(csv.reader(io.StringIO(w.ph.pmtactl("suppression", "export").stdout, newline=""), strict=True))
    expect(any('"=1+1,x"@evil.test' in row for row in exported), f"exported: {exported}")
    expect_equal({len(row) for row in exported}, {len(exported[0])}, "fields of each line")
    w.ph.pmtactl("delete", "--queue=evil.test")
    records = [r for r in w.ph.wait_records(2, "b") if r["rcpt"].endswith("@evil.test")]
    expect_equal([(r["jobId"], r["rcpt"][:5]) for r in records], [(EVIL, '"<img')] * 2, "in the accounting file")


@case("a client whose header comes a byte at a time is cut off, however steadily they come")
def slow_header():
    world()
    _slow.settimeout(0.5)

    def is_cut():
        try:
            _slow.sendall(b"a")
            return not _slow.recv(100)
        except TimeoutError:
            return False
        except OSError:
            return True
    wait_for("the end of the connection", is_cut, 60)
    _slow.close()


@case("10,000 connections that stay open, each with an answered request: those of webd are bounded, and who asks is answered")
def keep_alive():
    w = world()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sockets, pid = [], w.ph.daemons()["webd"][0]
    try:
        for i in range(min(10000, most - 500)):
            s = socket.socket()
            sockets.append(s)
            s.bind((f"{w.net}.{100 + i % 90}", 0))
            s.connect((f"{w.net}.1", PORT))
            try:
                s.send(b"GET /session HTTP/1.1\r\nHost: localhost\r\n\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
        n = len(os.listdir(f"/proc/{pid}/fd"))
        expect(n < 700, f"webd holds {n} descriptors")
        expect_equal(Client((f"{w.net}.1", PORT)).get("/status?format=json").status, 200, "in the crowd")
    finally:
        for s in sockets:
            s.close()
    expect_equal(w.ph.daemons()["webd"], [pid], "webd")


@case("at the end the audit balances")
def audit():
    w = world()
    w.ph.pmtactl("resume", "queue", "gmail.test")
    w.drained()
    w.ph.audit()


if __name__ == "__main__":
    try:
        main()
    finally:
        if _world is not None:
            _world.close(False)
