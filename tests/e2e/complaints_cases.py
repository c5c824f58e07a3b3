"""What complaints lead to: those that are proved to be about our mail are obeyed, all others are recorded and no more."""
import json
import os
import pwd
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import World, go_on  # noqa: E402
from written_reports import arf  # noqa: E402

POLICY = """port {mx_port}
name-server {net}.53:{dns_port}
provider far.test { mx {net}.10; }
provider inject.test { mx {net}.20; }
"""
TAKER = r"""#!/usr/bin/python3
import os, sys
place, name = os.path.dirname(os.path.abspath(sys.argv[0])) + "/out/", sys.argv[1]
text = sys.stdin.buffer.read()
if name == "later" and not os.path.exists(place + "asked"):
    open(place + "asked", "w").close()
    sys.exit(75)
with open(place + name, "a") as f:
    f.write(f"{os.getuid()} {sorted(map(int, os.listdir('/proc/self/fd')))[:3]}\n{text.decode()}")
sys.exit("cannot do it" if name == "fails" else 0)
"""
CONFIG = """
alert-threshold complaints 10% window=1h minimum=3
<acct-file {folder}/acct/reports.csv>
	records f, d
	record-fields f *, recordId
</acct-file>
<virtual-mta tenant>
</virtual-mta>
<bounce-processor>
	max-suppress-rate 4/h
</bounce-processor>
<feedback-loop-processor>
	<address-list>
		address fbl@mta.posthaste.test
	</address-list>
</feedback-loop-processor>
<fbl>
	address tenant@mta.posthaste.test
	virtual-mta tenant
	handler type=suppress
	handler type=forward to=people@inject.test
</fbl>
<fbl>
	address piped@mta.posthaste.test
	command-user nobody
	handler type=pipe command="{folder}/taker first"
	handler type=pipe command="{folder}/taker later"
	handler type=pipe command="{folder}/taker fails"
</fbl>
<fbl>
	address told@mta.posthaste.test
	handler type=forward to=people@inject.test
</fbl>
<bounce-action>
	match complaint
	action suppress
	suppress-for 30d
</bounce-action>
"""


class Complaints(World):
    def __init__(self):
        super().__init__(policy=POLICY, config=CONFIG, dump=True, start=False)
        self.n = 0
        os.mkdir(self.folder + "/out")
        os.chmod(self.folder + "/out", 0o777)
        with open(self.folder + "/taker", "w") as f:
            f.write(TAKER)
        os.chmod(self.folder + "/taker", 0o755)
        self._start = True

    def header(self, rcpt, vmta=None):
        """The header section of a message to him as the remote has it."""
        before = len(self.mx.log())
        choice = f"X-Virtual-MTA: {vmta}\r\n" if vmta else ""
        with self.ph.client() as s:
            s.sendmail("news@b.test", [rcpt], f"From: a@b.test\r\nX-Job: j1\r\n{choice}Subject: hello\r\n\r\ntext\r\n")
        wait_for("it came", lambda: len(self.mx.log()) > before)
        entry = next(e for e in self.mx.log()[before:] if e.rcpt == rcpt)
        return self.mx.message(entry).split(b"\r\n\r\n", 1)[0].decode() + "\r\n"

    def complain(self, to, header, rcpt=None, kind="abuse"):
        text = arf(header, rcpt, to=to).replace(b"Feedback-Type: abuse", b"Feedback-Type: " + kind.encode())
        with self.ph.client() as s:
            s.sendmail("", [to], text)
        self.n += 1

    def told(self):
        """All that was complained of has its record."""
        return wait_for("the records f", lambda: len(r := {x["recordId"]: x for x in self.ph.records("f")}) >= self.n
                        and list(r.values()), 20)

    def entries(self, address):
        said = self.ph.pmtactl("--json", "show", "suppressed", address, check=False)
        return said.returncode == 0 and json.loads(said.stdout)["data"].get("suppressed") or []

    def wait_entry(self, address):
        return wait_for(f"{address} is suppressed", lambda: self.entries(address))[0]


FBL, TENANT, TOLD, PIPED = (f"{name}@mta.posthaste.test" for name in ("fbl", "tenant", "told", "piped"))


def piped(w):
    """What the commands got: one has it at once, one the second time, one never wants it."""
    for name in ("first", "later", "fails"):
        lines = open(f"{w.folder}/out/{name}").read().split("\n")
        user = pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else os.getuid()
        expect_equal(lines[0], f"{user} [0, 1, 2]", f"user and descriptors of {name}")
        expect("Feedback-Type: abuse" in lines and "X-FBLId" in "\n".join(lines), f"what {name} got: {lines}")
        expect_equal(sum(line.startswith("Feedback-Type") for line in lines), 1, f"complaints at {name}")
    said = w.ph.said()
    expect("event=handler-later" in said and "event=handler-failed" in said and "cannot do it" in said, "the log")


@case("a complaint about our mail suppresses its recipient, also when bounced dies meanwhile, for the VirtualMTA that it is "
      "about, within max-suppress-rate; handlers forward it and run commands; one that is forged, of another kind or of another's mail is recorded and no more")
def obeyed():
    with Complaints() as w:
        sealed = {i: w.header(f"user{i}@far.test") for i in range(1, 8)}
        tenants = w.header("user8@far.test", "tenant")
        # nothing that proves it
        w.complain(FBL, "Subject: made up\r\n", "victim1@far.test")
        w.complain(FBL, "X-FBLId: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n", "victim2@far.test")
        w.complain(FBL, sealed[1], "victim3@else.test")
        # nobody who wants no more of it
        w.complain(FBL, sealed[2], kind="not-spam")
        w.complain(FBL, sealed[2], kind="auth-failure")
        # of those whose complaints it does not read; of a block whose handlers do not suppress
        w.complain(TENANT, sealed[2])
        w.complain(TOLD, sealed[2])
        w.told()
        w.complain(FBL, sealed[3], "redacted@far.test")
        entry = w.wait_entry("user3@far.test")
        expect_equal((entry["source"], entry["category"], entry["scope"], entry["job"], entry["event"]),
                     ("complaint", "complaint", "global", "j1", "abuse complaint (mx.far.test)"), "the entry")
        expect(entry["until"] != "never", f"suppress-for of the complaint's action: {entry}")
        w.complain(FBL, sealed[3])  # once more: known, which is not counted
        w.complain(TENANT, tenants)
        expect_equal(w.wait_entry("user8@far.test")["scope"], "tenant", "scope of a VirtualMTA's own complaints")
        # what bounced has begun when it dies is done once more: both copies are out before
        wait_for("both are forwarded", lambda: w.mx.provider("inject.test")["recipients"] == 2)
        w.drained()
        stopped = w.ph.freeze_daemon("bounced")
        w.complain(FBL, sealed[4])
        w.told()
        go_on(stopped, signal.SIGKILL)
        w.wait_entry("user4@far.test")
        w.complain(PIPED, sealed[2])
        # the fourth of this hour for the new bounced is the last
        for i in (5, 6, 7):
            w.complain(FBL, sealed[i])
        for i in (5, 6, 7):
            w.wait_entry(f"user{i}@far.test")
        over = w.header("user9@far.test")
        w.complain(FBL, over)
        wait_for("the cap is told", lambda: "event=suppress-capped address=\"user9@far.test\"" in w.ph.said())
        w.told()
        w.drained()
        piped(w)
        for who in ("victim1@far.test", "victim2@far.test", "victim3@else.test", "user1@far.test", "user2@far.test",
                    "user9@far.test"):
            expect_equal(w.entries(who), [], f"entries of {who}")
        expect_equal(w.mx.provider("inject.test")["recipients"], 2, "forwarded by handlers")
        counted(w)
        w.ph.audit()


def counted(w):
    """Each that was proved, for its job and its VirtualMTA; what was forged or of another kind is none."""
    rates = {(r["of"], r["name"]): r for r in w.ph.json("show", "rates", "complaints")["rate"]}
    lines = w.ph.pmtactl("show", "metrics").stdout.splitlines()
    n = int(next(line.split()[1] for line in lines if line.startswith("posthaste_complaints_total ")))
    of_job = rates["job", "j1"]
    expect(of_job["count"] == n >= 7 and of_job["alert"], f"{n} complaints; of the job: {of_job}")
    expect_equal(rates["vmta", "tenant"]["count"], 1, "of the VirtualMTA")
    found = [a for a in w.ph.json("show", "alerts")["alert"] if a["subject"] == "job j1, complaints"]
    expect_equal([a["state"] for a in found], ["raised"], "the alert")


if __name__ == "__main__":
    main()
