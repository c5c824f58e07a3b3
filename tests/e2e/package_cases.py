"""The Debian package: what is in it, and its life on a machine that never saw Posthaste (see tests/lib/clean_root.py):
installed, started as the service unit says, used, upgraded, removed and purged."""
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE) + "/lib")
import clean_root  # noqa: E402
from cases import Skip, case, expect, expect_equal, main  # noqa: E402
from posthaste import BUILD, DAEMONS, ROOT  # noqa: E402


def run(*words, **options):
    r = subprocess.run(words, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, **options)
    return r.returncode, r.stdout + r.stderr


@functools.cache
def build(version):
    """The path of a package of that version."""
    for program in ("dpkg-deb", "dpkg-shlibdeps", "strip", "xz"):
        if shutil.which(program) is None:
            raise Skip(f"{program} is not installed")
    code, said = run("sh", "packaging/deb.sh", BUILD, version, cwd=ROOT, env={**os.environ, "DEB_COMPRESSION": "none"})
    expect_equal(code, 0, f"deb.sh: {said}")
    return said.strip()


@case("the package has every program, page and sample, asks for its libraries, and the unit is understood by systemd")
def contents():
    path = build("0.0.1")
    folder = tempfile.mkdtemp(prefix="posthaste-deb-")
    try:
        expect_equal(run("dpkg-deb", "-R", path, folder)[0], 0, "unpacked")
        wanted = ["usr/sbin/posthaste", "usr/sbin/pmtactl", "usr/sbin/pmta", "usr/share/man/man8/pmtactl.8.gz",
                  "usr/share/man/man5/posthaste.conf.5.gz", "usr/share/posthaste/config.sample",
                  "usr/share/posthaste/users.sh", "usr/lib/tmpfiles.d/posthaste.conf",
                  "lib/systemd/system/posthaste.service", "usr/share/doc/posthaste/operations.md", "usr/share/doc/posthaste/guides/unbound.md",
                  "usr/share/posthaste/monitoring/posthaste.rules.yml", "usr/share/bash-completion/completions/pmta",
                  "usr/share/zsh/vendor-completions/_pmtactl", "usr/share/fish/vendor_completions.d/pmta.fish",
                  *(f"usr/libexec/posthaste/{d}" for d in DAEMONS)]
        missing = [w for w in wanted if not os.path.lexists(f"{folder}/{w}")]
        expect(not missing, f"not in the package: {missing}")
        control = open(folder + "/DEBIAN/control").read()
        expect("libc6" in control and "libssl3" in control and "@" not in control.replace("@localhost", ""), control)
        conffiles = open(folder + "/DEBIAN/conffiles").read()
        expect("/etc/pmta/providers/google.conf" in conffiles and "/etc/pmta/config\n" not in conffiles, conffiles)
        expect(not os.path.exists(folder + "/etc/pmta/config"), "the package would own the configuration")
        unit_is_understood(folder)
    finally:
        shutil.rmtree(folder)


def unit_is_understood(folder):
    if shutil.which("systemd-analyze") is None:
        print("# systemd-analyze is not installed: the unit was not checked")
        return
    said = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", folder + "/lib/systemd/system/posthaste.service")[1]
    wrong = [line for line in said.splitlines() if re.search(r"posthaste\.service:\d+:", line)]
    expect(not wrong, f"the unit: {wrong}")


@case("the package is installed in a clean root, started, used, upgraded with mail waiting, removed and purged")
def life():
    lack = clean_root.why_not()
    if lack:
        raise Skip(lack)
    code, said = clean_root.run(HERE + "/package_life.py", build("0.0.1"), build("0.0.2"))
    expect_equal(code, 0, f"in the clean root:\n{said}")


main()
