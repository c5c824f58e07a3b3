"""What others may have planted where we write: links, second names, FIFOs, devices and directories under names of ours. None
is followed, written to, given away or waited for, and the mail goes on; or the start is refused with a sentence about it."""
import os
import stat
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BUILD, World  # noqa: E402

POLICY = """port {mx_port}
name-server {net}.53:{dns_port}
provider gmail.test { mx {net}.10; }
"""
SECRET = "victim-secret-7f3a"
KINDS = ["symlink", "hardlink", "fifo", "folder"] + (["device"] if os.geteuid() == 0 else [])


class Planted(World):
    def __init__(self):
        super().__init__(policy=POLICY, config="pickup {folder}/in {folder}/bad\n", start=False)
        self.victim = self.folder + "/victim"
        with open(self.victim, "w") as f:
            f.write(f"rcpt: x@gmail.test\n{SECRET}\n")
        os.chmod(self.victim, 0o600)
        self.planted = {}

    def plant(self, kind, path):
        """One thing under that name; what was there is taken away."""
        path = f"{self.folder}/{path}"
        if os.path.lexists(path):
            os.remove(path)
        if kind == "symlink":
            os.symlink(self.victim, path)
        elif kind == "hardlink":
            os.link(self.victim, path)
        elif kind == "fifo":
            os.mkfifo(path, 0o600)
        elif kind == "device":
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        else:
            os.mkdir(path, 0o700)
        self.planted[path] = look(path)
        return path

    def unplant(self):
        for path in self.planted:
            if os.path.isdir(path) and not os.path.islink(path):
                os.rmdir(path)
            elif os.path.lexists(path):
                os.remove(path)
        self.planted = {}

    def unharmed(self, before, what):
        """Neither the victim nor what was planted and still lies there was touched."""
        expect_equal(look(self.victim), before, f"the victim of {what}")
        expect_equal(open(self.victim).read(), f"rcpt: x@gmail.test\n{SECRET}\n", f"its content, {what}")
        for path, was in self.planted.items():
            if os.path.lexists(path) and look(path)[:2] == was[:2]:  # else it was replaced by one of ours
                expect_equal(look(path), was, path)
        for folder in ("log", "acct"):
            expect(SECRET not in "".join(readable(f"{self.folder}/{folder}")), f"the secret came out by {what}")


def look(path):
    st = os.lstat(path)
    return st.st_ino, stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, \
        st.st_size if stat.S_ISREG(st.st_mode) else 0


def readable(folder):
    for name in os.listdir(folder):
        path = f"{folder}/{name}"
        st = os.lstat(path)
        if stat.S_ISREG(st.st_mode) and st.st_nlink == 1:
            yield open(path, errors="replace").read()


def names_of(i):
    """Patterns of names in folders that several daemons write; i: which kind."""
    return [f"spool/journal/0-000000f{i}", f"spool/journal/3-000000f{i}", f"spool/queue/a{i}/0ca844ae00000a{i:x}{i:x}",
            f"spool/queue/00/0ca844ae000000{i:02x}", f"spool/tmp/0ca844ae000000{i:02x}", f"spool/tmp/odd{i}",
            f"spool/pipes/0123456789abcdef.0000000{i}", f"spool/bad/0.0ca844ae000000{i:02x}.0",
            f"spool/state/odd{i}", f"in/mail{i}", f"bad/mail{i}", f"acct/.acct{i}", f"acct/acct-2026-01-01-000{i}.csv"]


@case("planted under new names in every folder where several write: left alone or put aside, and all mail goes through")
def new_names():
    with Planted() as w:
        w.ph.start()
        w.ph.stop()
        for i, kind in enumerate(KINDS):
            for name in names_of(i):
                w.plant(kind, name)
        before = look(w.victim)
        w.ph.start()
        w.inject(50)
        w.mx.wait_recipients(50)
        w.drained()
        w.unharmed(before, "new names")
        w.ph.stop()
        w.unharmed(before, "new names, at the stop")
        w.unplant()
        w.ph.start()
        w.ph.audit()
        expect(all(e.rcpt != "x@gmail.test" for e in w.mx.log()), "the victim was sent as mail")


@case("planted where one file is kept over restarts: nothing is lost but what it kept, and it is told")
def kept_names():
    with Planted() as w:
        w.ph.start()
        w.ph.stop()
        for i, kind in enumerate(KINDS):
            w.plant(kind, "spool/pid")
            w.plant(kind, "spool/control")
            state = ("clock", "limits")[i % 2]
            w.plant(kind, "spool/state/" + state)
            w.plant(kind, "spool/done/spare")
            w.plant(kind, "acct/acct.csv")
            before = look(w.victim)
            if kind == "folder":  # these two cannot be taken away
                for name in ("spool/pid", "spool/control", "acct/acct.csv"):
                    os.rmdir(f"{w.folder}/{name}")
                    del w.planted[f"{w.folder}/{name}"]
            said = len(w.ph.said())
            w.ph.start()
            w.inject(20)
            w.mx.wait_recipients(20 * (i + 1))
            w.drained()
            w.unharmed(before, f"{kind} of kept names")
            wait_for(f"{kind} as state/{state} is told", lambda: state in w.ph.said()[said:])
            w.ph.stop()
            w.unplant()
            for name in ("clock", "limits"):
                if os.path.lexists(f"{w.folder}/spool/state/{name}"):
                    os.remove(f"{w.folder}/spool/state/{name}")
        w.ph.start()
        w.ph.audit()


@case("planted where nothing may be missing: the start is refused at once, with a sentence that names it, and nothing is touched")
def roots_names():
    with Planted() as w:
        w.ph.start()
        w.ph.stop()
        for name in ("log/pmta.log", "spool/lock", "spool/done/000000f0"):
            for kind in ("symlink", "fifo") if "done" in name else KINDS:
                kept = f"{w.folder}/kept"
                if os.path.lexists(f"{w.folder}/{name}"):
                    os.rename(f"{w.folder}/{name}", kept)
                w.plant(kind, name)
                before = look(w.victim)
                r = subprocess.run([BUILD + "/sbin/posthaste", "-f", "-c", w.ph.config_path], capture_output=True, text=True,
                                   stdin=subprocess.DEVNULL, timeout=30)
                said = r.stderr + r.stdout + (w.ph.said() if os.path.isfile(w.folder + "/log/pmta.log") else "")
                expect(r.returncode != 0 and any(word in said for word in (name, "spool's lock", "spool's done log")),
                       f"{kind} as {name}: {r.returncode} {said[-500:]}")
                w.unharmed(before, f"{kind} as {name}")
                w.unplant()
                if os.path.lexists(kept):
                    os.rename(kept, f"{w.folder}/{name}")
        w.ph.start()
        w.inject(5)
        wait_for("it serves again", lambda: w.mx.wait_recipients(5) or True)
        w.ph.audit()


@case("planted in the suppression database: its owner does not start before it is gone, says so, and touches nothing; then it serves")
def database_names():
    with Planted() as w:
        w.ph.start()
        w.ph.pmtactl("suppress", "x@gmail.test")
        for kind, name in zip(KINDS, ("suppressed", "log.0000000001", "lock", "DB_CONFIG", "suppressed")):
            w.ph.stop()
            path, kept = f"{w.folder}/spool/suppress/{name}", f"{w.folder}/kept"
            if os.path.lexists(path):
                os.rename(path, kept)
            w.plant(kind, f"spool/suppress/{name}")
            before = look(w.victim)
            said = len(w.ph.said())
            with subprocess.Popen([BUILD + "/sbin/posthaste", "-f", "-c", w.ph.config_path], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
                try:
                    wait_for(f"{kind} as {name} is told", lambda: f"suppress/{name}" in w.ph.said()[said:])
                finally:
                    server.terminate()
            w.unharmed(before, f"{kind} as {name}")
            w.unplant()
            if os.path.lexists(kept):
                os.rename(kept, path)
            w.ph.start()
            expect("x@gmail.test" in w.ph.pmtactl("show", "suppressed", "x@gmail.test").stdout, f"after {kind} as {name}")
        w.ph.stop()
        hashes = f"{w.folder}/spool/suppress/hashes"
        os.remove(hashes)
        w.plant("fifo", "spool/suppress/hashes")
        w.ph.start()  # these are only for speed
        expect("event=hashes-not-opened" in w.ph.said() and stat.S_ISFIFO(os.lstat(hashes).st_mode), "a FIFO as hashes")
        expect("x@gmail.test" in w.ph.pmtactl("show", "suppressed", "x@gmail.test").stdout, "with a FIFO as hashes")
        w.ph.audit()


if __name__ == "__main__":
    main()
