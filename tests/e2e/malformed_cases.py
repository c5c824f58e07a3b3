"""Odd, hostile and huge reports: no crash, bounded memory, time linear in their size. Time is that of the processor."""
import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import Skip, case, expect, main  # noqa: E402
from posthaste import BUILD, IS_SANITIZED, ROOT  # noqa: E402

JUDGE = BUILD + "/tests/score/judge", "report", ROOT + "/conf/bounce/rules"
CORPUS = os.path.join(ROOT, "..", "shared", "corpus")
HEAD = b"From: MAILER-DAEMON@x.test\r\nTo: b@y.test\r\nSubject: Undelivered mail\r\n"
REPORT = HEAD + b"Content-Type: multipart/report; report-type=%s; boundary=b\r\n\r\n--b\r\nContent-Type: message/%s\r\n\r\n"
REPEATED = {
    "lines": (HEAD + b"\r\n", b"user unknown <a@b.test> 550 5.1.1\r\n"),
    "one line of addresses": (HEAD + b"\r\n", b"a@b.test "),
    "entries": (HEAD + b"\r\n", b"<a@b.test>: no\r\n"),
    "at signs": (HEAD + b"\r\n", b"@"),
    "quoted": (HEAD + b"\r\n", b'"@x '),
    "line ends": (HEAD + b"\r\n", b"\n"),
    "parts": (HEAD + b"Content-Type: multipart/report; boundary=b\r\n\r\n", b"--b\r\n\r\nx\r\n"),
    "boundaries in one line": (HEAD + b"Content-Type: multipart/report; boundary=b\r\n\r\n", b"--b"),
    "recipients": (REPORT % (b"delivery-status", b"delivery-status"), b"Final-Recipient: rfc822;a@b.test\r\nAction: failed\r\n\r\n"),
    "complainants": (REPORT % (b"feedback-report", b"feedback-report"), b"Original-Rcpt-To: <a@b.test>\r\n"),
    "fields": (HEAD, b"X-A: b\r\n"),
    "a folded field": (HEAD + b"X-A: b\r\n", b" c\r\n"),
    "html": (HEAD + b"Content-Type: text/html\r\n\r\n", b"<p>user unknown &lt;a@b.test&gt;<"),
    "base64": (HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n", b"dXNlciB1bmtub3duIDxhQGIudGVzdD4K\r\n"),
}


SIZE = int(os.environ.get("PH_REPORT_BYTES", 10_000_000))


def read(*paths):
    """Processor time in seconds and the most memory in KB that these reports take."""
    process = subprocess.Popen([*JUDGE, *paths], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    expect(status == 0, f"{paths}: status {status}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss


@case("every message of corpus/malformed, and every report: no crash, under one second and 32 MB")
def corpus():
    files = [f for f in glob.glob(CORPUS + "/malformed/messages/*/*") + glob.glob(CORPUS + "/[da][sr][nf]/*.eml")
             if os.path.isfile(f)]
    if not files:
        raise Skip("the corpus is not here")
    for i in range(0, len(files), 50):
        seconds, kilobytes = read(*files[i:i + 50])
        # all fifty of them; what takes too long is looked for by itself
        for path in files[i:i + 50] if seconds > 1 and not IS_SANITIZED else ():
            seconds, _ = read(path)
            expect(seconds < 1, f"{path}: {seconds} s")
        expect(kilobytes < 32 * 1024 or IS_SANITIZED, f"{files[i:i + 50]}: {kilobytes} KB")


@case("ten megabytes of anything take time in proportion, not in its square")
def linear():
    path = f"/var/tmp/posthaste-report-{os.getpid()}"
    try:
        for name, (head, piece) in REPEATED.items():
            with open(path, "wb") as f:
                f.write(head + piece * (SIZE // len(piece)))
            seconds, _ = read(path)
            # what is not linear takes minutes
            expect(seconds < 10 or IS_SANITIZED, f"{name}: {seconds} s")
    finally:
        os.unlink(path)


if __name__ == "__main__":
    main()
