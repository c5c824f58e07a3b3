#!/usr/bin/python3
"""Slots for clients: how many there are, how many a group may have, who waits; and what is logged of a session."""
import os
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import POLICY, World  # noqa: E402

# clients of {net}.21 and {net}.22 are in groups; two processes share all limits
CONFIG = """\
total-max-smtp-in 8
smtp-server-threads 32
<source-group few>
	max-smtp-in 2
</source-group>
<source-group kept>
	reserved-smtp-in 3
</source-group>
<source {net}.21>
	source-group few
</source>
<source {net}.22>
	source-group kept
</source>
<source logged>
	log-data yes
	log-commands no
</source>
<smtp-listener {net}.1:2611>
	await-slot yes
</smtp-listener>
smtp-listener {net}.1:2612 source=logged
"""
AWAIT = """\
total-max-smtp-in 3
smtp-server-threads 32
smtp-await-slot yes
"""


class Caller:
    """A client from one address; said: the start of its greeting, or None as long as nothing came."""

    def __init__(self, w, source=1, port=2526):
        self.socket = socket.create_connection((f"{w.net}.1", port), 10, source_address=(f"{w.net}.{source}", 0))

    def said(self, seconds=10.0):
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1000)[:3].decode()
        except socket.timeout:
            return None

    def quit(self):
        self.socket.sendall(b"QUIT\r\n")
        self.socket.settimeout(10)
        while self.socket.recv(1000):
            pass
        self.socket.close()

    def close(self):
        self.socket.close()


def close_all(callers):
    for c in callers:
        c.close()


def is_idle(w):
    return w.ph.json("show", "status")["status"]["conn"]["smtpIn"]["cur"] == 0


def fill(w, n, source=1, port=2526):
    callers = [Caller(w, source, port) for _ in range(n)]
    return callers, [c.said() for c in callers]


@case("total-max-smtp-in holds over all processes together, and the next one is told 421")
def total():
    # in the group "kept" nothing is kept from it
    with World(policy=POLICY, config=CONFIG) as w:
        wait_for("nobody is connected", lambda: is_idle(w))
        callers, said = fill(w, 8, 22)
        expect_equal(said, ["220"] * 8, "the first eight")
        more, said = fill(w, 4, 22)
        expect_equal(said, ["421"] * 4, "four more")
        callers[0].quit()
        again, said = fill(w, 1, 22)
        expect_equal(said, ["220"], "when one has gone")
        close_all(callers + more + again)
        w.ph.audit()


@case("a source-group has no more than max-smtp-in, and reserved-smtp-in is kept for its own")
def groups():
    with World(policy=POLICY, config=CONFIG) as w:
        wait_for("nobody is connected", lambda: is_idle(w))
        few, said = fill(w, 3, 21)
        expect_equal(said, ["220", "220", "421"], "max-smtp-in 2")
        # eight, two are gone, three are kept: three are left for others
        others, said = fill(w, 5, 1)
        expect_equal(said, ["220"] * 3 + ["421"] * 2, "others")
        kept, said = fill(w, 4, 22)
        expect_equal(said, ["220"] * 3 + ["421"], "reserved-smtp-in 3")
        few[0].quit()
        other, said = fill(w, 1, 1)
        expect_equal(said, ["220"], "a slot of nobody's reserve")
        close_all(few + others + kept + other)
        w.ph.audit()


@case("with await-slot a client waits for its turn, in the listener's queue or for its group, and then is served")
def awaits():
    with World(policy=POLICY, config=CONFIG) as w:
        wait_for("nobody is connected", lambda: is_idle(w))
        few, said = fill(w, 2, 21)
        expect_equal(said, ["220"] * 2, "two of the group")
        waiting = Caller(w, 21, 2611)
        expect_equal(waiting.said(0.5), None, "the third waits")
        other = Caller(w, 1, 2611)
        expect_equal(other.said(), "220", "another is not held up by it")
        few[0].quit()
        expect_equal(waiting.said(), "220", "its turn")
        close_all(few + [waiting, other])
    with World(policy=POLICY, config=CONFIG) as w:
        wait_for("nobody is connected", lambda: is_idle(w))
        kept, said = fill(w, 8, 22)
        expect_equal(said, ["220"] * 8, "all slots")
        waiting = [Caller(w, 22, 2611) for _ in range(3)]
        expect_equal([c.said(0.3) for c in waiting], [None] * 3, "all wait")
        for c in kept[:3]:
            c.quit()
        expect_equal([c.said() for c in waiting], ["220"] * 3, "all are served")
        # whoever waits hinders nobody from stopping
        last = Caller(w, 22, 2611)
        expect_equal(last.said(0.2), None, "one more waits")
        close_all(kept[3:] + waiting)
        expect_equal(last.said(), "220", "slots that were dropped are free as well")
        last.close()
        w.ph.audit()


@case("smtp-await-slot lets clients of every listener wait")
def awaits_globally():
    with World(policy=POLICY, config=AWAIT) as w:
        wait_for("nobody is connected", lambda: is_idle(w))
        callers, said = fill(w, 3)
        expect_equal(said, ["220"] * 3, "three")
        waiting = Caller(w)
        expect_equal(waiting.said(0.5), None, "the fourth waits")
        callers[1].quit()
        expect_equal(waiting.said(), "220", "its turn")
        close_all(callers + [waiting])


@case("the slots of a process that died are free again, and a reload changes the limits at once")
def dies():
    with World(policy=POLICY, config=CONFIG) as w:
        wait_for("nobody is connected", lambda: is_idle(w))
        callers, said = fill(w, 8, 22)
        expect_equal(said, ["220"] * 8, "all slots")
        for pid in list(w.ph.daemons()["injectd"]):
            os.kill(pid, 9)
        close_all(callers)

        def is_served():
            try:
                found, said = fill(w, 8, 22)
            except OSError:
                return False
            close_all(found)
            return said == ["220"] * 8
        wait_for("eight are served again", is_served, 30)
        w.ph.write_config(w.config.replace("total-max-smtp-in 8", "total-max-smtp-in 5"))
        wait_for("the reload", lambda: w.ph.pmtactl("reload", check=False).returncode == 0, 20)

        def five():
            found, said = fill(w, 6, 22)
            close_all(found)
            return said == ["220"] * 5 + ["421"]
        wait_for("five slots", five, 10)
        w.ph.audit()


if __name__ == "__main__":
    main()
