"""A client of the control socket that can also lie: frames byte by byte, see lib/ipc/ipc.h."""
import array
import os
import re
import select
import socket
import struct

from cases import Failed
from posthaste import ROOT

HELLO, REQUEST, FIELD, END = 1, 80, 81, 82
with open(os.path.join(ROOT, "lib/ipc/ipc.h")) as header:
    ROLE_CTL = re.findall(r"^\tROLE_(\w+)", header.read(), re.M).index("CTL")
TEXTS = {FIELD: 2, END: 1}
HEADS = {FIELD: 8, END: 16}


def frame(kind, rest, length=None, flags=0):
    rest += b"\0" * (-len(rest) % 8)
    return struct.pack("=IHH", 8 + len(rest) if length is None else length, kind, flags) + rest


def request(command, texts, cursor=0, rows=0):
    texts = list(texts) + [b""] * (12 - len(texts))
    return frame(REQUEST, struct.pack("=QII", cursor, command, rows) + struct.pack("=12H", *map(len, texts)) +
                 b"".join(texts))


class Client:
    def __init__(self, world, greet=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(world.folder + "/spool/control")
        self.socket.settimeout(20)
        self.data = b""
        if greet:
            kind, rest = self.read()
            if kind != HELLO:
                raise Failed(f"the server began with {kind}")
            self.hello = self.make_hello(frame(HELLO, rest))
            self.send(self.hello)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    def close(self):
        self.socket.close()

    @staticmethod
    def make_hello(other, role=ROLE_CTL, protocol=None):
        theirs = struct.unpack_from("=Q", other, 8)[0]
        return frame(HELLO, struct.pack("=QIIQ", theirs if protocol is None else protocol, role, 0, os.getpid()))

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def send_fds(self, data, n):
        fds = array.array("i", [self.socket.fileno()] * n)
        try:
            self.socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        except (BrokenPipeError, ConnectionResetError):
            pass

    def read(self):
        """(type, what follows the frame's own head)"""
        while len(self.data) < 8 or len(self.data) < struct.unpack_from("=I", self.data)[0]:
            part = self.socket.recv(65536)
            if not part:
                raise Failed("the server closed the connection")
            self.data += part
        length, kind, _ = struct.unpack_from("=IHH", self.data)
        found, self.data = self.data[8:length], self.data[length:]
        return kind, found

    def ask(self, command, texts, rows=0):
        """(ok, message, fields)"""
        self.send(request(command, texts, rows=rows))
        fields = []
        while True:
            kind, rest = self.read()
            head, lengths = HEADS[kind], struct.unpack_from(f"={TEXTS[kind]}H", rest, HEADS[kind])
            at, found = head + 2 * TEXTS[kind], []
            for n in lengths:
                found.append(rest[at:at + n].decode(errors="replace"))
                at += n
            if kind == END:
                return struct.unpack_from("=QI", rest)[1] != 0, found[0], fields
            fields.append(found)

    def is_closed(self, seconds=10):
        """Does the server close it in that time? What it says before is thrown away."""
        while True:
            if not select.select([self.socket], [], [], seconds)[0]:
                return False
            try:
                if not self.socket.recv(65536):
                    return True
            except ConnectionResetError:
                return True
