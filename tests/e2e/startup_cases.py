"""Starting: -t, -f, background, as an ordinary user, from where it was installed, and what systemd is told."""
import itertools
import os
import pwd
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import Skip, case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BUILD, ROOT, World, is_alive, processes  # noqa: E402

POSTHASTE = BUILD + "/sbin/posthaste"


def run(*words, **options):
    r = subprocess.run(words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **options)
    return r.returncode, r.stdout + r.stderr


def is_served(address):
    try:
        with socket.create_connection(address, 5) as s:
            return s.recv(3) == b"220"
    except OSError:
        return False


@case("-t: a right configuration ends with 0; all errors are told with file, line, column and the nearest known word")
def check():
    with World(start=False) as w:
        code, said = run(POSTHASTE, "-t", "-c", w.ph.config_path)
        expect_equal(code, 0, f"right: {said}")
        expect(not os.path.exists(w.folder + "/spool"), "-t made a spool")
        w.ph.write_config(w.config + "\nhost-nam x\n<domain gmail.test>\n\tmax-smtp-uot 5\n\tretry-after soon\n</domain>\n")
        code, said = run(POSTHASTE, "-t", "-c", w.ph.config_path)
        expect_equal(code, 78, f"wrong: {said}")
        expect_equal(len(re.findall(r"error: \S+config:\d+:\d+: ", said)), 3, f"errors with their places: {said}")
        expect("host-name" in said and "max-smtp-out" in said, f"nearest words: {said}")


@case("-t: an address that this machine does not have is an error, a CIDR expands to those that it has")
def source_addresses():
    with World(start=False) as w:
        own = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
        rows = [("198.51.100.77 out.test", False), ("198.51.100.0/28 out.test", False),
                (w.fill("{net}.201 out.test"), True)]
        rows += [(f"{a}/{31 if '.' in a else 127} out.test", True) for a in own]
        for text, is_right in rows:
            w.ph.write_config(w.config + f"<virtual-mta v>\n\tsmtp-source-host {text}\n</virtual-mta>\n")
            code, said = run(POSTHASTE, "-t", "-c", w.ph.config_path)
            expect_equal(code == 0, is_right, f"{text}: {code}: {said}")


@case("when not even the spool's directories can be made the start ends with 75 and says why; when they can be, it starts")
def no_room():
    with World(start=False) as w:
        place = w.folder + "/place"
        w.ph.write_config(w.config.replace("<spool {0}/spool>".format(w.folder), f"<spool {place}/spool>"))
        with open(place, "w"):
            pass
        code, said = run(POSTHASTE, "-f", "-c", w.ph.config_path)
        expect_equal(code, 75, f"in a file: {said}")
        expect(place + "/spool" in said and "Not a directory" in said, f"in a file: {said}")
        os.unlink(place)
        os.mkdir(place, 0o755)
        mounted = os.geteuid() == 0 and run("mount", "-t", "tmpfs", "-o", "size=400m,mode=755,nr_inodes=1", "tmpfs", place)[0] == 0
        try:
            if mounted:
                code, said = run(POSTHASTE, "-f", "-c", w.ph.config_path)
                expect_equal(code, 75, f"no inode is left: {said}")
                expect(place + "/spool" in said and "No space left" in said, f"no inode is left: {said}")
                expect_equal(run("mount", "-o", "remount,nr_inodes=2", place)[0], 0, "remount")
                code, said = run(POSTHASTE, "-c", w.ph.config_path)  # whoever starts it in the background is told as well
                expect_equal(code, 75, f"one inode is left: {said}")
                expect("in the spool: No space left" in said, f"one inode is left: {said}")
                expect_equal(run("mount", "-o", "remount,nr_inodes=10000", place)[0], 0, "remount")
            w.ph.start()
            w.inject(10)
            w.conserve()
            w.ph.stop()
        finally:
            if mounted:
                run("umount", place)


@case("without -f it goes to the background when it is ready, writes its pid, and SIGTERM ends it")
def background():
    with World(start=False) as w:
        code, said = run(POSTHASTE, "-c", w.ph.config_path)
        expect_equal(code, 0, f"start: {said}")
        pid = int(open(w.folder + "/spool/pid").read())
        try:
            expect(is_served(w.ph.listener), "served at once when the command is back")
            code, said = run(POSTHASTE, "-c", w.ph.config_path)
            expect(code != 0 and "in use by another" in said, f"a second one: {code} {said}")
        finally:
            os.kill(pid, signal.SIGTERM)
            wait_for("the end", lambda: not is_alive(pid), 20)
        w.ph.write_config(w.config + "nonsense 1\n")
        expect_equal(run(POSTHASTE, "-c", w.ph.config_path)[0], 78, "a wrong configuration")


@case("an ordinary user starts it on high ports, is told which protection is missing, and the whole path works")
def ordinary_user():
    if os.geteuid() != 0:
        raise Skip("this test changes to another user, and is not root")
    with World(start=False) as w:
        nobody = pwd.getpwnam("nobody")
        place = w.folder + "/program"  # a build folder may be out of that user's reach
        for part in ("sbin", "libexec"):
            shutil.copytree(f"{BUILD}/{part}", f"{place}/{part}", symlinks=True)
        for path in (w.folder, w.folder + "/log", w.folder + "/acct", w.ph.config_path):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        p = subprocess.Popen(["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups",
                              place + "/sbin/posthaste", "-f", "-c", w.ph.config_path], stdin=subprocess.DEVNULL,
                             stdout=open(w.folder + "/errors", "w"), stderr=subprocess.STDOUT, cwd="/")
        try:
            wait_for("it serves", lambda: p.poll() is not None or is_served(w.ph.listener), 20)
            said = open(w.folder + "/errors").read() + w.ph.said()
            expect_equal(p.poll(), None, f"it ended: {said[-800:]}")
            expect("without root" in said or "not root" in said or "ordinary user" in said, f"what is missing: {said}")
            w.inject(100)
            w.mx.wait_recipients(100)
            w.ph.process = p
            w.conserve()
            uids = {os.stat(f"/proc/{pid}").st_uid for pid, (_, parent) in processes().items() if parent == p.pid}
            expect(uids <= {nobody.pw_uid, 0}, f"user ids: {uids}")
        finally:
            p.terminate()
            expect_equal(p.wait(30), 0, "exit status")


@case("make install DESTDIR puts programs, manual pages, unit and sample there, and it runs from there")
def install():
    with World(start=False) as w:
        place = w.folder + "/installed"
        code, said = run("sh", "scripts/install.sh", BUILD, place, "/usr", cwd=ROOT)
        expect_equal(code, 0, f"install: {said}")
        for path in ("usr/sbin/posthaste", "usr/sbin/pmtactl", "usr/sbin/pmta", "usr/libexec/posthaste/injectd",
                     "etc/pmta/config", "lib/systemd/system/posthaste.service", "usr/share/man/man8/posthaste.8",
                     "usr/share/man/man5/posthaste.conf.5"):
            expect(os.path.exists(f"{place}/{path}"), f"{path} was not installed")
        unit = open(place + "/lib/systemd/system/posthaste.service").read()
        expect("/usr/sbin/posthaste" in unit and not re.search(r"@\w+@", unit), f"unit: {unit}")
        with open(place + "/etc/pmta/config", "a") as f:
            f.write("# mine\n")
        run("sh", "scripts/install.sh", BUILD, place, "/usr", cwd=ROOT)
        expect("# mine" in open(place + "/etc/pmta/config").read(), "an own configuration was overwritten")
        os.chmod(place, 0o755)
        p = subprocess.Popen([place + "/usr/sbin/posthaste", "-f", "-c", w.ph.config_path], stdin=subprocess.DEVNULL,
                             stdout=open(w.folder + "/errors", "w"), stderr=subprocess.STDOUT, cwd="/")
        try:
            wait_for("it serves", lambda: p.poll() is not None or is_served(w.ph.listener), 20)
            with smtplib.SMTP(*w.ph.listener, timeout=20) as s:
                s.sendmail("a@inject.test", ["b@gmail.test"], b"X-Id: i\r\n\r\nx\r\n")
            w.mx.wait_recipients(1)
            code, said = run(place + "/usr/sbin/pmta", "-c", w.ph.config_path, "show", "status")
            expect_equal(code, 0, f"pmta: {said}")
        finally:
            p.terminate()
            p.wait(30)


@case("systemd is told READY, RELOADING and STOPPING")
def notify():
    with World(start=False) as w, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        path = w.folder + "/notify"
        s.bind(path)
        s.settimeout(20)
        os.environ["NOTIFY_SOCKET"] = path
        try:
            w.ph.start()
        finally:
            del os.environ["NOTIFY_SOCKET"]
        expect("READY=1" in s.recv(4096).decode(), "READY at the start")
        w.ph.pmtactl("reload")
        text = s.recv(4096).decode()
        expect("RELOADING=1" in text and "MONOTONIC_USEC=" in text, f"at a reload: {text}")
        expect("READY=1" in s.recv(4096).decode(), "READY after the reload")
        w.ph.stop()
        expect("STOPPING=1" in s.recv(4096).decode(), "STOPPING")


def readme_configuration():
    text = open(ROOT + "/README.md").read()
    lines = text[text.index("    postmaster "):].splitlines()
    block = itertools.takewhile(lambda line: not line or line.startswith("    "), lines)
    return "".join(line[4:] + "\n" for line in block)


@case("the configuration in the README, and the sample, are right but for the addresses, and work")
def readme():
    with World(start=False) as w:
        text = readme_configuration()
        for old, new in (("# smtp-source-host", "smtp-source-host"), ("192.0.2.10", f"{w.net}.201"), ("192.0.2.11", f"{w.net}.202"),
                         ("127.0.0.1:25", f"{w.net}.1:{w.names['smtp_port']}"), ("<source 127.0.0.1>", "<source 127/8>"),
                         ("/var/spool/pmta", w.folder + "/spool"), ("/var/log/pmta/acct", w.folder + "/acct/acct"),
                         ("/var/log/pmta", w.folder + "/log")):
            expect(old in text, f"{old} is not in the README")
            text = text.replace(old, new)
        text += w.fill("\nname-server {net}.53:{dns_port}\n<domain *>\n\tdefault-smtp-port {mx_port}\n</domain>\n")
        w.ph.write_config(text)
        code, said = run(POSTHASTE, "-t", "-c", w.ph.config_path)
        expect_equal(code, 0, f"-t: {said}")
        w.ph.start()
        try:
            with w.ph.client() as s:
                s.sendmail("you@inject.test", ["b@gmail.test"], b"x-virtual-mta: receipts\r\nX-Id: r\r\n\r\nx\r\n")
            w.mx.wait_recipients(1)
            expect_equal(w.mx.log()[0].ehlo, "out1.example.com", "EHLO name")
            for words in (["show", "status"], ["show", "topqueues"], ["explain", "b@gmail.test"],
                          ["show", "settings", "gmail.test/receipts"], ["reload"], ["audit"]):
                r = w.ph.pmtactl(*words, check=False)
                expect(r.returncode in (0, 1) and r.stdout, f"pmtactl {words}: {r.returncode} {r.stderr}")
        finally:
            w.ph.stop()
        code, said = run(POSTHASTE, "-t", "-c", ROOT + "/conf/sample.conf")
        expect_equal(code, 0, f"the sample: {said}")


if __name__ == "__main__":
    main()
