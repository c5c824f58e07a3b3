"""What package_cases.py does in the clean root: package_life.py OLD.deb NEW.deb. Ends with 0 when all was right."""
import glob
import os
import pwd
import re
import smtplib
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
import clean_root  # noqa: E402
from cases import expect, expect_equal, wait_for  # noqa: E402
from mxsim import Mxsim  # noqa: E402
from posthaste import BUILD, ROOT, USERS, processes  # noqa: E402

POLICY = "port 2525\nname-server 127.0.7.53:5353\nprovider gmail.test { mx 127.0.7.10; }\n"
OWN_LINES = """
# mine
name-server 127.0.7.53:5353
<domain gmail.test>
	default-smtp-port 2525
</domain>
"""
CONFIG = "/etc/pmta/config"


def run(*words, wanted=0):
    r = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"})
    expect(wanted is None or r.returncode == wanted, f"{' '.join(words)}: {r.returncode}: {r.stdout}{r.stderr}")
    return r.stdout + r.stderr


def ours():
    return [p for p, (name, _) in processes().items() if name in ("posthaste", *USERS)]


def as_the_unit_says():
    """The server in the foreground, with the rights that the service unit leaves to it."""
    unit = open("/lib/systemd/system/posthaste.service").read()
    capabilities = " ".join(re.findall(r"^CapabilityBoundingSet=(.*)$", unit, re.M)).split()
    kept = ",".join("+" + c.removeprefix("CAP_").lower() for c in capabilities)
    command = re.search(r"^ExecStart=(.*)$", unit, re.M).group(1).split()
    expect(len(capabilities) > 5 and "NoNewPrivileges=yes" in unit, unit)
    return ["setpriv", "--bounding-set=-all," + kept, "--no-new-privs", *command]


def answers():
    return run("pmtactl", "show", "status", wanted=None).startswith("Name") or \
        subprocess.run(["pmtactl", "show", "status"], capture_output=True).returncode == 0


def send(ident):
    with smtplib.SMTP("127.0.0.1", 25, timeout=30) as s:
        s.sendmail("a@inject.test", "b@gmail.test", f"X-Id: {ident}\r\nx-virtual-mta: bulk\r\n\r\nbody\r\n")


def installed(package):
    run("dpkg", "-i", package)
    for user in set(USERS.values()) - {"root"}:  # execd keeps root to become the user of a command
        expect(pwd.getpwnam(user).pw_shell.endswith("nologin"), f"{user}: may log in")
    expect("is good" in run("posthaste", "-t"), "the sample is accepted, with the providers' files")
    for path in ("/var/spool/pmta", "/var/log/pmta"):
        expect_equal(os.stat(path).st_gid, pwd.getpwnam("pmta-queue").pw_gid, f"group of {path}")
    with open(CONFIG, "a") as f:
        f.write(OWN_LINES)
    with open("/etc/pmta/providers/google.conf", "a") as f:
        f.write("# mine\n")


def used(mx):
    server = subprocess.Popen(as_the_unit_says(), stdin=subprocess.DEVNULL)
    wait_for("the server answers", answers, 30)
    expect_equal(server.poll(), None, "the server ended")
    send("one")
    mx.wait_recipients(1)
    wait_for("a record", lambda: "gmail.test" in "".join(open(p).read() for p in glob.glob("/var/log/pmta/acct.csv")), 30)
    return server


def upgraded(mx, package, server):
    run("pmtactl", "pause", "queue", "gmail.test/bulk")
    send("waits")
    run("dpkg", "-i", package)
    expect_equal(server.wait(30), 0, "how the old one ended")
    wait_for("the new one answers", answers, 30)
    expect_equal(run("dpkg-query", "-W", "-f", "${Version}", "posthaste"), "0.0.2", "version")
    for path in (CONFIG, "/etc/pmta/providers/google.conf"):
        expect("# mine" in open(path).read(), f"{path} was overwritten")
    run("pmtactl", "resume", "queue", "gmail.test/bulk")
    run("pmtactl", "schedule", "gmail.test/bulk", wanted=None)
    mx.wait_recipients(2)
    expect("Balanced: 2 accepted" in run("pmtactl", "audit"), "the audit")


def removed():
    run("dpkg", "-r", "posthaste")
    expect_equal(ours(), [], "processes left")
    expect(not os.path.exists("/usr/sbin/posthaste"), "the program is gone")
    expect(os.path.exists(CONFIG) and os.path.exists("/var/spool/pmta/done"), "configuration and spool were kept")
    run("dpkg", "-P", "posthaste")
    expect(not os.path.exists("/etc/pmta") and not os.path.exists("/var/log/pmta"), "purged")
    expect(os.path.exists("/var/spool/pmta/done"), "mail was thrown away")


def main():
    clean_root.enter(BUILD, ROOT)
    expect(not os.path.exists("/etc/pmta"), "the root is not clean")
    mx = Mxsim(BUILD, "/tmp/mxsim", POLICY)
    mx.start()
    installed(sys.argv[1])
    server = used(mx)
    upgraded(mx, sys.argv[2], server)
    removed()
    mx.stop()


if __name__ == "__main__":
    main()
