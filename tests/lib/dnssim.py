"""A name server that says exactly what a test wants, over UDP and TCP.

    sim = Dnssim("127.0.0.53", 5353, {"x.test MX": ["10 a.x.test", "20 b.x.test"], "a.x.test A": "127.0.1.1"})
    with sim: ...

A zone's key is "NAME TYPE"; its value one record or a list of them, as text, or one of the words

    NXDOMAIN NODATA SERVFAIL REFUSED NOTIMP FORMERR     the outcome, for this question
    SILENT      no answer at all
    TC          truncated over UDP; over TCP what the key "NAME TYPE tcp" says
    GARBAGE     random octets; LOOP: names that point at themselves; OTHER: the answer to another question
    x1000       so many records (MX: m0.NAME on, with preference 0 on; A: 127.1.0.0 on)

or a function (name, type, tcp) -> value. "CNAME" keys are followed as a resolver does. A key's TTL is 60, or the
number behind an "@" at the value's end ("127.0.1.1 @0"). What has no key is NXDOMAIN, or NODATA if the name has
another type. `insecure` says which answers lack the AD bit (all, if it is not given). `asked` counts the questions by "NAME TYPE".
"""
import collections
import ipaddress
import os
import select
import socket
import struct
import threading

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}
NAMES = {v: k for k, v in TYPES.items()}
RCODES = {"FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}


def pack_name(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.rstrip(".").split(".") if x) + b"\0"


def pack_rdata(kind, text):
    if kind == "A" or kind == "AAAA":
        return ipaddress.ip_address(text).packed
    if kind == "MX":
        pref, host = text.split()
        return struct.pack(">H", int(pref)) + pack_name(host)
    if kind == "TLSA":
        usage, selector, matching, data = text.split()
        return bytes([int(usage), int(selector), int(matching)]) + bytes.fromhex(data)
    if kind == "TXT":
        octets = text.encode()
        return b"".join(bytes([len(octets[i:i + 200])]) + octets[i:i + 200] for i in range(0, len(octets) or 1, 200))
    return pack_name(text)


def pack_rr(name, kind, text):
    # a text may hold one
    text, _, ttl = (text, "", "") if kind == "TXT" else text.partition("@")
    data = pack_rdata(kind, text.strip())
    return pack_name(name) + struct.pack(">HHIH", TYPES[kind], 1, int(ttl or 60), len(data)) + data


class Dnssim:
    def __init__(self, address, port, zone, insecure=None):
        """insecure: questions ("NAME TYPE") that are answered without the AD bit, "*" all of them."""
        self.insecure = {"*"} if insecure is None else set(insecure)
        self.zone = {" ".join([k.split()[0].lower(), *k.split()[1:]]): v for k, v in zone.items()}
        self.asked = collections.Counter()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((address, port))
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((address, port))
        self.tcp.listen(16)
        self.wake, self.waker = os.pipe()
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *args):
        os.write(self.waker, b"x")
        self.thread.join()
        for s in (self.udp, self.tcp):
            s.close()

    def _serve(self):
        while True:
            ready, _, _ = select.select([self.udp, self.tcp, self.wake], [], [])
            if self.wake in ready:
                return
            if self.udp in ready:
                query, peer = self.udp.recvfrom(2000)
                answer = self.answer(query, False)
                if answer is not None:
                    self.udp.sendto(answer, peer)
            if self.tcp in ready:
                self._serve_tcp()

    def _serve_tcp(self):
        conn, _ = self.tcp.accept()
        with conn:
            conn.settimeout(5)
            try:
                size = struct.unpack(">H", conn.recv(2, socket.MSG_WAITALL))[0]
                answer = self.answer(conn.recv(size, socket.MSG_WAITALL), True)
                if answer is not None:
                    conn.sendall(struct.pack(">H", len(answer)) + answer)
            except (OSError, struct.error):
                pass

    def _value(self, name, kind, tcp):
        value = self.zone.get(f"{name} {kind} tcp") if tcp else None
        if value is None:
            value = self.zone.get(f"{name} {kind}")
        if callable(value):
            value = value(name, kind, tcp)
        if value is None:
            exists = any(k.split()[0] == name for k in self.zone)
            value = "NODATA" if exists else "NXDOMAIN"
        return value

    def _chain(self, name, kind, tcp):
        """Records of the aliases, and name and value where they end."""
        aliases = []
        for _ in range(20):
            target = self.zone.get(f"{name} CNAME")
            if target is None or kind == "CNAME":
                break
            aliases.append(pack_rr(name, "CNAME", target))
            name = target.partition("@")[0].strip().rstrip(".").lower()
        return aliases, name, self._value(name, kind, tcp)

    def answer(self, query, tcp):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1").lower())
            at += 1 + query[at]
        kind = NAMES.get(struct.unpack(">H", query[at + 1:at + 3])[0], "?")
        question, name = query[12:at + 5], ".".join(labels)
        self.asked[f"{name} {kind}"] += 1
        aliases, name, value = self._chain(name, kind, tcp)
        asked = f"{'.'.join(labels)} {kind}"
        is_secure = query[3] & 0x20 and "*" not in self.insecure and asked not in self.insecure
        return self._compose(query[:2], question, kind, aliases, name, value, tcp, 0x20 if is_secure else 0)

    def _compose(self, ident, question, kind, aliases, name, value, tcp, ad=0):
        def message(flags, records, authority=()):
            return (ident + struct.pack(">HHHHH", 0x8180 | flags | ad, 1, len(records), len(authority), 0) + question
                    + b"".join(records) + b"".join(authority))
        if value == "SILENT":
            return None
        if value == "GARBAGE":
            return ident + os.urandom(80)
        if value == "LOOP":
            return message(0, [struct.pack(">H", 0xc000 | (12 + len(question))) + struct.pack(">HHIH", 15, 1, 60, 0)])
        if value == "OTHER":
            return message(0, [pack_rr("other.test", kind, "127.0.0.66" if kind == "A" else "1 evil.test")])
        if value == "TC":
            return message(0x200, aliases)
        word = value if isinstance(value, str) else ""
        if word in ("NODATA", "NXDOMAIN"):
            return message(RCODES.get(word, 0), aliases, [self._soa()])
        if word in RCODES:
            return message(RCODES[word], [])
        whole = message(0, aliases + [pack_rr(name, kind, t) for t in self._texts(kind, name, value)])
        return whole if tcp or len(whole) <= 512 else message(0x200, aliases)

    @staticmethod
    def _soa():
        data = pack_name("ns.test") + pack_name("root.test") + struct.pack(">5I", 1, 1, 1, 1, 60)
        return pack_name("test") + struct.pack(">HHIH", TYPES["SOA"], 1, 60, len(data)) + data

    @staticmethod
    def _texts(kind, name, value):
        if isinstance(value, str) and value[0] == "x" and value[1:].isdigit():
            n = int(value[1:])
            if kind == "MX":
                return [f"{i} m{i}.{name}" for i in range(n)]
            return [f"127.1.{i // 256}.{i % 256}" for i in range(n)]
        return [value] if isinstance(value, str) else value
