"""What a stranger finds who reads the promises one by one: extensions that are offered, codes of replies, columns."""
import csv
import os
import re
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import World  # noqa: E402

POLICY = ("port {mx_port}\nname-server {net}.53:{dns_port}\nprovider gmail.test { mx {net}.10; }\n"
          'provider full.test { mx {net}.11; reply rcpt always "550 5.1.1 no such user"; }\n')
# every field and the records that have it; header_NAME and arf_NAME are patterns
FIELDS = {
    "type timeLogged": "d b t tq r rb rs f",
    "orig rcpt": "d b t r rb rs f",
    "envId header_X-Id": "d b t r rb rs f",
    "orcpt srcType srcMta": "d b t r rb rs",
    "dsnStatus dsnDiag dsnMta": "d b t tq rb rs",
    "dsnAction bounceCat": "d b t rb rs",
    "dlvSourceIp": "d b t tq f",
    "vmta userString": "d b t tq r",
    "dlvType dlvDestinationIp queue": "d b t tq",
    "jobId vmtaPool rcvSmtpUser": "d b t r",
    "timeQueued totalSecondsQueued dlvEsmtpAvailable dlvTlsProtocol dlvTlsCipher": "d b t",
    "dlvSize": "d",
    "rcvSourceIp rcvDestinationIp": "r",
    "dsnReportingMta": "rb",
    "format": "rb rs f",
    "repSourceIp feedbackType userAgent reportingMta reportedDomain arf_Version": "f",
}
KINDS = ("d", "b", "t", "tq", "r", "rb", "rs", "f")
# what a delivery over SMTP without TLS, log-in, job and pool leaves empty
EMPTY = {"orcpt", "jobId", "vmtaPool", "rcvSmtpUser", "dlvTlsProtocol", "dlvTlsCipher", "userString", "bounceCat", "envId"}


def fields_of(kind):
    return [f for names, kinds in FIELDS.items() if kind in kinds.split() for f in names.split()]


def config():
    return "".join(f"<acct-file {{folder}}/acct/all-{k}.csv>\n\trecords {k}\n\trecord-fields {k} {', '.join(fields_of(k)[1:])}\n"
                   "</acct-file>\n" for k in KINDS)


def talk(f, line):
    """All lines of the reply."""
    if line:
        f.write(line.encode() + b"\r\n")
        f.flush()
    lines = []
    while not lines or lines[-1][3:4] == "-":
        lines.append(f.readline().decode().rstrip("\r\n"))
        expect(len(lines[-1]) > 3, f"the connection ended behind {line!r}")
    return lines


def extensions(w):
    with socket.create_connection(w.ph.listener, 20) as s, s.makefile("rwb") as f:
        talk(f, "")
        offered = {line[4:].split(" ")[0] for line in talk(f, "EHLO c.test")[1:]}
        wanted = {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES"}
        expect(wanted <= offered, f"not offered: {wanted - offered}")
        for line in ("MAIL FROM:<a@b.test> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x", "RCPT TO:<bad",
                     "RCPT TO:<b@gmail.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b@gmail.test", "NOSUCH", "VRFY b", "RSET",
                     "MAIL FROM:<a@b.test> SIZE=999999999999999", "RCPT TO:<b@gmail.test>", "BDAT x", "NOOP", "QUIT"):
            for said in talk(f, line):
                expect(re.match(r"[245]\d\d[ -][245]\.\d{1,3}\.\d{1,3} ", said), f"no enhanced status behind {line!r}: {said!r}")
                expect_equal(said[0], said[4], f"class of {said!r}")


@case("ours offers PIPELINING, SIZE, 8BITMIME, SMTPUTF8, CHUNKING, DSN and ENHANCEDSTATUSCODES, and every reply has its status; "
      "each field of each kind of record can be had, and those of deliveries, bounces, attempts and arrivals have values")
def promises():
    with World(policy=POLICY, config=config()) as w:
        extensions(w)
        with w.ph.client() as s:
            s.sendmail("a@inject.test", ["b@gmail.test", "c@full.test"], b"X-Id: one\r\n\r\nx\r\n")
        for kind, rows in (("d", 1), ("b", 1), ("t", 0), ("r", 2)):
            wait_for(f"records {kind}", lambda: len(read(w, kind)) >= rows, 30)
        for kind in KINDS:
            with open(f"{w.folder}/acct/all-{kind}.csv", newline="") as f:
                expect_equal(next(csv.reader(f)), fields_of(kind), f"columns of {kind}")
        for kind in ("d", "b", "r"):
            row = [r for r in read(w, kind) if r["header_X-Id"] == "one"][0]
            lacks = {name for name, value in row.items() if value == ""} - EMPTY
            expect_equal(lacks, set(), f"empty in a record {kind}: {row}")
        w.drained()
        w.ph.audit()


def read(w, kind):
    try:
        with open(f"{w.folder}/acct/all-{kind}.csv", newline="") as f:
            return list(csv.DictReader(f))
    except FileNotFoundError:
        return []


if __name__ == "__main__":
    main()
