"""Debian's Postfix as the other side: fetched as a package, unpacked privately (never installed, never a
service), with its own durable defaults and settings for throughput."""
import glob
import grp
import os
import pwd
import re
import signal
import subprocess

import load
from machine import Missing

MAIN = """compatibility_level = 3.6
queue_directory = {spool}/queue
data_directory = {spool}/data
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {etc}
import_environment = LD_LIBRARY_PATH MAIL_CONFIG TZ LANG=C
mail_owner = {owner}
setgid_group = {group}
maillog_file = {spool}/log
maillog_file_prefixes = {spool}
myhostname = mta.bench.test
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
relayhost = [127.0.0.1]:{target}
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_relay_restrictions = permit_mynetworks, reject
biff = no
default_process_limit = 200
default_destination_concurrency_limit = {concurrency}
initial_destination_concurrency = {initial}
smtp_connection_cache_on_demand = yes
smtp_connection_cache_destinations = 127.0.0.1
smtp_connection_reuse_time_limit = 300s
qmgr_message_active_limit = 60000
qmgr_message_recipient_limit = 60000
in_flow_delay = 0
"""
MASTER = """127.0.0.1:{port} inet n - n - 200 smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - {concurrency} smtp
relay unix - - n - {concurrency} smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
tlsproxy unix - - n - 0 tlsproxy
"""
# with TLS on both legs; connections with TLS are kept by tlsproxy
TLS = """smtpd_tls_security_level = may
smtpd_tls_cert_file = {tls}
smtpd_tls_key_file = {tls}
smtp_tls_security_level = encrypt
smtp_tls_connection_reuse = yes
"""
OWNED = "active bounce corrupt defer deferred flush hold incoming private saved trace".split()


def first_account(lookup, names):
    for name in names:
        try:
            lookup(name)
            return name
        except KeyError:
            pass
    raise Missing("a system account for Postfix")


class Peer:
    """The unpacked package: Postfix itself and its load generator."""

    def __init__(self, folder):
        self.folder, self.root = folder, folder + "/root"
        if not os.path.exists(self.root + "/usr/sbin/smtp-source"):
            self._fetch()
        self.libraries = f"{self.root}/usr/lib/postfix:{self.root}/usr/lib/x86_64-linux-gnu"

    def _fetch(self):
        os.makedirs(self.root, exist_ok=True)
        depends = subprocess.run(["apt-cache", "depends", "postfix"], capture_output=True, text=True).stdout
        packages = ["postfix"] + [p for p in re.findall(r"^  Depends: (lib\S+)$", depends, re.M)
                                  if subprocess.run(["dpkg", "-s", p], capture_output=True).returncode != 0]
        r = subprocess.run(["apt-get", "-qq", "download", *packages], cwd=self.folder, capture_output=True, text=True)
        debs = glob.glob(self.folder + "/*.deb")
        if r.returncode != 0 or not debs:
            raise Missing("Debian's postfix package: " + (r.stderr.strip().splitlines() or ["?"])[-1])
        for deb in debs:
            subprocess.run(["dpkg", "-x", deb, self.root], check=True)

    def program(self, name):
        return f"{self.root}/usr/sbin/{name}"

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": self.libraries, "LANG": "C"}

    def version(self):
        return subprocess.run([self.program("postconf"), "-dh", "mail_version"], env=self.environment(),
                              capture_output=True, text=True).stdout.strip()


class Postfix:
    name = "postfix"
    tls = None  # a PEM file: TLS on both legs

    def __init__(self, peer, folder, group, target, one_connection=False):
        if os.geteuid() != 0:
            raise Missing("root: Postfix")
        self.peer, self.spool, self.group = peer, folder + "/postfix", group
        self.etc, self.port = self.spool + "/etc", load.free_port()
        self.values = {
            "spool": self.spool, "etc": self.etc, "root": peer.root, "target": target, "port": self.port,
            "concurrency": 1 if one_connection else 100, "initial": 1 if one_connection else 50,
            "owner": first_account(pwd.getpwnam, ("postfix", "news", "uucp")),
            "group": first_account(grp.getgrnam, ("postdrop", "list", "games")),
        }

    def start(self):
        self._folders()
        with open(self.etc + "/main.cf", "w") as f:
            f.write(MAIN.format(**self.values))
            f.write(TLS.format(tls=self.tls) if self.tls else "smtp_tls_security_level = none\n")
        with open(self.etc + "/master.cf", "w") as f:
            f.write(MASTER.format(**self.values))
        master = self.peer.root + "/usr/lib/postfix/sbin/master"
        r = subprocess.run([master, "-w", "-c", self.etc], env=self.peer.environment(), preexec_fn=self.group.enter,
                           stdin=subprocess.DEVNULL, capture_output=True, text=True)
        try:
            load.wait_for("Postfix", lambda: load.port_open(self.port), 15)
        except RuntimeError as e:
            log = self.spool + "/log"
            text = open(log).read()[-600:] if os.path.exists(log) else ""
            raise RuntimeError(f"{e}: {r.stderr} {text}") from None

    def _folders(self):
        owner = pwd.getpwnam(self.values["owner"])
        group = grp.getgrnam(self.values["group"]).gr_gid
        queue = self.spool + "/queue"
        for path in (self.spool, self.etc, queue, queue + "/pid"):
            os.makedirs(path, 0o755, exist_ok=True)
        for path in [f"{queue}/{d}" for d in OWNED] + [self.spool + "/data"]:
            os.makedirs(path, 0o700, exist_ok=True)
            os.chown(path, owner.pw_uid, 0)
        for name, mode in (("public", 0o710), ("maildrop", 0o730)):
            os.makedirs(f"{queue}/{name}", exist_ok=True)
            os.chown(f"{queue}/{name}", owner.pw_uid, group)
            os.chmod(f"{queue}/{name}", mode)

    def stop(self):
        self.group.end(signal.SIGTERM, 3)
        self.group.end(signal.SIGKILL)
