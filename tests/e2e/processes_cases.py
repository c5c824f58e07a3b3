# starts early
"""The processes: their rights as /proc tells them, their deaths, reload, stop."""
import glob
import os
import pwd
import re
import resource
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import Skip, case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import (BUILD, DAEMONS, DOMAIN, EVERYWHERE, IS_SANITIZED, USERS, World, each_daemon, go_on,  # noqa: E402
                       is_alive, processes, queued_recipients)


def status_of(pid):
    return dict(line.rstrip("\n").split(":\t", 1) for line in open(f"/proc/{pid}/status") if ":\t" in line)


@case("all kinds of daemons run, each with no_new_privs and a seccomp filter")
def confined():
    if IS_SANITIZED:
        raise Skip("sanitizers need what the filter forbids")
    with World() as w:
        expect_equal(set(w.ph.daemons()), set(DAEMONS), "daemons")
        for name, pid in each_daemon(w):
            s = status_of(pid)
            expect_equal((s["NoNewPrivs"], s["Seccomp"]), ("1", "2"), f"NoNewPrivs and Seccomp of {name}")


@case("each daemon runs as its own user, with one group, without capabilities, in a chroot, not dumpable")
def own_users():
    if os.geteuid() != 0 or IS_SANITIZED:
        raise Skip("needs root, and no sanitizers")
    with World() as w:
        w.inject(50)
        for name, pid in each_daemon(w):
            s = status_of(pid)
            uid = pwd.getpwnam(USERS[name]).pw_uid
            expect_equal(set(s["Uid"].split()), {str(uid)}, f"user ids of {name}")
            gid = pwd.getpwnam(USERS[name]).pw_gid
            expect_equal(set(s["Gid"].split()) | set(s["Groups"].split()), {str(gid)}, f"groups of {name}")
            for kind in ("CapInh", "CapAmb"):
                expect_equal(int(s[kind], 16), 0, f"{kind} of {name}")
            # execd starts commands as others: it keeps the rights to become them and to end them, and no other
            wanted = 1 << 5 | 1 << 6 | 1 << 7 if name == "execd" else 0
            expect_equal({int(s[k], 16) for k in ("CapPrm", "CapEff")}, {wanted}, f"capabilities of {name}")
            if name == "execd":
                expect_equal(int(s["CapBnd"], 16), 0, "what its commands can ever get")
            else:
                expect(os.readlink(f"/proc/{pid}/root") != "/", f"{name} has no chroot")
            expect_equal(os.stat(f"/proc/{pid}/stat").st_uid, 0, f"owner of /proc/{pid} of {name}, which is not dumpable")


NEW_DIRECTORIES = """\
pickup {folder}/pickup {folder}/pickup-bad
<acct-file {folder}/acct/later/more.csv>
	records d
	record-fields d header_X-Id
</acct-file>
"""


@case("every daemon but execd has its files locked (Landlock), or says that this kernel cannot; a reload may name new "
      "directories for accounting and pickup all the same, under load, and nothing is lost")
def new_directories():
    if IS_SANITIZED:
        raise Skip("sanitizers read what lies elsewhere")
    with World() as w:
        said = re.findall(r" (\w+)(?:\.\d+)? sandbox (?:landlock=\d+ directories|missing=landlock)", w.ph.said())
        expect_equal(set(said), set(DAEMONS) - {"execd"}, "who says it")
        p = w.start_inject(500, EVERYWHERE)
        w.ph.write_config(w.fill(NEW_DIRECTORIES) + w.config)
        w.ph.pmtactl("reload")
        wait_for("the new directory", lambda: os.path.isdir(w.folder + "/pickup"))
        with open(w.folder + "/pickup/file", "w") as f:
            f.write("x-sender: a@inject.test\nx-receiver: b@gmail.test\nX-Id: picked\n\nx\n")
        w.end_inject(p)
        path = w.folder + "/acct/later/more.csv"
        wait_for("its record in the new file", lambda: os.path.exists(path) and "picked" in open(path).read())
        w.drained()
        w.ph.audit()


@case("only the spool's users have files of it open, and only deliverd and dnsd have outward sockets")
def open_files():
    if os.geteuid() != 0:
        raise Skip("needs root")
    with World() as w:
        for name, pid in each_daemon(w):
            links = [os.readlink(p) for p in glob.glob(f"/proc/{pid}/fd/*") if os.path.islink(p)]
            spool = [x for x in links if x.startswith(w.folder + "/spool/")]
            if name in ("dnsd", "signd", "execd"):
                # all share the lock, so that the next master knows when the last daemon of this one is gone
                expect_equal(set(spool), {w.folder + "/spool/lock"}, f"spool files of {name}")
            expect(not any(x.startswith(("/etc", "/root", "/home")) for x in links), f"{name} holds {links}")


KILLS, CONNECTIONS, WINDOW = 3, 3 * 4, 32  # four connections to each of three domains, 32 messages ahead on each
SLOW = """
port {mx_port}
name-server {net}.53:{dns_port}
provider gmail.test { mx {net}.10; latency 10ms; }
provider yahoo.test { mx {net}.11; latency 10ms; }
provider gmx.test { mx {net}.12; latency 5ms; extensions 8bitmime; }
"""


def in_flight(w):
    """How many recipients may be delivered without being marked as done: what the connections carry, and what came in
    the tick of a tenth of a second (and the moment it takes to flush) after which the done log is on disk."""
    rate = sum(p["peak_messages_per_s"] for p in w.mx.stats()["providers"].values())
    return CONNECTIONS * WINDOW + rate * 3 // 10


def kill_under_load(name, is_in_the_way):
    # where nothing may be repeated, at full load; otherwise with as little in flight as can be told from a fault
    domain = DOMAIN.replace("max-smtp-out 20", "max-smtp-out 4") if is_in_the_way else DOMAIN
    with World(policy=SLOW, domain=domain) as w:
        load = w.start_inject(3000, "u%r@gmail.test,u%r@yahoo.test,u%r@gmx.test", sessions=20, more=("-w", "60"))
        for i in range(KILLS):
            wait_for("mail flows", lambda: w.mx.recipients() >= 300 * (i + 1), 60)
            w.ph.kill_daemon(name)
        w.end_inject(load)
        acked = len(w.all_acks[0].pairs())
        w.mx.wait_recipients(acked, 120)
        repeated = w.conserve(may_repeat=KILLS * in_flight(w) if is_in_the_way else 0)
        print(f"# {name}: {acked} acknowledged, {len(w.all_acks[0].unknown)} unknown, {repeated} duplicates")


# a duplicate is possible only where deliverd dies between a provider's 250 and its report
for daemon, in_the_way in (("injectd", False), ("queued", False), ("dnsd", False), ("deliverd", True), ("bounced", False),
                           ("acctd", False), ("signd", False)):
    case(f"{daemon} killed three times under load: nothing acknowledged is lost, nothing invented")(
        lambda d=daemon, i=in_the_way: kill_under_load(d, i))


@case("everything killed at once under load: after the next start all acknowledged mail arrives")
def kill_all():
    with World(policy=SLOW, domain=DOMAIN.replace("max-smtp-out 20", "max-smtp-out 4")) as w:
        load = w.start_inject(3000, "u%r@gmail.test,u%r@yahoo.test,u%r@gmx.test", sessions=20, more=("-w", "60"))
        wait_for("mail flows", lambda: w.mx.recipients() >= 500, 60)
        w.ph.kill()
        w.ph.start()
        w.end_inject(load)
        w.mx.wait_recipients(len(w.all_acks[0].pairs()), 120)
        w.conserve(may_repeat=in_flight(w))


@case("a daemon that hangs (SIGSTOP) is no loss: the others go on and all arrives when it continues")
def stopped_daemons():
    with World() as w:
        for name in ("acctd", "deliverd", "dnsd"):
            pid = w.ph.freeze_daemon(name)
            load = w.start_inject(300, EVERYWHERE)
            w.end_inject(load)
            go_on(pid)
        w.mx.wait_recipients(900)
        w.conserve()


def limit_descriptors(pid, soft):
    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


@case("a master without free descriptors lives on, and starts what died when there are some again")
def no_descriptors():
    with World() as w:
        # a daemon that ends before all have begun ends the start
        wait_for("all have begun", lambda: "master ready" in w.ph.said(), 30)
        old = resource.prlimit(w.ph.process.pid, resource.RLIMIT_NOFILE)[0]
        used = len(os.listdir(f"/proc/{w.ph.process.pid}/fd"))
        for room in (1, 4):
            limit_descriptors(w.ph.process.pid, used + room)
            pid = w.ph.signal_daemon("queued", signal.SIGKILL)
            wait_for("it is gone", lambda: not is_alive(pid), 10)
            wait_for("a start without descriptors", lambda: any(x in w.ph.said()[-3000:] for x in (
                "Too many open files", "queued started again")), 20)
            limit_descriptors(w.ph.process.pid, old)
            wait_for("queued answers", lambda: queued_recipients(w.ph) == 0, 60)
        w.inject(50)
        w.conserve()


@case("without master no daemon stays: kill -9 of master ends them all")
def no_orphans():
    with World() as w:
        pids = [p for _, p in each_daemon(w)]
        w.ph.process.kill()
        w.ph.process.wait()
        wait_for("the daemons are gone", lambda: not any(is_alive(p) for p in pids), 10)
        w.ph.start()
        w.inject(10)
        w.mx.wait_recipients(10)


@case("a second instance on the same spool is refused and disturbs nothing")
def second_instance():
    with World() as w:
        r = subprocess.run([BUILD + "/sbin/posthaste", "-f", "-c", w.ph.config_path], capture_output=True, text=True,
                           timeout=20)
        expect(r.returncode != 0, "it was started")
        expect("in use by another" in r.stderr, f"it said: {r.stderr}")
        w.inject(20)
        w.mx.wait_recipients(20)
        w.conserve()


@case("SIGTERM drains: what is in flight is finished, the rest stays queued, the exit status is 0")
def stop_drains():
    policy = """
port {mx_port}
name-server {net}.53:{dns_port}
provider gmail.test { mx {net}.10; latency 50ms; }
"""
    with World(policy=policy) as w:
        _, acks = w.inject(1500, sessions=20)
        pids = [p for _, p in each_daemon(w)]
        expect_equal(w.ph.stop(), 0, "exit status")
        expect(not any(is_alive(p) for p in pids), "daemons are left")
        s = w.mx.stats()
        expect_equal((s["duplicates"], s["providers"]["gmail.test"]["lost_in_transaction"]), (0, 0),
                     "duplicates and broken transactions")
        w.ph.start()
        w.mx.wait_recipients(len(acks.pairs()), 90)
        w.conserve()


@case("stop by pmtactl ends the server too")
def stop_by_command():
    with World() as w:
        w.ph.pmtactl("stop")
        expect_equal(w.ph.process.wait(30), 0, "exit status")


def effective(w, name):
    """The value of a queue's setting in force."""
    found = re.findall(rf"^{name} +(\S+)", w.ph.pmtactl("show", "settings", "gmail.test").stdout, re.M)
    return found[-1] if found else None


@case("reload under load puts the new configuration in force and loses nothing")
def reload_under_load():
    with World() as w:
        load = w.start_inject(6000, EVERYWHERE, sessions=20, more=("-w", "60"))
        for i in range(5):
            wait_for("mail flows", lambda: w.mx.recipients() >= 300 * (i + 1), 60)
            w.ph.write_config(w.config.replace("max-smtp-out 20", f"max-smtp-out {10 + i}"))
            w.ph.pmtactl("reload")
        w.end_inject(load)
        w.mx.wait_recipients(6000, 90)
        w.conserve()
        expect_equal(effective(w, "max-smtp-out"), "14", "effective setting")


@case("SIGHUP reloads as well")
def reload_by_signal():
    with World() as w:
        w.ph.write_config(w.config.replace("max-smtp-out 20", "max-smtp-out 7"))
        w.ph.process.send_signal(signal.SIGHUP)
        wait_for("the new value", lambda: effective(w, "max-smtp-out") == "7", 10)


@case("an invalid configuration is refused whole, by name, and changes nothing")
def bad_reload():
    with World() as w:
        w.ph.write_config(w.config.replace("max-smtp-out 20", "max-smtp-out 9\n\tretry-aftr 3s"))
        r = w.ph.pmtactl("-s", w.folder + "/spool/control", "reload", check=False)
        expect(r.returncode != 0, "the reload was accepted")
        expect("retry-aftr" in r.stdout + r.stderr, f"it said: {r.stdout}{r.stderr}")
        check = subprocess.run([BUILD + "/sbin/posthaste", "-t", "-c", w.ph.config_path], capture_output=True, text=True)
        expect(check.returncode != 0 and "retry-aftr" in check.stderr + check.stdout, "-t accepts it")
        w.ph.write_config(w.config)
        expect_equal(effective(w, "max-smtp-out"), "20", "effective setting")
        w.inject(20)
        w.mx.wait_recipients(20)
        w.conserve()


@case("a command that could never be started is told with its line before any mail needs it")
def bad_command():
    with World() as w:
        w.ph.write_config(w.config + '<domain pipe.test>\n\ttype pipe\n\tcommand "/bin/true $nosuch"\n</domain>\n')
        check = subprocess.run([BUILD + "/sbin/posthaste", "-t", "-c", w.ph.config_path], capture_output=True, text=True)
        expect(check.returncode == 0 and "There is no value $nosuch" in check.stderr, f"-t said: {check.stderr}")


@case("reload adds and removes listeners without losing connections of the others")
def reload_listeners():
    with World() as w:
        extra = f"smtp-listener {w.net}.2:{w.names['smtp_port']}\n"
        with w.ph.client() as kept:
            kept.ehlo("kept.inject.test")
            w.ph.write_config(extra + w.config)
            w.ph.pmtactl("reload")
            with socket.create_connection((f"{w.net}.2", w.names["smtp_port"]), 5) as s:
                expect_equal(s.recv(3), b"220", "greeting of the new listener")
            w.ph.write_config(w.config)
            w.ph.pmtactl("reload")
            wait_for("the listener is closed", lambda: is_closed(f"{w.net}.2", w.names["smtp_port"]), 10)
            kept.sendmail("a@inject.test", ["b@gmail.test"], b"Subject: kept\r\n\r\nx\r\n")
        w.mx.wait_recipients(1)


def is_closed(host, port):
    try:
        socket.create_connection((host, port), 2).close()
        return False
    except OSError:
        return True


@case("pause holds a queue, resume lets it go, and explain says why nothing moves")
def pause_and_explain():
    with World() as w:
        w.ph.pmtactl("pause", "queue", "gmail.test/*")
        w.inject(10, "u%r@gmail.test,u%r@yahoo.test")
        w.mx.wait_recipients(5)
        wait_for("five are left", lambda: queued_recipients(w.ph) == 5, 10)
        said = w.ph.pmtactl("explain", "u0@gmail.test").stdout
        expect("pause" in said.lower(), f"explain: {said}")
        w.ph.pmtactl("resume", "queue", "gmail.test/*")
        w.mx.wait_recipients(10)
        w.conserve()


@case("delete removes what its selectors name, with accounting, and the audit balances")
def delete():
    with World() as w:
        w.ph.pmtactl("pause", "queue", "gmail.test/*")
        w.inject(10, headers=("x-job: keep",))
        w.inject(10, headers=("x-job: drop",))
        w.ph.pmtactl("delete", "--jobId=drop")
        wait_for("ten are left", lambda: queued_recipients(w.ph) == 10, 10)
        w.ph.pmtactl("resume", "queue", "gmail.test/*")
        w.mx.wait_recipients(10)
        w.drained()
        expect_equal(len(w.mx.log()), 10, "recipients that arrived")
        w.ph.audit()


@case("no process outlives its test: this one ends as it began")
def nothing_left():
    before = {p for p, (name, _) in processes().items() if name in DAEMONS}
    with World() as w:
        mine = {p for _, p in each_daemon(w)}
    expect(not mine & set(processes()), "processes are left")
    expect(not mine & before, "process ids were mixed up")


if __name__ == "__main__":
    main()
