#!/usr/bin/env python3
"""What several operators' browsers and a Prometheus ask, as they ask it, until SIGTERM: five monitors open on different
pages, which refresh every five seconds and listen to the events, a scrape every fifteen, and pmtactl tail.

usage: watchers.py PORT KEY PMTACTL CONFIG"""
import heapq
import http.client
import select
import signal
import socket
import subprocess
import sys
import time

# the requests of one refresh of each page (webd/ui)
HOME = ["/status?format=json", "/queues?sort=rcpt&maxitems=5&format=json", "/domains?sort=rcpt&maxitems=5&format=json",
        "/history?format=json"]
PAGES = [HOME, HOME, ["/queues?format=json"], ["/domains?format=json"], ["/vmtas?maxitems=1000&format=json"]]
REFRESH_S, SCRAPE_S = 5, 15


class Browser:
    def __init__(self, port, key, pages, every):
        self.c, self.key, self.pages, self.every = http.client.HTTPConnection("127.0.0.1", port, timeout=30), key, pages, every

    def look(self):
        for path in self.pages:
            self.c.request("GET", path, headers={"X-API-Key": self.key})
            self.c.getresponse().read()


def listen(port, key):
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\n\r\n".encode())
    return s


def main():
    port, key, pmtactl, config = int(sys.argv[1]), *sys.argv[2:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    feeds = [listen(port, key) for _ in PAGES]
    tail = subprocess.Popen([pmtactl, "-c", config, "tail", "--event=bounced,mode,source,alert,command"],
                            stdout=subprocess.DEVNULL)
    browsers = [Browser(port, key, p, REFRESH_S) for p in PAGES] + [Browser(port, key, ["/metrics"], SCRAPE_S)]
    now = time.monotonic()
    due = [(now + i * REFRESH_S / len(browsers), i) for i in range(len(browsers))]
    try:
        while True:
            at, i = heapq.heappop(due)
            while time.monotonic() < at:
                for s in select.select(feeds, [], [], max(0.0, at - time.monotonic()))[0]:
                    s.recv(65536)
            browsers[i].look()
            heapq.heappush(due, (at + browsers[i].every, i))
    finally:
        tail.kill()


if __name__ == "__main__":
    main()
