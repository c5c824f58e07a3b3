#!/usr/bin/python3
"""delete while mail is being sent: allow-cancel-during-transfer, and what has gone too far to be stopped."""
import atexit
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import World  # noqa: E402
from smtpout_server import Server  # noqa: E402

GREETING = [["s", "220 hi\r\n"], ["r", "EHLO"], ["s", "250 hi\r\n"]]
TO_DATA = GREETING + [["r", "MAIL"], ["s", "250 ok\r\n"], ["r", "RCPT"], ["s", "250 ok\r\n"], ["r", "DATA"]]
GO, WAIT, TAKEN, READ = ["s", "354 go\r\n"], ["wait"], ["s", "250 taken\r\n"], ["rdata"]
# name: may it be stopped, and the server's script behind DATA
ROWS = {
    "before": ("yes", [WAIT, GO, READ, TAKEN]),
    "within": ("yes", [GO, WAIT, READ, TAKEN]),
    "behind": ("yes", [GO, READ, WAIT, TAKEN]),
    "kept": ("no", [GO, WAIT, READ, TAKEN]),
    "failing": ("no", [GO, WAIT, READ, ["s", "451 4.3.0 later\r\n"]]),
}


class Play:
    def __init__(self):
        self.world = w = World(policy="port {mx_port}\n", start=False)
        self.servers, config = {}, "<domain *>\n\tmax-smtp-out 1\n\tretry-after 1h\n</domain>\n"
        for n, (name, (may, script)) in enumerate(ROWS.items()):
            # so small that a message does not fit into the buffers between the two
            self.servers[name] = s = Server(f"{w.net}.{20 + n}", [TO_DATA + script], receive_buffer=4096)
            config += f"<domain {name}.test>\n\tsmtp-hosts [{w.net}.{20 + n}]:{s.port}\n"
            config += f"\tallow-cancel-during-transfer {may}\n</domain>\n"
        w.ph.write_config(w.config.split("<domain *>")[0] + config)
        w.__enter__()
        atexit.register(self.close)
        w.ph.start()
        for name in ROWS:
            lines = 120_000 if name == "within" else 2
            with w.ph.client() as client:
                client.sendmail("sender@posthaste.test", [f"u@{name}.test"],
                                b"Subject: x\r\n\r\n" + (b"x" * 98 + b"\r\n") * lines)
        for name, s in self.servers.items():
            wait_for(f"{name} is being sent", lambda s=s: any("DATA" in line for seen in s.seen for line in seen))
        wait_for("all of one message has come", lambda: self.servers["behind"].bodies)

    def close(self):
        self.world.close(False)
        for s in self.servers.values():
            s.close()

    def delete(self, name):
        return self.world.ph.pmtactl("delete", f"--rcpt=u@{name}.test").stdout

    def end(self, name):
        """Type and reason of its final record, and how many bodies the server had."""
        def find():
            return [r for r in self.world.ph.final_records() if r["rcpt"] == f"u@{name}.test"]
        (r,) = wait_for(f"the record of {name}", find)
        return r["type"], r["dsnDiag"], len(self.servers[name].bodies)


_play = []


def play():
    if not _play:
        _play.append(Play())
    return _play[0]


DELETED = "x-pmta;deleted by administrator"


@case("allow-cancel-during-transfer yes: delete stops a message whose content is half sent, and one that waits for 354")
def stopped():
    for name in ("before", "within"):
        expect_equal(play().delete(name), "1 recipients deleted.\n", f"{name}: the answer")
        expect_equal(play().end(name), ("b", DELETED, 0), name)


@case("a message of which all was sent is what the receiver says, also when it was to be deleted")
def too_late():
    play().delete("behind")
    play().servers["behind"].go.set()
    expect_equal(play().end("behind"), ("d", "smtp;250 taken", 1), "behind")


@case("allow-cancel-during-transfer no: the transfer goes on, and only one that fails for now ends by the deletion")
def kept():
    for name in ("kept", "failing"):
        dry = play().world.ph.pmtactl("delete", "--dry-run", f"--rcpt=u@{name}.test").stdout
        expect("would be deleted; 1 more" in dry, f"{name}: dry run: {dry}")
        expect_equal(play().delete(name), "0 recipients deleted; 1 more only if the transfer under way fails.\n",
                     f"{name}: the answer")
        listed = play().world.ph.json("list", f"--rcpt=u@{name}.test")["rcpt"]
        expect_equal([r["state"] for r in listed], ["deleted"], f"{name}: list")
        play().servers[name].go.set()
    expect_equal(play().end("kept"), ("d", "smtp;250 taken", 1), "kept")
    expect_equal(play().end("failing"), ("b", DELETED, 1), "failing")


@case("all of it is accounted for")
def audit():
    play().world.drained()
    play().world.ph.audit()


if __name__ == "__main__":
    main()
