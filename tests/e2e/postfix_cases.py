"""Debian's Postfix, unpacked privately: its smtp(8) relays to us, and its smtpd(8) takes our mail, to the byte."""
import glob
import grp
import os
import pwd
import signal
import smtplib
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import Skip, case, expect, expect_equal, main, wait_for  # noqa: E402
from peers import unpack  # noqa: E402
from posthaste import World, is_alive, processes  # noqa: E402

MAIN = """compatibility_level = 3.6
queue_directory = {spool}/queue
data_directory = {spool}/data
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {etc}
import_environment = LD_LIBRARY_PATH MAIL_CONFIG TZ LANG=C
mail_owner = news
setgid_group = list
maillog_file = {spool}/log
maillog_file_prefixes = {spool}
myhostname = postfix.test
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
relayhost = {relay}
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_rate_limit = 0
smtp_tls_security_level = none
always_add_missing_headers = no
message_size_limit = 50000000
in_flow_delay = 0
biff = no
"""
MASTER = """{address}:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""
QUEUES = "active bounce corrupt defer deferred flush hold incoming private saved trace".split()
BODY = (b"X-Id: %s\r\nFrom: a@inject.test\r\nDate: Sat, 01 Jan 2022 00:00:00 +0000\r\nMessage-ID: <%s@inject.test>\r\n"
        b"\r\n.\r\n..\r\n.dot\r\n" + b"x" * 900 + b"\r\n\ttab  \r\n8 bit \xc3\xa4\xff\r\n\r\nend\r\n")


def body(ident):
    return BODY % (ident, ident)


class Postfix:
    """Relays all that it takes to that address; ends with the block."""

    def __init__(self, w, relay):
        if os.geteuid() != 0:
            raise Skip("Postfix starts as root only")
        self.root, self.w = unpack("postfix"), w
        self.address, self.relay = f"{w.net}.60", relay
        self.spool, self.etc = w.folder + "/postfix", w.folder + "/postfix/etc"
        with socket.create_server((self.address, 0)) as s:
            self.port = s.getsockname()[1]

    def _folders(self):
        owner, group = pwd.getpwnam("news").pw_uid, grp.getgrnam("list").gr_gid
        queue = self.spool + "/queue"
        for path in (self.spool, self.etc, queue, queue + "/pid"):
            os.makedirs(path, 0o755)
        for path in [f"{queue}/{d}" for d in QUEUES] + [self.spool + "/data"]:
            os.makedirs(path, 0o700)
            os.chown(path, owner, 0)
        for name, mode in (("public", 0o710), ("maildrop", 0o730)):
            os.makedirs(f"{queue}/{name}")
            os.chown(f"{queue}/{name}", owner, group)
            os.chmod(f"{queue}/{name}", mode)

    def __enter__(self):
        self._folders()
        values = {"spool": self.spool, "etc": self.etc, "root": self.root, "address": self.address, "port": self.port,
                  "relay": self.relay}
        for name, text in (("main.cf", MAIN), ("master.cf", MASTER)):
            with open(f"{self.etc}/{name}", "w") as f:
                f.write(text.format(**values))
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": self.root + "/usr/lib/postfix", "LANG": "C"}
        self.master = None
        r = subprocess.run([self.root + "/usr/lib/postfix/sbin/master", "-w", "-c", self.etc], env=env, capture_output=True,
                           stdin=subprocess.DEVNULL, text=True, start_new_session=True, timeout=30)
        if r.returncode != 0:
            raise Skip(f"Postfix does not start here: {r.stderr[-300:]} {self.log()[-300:]}")
        self.master = int(open(self.spool + "/queue/pid/master.pid").read())
        try:
            wait_for("Postfix answers", self._answers, 20)
        except BaseException:
            print("# " + self.log()[-800:])
            self.__exit__()
            raise
        return self

    def _answers(self):
        try:
            with socket.create_connection((self.address, self.port), 5) as s:
                return s.recv(3) == b"220"
        except OSError:
            return False

    def log(self):
        path = self.spool + "/log"
        return open(path, errors="replace").read() if os.path.exists(path) else ""

    def __exit__(self, *_):
        ours = [self.master] + [p for p, (_, parent) in processes().items() if parent == self.master]
        os.kill(self.master, signal.SIGTERM)
        wait_for("Postfix is gone", lambda: not any(is_alive(p) for p in ours), 20)

    def queue_is_empty(self):
        return not [f for d in ("active", "incoming", "deferred", "maildrop")
                    for f in glob.glob(f"{self.spool}/queue/{d}/**/*", recursive=True) if os.path.isfile(f)]


@case("Postfix's smtp(8) relays to us over one and many connections: all arrives once, to the byte")
def postfix_as_client():
    with World(dump=True) as w, Postfix(w, f"[{w.net}.1]:{w.names['smtp_port']}") as p:
        idents = [b"c%d" % i for i in range(200)]
        with smtplib.SMTP(p.address, p.port, timeout=30) as s:
            for ident in idents:
                s.sendmail("a@inject.test", ["b@gmail.test", "c@yahoo.test"], body(ident), ["BODY=8BITMIME"])
        w.mx.wait_recipients(400)
        log = w.mx.log()
        expect_equal((len(log), {a.times for a in log}), (400, {1}), "recipients, once each")
        for a in log:
            expect(w.mx.message(a).endswith(body(a.id.encode())), f"{a.id} was changed")
        wait_for("Postfix's queue is empty", p.queue_is_empty, 20)
        w.drained()
        w.ph.audit()


@case("Postfix's smtpd(8) takes our mail, by BDAT and pipelined, and what it passes on is the same to the byte")
def postfix_as_server():
    policy = ("port {mx_port}\nname-server {net}.53:{dns_port}\nname pf.test a {net}.60\n"
              "name smarthost.test mx 10 pf.test\nprovider gmail.test { mx {net}.10; accept-any; }\n")
    with World(policy=policy, dump=True, start=False) as w, Postfix(w, f"[{w.net}.10]:{w.names['mx_port']}") as p:
        extra = f"<domain smarthost.test>\n\tdefault-smtp-port {p.port}\n\tmax-smtp-out 5\n</domain>\n"
        w.ph.write_config(w.config + extra)
        w.ph.start()
        idents = [b"s%d" % i for i in range(200)]
        try:
            with w.ph.client() as s:
                for ident in idents:
                    s.sendmail("a@inject.test", ["b@smarthost.test", "c@smarthost.test"], body(ident), ["BODY=8BITMIME"])
                big = body(b"big") + (b"." * 70 + b"\r\n") * 300000
                s.sendmail("a@inject.test", ["b@smarthost.test"], big)
            w.mx.wait_recipients(401)
            log = w.mx.log()
            expect_equal((len(log), {a.times for a in log}), (401, {1}), "recipients, once each")
            for a in log:
                wanted = big if a.id == "big" else body(a.id.encode())
                expect(w.mx.message(a).endswith(wanted), f"{a.id} was changed")
            w.ph.wait_records(401, "d")
            replies = {r["dsnDiag"][:30] for r in w.ph.records("d")}
            expect(all("queued as" in r["dsnDiag"] for r in w.ph.records("d")), f"Postfix's replies: {replies}")
            expect("warning" not in p.log() and "improper" not in p.log(), f"Postfix complains: {p.log()[-600:]}")
            w.drained()
            w.ph.audit()
        finally:
            w.ph.stop()


if __name__ == "__main__":
    main()
