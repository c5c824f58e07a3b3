#!/usr/bin/python3
"""Source addresses: behind proxies (use-proxy, smtp-proxy-source-host), and those that this machine has or has not."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BUILD, DOMAIN, World  # noqa: E402
from proxysim import Proxysim  # noqa: E402

POLICY = "port {mx_port}\nname-server {net}.53:{dns_port}\nprovider x.test { mx {net}.10; }\n"
ONE = "<proxy one>\n\tserver {net}.200:8001\n\tclient {net}.71 out1.test\n\tclient {net}.72 out2.test\n</proxy>\n"
TWO = "<proxy two>\n\tserver {net}.201:8002\n\tclient {net}.73 out3.test\n\tprotocol-version 2\n</proxy>\n"


def names(w):
    return {(a.peer.replace(w.net, "N"), a.ehlo) for a in w.mx.log()}


def sources(w):
    return {r["dlvSourceIp"].replace(w.net, "N") for r in w.ph.records("d")}


@case("use-proxy goes through the proxy, from its client addresses in turn, and the records say so")
def use_proxy():
    domain = DOMAIN.replace("max-smtp-out 20", "max-smtp-out 4\n\tmax-msg-per-connection 1")
    with World(policy=POLICY, domain=domain, config=ONE + "use-proxy one\n") as w:
        proxy = Proxysim(f"{w.net}.200", 8001)
        w.inject(12, "u%r@x.test", sessions=2)
        w.mx.wait_recipients(12)
        w.conserve()
        proxy.close()
        expect_equal(proxy.errors, [], "the proxy's errors")
        expect_equal(names(w), {("N.71", "out1.test"), ("N.72", "out2.test")}, "who came to the provider")
        expect_equal(sources(w), {"N.71", "N.72"}, "dlvSourceIp")
        for header in proxy.headers:
            expect_equal((header[0], header[2], header[4]), (1, f"{w.net}.10", 2525), "header")


@case("the next proxy in order takes over where one does not answer, and only then; version 2 is binary")
def failover():
    with World(policy=POLICY, config=ONE + TWO + "use-proxy one, two\n") as w:
        second = Proxysim(f"{w.net}.201", 8002)
        w.inject(5, "u%r@x.test", sessions=1)
        w.mx.wait_recipients(5)
        expect_equal(sources(w) | {"N.73"}, {"N.73"}, "dlvSourceIp without the first proxy")
        w.conserve()
        expect_equal({h[0] for h in second.headers}, {2}, "version")
        expect_equal(second.errors, [], "the proxy's errors")
        second.close()
    with World(policy=POLICY, config=ONE + TWO + "use-proxy one, two\n") as w:
        first, second = Proxysim(f"{w.net}.200", 8001), Proxysim(f"{w.net}.201", 8002)
        w.inject(20, "u%r@x.test", sessions=4)
        w.mx.wait_recipients(20)
        w.conserve()
        expect(first.headers and not second.headers, f"{first.headers} {second.headers}")
        first.close()
        second.close()


@case("no proxy answers: the queue waits, nothing goes past them, and it goes when one is back")
def none_answers():
    with World(policy=POLICY, domain=DOMAIN.replace("after 2s", "after 5s"),
               config=ONE + TWO + "use-proxy one, two\n") as w:
        w.inject(3, "u%r@x.test")
        w.ph.wait_records(1, "tq")
        expect_equal(w.mx.provider("x.test")["connections_total"], 0, "connections past the proxies")
        first = Proxysim(f"{w.net}.200", 8001)
        w.mx.wait_recipients(3)
        w.conserve()
        first.close()


@case("a <virtual-mta> has its own proxies, none of them, or its own addresses, before the global ones")
def virtual_mtas():
    vmtas = ("<virtual-mta a>\n\tuse-proxy two\n</virtual-mta>\n<virtual-mta b>\n\tuse-proxy none\n\thost-name b.test\n"
             "</virtual-mta>\n<virtual-mta c>\n\tsmtp-source-host {net}.77 c.test\n</virtual-mta>\n"
             "<virtual-mta d>\n\tsmtp-proxy-source-host {net}.78 {net}.201:8002 {net}.79:34567 d.test\n\tproxy-protocol 2\n"
             "</virtual-mta>\n<virtual-mta e>\n</virtual-mta>\n")
    with World(policy=POLICY, config=ONE + TWO + "use-proxy one\n" + vmtas) as w:
        first, second = Proxysim(f"{w.net}.200", 8001), Proxysim(f"{w.net}.201", 8002)
        for name in "abcde":
            w.inject(1, f"{name}@x.test", headers=[f"x-virtual-mta: {name}"])
        w.mx.wait_recipients(5)
        w.conserve()
        came = {a.rcpt[0]: (a.peer.replace(w.net, "N"), a.ehlo) for a in w.mx.log()}
        wanted = {"a": ("N.73", "out3.test"), "c": ("N.77", "c.test"), "d": ("N.79", "d.test")}
        expect_equal({k: came[k] for k in wanted}, wanted, "who came")
        expect_equal(came["b"][1], "b.test", "EHLO of b")
        expect(came["b"][0] not in ("N.71", "N.72", "N.73"), f"b came from {came['b']}")
        expect(came["e"][0] in ("N.71", "N.72"), f"e came from {came['e']}")
        expect(f"{w.net}.78" in second.peers, f"bound towards the proxy: {second.peers}")
        expect_equal({h[0] for h in second.headers if h[1] == f"{w.net}.79"}, {2}, "d's version")
        expect_equal(first.errors + second.errors, [], "the proxies' errors")
        by_rcpt = {r["rcpt"][0]: r["dlvSourceIp"].replace(w.net, "N") for r in w.ph.records("d")}
        expect_equal({k: by_rcpt[k] for k in "acd"}, {"a": "N.73", "c": "N.77", "d": "N.79"}, "dlvSourceIp")
        first.close()
        second.close()


@case("smtp-proxy-source-host of the server is for mail that names no VirtualMTA")
def server_proxy():
    with World(policy=POLICY, config="smtp-proxy-source-host {net}.78 {net}.200:8001 {net}.79 out.test\n") as w:
        proxy = Proxysim(f"{w.net}.200", 8001)
        w.inject(1, "u%r@x.test")
        w.mx.wait_recipients(1)
        w.conserve()
        expect_equal([(a.peer, a.ehlo) for a in w.mx.log()], [(f"{w.net}.79", "out.test")], "who came")
        expect_equal((set(proxy.peers), proxy.errors), ({f"{w.net}.78"}, []), "bound towards the proxy")
        proxy.close()


@case("a host that refuses behind the proxy is tried as a host, not held against the proxy")
def host_refuses():
    policy = POLICY.replace("mx {net}.10;", "mx {net}.10! {net}.11;")
    with World(policy=policy, config=ONE + TWO + "use-proxy one, two\n") as w:
        first, second = Proxysim(f"{w.net}.200", 8001), Proxysim(f"{w.net}.201", 8002)
        w.inject(2, "u%r@x.test")
        w.mx.wait_recipients(2)
        w.conserve()
        expect_equal(second.headers, [], "what the second proxy was asked")
        first.close()
        second.close()


def check(config):
    """What -t says of it."""
    w = World(start=False, config=config, policy=POLICY)
    try:
        r = subprocess.run([BUILD + "/sbin/posthaste", "-t", "-c", w.ph.config_path], capture_output=True, text=True)
        return r.returncode, r.stdout + r.stderr
    finally:
        w.close(False)


@case("-t refuses a source address that this machine does not have, and a block with none of its addresses")
def missing_address():
    for config, words in [("smtp-source-host 203.0.113.9 x.test\n", "does not have the address 203.0.113.9"),
                          ("smtp-source-host 203.0.113.0/24 x.test\n", "no address in 203.0.113.0/24"),
                          ("smtp-source-host 127.0.0.1/32 x.test\n", "no address in 127.0.0.1/32"),
                          ("smtp-proxy-source-host 203.0.113.9 192.0.2.1:80 192.0.2.2 x.test\n",
                           "does not have the address 203.0.113.9")]:
        status, text = check(config)
        expect(status != 0 and words in text, f"{config.strip()}: {status} {text}")


@case("-t refuses a proxy without server or client, one by name, and sources of two kinds in one <virtual-mta>")
def bad_proxies():
    both = "<virtual-mta a>\n\tsmtp-source-host {net}.3 a.test\n\tsmtp-proxy-source-host {net}.4 {net}.5:80 {net}.6 b.test\n"
    for config, words in [("<proxy p>\n\tserver 192.0.2.1:80\n</proxy>\nuse-proxy p\n", "needs a server and a client"),
                          ("<proxy p>\n\tserver p.test:80\n\tclient 192.0.2.2 a.test\n</proxy>\nuse-proxy p\n",
                           "a name is not looked up"),
                          ("use-proxy p\n", "there is no <proxy p>"), (both + "</virtual-mta>\n", "cannot stand beside")]:
        status, text = check(config)
        expect(status != 0 and words in text, f"{config.strip()}: {status} {text}")


@case("a failure before the session says from which address it was tried")
def failure_source():
    policy = 'port {mx_port}\nname-server {net}.53:{dns_port}\nprovider x.test { mx {net}.10; reply connect always "421 4.3.2 no"; }\n'
    with World(policy=policy, config="smtp-source-host {net}.77 c.test\n") as w:
        w.inject(1, "u%r@x.test")
        r = w.ph.wait_records(1, "tq")[0]
        expect_equal(r["dlvSourceIp"], f"{w.net}.77", "dlvSourceIp")
        wait_for("a second attempt", lambda: len(w.ph.records("tq")) > 1)


if __name__ == "__main__":
    main()
