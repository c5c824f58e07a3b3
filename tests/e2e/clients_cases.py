"""Other people's clients and servers against ours: swaks, smtplib, smtp-source, and Postfix behind us."""
import os
import shutil
import smtplib
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import Skip, case, expect, expect_equal, main, wait_for  # noqa: E402
from peers import unpack  # noqa: E402
from posthaste import World  # noqa: E402


def smtp_source():
    folder = unpack("postfix")
    program = folder + "/usr/sbin/smtp-source"
    env = dict(os.environ, LD_LIBRARY_PATH=folder + "/usr/lib/postfix")
    r = subprocess.run([program, "-h"], capture_output=True, text=True, env=env)
    if "usage" not in r.stderr + r.stdout:
        raise Skip(f"smtp-source does not run here: {r.stderr.strip()[-200:]}")
    return program, env


def run_smtp_source(w, *words):
    program, env = smtp_source()
    # it wants a Postfix configuration folder, if only an empty one
    return subprocess.run([program, *words, "-f", "a@inject.test", "-t", "b@gmail.test", f"{w.net}.1:{w.names['smtp_port']}"],
                          capture_output=True, text=True, timeout=60, env=env)


@case("swaks sends, with and without PIPELINING, and its message arrives")
def swaks():
    if shutil.which("swaks") is None:
        raise Skip("swaks is not installed")
    with World() as w:
        for i, extra in enumerate(([], ["--pipeline"])):
            r = subprocess.run(["swaks", "--server", f"{w.net}.1", "--port", str(w.names["smtp_port"]),
                                "--from", "a@inject.test", "--to", "b@gmail.test,c@yahoo.test", "--ehlo", "swaks.test",
                                "--add-header", f"X-Id: swaks{i}", *extra], capture_output=True, text=True, timeout=60)
            expect_equal(r.returncode, 0, f"swaks ended: {r.stdout[-800:]}")
        w.mx.wait_recipients(4)
        expect_equal({(a.id, a.rcpt) for a in w.mx.log()},
                     {(f"swaks{i}", r) for i in (0, 1) for r in ("b@gmail.test", "c@yahoo.test")}, "arrived")


@case("smtplib: DSN parameters, SMTPUTF8, 8BITMIME, VRFY, RSET, many messages on a connection")
def python_smtplib():
    with World(dump=True) as w:
        with w.ph.client() as s:
            s.ehlo("py.inject.test")
            for word in ("pipelining", "size", "8bitmime", "smtputf8", "chunking", "dsn", "enhancedstatuscodes"):
                expect(s.has_extn(word), f"{word} is not offered")
            s.sendmail("a@inject.test", ["b@gmail.test"], b"X-Id: p1\r\n\r\nx\r\n", ["RET=HDRS", "ENVID=QQ314159"],
                       ["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;b@gmail.test"])
            s.sendmail("jos\u00e9@inject.test", ["b@gmail.test"], b"X-Id: p2\r\n\r\n\xc3\xa9\r\n", ["SMTPUTF8", "BODY=8BITMIME"])
            expect(s.verify("b@gmail.test")[0] in (252, 502), "VRFY")
            s.docmd("MAIL FROM:<a@inject.test>")
            expect_equal(s.rset()[0], 250, "RSET")
            for i in range(50):
                s.sendmail("a@inject.test", ["b@yahoo.test"], b"X-Id: m%d\r\n\r\nx\r\n" % i)
        w.mx.wait_recipients(52)
        w.ph.wait_records(52, "d")
        record = next(r for r in w.ph.records("d") if r["header_X-Id"] == "p1")
        expect_equal((record["envId"], record["orcpt"]), ("QQ314159", "rfc822;b@gmail.test"), "envId and orcpt")
        expect_equal(next(a.sender for a in w.mx.log() if a.id == "p2"), "jos\u00e9@inject.test", "sender")


@case("a recipient that may not be relayed to is refused by 550")
def relaying():
    base = """
host-name mta.posthaste.test
relay-domain gmail.test
postmaster postmaster@posthaste.test
smtp-listener {net}.1:{smtp_port}
name-server {net}.53:{dns_port}
<spool {folder}/spool>
</spool>
log-file {folder}/log/pmta.log
<acct-file {folder}/acct/acct.csv>
	records d, b
</acct-file>
<source 0/0>
	smtp-service yes
</source>
"""
    with World(base=base) as w:
        with w.ph.client() as s:
            refused = s.sendmail("a@inject.test", ["b@gmail.test", "c@yahoo.test"], b"X-Id: r\r\n\r\nx\r\n")
            expect_equal(list(refused), ["c@yahoo.test"], "refused recipients")
            expect_equal(refused["c@yahoo.test"][0], 550, "code")
        w.mx.wait_recipients(1)


@case("smtp-source: 20 sessions send 2,000 messages that all arrive")
def postfix_smtp_source():
    smtp_source()
    with World() as w:
        r = run_smtp_source(w, "-s", "20", "-m", "2000", "-l", "2048")
        expect_equal(r.returncode, 0, f"smtp-source ended: {r.stderr}")
        stats = w.mx.wait_recipients(2000)
        expect_equal(stats["recipients"], 2000, "recipients")
        w.drained()
        w.ph.audit()


@case("smtp-source: a new connection for each message, several recipients, and 50 KB messages")
def postfix_smtp_source_forms():
    smtp_source()
    with World() as w:
        for words in (("-d", "-s", "5", "-m", "100"), ("-r", "10", "-m", "20", "-s", "2"), ("-l", "51200", "-m", "50")):
            r = run_smtp_source(w, *words)
            expect_equal(r.returncode, 0, f"smtp-source {words} ended: {r.stderr}")
        w.mx.wait_recipients(100 + 200 + 50)
        w.drained()
        w.ph.audit()


@case("smtplib is told 452 or 552 where a limit is reached, and the connection goes on")
def size_refused():
    base_limit = "max-message-size unlimited"
    with World(start=False) as w:
        w.ph.write_config(w.config.replace(base_limit, "max-message-size 20000"))
        w.ph.start()
        with w.ph.client() as s:
            s.ehlo("py.inject.test")
            expect_equal(s.esmtp_features.get("size"), "20000", "SIZE offered")
            try:
                s.sendmail("a@inject.test", ["b@gmail.test"], b"X-Id: big\r\n\r\n" + b"x" * 70 * 1000)
                expect(False, "a message above the limit was taken")
            except smtplib.SMTPResponseException as e:
                expect_equal(e.smtp_code, 552, "code")
            s.sendmail("a@inject.test", ["b@gmail.test"], b"X-Id: small\r\n\r\nx\r\n")
        w.mx.wait_recipients(1)
        wait_for("one message in all", lambda: w.mx.recipients() == 1, 5)


if __name__ == "__main__":
    main()
