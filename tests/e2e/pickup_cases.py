"""The pickup directory: both forms, what is refused, and kills at any moment."""
import fcntl
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import World  # noqa: E402

MB = 1024 * 1024
CONFIG = """\
pickup {folder}/pickup {folder}/pickup-bad
smtp-server-threads 1
<virtual-mta v1>
</virtual-mta>
<source {pickup}>
	max-message-size 8M
	max-message-hops 3
</source>
<domain held.test>
	queue-to held
</domain>
"""
POLICY = "port {mx_port}\nname-server {net}.53:{dns_port}\nprovider gmail.test { mx {net}.10; }\n"
OLD = 1700000000


def put(w, name, text, mode=0o644):
    """As a program should: written elsewhere, moved in when it is whole. Old, so that nothing waits for its age."""
    path = f"{w.folder}/{name}.tmp"
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, mode)
    os.utime(path, (OLD, OLD))
    os.rename(path, f"{w.folder}/pickup/{name}")


def plain(ident, rcpts=("a@gmail.test",), fields="", body="hello\n", sender="s@inject.test"):
    return (f"x-sender: {sender}\n" + "".join(f"x-receiver: {r}\n" for r in rcpts) + fields
            + f"X-Id: {ident}\nSubject: test\n\n{body}")


def bsmtp(ident, rcpts=("a@gmail.test",), end="QUIT\n"):
    return ("EHLO here.test\nMAIL FROM:<s@inject.test>\n" + "".join(f"RCPT TO:<{r}>\n" for r in rcpts)
            + f"DATA\nX-Id: {ident}\n\n..a dot\nhello\n.\n{end}")


def names(w, folder):
    return sorted(os.listdir(f"{w.folder}/{folder}"))


def wait_bad(w, *wanted):
    wait_for(f"{wanted} among the bad files", lambda: set(wanted) <= set(names(w, "pickup-bad")))


def both_forms(w):
    put(w, "plain", plain("p1", ["a@gmail.test", "<b@gmail.test>"],
                          "x-job: j7\nx-envid: e7\nx-virtual-mta: v1\n", "one\n.\n..two\n.three\nlast"))
    put(w, "override", plain("p2", fields="x-sender-override: o@inject.test\n"))
    put(w, "bsmtp", bsmtp("p3"))
    put(w, "crlf", plain("p4", body="text\n").replace("\n", "\r\n"))
    put(w, "large", plain("p5", body="x" * 70 + "\n" + ("y" * 99 + "\n") * 30000))
    w.mx.wait_recipients(6)
    came = {(a.id, a.rcpt): a for a in w.mx.log()}
    expect_equal(sorted(came), [("p1", "a@gmail.test"), ("p1", "b@gmail.test"), ("p2", "a@gmail.test"),
                                ("p3", "a@gmail.test"), ("p4", "a@gmail.test"), ("p5", "a@gmail.test")], "came")
    text = w.mx.message(came["p1", "a@gmail.test"])
    expect(text.startswith(b"Received: by mta.posthaste.test (Posthaste"), text[:80])
    expect(b" via pickup id " in text, text[:200])
    expect(text.endswith(b"\r\n\r\none\r\n.\r\n..two\r\n.three\r\nlast\r\n"), text[-60:])
    expect(b"x-job" not in text and b"x-receiver" not in text and b"x-virtual-mta" not in text, text)
    expect(w.mx.message(came["p3", "a@gmail.test"]).endswith(b"\r\n.a dot\r\nhello\r\n"), "dots of BSMTP")
    expect_equal(came["p2", "a@gmail.test"].sender, "o@inject.test", "x-sender-override")
    wait_for("no file is left", lambda: not names(w, "pickup"))
    records = {r["header_X-Id"]: r for r in w.ph.wait_records(6, "d")}
    expect_equal((records["p1"]["jobId"], records["p1"]["envId"], records["p1"]["vmta"]), ("j7", "e7", "v1"), "p1")
    expect_equal({r["srcType"] for r in records.values()}, {"pickup"}, "srcType")
    expect_equal(names(w, "pickup-bad"), [], "bad files")


def put_bad_files(w):
    put(w, "sender", "x-receiver: a@gmail.test\nX-Id: bad\n\nx\n")
    put(w, "receiver", "x-sender: a@gmail.test\nX-Id: bad\n\nx\n")
    put(w, "address", plain("bad", ["a@gmail.test", "no address"]))
    put(w, "vmta", plain("bad", fields="x-virtual-mta: none\n"))
    put(w, "hops", plain("bad", fields="Received: a\nReceived: b\nReceived: c\n"))
    put(w, "size", plain("bad", body=("z" * 99 + "\n") * 90000))
    put(w, "cr", plain("bad", body="a\rb\n"))
    put(w, "nul", plain("bad", body="a\0b\n"))
    put(w, "empty", "")
    put(w, "line", "x-sender: " + "a" * 5000)
    put(w, "cut", "MAIL FROM:<s@inject.test>\nRCPT TO:<a@gmail.test>\nDATA\nX-Id: bad\n\nno end\n")
    put(w, "short", "HELO x\nMAIL FROM:<s@inject.test>\nRCPT TO:<a@gmail.test>\n")
    put(w, "order", "HELO x\nRCPT TO:<a@gmail.test>\n")
    put(w, "bdat", "MAIL FROM:<s@inject.test>\nRCPT TO:<a@gmail.test>\nBDAT 12 LAST\nX-Id: bad\n\nx\n")
    os.symlink("/etc/passwd", f"{w.folder}/pickup/link")
    os.mkfifo(f"{w.folder}/pickup/fifo")
    os.utime(f"{w.folder}/pickup/fifo", (OLD, OLD))
    put(w, "twice", plain("bad"))
    os.link(f"{w.folder}/pickup/twice", f"{w.folder}/other-name")
    put(w, "two", bsmtp("first", end="MAIL FROM:<s@inject.test>\nRCPT TO:<a@gmail.test>\nDATA\nX-Id: bad\n\n.\n"))
    put(w, "then", bsmtp("bad", end=bsmtp("bad")).replace("hello", "he\0llo", 1))
    return ("sender receiver address vmta hops size cr nul empty line cut short order bdat link fifo twice two then"
            .split())


def bad_files(w):
    wanted = put_bad_files(w)
    if os.geteuid() == 0:
        put(w, "secret", plain("bad"), mode=0o600)
        wanted.append("secret")
    os.mkdir(f"{w.folder}/pickup/folder")
    put(w, ".hidden", plain("bad"))
    wait_bad(w, *wanted)
    w.mx.wait_recipients(7)
    expect("first" in {a.id for a in w.mx.log()}, "the first message of two")
    expect_equal(names(w, "pickup"), [".hidden", "folder"], "left alone")
    for name in wanted:
        wait_for(f"the log about {name}", lambda: f'event=pickup-bad file="{name}" ' in w.ph.said())
    expect('file="vmta" why="554 5.7.1 There is no VirtualMTA' in w.ph.said(), "the reason")
    put(w, "cr", plain("bad", body="a\rb\n"))
    wait_bad(w, "cr.1")


def locked_file(w):
    with open(f"{w.folder}/locked", "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        f.write(plain("k1"))
        f.flush()
        os.utime(f.fileno(), (OLD, OLD))
        os.rename(f.name, f"{w.folder}/pickup/locked")
        put(w, "free", plain("k2"))
        wait_for("the free one", lambda: "k2" in {a.id for a in w.mx.log()})
        expect("locked" in names(w, "pickup"), "it waits")
    wait_for("the locked one", lambda: "k1" in {a.id for a in w.mx.log()})


def remove_dot(w):
    w.ph.write_config(w.config + "pickup-remove-dot yes\n")
    w.ph.pmtactl("reload")
    put(w, "after", plain("d2", body="..x\n.y\n...\n"))
    wait_for("it came", lambda: "d2" in {a.id for a in w.mx.log()})
    text = [w.mx.message(a) for a in w.mx.log() if a.id == "d2"][0]
    expect(text.endswith(b"\r\n\r\n.x\r\n.y\r\n..\r\n"), text)


@case("files of both forms are sent to the byte with envelope and job; bad files, links and odd ones go to the other "
      "directory with a reason in the log; a lock is awaited; pickup-remove-dot comes with a reload")
def forms():
    with World(policy=POLICY, config=CONFIG, dump=True) as w:
        both_forms(w)
        bad_files(w)
        locked_file(w)
        remove_dot(w)
        w.drained()
        w.ph.audit()
        expect("bad" not in {a.id for a in w.mx.log()}, "something bad was sent")


def put_many(w, first, n):
    for i in range(first, first + n):
        body = ("y" * 99 + "\n") * (13000 if i % 20 == 7 else 3)
        put(w, f"f{i}", plain(f"c{i}", [f"r{i}@gmail.test"], body=body))


@case("killed at any moment, alone or with everything else: every file is sent, and accepted once")
def kills():
    with World(policy=POLICY, config=CONFIG) as w:
        n = 0
        for turn in range(4):
            put_many(w, n, 30)
            n += 30
            seen = w.mx.recipients()
            wait_for("some have come", lambda: w.mx.recipients() >= min(seen + 7 * turn, n))
            if turn == 2:
                w.ph.kill()
                w.ph.start()
            else:
                w.ph.signal_daemon("injectd", signal.SIGKILL)
        w.mx.wait_recipients(n)
        wait_for("no file is left", lambda: not names(w, "pickup"))
        w.drained()
        accepted = int(w.ph.json("show", "ledger")["ledger"]["accepted"])
        expect_equal(accepted, n, "recipients that were accepted")
        expect_equal({a.id for a in w.mx.log()}, {f"c{i}" for i in range(n)}, "came")
        expect_equal(names(w, "pickup-bad"), [], "bad files")
        w.ph.audit()


main()
