"""mxsim from Python: start it with a policy's text, ask for its statistics, read its log."""
import json
import os
import socket
import subprocess

from cases import Failed, wait_for


class Accepted:
    """One recipient that mxsim took."""

    __slots__ = ("when_us", "number", "provider", "rcpt", "id", "hash", "size", "peer", "ehlo", "sender", "tls", "times")

    def __init__(self, line):
        (when, number, self.provider, self.rcpt, self.id, self.hash, size, self.peer, self.ehlo, self.sender, tls,
         times) = line.rstrip("\n").split("\t")
        self.when_us, self.number, self.size, self.times = int(when), int(number), int(size), int(times)
        self.tls = tls == "tls"


def densest(times, seconds):
    """The most events that any window [t, t + seconds) holds; times in microseconds."""
    times, most, first = sorted(times), 0, 0
    for i, t in enumerate(times):
        while times[first] + seconds * 1e6 <= t:
            first += 1
        most = max(most, i - first + 1)
    return most


class Mxsim:
    def __init__(self, build, folder, policy, dump=False):
        self.build, self.folder, self.dump = build, folder, dump
        os.makedirs(folder, exist_ok=True)
        self.process = None
        self._write(policy)

    def _write(self, policy):
        with open(self.folder + "/policy", "w") as f:
            f.write(policy)

    def start(self):
        command = [self.build + "/tests/mxsim", "-c", self.folder + "/control", "-l", self.folder + "/log",
                   "-s", self.folder + "/statistics.json"]
        if self.dump:
            command += ["-d", self.folder + "/dump"]
        with open(self.folder + "/output", "w") as out:
            self.process = subprocess.Popen(command + [self.folder + "/policy"], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out)
        wait_for("mxsim is ready", self._is_ready, 10)
        return self

    def _is_ready(self):
        text = open(self.folder + "/output").read()
        if self.process.poll() is not None:
            raise Failed("mxsim ended: " + text)
        return "ready" in text

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(self.folder + "/control")
            s.sendall(command.encode() + b"\n")
            parts = []
            while part := s.recv(65536):
                parts.append(part)
        return b"".join(parts).decode()

    def stats(self):
        return json.loads(self.ask("stats"))

    def provider(self, name):
        return self.stats()["providers"][name]

    def recipients(self):
        return self.stats()["recipients"]

    def wait_recipients(self, n, seconds=60):
        """Until that many recipients were taken, duplicates not counted."""
        def enough():
            s = self.stats()
            return s["recipients"] - s["duplicates"] >= n and s
        try:
            return wait_for(f"{n} recipients at mxsim", enough, seconds)
        except Failed as e:
            raise Failed(f"{e}; there are {self.recipients()}") from None

    def log(self):
        """What it took; a line that is being written while it goes on taking mail is not told yet."""
        if self.process is not None and self.process.poll() is None:
            self.ask("flush")
        try:
            with open(self.folder + "/log", errors="replace") as f:
                return [Accepted(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def message(self, accepted):
        """The raw message as it came (with dump=True)."""
        return open(f"{self.folder}/dump/{accepted.number}.eml", "rb").read()

    def reload(self, policy):
        self._write(policy)
        answer = self.ask("reload").strip()
        if answer != "ok":
            raise Failed("mxsim: " + answer)

    def violations(self):
        """What clients did wrong, over all providers: name and number."""
        found = {}
        for p in self.stats()["providers"].values():
            for name, n in p.items():
                if name.startswith("violation_") and n:
                    found[name] = found.get(name, 0) + n
        return found

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
