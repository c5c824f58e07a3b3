"""signd: rights of key files, rotation by reload, its death and its silence, and who has the keys."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import Skip, case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BUILD, IS_SANITIZED, World, freeze, go_on, is_alive  # noqa: E402
from verifiers import Verifiers, make_key, signatures  # noqa: E402

POLICY = """
port {mx_port}
name-server {net}.53:{dns_port}
provider gmail.test { mx {net}.10; }
provider gmx.test { mx {net}.15; extensions 8bitmime; }
"""
SIGN = "domain-key {selector},inject.test,{folder}/{selector}.pem\n<domain *>\n\tdkim-sign yes\n</domain>\n"


def key_world(selector="s1", **options):
    w = World(policy=POLICY, config=SIGN.replace("{selector}", selector), dump=True, start=False, **options)
    w.records = {f"{selector}._domainkey.inject.test": make_key(f"{w.folder}/{selector}.pem", 1024)}
    w.verifiers = Verifiers(w.records)
    w._start = True
    return w


def check_all(w, n):
    """Each of n messages came with one signature, and each of those is good; how many by selector."""
    w.mx.wait_recipients(n)
    found = {}
    for a in w.mx.log():
        message = w.mx.message(a)
        expect_equal(w.verifiers.by_opendkim(message), [True], f"opendkim of {a.id}")
        selector = signatures(message)[0]["s"]
        found[selector] = found.get(selector, 0) + 1
    return found


def check_config(w):
    return subprocess.run([BUILD + "/sbin/posthaste", "-t", "-c", w.ph.config_path], capture_output=True, text=True, timeout=20)


@case("a key file that others may read, that is not there, too short or no key is an error of -t with file and line")
def rights():
    with World(policy=POLICY, config=SIGN.replace("{selector}", "s1"), start=False) as w:
        path = f"{w.folder}/s1.pem"
        line = w.config[:w.config.index("domain-key s1")].count("\n") + 1

        def refused(word):
            r = check_config(w)
            expect(r.returncode == 78 and f"{w.ph.config_path}:{line}" in r.stderr and path in r.stderr and word in r.stderr,
                   f"{word}: {r.returncode} {r.stdout}{r.stderr}")
        refused("No such file")
        make_key(path)
        r = check_config(w)
        expect_equal((r.returncode, "key" in r.stderr), (0, False), "a good key: " + r.stderr)
        for mode in (0o640, 0o604, 0o620, 0o644):
            os.chmod(path, mode)
            refused("chmod 600")
        os.chmod(path, 0o600)
        if os.geteuid() == 0:
            os.chown(path, 65534, -1)
            refused("chown")
            os.chown(path, 0, -1)
        make_key(path, 512)
        refused("too short")
        make_key(path, 1024)
        r = check_config(w)
        expect(r.returncode == 0 and "short" in r.stderr, "no warning about 1,024 bits: " + r.stderr)
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path], check=True,
                       capture_output=True)
        os.chmod(path, 0o600)
        refused("neither an RSA nor an Ed25519 key")
        for text in ("", "no key\n", "x" * 20000):
            with open(path, "w") as f:
                f.write(text)
            refused("key")
        os.remove(path)
        os.mkfifo(path)
        refused("not a file")


@case("a reload with a bad key is refused and changes nothing; with a good one the new selector signs")
def bad_reload():
    with key_world() as w:
        w.inject(5)
        expect_equal(check_all(w, 5), {"s1": 5}, "signatures")
        # the file in use is gone: what is loaded goes on, also in another signd
        os.rename(f"{w.folder}/s1.pem", f"{w.folder}/away.pem")
        r = w.ph.pmtactl("reload", check=False)
        expect(r.returncode != 0 and "s1.pem" in r.stdout + r.stderr, f"reload: {r.stdout}{r.stderr}")
        w.ph.kill_daemon("signd")
        w.inject(5)
        expect_equal(check_all(w, 10), {"s1": 10}, "signatures")
        w.records["s2._domainkey.inject.test"] = make_key(f"{w.folder}/s2.pem", 1024)
        w.verifiers.renew()
        w.ph.write_config(w.config.replace("s1,", "s2,").replace("s1.pem", "s2.pem"))
        w.ph.pmtactl("reload")
        w.inject(5)
        expect_equal(check_all(w, 15), {"s1": 10, "s2": 5}, "signatures")
        w.drained()
        w.ph.audit()


@case("keys rotate under load by ten reloads, the file under the same name: never a wrong signature, none without")
def rotation():
    with key_world() as w:
        load = w.start_inject(3000, "u%r@gmail.test,u%r@gmx.test", sessions=10)
        for i in range(2, 12):
            wait_for("mail flows", lambda: w.mx.recipients() >= 200 * (i - 1) or load.poll() is not None, 60)
            # another key in the same place, another selector in front of it; numbers shift by a second key
            w.records[f"s{i}._domainkey.inject.test"] = make_key(f"{w.folder}/new.pem", 1024)
            os.rename(f"{w.folder}/new.pem", f"{w.folder}/s1.pem")
            more = f"domain-key x,other.test,{w.folder}/a.pem\n" if i % 2 else ""
            if more:
                make_key(f"{w.folder}/a.pem", 1024)
            w.ph.write_config(more + w.config.replace("domain-key s1,", f"domain-key s{i},"))
            w.ph.pmtactl("reload")
        w.verifiers.renew()
        w.end_inject(load)
        found = check_all(w, 3000)
        expect(len(found) >= 5, f"few of the keys were ever used: {found}")
        print(f"# by selector: {found}")
        w.conserve()


@case("signd killed and stopped: nothing goes out unsigned, the mail waits, and goes when signd is back")
def silent():
    with key_world() as w:
        pids = w.ph.daemons()["signd"]
        freeze(*pids)
        w.inject(20, "u%r@gmail.test")
        wait_for("deliverd has connected", lambda: w.mx.provider("gmail.test")["connections_total"] > 0)
        came = w.mx.recipients()
        expect(came == 0 or not all(is_alive(pid) for pid in pids), f"{came} messages while no signd answers")
        for pid in pids:
            go_on(pid)
        check_all(w, 20)
        for _ in range(3):
            load = w.start_inject(500, "u%r@gmail.test,u%r@gmx.test", sessions=5)
            w.ph.kill_daemon("signd")
            w.end_inject(load)
        expect_equal(check_all(w, 1520), {"s1": 1520}, "signatures")
        w.conserve()


@case("no key is in the memory of any other process, in a log, the spool or the records")
def secret():
    if os.geteuid() != 0 or IS_SANITIZED:
        raise Skip("needs root, and no sanitizers")
    with key_world() as w:
        w.inject(50)
        check_all(w, 50)
        lines = open(f"{w.folder}/s1.pem").read().splitlines()[1:-1]
        marker = lines[len(lines) // 2].encode()
        for name, pids in w.ph.daemons().items():
            for pid in pids:
                found = marker in memory_of(pid)
                expect(not found, f"the key's text is in the memory of {name}")
        for folder in ("log", "spool", "acct"):
            for path, _, files in os.walk(f"{w.folder}/{folder}"):
                for f in [os.path.join(path, f) for f in files]:
                    if os.path.isfile(f):
                        expect(marker not in open(f, "rb").read(), f"the key is in {f}")
        for name, pids in w.ph.daemons().items():
            for pid in pids:
                links = " ".join(os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd"))
                expect("posthaste-keys" not in links, f"{name} has the keys' descriptor")
                expect_equal(re.findall(r"^Max core file size +(\d+)", open(f"/proc/{pid}/limits").read(), re.M), ["0"], "core")


def memory_of(pid):
    """All that can be read of it."""
    text = b""
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in open(f"/proc/{pid}/maps"):
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if m is None:
                continue
            start, end = int(m.group(1), 16), int(m.group(2), 16)
            try:
                mem.seek(start)
                text += mem.read(end - start)
            except (OSError, ValueError):
                pass
    return text


@case("many keys: 500 of as many domains in a directory, each signs for its own")
def many():
    w = World(policy=POLICY, config="dkim-key-directory {folder}/keys\n<domain *>\n\tdkim-sign yes\n</domain>\n", dump=True,
              start=False)
    record = make_key(f"{w.folder}/one.pem", 0)
    w.records = {}
    for i in range(500):
        os.makedirs(f"{w.folder}/keys/d{i}.test")
        with open(f"{w.folder}/one.pem", "rb") as f, open(os.open(f"{w.folder}/keys/d{i}.test/k{i}.pem", os.O_CREAT | os.O_WRONLY,
                                                                 0o600), "wb") as g:
            g.write(f.read())
        w.records[f"k{i}._domainkey.d{i}.test"] = record
    w.verifiers, w._start = Verifiers(w.records), True
    with w:
        for n, i in enumerate((0, 250, 499)):
            with w.ph.client() as c:
                c.sendmail("a@inject.test", ["b@gmail.test"], f"From: a@d{i}.test\r\nX-Id: {i}\r\n\r\ntext\r\n")
            w.mx.wait_recipients(n + 1)
            t = w.verifiers.accept(w.mx.message(w.mx.log()[-1]))[0]
            expect_equal((t["d"], t["s"], t["a"]), (f"d{i}.test", f"k{i}", "ed25519-sha256"), "tags")


if __name__ == "__main__":
    main()
