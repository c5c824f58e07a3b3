"""What injectd does not take: limits of connections, recipients, hops, time, space and memory, and relay rules."""
import os
import smtplib
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import Skip, case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BASE, World  # noqa: E402

CLOSED = "port {mx_port}\nname-server {net}.53:{dns_port}\nprovider gmail.test { mx {net}.10!; }\n"
MESSAGE = b"X-Id: %s\r\n\r\nx\r\n"


def changed(w, old, new):
    """The configuration with that line replaced."""
    expect(old in w.config, f"{old!r} is not in the configuration")
    w.config = w.config.replace(old, new)
    w.ph.write_config(w.config)


def code_of(function, *words):
    """The SMTP code that a call of smtplib ends with; 250 if it was taken."""
    try:
        function(*words)
        return 250
    except smtplib.SMTPRecipientsRefused as e:
        return next(iter(e.recipients.values()))[0]
    except smtplib.SMTPResponseException as e:
        return e.smtp_code


def send(w, ident=b"x", rcpt="b@gmail.test"):
    """The code that one message gets on a connection of its own."""
    with w.ph.client() as s:
        return code_of(s.sendmail, "a@inject.test", [rcpt], MESSAGE % ident)


def greeting(w, seconds=20):
    s = socket.create_connection(w.ph.listener, seconds)
    return s, s.recv(512)


@case("min-free-space: mail gets 452 while the spool's disk has less, by reload, and is taken again after another")
def min_free_space():
    with World() as w:
        expect_equal(send(w, b"before"), 250, "before")
        spool = w.fill("<spool {folder}/spool>\n")
        changed(w, spool, spool + "\tmin-free-space 900000g\n")
        w.ph.pmtactl("reload")
        wait_for("452", lambda: send(w) == 452, 10)
        changed(w, "\tmin-free-space 900000g\n", "\tmin-free-space 1k\n")
        w.ph.pmtactl("reload")
        wait_for("250", lambda: send(w, b"after") == 250, 10)
        w.drained()
        expect({"before", "after"} <= {a.id for a in w.mx.log()}, "what was acknowledged arrived")
        w.ph.audit()


class SmallDisk:
    """A tmpfs of that many MB as the spool's home."""

    def __init__(self, folder, megabytes):
        self.path = folder + "/disk"
        os.makedirs(self.path)
        if os.geteuid() != 0:
            raise Skip("not root: no small disk can be mounted")
        r = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "none", self.path],
                           capture_output=True, text=True)
        if r.returncode != 0:
            raise Skip(f"no small disk can be mounted: {r.stderr.strip()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=False)


@case("a full disk: 452, nothing that was acknowledged is lost, and mail is taken again when there is room")
def full_disk():
    with World(start=False, policy=CLOSED) as w, SmallDisk(w.folder, 192) as disk:
        changed(w, w.fill("<spool {folder}/spool>"), f"<spool {disk.path}/spool>")
        try:
            w.ph.start()
            acked, refused = [], False
            free = os.statvfs(disk.path)
            with open(disk.path + "/ballast", "wb") as f:
                os.posix_fallocate(f.fileno(), 0, free.f_bavail * free.f_frsize - 3 * 1024 * 1024)
            lines = (b"x" * 78 + b"\r\n") * 25000
            with w.ph.client() as s:
                while not refused and len(acked) < 200:
                    code = code_of(s.sendmail, "a@inject.test", ["b@gmail.test"], MESSAGE % b"f%d" % len(acked) + lines)
                    expect(code in (250, 452), f"code {code}")
                    refused = code == 452
                    if not refused:
                        acked.append(f"f{len(acked)}")
            expect(refused, f"no 452 on a full disk after {len(acked)} messages")
            os.unlink(disk.path + "/ballast")
            wait_for("mail is taken again", lambda: send(w, b"again") == 250, 20)
            w.mx.reload(w.fill(CLOSED.replace("10!", "10")))
            w.drained()
            came = {a.id for a in w.mx.log()}
            expect(set(acked) | {"again"} <= came, f"lost: {set(acked) - came}")
            w.ph.audit()
        finally:
            w.ph.stop()


@case("spool-max-recipients and max-queue-size: 452 above, and taken again below")
def queue_limits():
    for line, size in (("spool-max-recipients 20\n", 1), ("max-queue-size 100k\n", 150)):
        with World(policy=CLOSED, config=line) as w:
            with w.ph.client() as s:
                text = MESSAGE % b"q" + (b"x" * 78 + b"\r\n") * size

                def refused():
                    return code_of(s.sendmail, "a@inject.test", ["b@gmail.test"], text) == 452
                wait_for(f"452 with {line.strip()}", refused, 20)
                w.ph.pmtactl("delete", "--queue=gmail.test/*")
                wait_for(f"250 again with {line.strip()}", lambda: not refused(), 20)


@case("max-memory-usage-percent: MAIL gets 452 above it")
def memory_limit():
    with World(config="max-memory-usage-percent 1\n") as w:
        wait_for("452", lambda: send(w) == 452, 10)


@case("max-rcpt-per-message: 452 for those above, the others arrive; too-many-rcpts-fails-message refuses all")
def recipients_limit():
    base = BASE.replace("\tmax-message-size unlimited", "\tmax-rcpt-per-message 3\n{more}")
    with World(base=base.replace("{more}", "")) as w:
        with w.ph.client() as s:
            refused = s.sendmail("a@inject.test", [f"r{i}@gmail.test" for i in range(5)], MESSAGE % b"x")
            expect_equal({r: c for r, (c, _) in refused.items()}, {"r3@gmail.test": 452, "r4@gmail.test": 452}, "refused")
        w.mx.wait_recipients(3)
    with World(base=base.replace("{more}", "\ttoo-many-rcpts-fails-message yes\n")) as w:
        with w.ph.client() as s:
            try:
                s.sendmail("a@inject.test", [f"r{i}@gmail.test" for i in range(5)], MESSAGE % b"x")
                expect(False, "the message was taken")
            except smtplib.SMTPException:
                pass
        expect_equal(w.ph.json("show", "ledger")["ledger"]["queued"], 0, "queued")


@case("100,000 recipients of one message are taken, the next gets 452")
def most_recipients():
    with World(policy=CLOSED) as w:
        with socket.create_connection(w.ph.listener, 60) as s:
            f = s.makefile("rb")
            f.readline()
            s.sendall(b"HELO x\r\nMAIL FROM:<a@inject.test>\r\n")
            f.readline(), f.readline()
            for k in range(100):
                s.sendall(b"".join(b"RCPT TO:<r%d@gmail.test>\r\n" % (k * 1000 + i) for i in range(1000)))
                codes = {f.readline()[:3] for _ in range(1000)}
                expect_equal(codes, {b"250"}, f"codes of the thousand from {k * 1000}")
            s.sendall(b"RCPT TO:<toomany@gmail.test>\r\n")
            expect(f.readline().startswith(b"452"), "recipient 100,001")
            s.sendall(b"DATA\r\n")
            expect(f.readline().startswith(b"354"), "DATA")
            s.sendall(b"X-Id: big\r\n\r\nx\r\n.\r\n")
            expect(f.readline().startswith(b"250"), "the message")
        wait_for("all are queued", lambda: w.ph.json("show", "ledger")["ledger"]["queued"] == 100000, 60)


def hold(w, n):
    """n greeted connections; who looked before may be leaving still."""
    def one():
        s, text = greeting(w)
        if text.startswith(b"220"):
            return s
        s.close()
        return None
    return [wait_for(f"connection {i} is greeted", one, 10) for i in range(n)]


@case("total-max-smtp-in: as many connections as it says are greeted, the next gets 452, a slot freed is used again")
def connections_limit():
    with World(config="total-max-smtp-in 6\nsmtp-server-threads 1\n") as w:
        held = hold(w, 6)
        try:
            s, text = greeting(w)
            held.append(s)
            expect(text.startswith(b"452 4.3.2 "), f"one too many: {text!r}")
            while part := s.recv(512):
                text += part
            expect(text.split(b"\r\n")[1].startswith(b"421 4.3.2 "), f"and why it is the end: {text!r}")
            held.pop(0).close()
            wait_for("220 again", lambda: greeting(w)[1].startswith(b"220"), 10)
        finally:
            for s in held:
                s.close()


@case("smtp-await-slot: the connection above the limit waits, and is greeted when a slot is free")
def await_slot():
    with World(config="total-max-smtp-in 2\nsmtp-server-threads 1\nsmtp-await-slot yes\n") as w:
        held = [greeting(w)[0] for _ in range(2)]
        waiting = socket.create_connection(w.ph.listener, 20)
        waiting.settimeout(0.5)
        try:
            text = waiting.recv(512)
            expect(False, f"greeted above the limit: {text!r}")
        except TimeoutError:
            pass
        held[0].close()
        waiting.settimeout(20)
        expect(waiting.recv(512).startswith(b"220"), "greeted when a slot was free")
        for s in held + [waiting]:
            s.close()


@case("several injectd share the listeners: mail through each, all arrives once, and the whole limit can be used")
def several_processes():
    with World(config="total-max-smtp-in 24\nsmtp-server-threads 64\n") as w:
        n = len(w.ph.daemons()["injectd"])
        expect(n >= 2, f"{n} processes injectd")
        w.inject(1000, sessions=12)
        w.conserve()
        journals = {name.split("-")[0] for name in os.listdir(w.folder + "/spool/journal")}
        expect(len(journals) >= 2, f"journals of {journals}")
        held = hold(w, 24)
        s, text = greeting(w)
        for one in held + [s]:
            one.close()
        expect(text.startswith(b"452"), f"one above all 24 slots: {text!r}")


@case("a message with more Received fields than max-message-hops, ours counted, is refused as a loop")
def hops():
    base = BASE.replace("\tmax-message-size unlimited", "\tmax-message-hops 5")
    with World(base=base) as w:
        with w.ph.client() as s:
            field = b"Received: from a by b; Sat, 01 Jan 2022 00:00:00 +0000\r\n"
            expect_equal(code_of(s.sendmail, "a@inject.test", ["b@gmail.test"], field * 4 + MESSAGE % b"h4"), 250, "4 and ours")
            expect_equal(code_of(s.sendmail, "a@inject.test", ["b@gmail.test"], field * 5 + MESSAGE % b"h5"), 554, "5 and ours")
        w.mx.wait_recipients(1)


@case("<source>: rules by the client's address: service, relaying, size; relay-domain and relay-address for the rest")
def by_source():
    rules = """
relay-domain gmail.test
relay-address only@yahoo.test
<source {net}.7>
	smtp-service no
</source>
<source {net}.8>
	always-allow-relaying yes
	smtp-service yes
	max-message-size 5000
</source>
<source {net}.9>
	always-allow-relaying no
	smtp-service yes
</source>
"""
    with World(config=rules) as w:
        def client(last):
            return w.ph.client(source_address=(f"{w.net}.{last}", 0))
        try:
            client(7)
            expect(False, "served without service")
        except smtplib.SMTPResponseException as e:
            expect(e.smtp_code in (521, 554), f"no service: {e.smtp_code}")
        with client(8) as s:
            expect_equal(code_of(s.sendmail, "a@x.test", ["b@gmx.test"], MESSAGE % b"s8"), 250, "relays")
            expect_equal(code_of(s.sendmail, "a@x.test", ["b@gmx.test"], MESSAGE % b"big" + b"x\r\n" * 4000), 552, "size")
        with client(9) as s:
            for rcpt, code in (("b@gmail.test", 250), ("only@yahoo.test", 250), ("x@yahoo.test", 550),
                               ("b@gmx.test", 550)):
                expect_equal(code_of(s.sendmail, "a@x.test", [rcpt], MESSAGE % b"s9"), code, rcpt)
        w.mx.wait_recipients(3)
        w.drained()


if __name__ == "__main__":
    main()
