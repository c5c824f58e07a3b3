"""A proxy that speaks the PROXY protocol, versions 1 and 2, as a server: it reads the header strictly, connects from the
client address that it is told to the destination that it is told, and passes everything on."""
import ipaddress
import re
import socket
import struct
import threading

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = re.compile(rb"PROXY TCP(4|6) (\S+) (\S+) (\d{1,5}) (\d{1,5})")


def relay(source, target):
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
    except OSError:
        pass
    for s in (source, target):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Proxysim:
    def __init__(self, address, port):
        self.headers, self.errors, self.peers = [], [], []  # (version, client, destination, client port, destination port)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def _accept(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            self.peers.append(peer[0])
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    @staticmethod
    def _exactly(sock, n):
        data = b""
        while len(data) < n:
            piece = sock.recv(n - len(data))
            if not piece:
                raise ValueError(f"the end after {data!r}")
            data += piece
        return data

    def _header(self, sock):
        start = self._exactly(sock, 12)
        if start == SIGNATURE:
            command, family, size = struct.unpack(">BBH", self._exactly(sock, 4))
            length = {0x11: 4, 0x21: 16}[family]
            if command != 0x21 or size != 2 * length + 4:
                raise ValueError(f"version 2: {command:#x} {family:#x} {size}")
            body = self._exactly(sock, size)
            ports = struct.unpack(">HH", body[2 * length:])
            return (2, str(ipaddress.ip_address(body[:length])), str(ipaddress.ip_address(body[length:2 * length])), *ports)
        while not start.endswith(b"\r\n"):
            start += self._exactly(sock, 1)
            if len(start) > 107:
                raise ValueError(f"version 1: {start!r}")
        m = LINE.fullmatch(start[:-2])
        if not m:
            raise ValueError(f"version 1: {start!r}")
        return (1, m[2].decode(), m[3].decode(), int(m[4]), int(m[5]))

    def _serve(self, sock):
        try:
            version, client, destination, client_port, port = self._header(sock)
            self.headers.append((version, client, destination, client_port, port))
            onward = socket.create_connection((destination, port), 10, source_address=(client, client_port))
        except (ValueError, KeyError, OSError) as e:
            self.errors.append(repr(e))
            sock.close()
            return
        threading.Thread(target=relay, args=(onward, sock), daemon=True).start()
        relay(sock, onward)
