"""The injecting side of the fault tests: messages whose bodies follow from their numbers, several sessions at
once, and a record of which were acknowledged."""
import socket
import threading
import zlib

BOUNCE_OFFSET = 1_000_000  # a sender's number is its recipient's plus this: reports are told from mail


class Message:
    """kind: the domain it goes to (plain, grey, refuse); numbers: one a recipient."""

    def __init__(self, number, kind="plain", size=2048, recipients=1, big_line=False):
        self.numbers = list(range(number, number + recipients))
        self.kind, self.acked, self.answer = kind, False, ""
        self.body = body(number, size)
        self.sum = f"{zlib.crc32(self.body):08x} {len(self.body)}"

    def text(self):
        head = (f"From: <s{self.numbers[0] + BOUNCE_OFFSET}@plain.test>\r\nTo: <u@{self.kind}.test>\r\n"
                f"Subject: number {self.numbers[0]}\r\n\r\n").encode()
        return head + self.body


def body(number, size):
    """Lines that differ by number, some of them beginning with dots."""
    line = f"{number:08d} " + "x" * 60
    lines = [("." * (i % 4) if i % 7 == 0 else "") + f"{i} " + line for i in range(max(1, size // 75))]
    return ("\r\n".join(lines) + "\r\n").encode()


def stuffed(text):
    out = text.replace(b"\r\n.", b"\r\n..")
    return b"." + out if out.startswith(b".") else out


class Session:
    def __init__(self, port, timeout=30):
        self.s = socket.create_connection(("127.0.0.1", port), timeout)
        self.f = self.s.makefile("rb")
        self.reply()
        self.command("EHLO client.test")

    def reply(self):
        while True:
            line = self.f.readline()
            if not line.endswith(b"\n"):
                raise ConnectionError("closed")
            if line[3:4] != b"-":
                return line.decode("latin-1").rstrip()

    def command(self, text):
        self.s.sendall(text.encode() + b"\r\n")
        return self.reply()

    def send(self, m):
        """One transaction; sets m.acked and m.answer."""
        sender = f"s{m.numbers[0] + BOUNCE_OFFSET}@plain.test"
        for c in [f"MAIL FROM:<{sender}>"] + [f"RCPT TO:<u{n}@{m.kind}.test>" for n in m.numbers] + ["DATA"]:
            m.answer = self.command(c)
            if m.answer[:1] not in "23":
                if not c.startswith("MAIL"):
                    self.command("RSET")
                return
        self.s.sendall(stuffed(m.text()) + b".\r\n")
        m.answer = self.reply()
        m.acked = m.answer.startswith("250")

    def close(self):
        try:
            self.s.close()
        except OSError:
            pass


def inject(port, messages, sessions=4):
    """Sends them over several sessions; a session that breaks ends, the others go on."""
    todo, lock = list(reversed(messages)), threading.Lock()

    def work():
        s = None
        try:
            s = Session(port)
            while True:
                with lock:
                    if not todo:
                        return
                    m = todo.pop()
                s.send(m)
        except OSError:
            pass
        finally:
            if s:
                s.close()

    threads = [threading.Thread(target=work) for _ in range(sessions)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
