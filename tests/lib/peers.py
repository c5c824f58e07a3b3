"""Other people's programs, unpacked from Debian's packages: never installed, never a service."""
import os
import shutil
import subprocess

from cases import Skip
from posthaste import ROOT

PEERS = os.path.join(ROOT, "build/peers")


def unpack(package):
    """A Debian package unpacked privately, nothing of it installed or started; its folder."""
    folder = f"{PEERS}/{package}"
    if os.path.isdir(folder + "/usr"):
        return folder
    os.makedirs(PEERS, exist_ok=True)
    r = subprocess.run(["apt-get", "download", package], cwd=PEERS, capture_output=True, text=True)
    found = [f for f in os.listdir(PEERS) if f.startswith(package + "_") and f.endswith(".deb")]
    if not found:
        raise Skip(f"the package {package} cannot be fetched: {r.stderr.strip()[-200:]}")
    partial = f"{folder}.{os.getpid()}"
    subprocess.run(["dpkg", "-x", f"{PEERS}/{found[0]}", partial], check=True)
    if os.path.isdir(folder):
        shutil.rmtree(partial)
    else:
        os.rename(partial, folder)
    return folder
