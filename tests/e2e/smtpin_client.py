"""A client of SMTP that does what it is told, byte by byte: the steps of the scripts that smtpin_cases.py plays.

["x", pattern]       the next reply's last line matches
["w"|"raw", text]    these bytes (each character is one)
["wh", hex]          the same
["rep", text, n]     n times this text, as fast as it is taken
["sleep", seconds]   a pause between two segments
["shut"], ["rst"]    FIN, or RST
["tls"]              begins TLS; ["tls_close_notify"] says that it is over, what "raw" writes then is in clear
"""
import os
import re
import socket
import ssl
import struct
import time

CHUNK = 65536


class Mismatch(Exception):
    pass


class Client:
    def __init__(self, address):
        self.socket = socket.create_connection(address, 20)
        self.buffer, self.replies, self.is_open = b"", [], True

    def reply(self, seconds=20):
        """The next reply's last line; EOFError when the server has closed."""
        self.socket.settimeout(seconds)
        while True:
            while b"\n" not in self.buffer:
                more = self.socket.recv(CHUNK)
                if not more:
                    raise EOFError
                self.buffer += more
            line, self.buffer = self.buffer.split(b"\n", 1)
            line = line.rstrip(b"\r").decode("latin-1")
            if len(line) < 4 or line[3] != "-":
                self.replies.append(line)
                return line

    def x(self, pattern):
        line = self.reply()
        if not re.search(pattern, line):
            raise Mismatch(f"wanted {pattern}, got {line!r}")

    def w(self, text):
        self.socket.settimeout(30)
        self.socket.sendall(text.encode("latin-1"))

    def raw(self, text):
        os.write(self.socket.fileno(), text.encode("latin-1"))

    def tls(self):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
        self.socket = c.wrap_socket(self.socket)

    def tls_close_notify(self):
        self.socket.setblocking(False)
        try:
            self.socket.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.socket.setblocking(True)

    def wh(self, text):
        self.socket.sendall(bytes.fromhex(text))

    def rep(self, text, n):
        block = text.encode("latin-1") * max(1, CHUNK // len(text))
        left = n * len(text)
        self.socket.settimeout(1)
        while left > 0:
            try:
                left -= self.socket.send(block[:left] if left < len(block) else block)
            except socket.timeout:
                self.take_all()

    def take_all(self):
        """The server waits until its replies are read."""
        self.socket.setblocking(False)
        try:
            while more := self.socket.recv(CHUNK):
                self.buffer = (self.buffer + more)[-CHUNK:]
        except BlockingIOError:
            pass
        self.socket.settimeout(1)

    def sleep(self, seconds):
        time.sleep(seconds)

    def shut(self):
        self.socket.shutdown(socket.SHUT_WR)

    def rst(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        if self.is_open:
            self.socket.close()
        self.is_open = False

    def finish(self, seconds=10):
        """We send no more; reads what is still said. Did the server close?"""
        if not self.is_open:
            return True
        try:
            self.shut()
            while True:
                self.reply(seconds)
        except (EOFError, ConnectionError):
            return True
        except socket.timeout:
            return False
        except OSError:
            return True

    def play(self, steps):
        """"ok", or "closed" when the server ended it before the last step."""
        try:
            for verb, *values in steps:
                getattr(self, verb)(*values)
        except (EOFError, ConnectionError):
            return "closed"
        return "ok"
