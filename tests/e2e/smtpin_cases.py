#!/usr/bin/python3
"""Hostile and odd clients against our SMTP server: our own scripts, and those of the shared corpus where it is at hand.
Each is played against the same Posthaste, which must stay alive, take what it should and nothing else."""
# runs alone: it measures injectd's memory and the times of its own time-outs
import atexit
import json
import os
import shutil
import socket
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from server_certs import Certs  # noqa: E402
from cases import Skip, case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BASE, DOMAIN, IS_SANITIZED, ROOT, World  # noqa: E402
from smtpin_client import Client  # noqa: E402

CORPUS = os.environ.get("PH_CORPUS", ROOT + "/../shared/corpus") + "/malformed/smtp-in.jsonl"
POLICY = """\
port {mx_port}
name-server {net}.53:{dns_port}
provider rcpt.test { mx {net}.10; domains rcpt.test sender.test; }
"""
CONFIG = """\
total-max-smtp-in 400
smtp-server-tls-certificate {certs}/server.pem
smtp-server-threads 16
<smtp-listener {net}.1:2527>
	source hasty
</smtp-listener>
<smtp-listener {net}.1:2528>
	source closed
</smtp-listener>
<smtp-listener {net}.1:2529>
	source strict
</smtp-listener>
<smtp-listener {net}.1:2530>
	source plain
</smtp-listener>
<source plain>
	allow-starttls yes
	process-x-virtual-mta no
	process-x-job no
	process-x-envid no
</source>
<source hasty>
	smtp-command-timeout 2s
	smtp-data-timeout 2s
</source>
<source closed>
	smtp-service no
</source>
<source strict>
	always-allow-relaying no
	max-message-size 2000
	max-rcpt-per-message 2
	max-message-hops 5
	allow-chunking no
	allow-smtputf8 no
</source>
<acct-file {folder}/acct/received.csv>
	records r
	record-fields r orig, rcpt
</acct-file>
"""
EHLO = [["x", "^220 "], ["w", "EHLO client.test\r\n"], ["x", "^250 "]]
RCPT = EHLO + [["w", "MAIL FROM:<a@sender.test>\r\n"], ["x", "^250"], ["w", "RCPT TO:<b@rcpt.test>\r\n"], ["x", "^250"]]
DATA = RCPT + [["w", "DATA\r\n"], ["x", "^354"]]
SMUGGLED = "MAIL FROM:<smuggled@evil.test>\r\nRCPT TO:<victim@rcpt.test>\r\nDATA\r\nSubject: 2\r\n\r\nx\r\n.\r\nQUIT\r\n\r\n.\r\n"
BREAKS = {"lf": "\n", "cr": "\r", "crlf": "\r\n", "crcrlf": "\r\r\n", "lfcr": "\n\r", "nulcrlf": "\0\r\n", "crlfnul": "\r\n\0"}


def own(name, title, steps, **wanted):
    return {"id": name, "title": title, "steps": steps, "expect": wanted}


def smuggling():
    """Every pair of line ends around the dot but the true one: at most one message, and never the second envelope."""
    for a, before in BREAKS.items():
        for b, behind in BREAKS.items():
            if (a, b) == ("crlf", "crlf"):
                continue
            is_end = before.endswith("\r\n") and behind.startswith("\r\n")
            yield own(f"smuggle-{a}-{b}", f"the end of data as {a} dot {b}",
                      DATA + [["w", "Subject: 1\r\n\r\nfirst" + before + "." + behind + SMUGGLED]],
                      accepted=[0, 2] if is_end else 0,
                      never_envelope_from=[] if is_end else ["smuggled@evil.test"])


def header(text, *codes, accepted=1):
    return DATA + [["w", text + "\r\n\r\nbody\r\n.\r\n"], ["x", "^250" if accepted else "^" + codes[0]]]


HOP = "Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
OWN = [
    *smuggling(),
    own("dots", "dots at line starts survive", DATA + [["w", "Subject: s\r\n\r\n..\r\n..a\r\nb.\r\n.\r\n"], ["x", "^250"]],
        accepted=1, body=".\r\n.a\r\nb.\r\n"),
    own("hops-99", "99 Received fields are taken", header(HOP * 99 + "Subject: x"), accepted=1),
    own("hops-100", "100 are a loop", header(HOP * 100 + "Subject: x", "554 5.4.6", accepted=0), accepted=0),
    own("hops-fake", "Received in the body and in folded lines does not count",
        DATA + [["w", "Subject: x\r\n" + (" " + HOP) * 200 + "\r\n" + HOP * 200 + ".\r\n"], ["x", "^250"]], accepted=1),
    own("line-100mb", "a line of 100 MB is refused", DATA + [["rep", "x" * 1000, 100_000], ["w", "\r\n.\r\n"],
        ["x", "^5"]], accepted=0, max_rss_delta_mb=8),
    own("pipelined", "two messages in one segment", EHLO + [["w", ("MAIL FROM:<a@sender.test>\r\nRCPT TO:<b@rcpt.test>\r\n"
        "DATA\r\nSubject: s\r\n\r\nx\r\n.\r\n") * 2 + "QUIT\r\n"]] + [["x", "^250"], ["x", "^250"], ["x", "^354"],
        ["x", "^250 2.6.0"]] * 2 + [["x", "^221"]], accepted=2),
    own("recipients-10000", "10,000 recipients of one message", EHLO + [["w", "MAIL FROM:<a@sender.test>\r\n"],
        ["x", "^250"], ["w", "".join(f"RCPT TO:<u{i}@rcpt.test>\r\n" for i in range(10_000))]] + [["x", "^250"]] * 10_000 +
        [["w", "DATA\r\n"], ["x", "^354"], ["w", "Subject: s\r\n\r\nx\r\n.\r\n"], ["x", "^250"]], accepted=10_000),
    own("bdat-flood", "a chunk that never comes whole", RCPT + [["w", "BDAT 1000000000 LAST\r\n"], ["rep", "x" * 100,
        50_000]], accepted=0, max_rss_delta_mb=8),
    own("http", "a browser is sent away", [["x", "^220"], ["w", "POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b>\r\n"],
        ["x", "^421"]], accepted=0, conn="closed"),
    own("closed", "smtp-service no is said at once", [["x", "^521 mta.posthaste.test does not accept mail from you"]],
        accepted=0, conn="closed", port=2528),
    own("strict-relay", "who may not relay may send to our own domains", EHLO + [["w", "MAIL FROM:<a@b.test>\r\n"],
        ["x", "^250"], ["w", "RCPT TO:<b@rcpt.test>\r\n"], ["x", "^550 5.7.1"],
        ["w", "RCPT TO:<b@mta.posthaste.test>\r\n"], ["x", "^250"]], accepted=0, port=2529),
    own("strict-size", "a message beyond max-message-size is refused at MAIL", EHLO +
        [["w", "MAIL FROM:<a@b.test> SIZE=2001\r\n"], ["x", "^552 5.3.4"], ["w", "MAIL FROM:<a@b.test> SIZE=2000\r\n"],
         ["x", "^250"]], accepted=0, port=2529),
    own("strict-large", "a message beyond max-message-size is refused at its end", EHLO + [["w", "MAIL FROM:<a@b.test>\r\n"
        "RCPT TO:<b@mta.posthaste.test>\r\nDATA\r\n"], ["x", "^250"], ["x", "^250"], ["x", "^354"],
        ["rep", "x" * 70 + "\r\n", 100], ["w", ".\r\nNOOP\r\n"], ["x", "^552 5.3.4"], ["x", "^250"]], accepted=0, port=2529),
    own("strict-rcpts", "recipients beyond max-rcpt-per-message wait", EHLO + [["w", "MAIL FROM:<a@b.test>\r\n"],
        ["x", "^250"]] + [["w", "RCPT TO:<b@mta.posthaste.test>\r\n"], ["x", "^250"]] * 2 +
        [["w", "RCPT TO:<b@mta.posthaste.test>\r\n"], ["x", "^452 4.5.3"]], accepted=0, port=2529),
    own("strict-offers", "what is not offered is refused, and a chunk is still read to its end", EHLO +
        [["w", "BDAT 6 LAST\r\nRSET\r\nNOOP\r\n"], ["x", "^502"], ["x", "^250"],
         ["w", "MAIL FROM:<a@b.test> SMTPUTF8\r\n"], ["x", "^555"]], accepted=0, port=2529),
]


def corpus():
    if not os.path.exists(CORPUS):
        return []
    with open(CORPUS) as f:
        return [json.loads(line) for line in f]


class Rig:
    """The one Posthaste that all play against."""
    world = None

    @classmethod
    def get(cls):
        if cls.world is None:
            certs = Certs(tempfile.mkdtemp(prefix="posthaste-certs-"))
            atexit.register(shutil.rmtree, certs.folder, True)
            certs.make("server")
            cls.world = World(policy=POLICY, config=CONFIG.replace("{certs}", certs.folder), base=BASE, domain=DOMAIN, dump=True)
            cls.world.__enter__()
            atexit.register(cls.world.close, False)
        return cls.world


def ledger():
    return Rig.get().ph.json("show", "ledger")["ledger"]


def accepted():
    return ledger()["accepted"]


def rss_peak_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))


def forget_peak(pid):
    try:
        with open(f"/proc/{pid}/clear_refs", "w") as f:
            f.write("5")
    except OSError:
        pass


def check_accepted(row, before):
    wanted = row["expect"].get("accepted")
    if wanted is None:
        return
    low, high = (wanted, wanted) if isinstance(wanted, int) else wanted
    wait_for(f"{low} recipients accepted", lambda: accepted() - before >= low, 10)
    expect(accepted() - before <= high, f"{accepted() - before} recipients were accepted, at most {high} should be")


def dumps():
    """The files of all messages that came to mxsim."""
    folder = Rig.get().mx.folder + "/dump"
    return [f"{folder}/{name}" for name in os.listdir(folder) if name.endswith(".eml")]


def check_body(row):
    """The message that mxsim got ends with this body."""
    wanted = row["expect"].get("body")
    if wanted is None:
        return

    def came():
        for path in dumps():
            with open(path, "rb") as f:
                if f.read().endswith(b"\r\n\r\n" + wanted.encode("latin-1")):
                    return True
        return False
    wait_for("the body at the provider", came, 20)


def check_dialogue(row, client, result):
    wanted = row["expect"]
    was_closed = client.finish()
    if wanted.get("conn") == "closed":
        expect(was_closed, "the server did not close")
    for sender in wanted.get("never_envelope_from", []):
        expect(not any(sender in line for line in client.replies), f"a reply names {sender}")
    return result


def play(row):
    world = Rig.get()
    pid = wait_for("injectd runs", lambda: world.ph.daemons().get("injectd"))[0]
    before, port = accepted(), row["expect"].get("port", 2530)
    forget_peak(pid)
    peak = rss_peak_kb(pid)
    client = Client((world.ph.listener[0], port))
    try:
        check_dialogue(row, client, client.play(row["steps"]))
    finally:
        client.close()
    check_accepted(row, before)
    check_body(row)
    grown = (rss_peak_kb(pid) - peak) // 1024
    expect(IS_SANITIZED or grown <= row["expect"].get("max_rss_delta_mb", 64), f"injectd grew by {grown} MB")
    expect_equal(world.ph.daemons()["injectd"][0], pid, "injectd's process")


def why_not(row):
    """Why a row of the corpus cannot be played yet, or in this time."""
    verbs = {step[0] for step in row["steps"]}
    if "drip" in verbs or row["id"] == "SI-TLS-STALL":
        return "minutes long: played with short time-outs as a case of our own"
    if "tls_reneg" in verbs:
        return "Python's TLS asks for none: tls_in_cases plays it with another client"
    unknown = [v for v in verbs if not hasattr(Client, v)]
    return f"unknown step {unknown[0]}" if unknown else None


def add(row):
    @case(f"{row['id']}: {row['title']}")
    def run():
        reason = why_not(row)
        if reason:
            raise Skip(reason)
        play(row)


for r in OWN + corpus():
    add(r)


@case("the cases of the shared corpus are at hand")
def corpus_is_there():
    if not os.path.exists(CORPUS):
        raise Skip(f"{CORPUS} is not there")


def seconds_until_end(steps, drip="", pause=0.3):
    """Plays the steps, then one octet after the other; how long the server bears it, and its last reply."""
    client = Client((Rig.get().ph.listener[0], 2527))
    try:
        client.play(steps)
        began = time.monotonic()
        client.socket.settimeout(pause)
        for octet in drip or "\0" * 200:
            try:
                if drip:
                    client.w(octet)
                client.reply(pause)
            except socket.timeout:
                continue
            except (EOFError, ConnectionError):
                break
        return time.monotonic() - began, client.replies[-1]
    finally:
        client.close()


@case("an idle client is told 421 4.4.2 when smtp-command-timeout is over")
def idle():
    seconds, last = seconds_until_end(EHLO)
    expect(1.5 < seconds < 30, f"it took {seconds:.1f} s")
    expect(last.startswith("421 4.4.2"), last)


@case("a command that drips in does not hold the session")
def slow_command():
    seconds, last = seconds_until_end(EHLO, "NOOP " + "x" * 200)
    expect(seconds < 30, f"it took {seconds:.1f} s")
    expect(last.startswith("421 4.4.2"), last)


@case("content that drips in does not hold the session")
def slow_content():
    before = accepted()
    seconds, last = seconds_until_end(DATA, "Subject: s\r\n\r\n" + "x\r\n" * 100)
    expect(seconds < 30, f"it took {seconds:.1f} s")
    expect(last.startswith("421 4.4.2"), last)
    expect_equal(accepted(), before, "recipients accepted")


@case("300 idle sessions cost next to nothing, and a client beyond the last slot is told 452 4.3.2")
def many_sessions():
    world = Rig.get()
    pid = world.ph.daemons()["injectd"][0]
    forget_peak(pid)
    before, clients = rss_peak_kb(pid), []
    try:
        for _ in range(300):
            clients.append(Client(world.ph.listener))
            clients[-1].play(EHLO)
        grown = rss_peak_kb(pid) - before
        expect(grown < 300 * 8, f"{grown} kB for 300 sessions")
        while len(clients) < 420:
            clients.append(Client(world.ph.listener))
            if clients[-1].reply().startswith("452"):
                break
        expect(clients[-1].replies[-1].startswith("452 4.3.2"), f"{len(clients)} clients were let in")
    finally:
        for c in clients:
            c.close()


def received_senders():
    """The senders of all that was accepted, as accounting has them; injectd alone decides what they are."""
    return [r["orig"] for r in Rig.get().ph.records() if r["type"] == "r"]


@case("nothing that was smuggled ever became a message, and the audit balances")
def at_the_end():
    world = Rig.get()
    wait_for("all accepted recipients in the accounting", lambda: len(received_senders()) >= accepted(), 30)
    # crcrlf-crlf holds a true end of data: what follows is a transaction like any other
    genuine = sum(1 for row in OWN + corpus() if row["expect"].get("never_envelope_from") == [])
    smuggled = received_senders().count("smuggled@evil.test")
    expect(smuggled <= genuine, f"{smuggled} smuggled messages, {genuine} scripts end their data properly")
    wait_for("the queues are empty", lambda: ledger()["queued"] == 0, 60)
    world.ph.audit()


@case("control fields of a client that may not choose leave no trace")
def control_fields():
    for path in dumps():
        with open(path, "rb") as f:
            head = f.read().split(b"\r\n\r\n")[0].lower()
        expect(b"x-virtual-mta:" not in head and b"x-job:" not in head, f"{path} still has them")


if __name__ == "__main__":
    main()
