"""A server that plays one script to each client: a list of steps, each a list of a verb and its arguments.

s TEXT: say | r REGEX: read a line that matches (QUIT ends, RSET is answered) | rdata: read up to the final dot |
rn N: read N bytes | drip TEXT SECONDS: say octet by octet | flood TEXT N: say it again and again, N octets |
sleep SECONDS (ends when the client is gone) | wait (the same until `go` is set) | close | rst | tls: handshake as a server | renegotiate N
What follows the script is answered with 250, QUIT with 221."""
import re
import select
import socket
import ssl
import struct
import subprocess
import threading
import time

from proxysim import relay


class End(Exception):
    """The connection is over."""


class Client:
    def __init__(self, sock, server):
        self.sock, self.server, self.have, self.seen = sock, server, b"", []

    def more(self):
        piece = self.sock.recv(65536)
        if not piece:
            raise End
        self.have += piece

    def line(self):
        while b"\n" not in self.have:
            self.more()
        line, self.have = self.have.split(b"\n", 1)
        text = line.rstrip(b"\r").decode("latin-1")
        self.seen.append(text[:200])
        return text

    # ---- the verbs ----

    def do_s(self, text):
        self.sock.sendall(text.encode("latin-1"))

    def do_r(self, pattern):
        line = self.line()
        if re.search(pattern, line, re.I):
            return
        if line.upper().startswith("RSET"):
            self.do_s("250 ok\r\n")
            self.do_r(pattern)
            return
        self.do_s("221 bye\r\n" if line.upper().startswith("QUIT") else "421 4.3.0 that was not in the script\r\n")
        raise End

    def do_rdata(self):
        data = b""
        while not (data.endswith(b"\r\n.\r\n") or data == b".\r\n"):
            at = self.have.find(b"\n") + 1
            if at == 0:
                self.more()
                continue
            data, self.have = data + self.have[:at], self.have[at:]
        self.server.bodies.append(data)

    def do_rn(self, n):
        while len(self.have) < n:
            self.more()
        self.have = b""

    def do_drip(self, text, seconds):
        for c in text:
            self.do_s(c)
            self.do_sleep(seconds)

    def do_flood(self, text, n):
        unit = text.encode("latin-1")
        left = max(1, n // len(unit))
        per = max(1, 65536 // len(unit))
        while left > 0:
            self.sock.sendall(unit * min(left, per))
            left -= per

    def do_sleep(self, seconds):
        """A client that is gone ends it; what it sends is left where it is."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            poll = select.poll()
            poll.register(self.sock, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
            if poll.poll(100):
                raise End

    def do_wait(self):
        """Until the test sets `go`, or the client is gone."""
        while not self.server.go.is_set():
            self.do_sleep(0.1)

    def do_close(self):
        raise End

    def do_rst(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise End

    def do_tls(self):
        self.have = b""
        self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
        self.server.tls_versions.append(self.sock.version())

    def do_renegotiate(self, n):
        """openssl s_server behind this socket, told to ask for a new handshake n times before it answers MAIL."""
        back = socket.socket()
        back.bind(("127.0.0.1", 0))
        port = back.getsockname()[1]
        back.close()
        certificate, key = self.server.certificate
        process = subprocess.Popen(["openssl", "s_server", "-tls1_2", "-accept", f"127.0.0.1:{port}", "-naccept", "1",
                                    "-cert", certificate, "-key", key], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        try:
            self._bridge(process, port, n)
        finally:
            process.kill()
            process.wait()
        raise End

    def _bridge(self, process, port, n):
        for line in process.stdout:
            if line.startswith(b"ACCEPT"):
                break
        back = socket.create_connection(("127.0.0.1", port))
        for a, b in ((self.sock, back), (back, self.sock)):
            threading.Thread(target=relay, args=(a, b), daemon=True).start()
        in_data = False
        for line in process.stdout:
            word, reply = line.rstrip(b"\r\n").upper(), None
            if in_data:
                in_data, reply = word != b".", b"250 taken" if word == b"." else None
            elif word.startswith(b"MAIL"):
                self.server.n_renegotiations = n
                for _ in range(n):
                    process.stdin.write(b"r\n")
                reply = b"250 ok"
            elif word.startswith(b"DATA"):
                in_data, reply = True, b"354 go"
            elif word.startswith((b"EHLO", b"RCPT", b"RSET")):
                reply = b"250 ok"
            elif word.startswith(b"QUIT"):
                reply = b"221 bye"
            if reply:
                process.stdin.write(reply + b"\r\n")
                process.stdin.flush()

    def play(self, script):
        for verb, *arguments in script:
            getattr(self, "do_" + verb)(*arguments)
        while True:
            is_quit = self.line().upper().startswith("QUIT")
            self.do_s("221 bye\r\n" if is_quit else "250 ok\r\n")
            if is_quit:
                raise End


class Server:
    """Listens at once; connections are counted. `scripts`: the n-th connection plays the n-th, the last one again."""

    def __init__(self, address, scripts, context=None, certificate=None, receive_buffer=None):
        self.scripts, self.context, self.certificate, self.connections = scripts, context, certificate, 0
        self.n_renegotiations = 0
        self.go = threading.Event()
        self.bodies, self.tls_versions, self.seen, self.errors = [], [], [], []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind((address, 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            script = self.scripts[min(self.connections, len(self.scripts) - 1)]
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock, script), daemon=True).start()

    def _serve(self, sock, script):
        client = Client(sock, self)
        self.seen.append(client.seen)
        try:
            client.play(script)
        except End:
            pass
        except (OSError, ssl.SSLError) as e:
            self.errors.append(e)
        finally:
            client.sock.close()

    def close(self):
        self.listener.close()
