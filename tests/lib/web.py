"""A client of the web monitor: plain requests, whole answers; and raw bytes for those that no client would send."""
import http.client
import json
import socket
import ssl
import subprocess
import urllib.parse

from posthaste import BUILD

PORT = 8080
PASSWORD = "correct horse battery"


def hash_of(password=PASSWORD):
    r = subprocess.run([BUILD + "/sbin/pmtactl", "hash-password"], input=password + "\n", capture_output=True, text=True)
    return r.stdout.strip().splitlines()[-1]


def write_access_file(path, users):
    with open(path, "w") as f:
        json.dump({"users": [{"name": n, "password": h, "role": r} for n, h, r in users]}, f)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def data(self):
        return self.json()["data"]


class Client:
    """Keeps its cookie and token, as a browser does."""

    def __init__(self, address, tls=False, source=None):
        self.address, self.tls, self.source = address, tls, source
        self.cookie, self.token = None, None

    def _connection(self):
        source = (self.source, 0) if self.source else None
        if not self.tls:
            return http.client.HTTPConnection(*self.address, timeout=20, source_address=source)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(*self.address, timeout=20, context=context, source_address=source)

    def ask(self, method, path, body=None, headers=()):
        c = self._connection()
        all_headers = dict(headers)
        if self.cookie:
            all_headers["Cookie"] = self.cookie
        try:
            c.request(method, path, body, all_headers)
            r = c.getresponse()
            reply = Reply(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
        finally:
            c.close()
        if "set-cookie" in reply.headers:
            self.cookie = reply.headers["set-cookie"].split(";")[0]
        return reply

    def get(self, path, **headers):
        return self.ask("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, path, fields, token=True, **headers):
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        named["Content-Type"] = "application/x-www-form-urlencoded"
        if token:
            if self.token is None:
                self.token = self.get("/session").data()["session"]["token"]
            named["X-CSRF-Token"] = self.token
        return self.ask("POST", path, urllib.parse.urlencode(fields), named)

    def command(self, words, **more):
        return self.post("/command", {"command": words}, **more)

    def login(self, user, password=PASSWORD):
        self.token = None
        return self.post("/login", {"user": user, "password": password}, token=False)


def raw(address, data, seconds=20):
    """What comes back for these bytes until the server closes or is silent after an answer."""
    with socket.create_connection(address, seconds) as s:
        s.sendall(data)
        got = b""
        try:
            while b"\r\n\r\n" not in got:
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
        except ConnectionResetError:
            pass
        return got
