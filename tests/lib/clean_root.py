"""A machine that never saw Posthaste: an overlay over this one's file system, in namespaces of its own for mounts,
processes and network, without our users, files and directories. Nothing done in it reaches the outside.

    clean_root.run(script, "word", ...)         from outside: runs `script` in there, returns (exit status, output)
    clean_root.enter()                          the first call of such a script
"""
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

OURS = ("/etc/pmta", "/var/spool/pmta", "/var/log/pmta", "/usr/sbin/posthaste", "/usr/sbin/pmtactl", "/usr/sbin/pmta",
        "/usr/libexec/posthaste", "/usr/share/posthaste")
UNSHARE = ("unshare", "--mount", "--net", "--pid", "--fork", "--propagation", "private", "--kill-child")


def why_not():
    """What this machine lacks for it, or None."""
    if os.geteuid() != 0:
        return "not root"
    for program in ("unshare", "dpkg", "setpriv"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    code, said = run(__file__, "probe")
    return None if code == 0 else f"no overlay in a namespace: {said.strip().splitlines()[-1:]}"


def run(script, *words):
    r = subprocess.run([*UNSHARE, sys.executable, script, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=120, errors="replace")
    return r.returncode, r.stdout


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 1 | 64))  # SIOCSIFFLAGS: up, running


def enter(*visible):
    """Into the clean root; the folders `visible` are seen there under the same paths."""
    top = tempfile.mkdtemp(prefix="posthaste-root-")
    mount("-t", "tmpfs", "tmpfs", top)
    for name in ("upper", "work", "root"):
        os.mkdir(f"{top}/{name}")
    root = top + "/root"
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={top}/upper,workdir={top}/work", root)
    mount("-t", "proc", "proc", root + "/proc")
    mount("--rbind", "/dev", root + "/dev")
    for name in ("/run", "/tmp", "/var/tmp"):
        mount("-t", "tmpfs", "tmpfs", root + name)
    for path in visible:
        os.makedirs(root + path, exist_ok=True)
        mount("--bind", path, root + path)
    os.chroot(root)
    os.chdir("/")
    loopback_up()
    forget_us()


def forget_us():
    for path in OURS:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)
    names = [line.split(":")[0] for line in open("/etc/passwd")]
    for name in names:
        if name.startswith("pmta-"):
            subprocess.run(["userdel", name], check=True, capture_output=True)
    if any(line.startswith("pmta:") for line in open("/etc/group")):
        subprocess.run(["groupdel", "pmta"], check=True, capture_output=True)


if __name__ == "__main__":
    enter()
