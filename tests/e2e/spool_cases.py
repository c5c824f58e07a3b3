"""What cannot be read in the spool: kept for people to look at, or deleted."""
import glob
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import World, queued_recipients  # noqa: E402

POLICY = "port {mx_port}\nname-server {net}.53:{dns_port}\nprovider gmail.test { mx {net}.10; down; }\n"
# of 1 MB and more: a file of its own
LETTER = b"X-Id: x\r\n\r\n" + (b"y" * 98 + b"\r\n") * 11000


def break_file(path):
    with open(path, "r+b") as f:
        f.seek(100)
        f.write(b"nonsense")


@case("a broken file of the spool is set aside with its reason; with spool-delete-corrupted it is deleted")
def broken():
    with World(policy=POLICY) as w:
        def queue():
            return [p for p in glob.glob(w.folder + "/spool/queue/*/*")]
        for text, kept in (("", 2), ("spool-delete-corrupted yes\n", 0)):
            with w.ph.client() as s:
                s.sendmail("a@inject.test", ["b@gmail.test"], LETTER)
            w.ph.stop()
            expect_equal(len(queue()), 1, "queue files")
            name = os.path.basename(queue()[0])
            break_file(queue()[0])
            w.ph.write_config(text + w.config)
            w.ph.start()
            wait_for("the spool was read", lambda: queued_recipients(w.ph) == 0)
            expect_equal(queue(), [], "queue files afterwards")
            expect_equal(len(glob.glob(f"{w.folder}/spool/bad/{name}*")), kept, f"kept with {text!r}")
            wait_for("the log of it", lambda: "event=set-aside" in w.ph.said())
            w.ph.pmtactl("show", "ledger")


main()
