"""A server that keeps what is posted to it, for web hooks and deliveries of type http-delivery."""
import base64
import http.server
import json
import threading


class Server(http.server.ThreadingHTTPServer):
    """Keeps what is posted; answers as `answers` says by path, one after the other, then 200."""

    daemon_threads = True

    def __init__(self, address, context=None):
        super().__init__(address, Handler)
        self.posts, self.answers, self.lock = [], {}, threading.Lock()
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass  # a client that does not trust us hangs up

    def of(self, path):
        with self.lock:
            return [p for p in self.posts if p[0] == path and p[3] // 100 == 2]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            left = self.server.answers.get(self.path, [])
            code = left.pop(0) if left else 200
            self.server.posts.append((self.path, dict(self.headers), body, code))
        if code < 0:
            self.rfile.read(1)  # until the client has enough of waiting
        if code <= 0:
            self.connection.close()  # no answer
            return
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def posted(post):
    """(recipient, the message) of a delivery."""
    mail = json.loads(post[2])
    content = mail["content"]
    text = content["email_rfc822"]
    return mail["rcpt_to"], base64.b64decode(text) if content.get("email_rfc822_is_base64") else text.encode()
