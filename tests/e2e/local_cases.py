"""Deliveries of type pipe, file and http-delivery: what a command gets, what its end means, and where files go."""
import mailbox
import os
import pwd
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import World, queued_recipients  # noqa: E402
from verifiers import Verifiers, make_key  # noqa: E402

# what it gets goes to a file named after the recipient; how it ends is what the local part says
TAKER = r"""#!/usr/bin/python3
import os, signal, sys, time
place = os.path.dirname(os.path.abspath(sys.argv[0]))
to = sys.argv[1].lower()
if os.path.exists(place + "/away"):
    sys.exit(75)
user = to.split("@")[0]
if user.startswith("deaf"):
    time.sleep(60)
if user.startswith("early"):
    print("enough")
    sys.exit(0)
body = sys.stdin.buffer.read()
if user.startswith("whoami"):
    print(f"user {os.geteuid()}", flush=True)
    sys.exit(65)
while os.path.exists(place + "/wait") and user.startswith("slow"):
    time.sleep(0.02)
with open(f"{place}/out/{to}", "ab") as f:
    f.write(("|".join(sys.argv[1:]) + "\n").encode() + body + b"\0")
if user.startswith("status"):
    print("said \x1b\xff", user, "x" * 5000, flush=True)
    sys.exit(int(user[6:]))
if user.startswith("killed"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
CONFIG = """
total-max-file 2
domain-key s1,inject.test,{folder}/s1.pem
<domain pipe.test>
	type pipe
	command "{folder}/taker $to $from \\"$user at $domain\\" \\$to $envid $timet"
	data-send-timeout 2s
	max-smtp-out 4
</domain>
<domain kept.test>
	type pipe
	command {folder}/taker $to -f$user
	macro-variables-preserve-case yes
</domain>
<domain nobody.test>
	type pipe
	command {folder}/taker $to
	command-user nobody
</domain>
<domain option.test>
	type pipe
	command {folder}/taker $user
</domain>
<domain none.test>
	type pipe
</domain>
<domain file.test>
	type file
	file-destination {folder}/out/new
</domain>
<domain pickup.test>
	type file
	file-format newfile-pickup
	file-destination {folder}/out/$domain/$user
</domain>
<domain mbox.test>
	type file
	file-format append-mbox
	file-destination {folder}/out/mail/$user
	max-smtp-out 20
</domain>
<domain pipe.signed.test>
	type pipe
	command {folder}/taker $to
	dkim-sign yes
</domain>
<domain new.signed.test>
	type file
	file-destination {folder}/out/signed
	dkim-sign yes
</domain>
<domain pickup.signed.test>
	type file
	file-format newfile-pickup
	file-destination {folder}/out/signed
	dkim-sign yes
</domain>
<domain mbox.signed.test>
	type file
	file-format append-mbox
	file-destination {folder}/out/signed/mbox
	dkim-sign yes
</domain>
"""
BODY = b"Subject: one\r\nX-Id: %s\r\n\r\n.dot\r\n..two\r\nFrom me\r\n>From you\r\nend"


class Local(World):
    def __init__(self, **options):
        super().__init__(config=CONFIG, start=False, **options)
        for name in ("out", "out/new", "out/signed", "out/mail", "out/pickup.test", "out/pickup.test/box"):
            os.mkdir(f"{self.folder}/{name}")
            os.chmod(f"{self.folder}/{name}", 0o777)
        with open(self.folder + "/taker", "w") as f:
            f.write(TAKER)
        os.chmod(self.folder + "/taker", 0o755)
        self.verifiers = Verifiers({"s1._domainkey.inject.test": make_key(self.folder + "/s1.pem")})
        self._start = True
        self.n = 0

    def send(self, rcpts, sender="a@inject.test", body=BODY):
        self.n += 1
        with self.ph.client() as s:
            s.sendmail(sender, rcpts, body % str(self.n).encode() if b"%s" in body else body)

    def record(self, rcpt, kinds="db"):
        return wait_for(f"record of {rcpt}", lambda: next((r for r in self.ph.records() if r["rcpt"] == rcpt
                                                          and r["type"] in kinds), None))

    def taken(self, name):
        """(words, body) of each run for that recipient."""
        try:
            text = open(f"{self.folder}/out/{name}", "rb").read()
        except FileNotFoundError:
            return []
        parts = [p.split(b"\n", 1) for p in text.split(b"\0")[:-1]]
        return [(words.decode().split("|"), body) for words, body in parts]

    def kill_server(self, name):
        self.ph.kill_daemon(name)

    def flag(self, name, on=True):
        path = f"{self.folder}/{name}"
        if on:
            open(path, "w").close()
        else:
            os.remove(path)


ENDS = {0: ("d", "2.0.0"), 64: ("b", "5.5.4"), 65: ("b", "5.5.2"), 67: ("b", "5.1.1"), 68: ("b", "5.1.2"),
        69: ("b", "5.3.0"), 70: ("b", "5.3.0"), 71: ("t", "4.3.0"), 73: ("b", "5.2.0"), 74: ("t", "4.3.0"),
        75: ("t", "4.0.0"), 76: ("b", "5.5.0"), 77: ("b", "5.7.1"), 78: ("b", "5.3.5"), 1: ("t", "4.3.0")}


@case("type pipe: the command gets its words, the message with its own line ends, and its exit status is the verdict; "
      "type file: each format, below the configured path only; records and audit agree")
def all_of_it():
    with Local() as w:
        w.send(["MiXed+Tag@Pipe.Test", "Kept+x@Kept.Test"], "Sender@Inject.test")
        words, body = wait_for("the command", lambda: w.taken("mixed+tag@pipe.test"))[0]
        expect_equal(words[:5], ["mixed+tag@pipe.test", "sender@inject.test", "mixed at pipe.test", "$to", ""], "words")
        expect(words[5].isdigit(), f"$timet: {words}")
        head, _, text = body.partition(b"\n\n")
        expect_equal(text, b".dot\n..two\nFrom me\n>From you\nend\n", "the body")
        expect(head.startswith(b"Received:") and b"\r" not in head, f"the header: {head}")
        words, _ = wait_for("the other", lambda: w.taken("kept+x@kept.test"))[0]
        expect_equal(words, ["Kept+x@Kept.Test", "-fkept"], "words with their case")
        row = w.record("MiXed+Tag@Pipe.Test")
        expect_equal((row["type"], row["dlvType"], row["dsnStatus"], row["dsnDiag"], row["queue"]),
                     ("d", "pipe", "2.0.0 (success)", "x-pmta;taken by the command", "pipe.test/{default}"), "record")

        ends = {f"status{n}@pipe.test": end for n, end in ENDS.items()}
        w.send(list(ends))
        for rcpt, (kind, status) in ends.items():
            row = w.record(rcpt, "dbt")
            expect_equal((row["type"], row["dsnStatus"].split()[0]), (kind, status), f"record of {rcpt}")
            expect("said ??? status" in row["dsnDiag"] and len(row["dsnDiag"]) < 500, f"output: {row['dsnDiag']}")
        w.send(["whoami@pipe.test", "whoami@nobody.test"])
        for name, user in (("pipe", "pmta-exec"), ("nobody", "nobody")):
            said = w.record(f"whoami@{name}.test")["dsnDiag"]
            expect(f"user {pwd.getpwnam(user).pw_uid}" in said, f"command-user {user}: {said}")
        w.send(["killed@pipe.test", "deaf@pipe.test"], body=b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" + b"y\r\n" * 99999)
        w.send(["-rf@option.test", "early@pipe.test", "nobody@none.test"])
        expect_equal(w.record("killed@pipe.test", "t")["dsnStatus"].split()[0], "4.3.0", "killed")
        expect("takes nothing" in w.record("deaf@pipe.test", "t")["dsnDiag"], "data-send-timeout")
        expect_equal(w.record("-rf@option.test")["dsnStatus"].split()[0], "5.1.3", "an address that would be an option")
        expect_equal(w.record("early@pipe.test")["type"], "d", "who reads not all and ends well has taken it")
        expect("names no command" in w.ph.pmtactl("explain", "nobody@none.test").stdout, "explain of what cannot go")

        files(w)
        signed(w)
        for name in ("none.test", "pipe.test"):
            w.ph.pmtactl("delete", "--queue=" + name)
        w.drained()
        w.ph.audit()


def signed(w):
    """Where dkim-sign says so a command and a file get the message signed, whatever line ends and front they want."""
    letter = b"From: news@inject.test\r\nSubject: signed\r\nX-Id: s\r\n\r\n.dot\r\nhello  \r\n"
    for name in ("pipe", "new", "pickup", "mbox"):
        w.send([f"u@{name}.signed.test"], body=letter)
        w.record(f"u@{name}.signed.test")
    folder = w.folder + "/out/signed"
    texts = [w.taken("u@pipe.signed.test")[0][1]] + [open(f"{folder}/{f}", "rb").read() for f in sorted(os.listdir(folder))]
    expect_equal(len(texts), 4, "messages")
    for text in texts:
        # behind the mbox's and the pickup file's own lines
        start = re.search(rb"(?im)^dkim-signature:", text).start()
        message = text[start:].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        # the empty line between two messages of an mbox
        w.verifiers.accept(message.rstrip() + b"  \r\n", 1, text[:200])


def files(w):
    w.send(["a@file.test", "b@file.test", "box+tag@pickup.test", "nobox@pickup.test", "joe@mbox.test"])
    w.send(["joe@mbox.test"], "")
    w.send(['"../mail/joe"@pickup.test', '"../../taken"@mbox.test', '".."@mbox.test', '".hidden"@mbox.test'])
    for rcpt in ("a@file.test", "box+tag@pickup.test", "joe@mbox.test"):
        row = w.record(rcpt)
        expect_equal((row["type"], row["dlvType"], row["dsnDiag"]), ("d", "file", "x-pmta;written to the file"), rcpt)
    for rcpt in ('"../mail/joe"@pickup.test', '"../../taken"@mbox.test', '".."@mbox.test', '".hidden"@mbox.test'):
        expect_equal(w.record(rcpt)["dsnStatus"].split()[0], "5.1.1", f"a name that leads elsewhere: {rcpt}")
    expect_equal(w.record("nobox@pickup.test", "t")["dsnStatus"].split()[0], "4.0.0", "a directory that is missing")
    new = wait_for("two files", lambda: len(n := sorted(os.listdir(w.folder + "/out/new"))) == 2 and n)
    expect(all(n.endswith(".msg") for n in new), f"names: {new}")
    text = open(f"{w.folder}/out/new/{new[0]}", "rb").read()
    expect(text.endswith(b"\n\n.dot\n..two\nFrom me\n>From you\nend\n"), f"plain: {text}")
    name = os.listdir(w.folder + "/out/pickup.test/box")[0]
    text = open(f"{w.folder}/out/pickup.test/box/{name}", "rb").read()
    expect(text.startswith(b"x-sender: a@inject.test\nx-receiver: box+tag@pickup.test\nReceived:"), f"pickup: {text}")
    wait_for("two messages", lambda: len(mailbox.mbox(w.folder + "/out/mail/joe", create=False)) == 2)
    box = mailbox.mbox(w.folder + "/out/mail/joe", create=False)
    expect_equal(box[0].get_payload(), ".dot\n..two\n>From me\n>>From you\nend\n", "mbox")
    expect_equal(sorted(m.get_from().split()[0] for m in box), ["MAILER-DAEMON", "a@inject.test"], "From lines")
    expect_equal(os.listdir(w.folder + "/out/mail"), ["joe"], "files of the mailbox directory")
    w.ph.pmtactl("delete", "--queue=pickup.test")


@case("execd, deliverd and queued are killed while commands run: what a command has whole it may get twice, what it has in "
      "part it never takes for all, nothing is lost")
def killed():
    with Local() as w:
        w.flag("wait")
        rcpts = [f"slow{i}@pipe.test" for i in range(12)]
        for i in range(0, 12, 3):
            w.send(rcpts[i:i + 3])
        for name in ("execd", "queued", "deliverd"):
            w.ph.kill_daemon(name)
        w.flag("wait", False)
        wait_for("all have it", lambda: all(w.taken(r) for r in rcpts), 90)
        wait_for("queues empty", lambda: queued_recipients(w.ph) == 0, 60)
        for r in rcpts:
            expect_equal(w.record(r)["type"], "d", r)
            for _, body in w.taken(r):
                expect(body.endswith(b"end\n"), f"{r} got a part: {body[-20:]}")
        w.ph.audit()


if __name__ == "__main__":
    main()
