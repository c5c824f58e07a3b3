#!/usr/bin/python3
"""Mail merge (XMRG, XDFN, XPRT) over SMTP and from the pickup directory, one server for all of it."""
import atexit
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import World  # noqa: E402
from verifiers import Verifiers, make_key  # noqa: E402

N = 300
POLICY = """\
port {mx_port}
name-server {net}.53:{dns_port}
provider gmail.test { mx {net}.10; }
provider yahoo.test { mx {net}.12; extensions 8bitmime pipelining; }
"""
CONFIG = """\
pickup {folder}/pickup {folder}/pickup-bad
smtp-server-threads 1
domain-key s1,inject.test,{folder}/s1.pem
<virtual-mta v1>
</virtual-mta>
<source 127.0.0.0/8>
	always-allow-api-submission yes
</source>
<source {pickup}>
	allow-mailmerge yes
</source>
<domain *>
	dkim-sign yes
</domain>
"""
_world = []


def world():
    if not _world:
        w = World(policy=POLICY, config=CONFIG, dump=True, start=False)
        for name in ("pickup", "pickup-bad"):
            os.mkdir(f"{w.folder}/{name}")
            os.chmod(f"{w.folder}/{name}", 0o777)
        w.verifiers = Verifiers({"s1._domainkey.inject.test": make_key(f"{w.folder}/s1.pem")})
        w._start = True
        w.__enter__()
        atexit.register(w.close, False)
        _world.append(w)
    return _world[0]


def arrived(rcpt):
    """The message that came for that recipient."""
    w = world()
    return w.mx.message(wait_for(f"{rcpt} arrives", lambda: [a for a in w.mx.log() if a.rcpt == rcpt], 120)[0])


def say(c, *lines, code=250):
    for line in lines:
        got = c.docmd(line)
        expect(got[0] == code, f"{line}: {got}")


def part(c, name, text):
    say(c, f"XPRT {name}", code=354)
    c.send(text + b".\r\n")
    return c.getreply()


@case("each recipient of a merge gets its own text, from its own sender, by its own VirtualMTA and job, and signed")
def personal():
    w = world()
    with w.ph.client() as c:
        c.ehlo()
        expect(c.has_extn("xmrg") and c.has_extn("xack"), "not offered")
        say(c, "XMRG FROM:<a@inject.test>", "XACK OFF")
        for i in range(N):
            domain = ("gmail", "yahoo")[i % 2]
            c.send(f'XDFN name="N {i}" *jobid=j{i % 3} *vmta=v1 *from=b+{i}@inject.test\r\n'
                   f'XDFN *parts={"1,2" if i % 2 else "1"}\r\nRCPT TO:<u{i}@{domain}.test>\r\n'.encode())
        say(c, "XACK ON")
        part(c, "1", b"From: <news@inject.test>\r\nTo: <[*to]>\r\nSubject: for [Name]\r\nX-Id: [*to]\r\nDate: [*date]\r\n\r\n"
                     b"Hello [name],\r\n..dots stay\r\n")
        code, text = part(c, "2 LAST", b"a second [[]part]\r\n")
        expect_equal(code, 250, text)
    for i in range(N):
        arrived(f"u{i}@{('gmail', 'yahoo')[i % 2]}.test")
    for i in (0, 1, N - 1):
        got = arrived(f"u{i}@{('gmail', 'yahoo')[i % 2]}.test")
        w.verifiers.accept(got, 1, f"recipient {i}")
        expect(f"Subject: for N {i}\r\n".encode() in got and f"Hello N {i},\r\n.dots stay\r\n".encode() in got, f"its text: {got!r}")
        expect_equal(b"a second [part]\r\n" in got, i % 2 == 1, "its parts")
    records = {r["rcpt"]: r for r in w.ph.wait_records(N, "d")}
    for i in range(N):
        r = records[f"u{i}@{('gmail', 'yahoo')[i % 2]}.test"]
        expect_equal((r["jobId"], r["vmta"], r["orig"]), (f"j{i % 3}", "v1", f"b+{i}@inject.test"), f"record of {i}")


@case("XACK OFF: an address that is none bounces, what else is wrong ends the merge; after XMRG there is no DATA")
def quiet():
    w = world()
    with w.ph.client() as c:
        c.ehlo()
        say(c, "XACK OFF", "XMRG FROM:<a@inject.test>")
        c.send(b"RCPT TO:<good@gmail.test>\r\nRCPT TO:<no address>\r\n")
        expect_equal(part(c, "1 LAST", b"Subject: s\r\n\r\nb\r\n")[0], 250, "the merge")
        say(c, "XMRG FROM:<a@inject.test>")
        c.send(b"XDFN *vmta=nobody\r\nRCPT TO:<other@gmail.test>\r\n")
        say(c, "XPRT 1 LAST", code=554)
        say(c, "XMRG FROM:<a@inject.test>")
        c.send(b"RCPT TO:<good@gmail.test>\r\n")
        say(c, "DATA", code=503)
    arrived("good@gmail.test")
    wait_for("the bounce", lambda: [r for r in w.ph.records("b") if "no address" in r["rcpt"]])


def put(w, name, text):
    path = f"{w.folder}/{name}.tmp"
    with open(path, "w") as f:
        f.write(text)
    os.utime(path, (1700000000, 1700000000))
    os.rename(path, f"{w.folder}/pickup/{name}")


@case("a merge of several parts in the pickup directory is sent, a bad one put aside")
def pickup():
    w = world()
    merge = "XACK ON \nXMRG FROM: <a@inject.test>\n\n" + "".join(
        f'XDFN name="P{i}" *parts="2,1"\nRCPT TO:<p{i}@gmail.test>\n' for i in range(5))
    put(w, "good", merge + "XPRT 1\nbehind [name]\n.\nXPRT 2 LAST\nSubject: [name]\nX-Id: [*to]\n\nfirst\n.\n")
    put(w, "bad", merge + "XPRT 1 LAST\nonly one\n.\n")
    for i in range(5):
        got = arrived(f"p{i}@gmail.test")
        expect(f"Subject: P{i}\r\n".encode() in got and got.endswith(f"first\r\nbehind P{i}\r\n".encode()), f"its text: {got!r}")
    wait_for("bad is put aside", lambda: os.path.exists(f"{w.folder}/pickup-bad/bad"))
    wait_for("good is gone", lambda: not os.listdir(f"{w.folder}/pickup"))


@case("killed in the midst of a merge from pickup, nothing is lost: whoever got nothing before gets it then")
def killed():
    w = world()
    body = "x" * 70 + "\n"
    put(w, "large", "XMRG FROM:<a@inject.test>\n" + "".join(f"RCPT TO:<k{i}@gmail.test>\n" for i in range(400))
        + "XPRT 1 LAST\nSubject: s\nX-Id: [*to]\n\n" + body * 500 + ".\n")
    wait_for("some of it is in the spool", lambda: w.ph.json("show", "status") and any(
        a.rcpt.startswith("k") for a in w.mx.log()), 60)
    w.ph.signal_daemon("injectd", signal.SIGKILL)
    wait_for("all have it", lambda: len({a.rcpt for a in w.mx.log() if a.rcpt.startswith("k")}) == 400, 120)
    wait_for("the file is gone", lambda: not os.listdir(f"{w.folder}/pickup"))


@case("all of it is accounted for")
def audit():
    world().drained()
    world().ph.audit()
    expect_equal(world().mx.violations(), {}, "violations")


if __name__ == "__main__":
    main()
