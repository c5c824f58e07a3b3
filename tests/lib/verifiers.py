"""Two verifiers of DKIM signatures that know nothing of ours: Debian's python3-dkim and libopendkim (by ctypes), with
public keys of the test instead of DNS; and keys for signing, made with openssl(1)."""
import base64
import ctypes
import os
import re
import subprocess
import tempfile
import time

from cases import Skip, expect

try:
    import dkim
except ImportError:
    dkim = None
try:
    _lib = ctypes.CDLL("libopendkim.so.11")
except OSError:
    _lib = None

_SETOPT, _QUERYMETHOD, _QUERYINFO, _FILE = 1, 6, 7, 1
_PASSED, _MATCH = 0x04, 0


def make_key(path, bits=2048):
    """A private key in a file for root alone; bits 0: Ed25519. The text of its TXT record."""
    kind = ["-algorithm", "ED25519"] if bits == 0 else ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}"]
    subprocess.run(["openssl", "genpkey", *kind, "-out", path], check=True, capture_output=True)
    os.chmod(path, 0o600)
    der = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True,
                         capture_output=True).stdout
    # RFC 8463 4: the bare 32 octets of the key
    return f"v=DKIM1; k={'ed25519' if bits == 0 else 'rsa'}; p=" + base64.b64encode(
        der[-32:] if bits == 0 else der).decode()


class Verifiers:
    """records: {"selector._domainkey.domain": "v=DKIM1; …"}"""

    def __init__(self, records):
        if dkim is None or _lib is None:
            raise Skip("needs python3-dkim and libopendkim11")
        self.records = records
        self.file = tempfile.NamedTemporaryFile("w", prefix="dkim-keys-")
        self.renew()
        for name in ("dkim_init", "dkim_verify"):
            getattr(_lib, name).restype = ctypes.c_void_p
        _lib.dkim_sig_getflags.restype = ctypes.c_uint
        self.lib = ctypes.c_void_p(_lib.dkim_init(None, None))
        method, path = ctypes.c_int(_FILE), self.file.name.encode() + b"\0"
        _lib.dkim_options(self.lib, _SETOPT, _QUERYMETHOD, ctypes.byref(method), ctypes.c_size_t(4))
        _lib.dkim_options(self.lib, _SETOPT, _QUERYINFO, ctypes.c_char_p(path), ctypes.c_size_t(len(path)))

    def renew(self):
        self.file.seek(0)
        self.file.truncate()
        for name, text in self.records.items():
            self.file.write(f"{name} {text}\n")
        self.file.flush()

    def by_python(self, message, number=0):
        """Is the signature (counted from the top) good?"""
        def txt(name, timeout=5):
            return self.records.get(name.decode().rstrip("."), "").encode()
        d = dkim.DKIM(message, minkey=1024)
        return d.verify(idx=number, dnsfunc=txt)

    def by_opendkim(self, message):
        """For each signature whether it is good; a text if the message is not even looked at."""
        if b"\r\n\r\n" not in message:
            message += b"\r\n"  # a header section without a body ends for a milter too
        stat = ctypes.c_int(0)
        h = ctypes.c_void_p(_lib.dkim_verify(self.lib, b"test", None, ctypes.byref(stat)))
        try:
            _lib.dkim_chunk(h, message, ctypes.c_size_t(len(message)))
            _lib.dkim_chunk(h, None, ctypes.c_size_t(0))
            status = _lib.dkim_eom(h, None)
            sigs, n = ctypes.POINTER(ctypes.c_void_p)(), ctypes.c_int(0)
            if _lib.dkim_getsiglist(h, ctypes.byref(sigs), ctypes.byref(n)) != 0:
                return f"status {status}"
            found = []
            for i in range(n.value):
                s = ctypes.c_void_p(sigs[i])
                found.append(bool(_lib.dkim_sig_getflags(s) & _PASSED) and _lib.dkim_sig_getbh(s) == _MATCH)
            return found
        finally:
            _lib.dkim_free(h)

    def accept(self, message, n=1, what=""):
        """Both find exactly n signatures and all of them good; the signatures as dicts of their tags."""
        tags = signatures(message)
        expect(len(tags) == n, f"{what}: {len(tags)} signatures, wanted {n}")
        check_form(message, tags, what)
        for i in range(n):
            try:
                good = self.by_python(message, i)
            except dkim.DKIMException as e:
                good = e
            expect(good is True, f"{what}: python3-dkim refuses signature {i}: {good!r}\n{message[:3000]!r}")
        found = self.by_opendkim(message)
        expect(found == [True] * n, f"{what}: opendkim says {found}\n{message[:3000]!r}")
        return tags


def check_form(message, tags, what):
    """Lines as long as SMTP carries them, times that no receiver takes for the future, an end behind the beginning."""
    head = message.split(b"\r\n\r\n", 1)[0]
    for field in re.findall(rb"(?im)^dkim-signature:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*", head):
        longest = max(len(line) for line in field.split(b"\r\n"))
        expect(longest <= 998, f"{what}: a line of {longest} octets in {field!r}")
    for t in tags:
        if "t" in t:
            expect(int(t["t"]) <= time.time() + 300, f"{what}: t= in the future: {t}")
        if "x" in t:
            expect(int(t["x"]) > int(t.get("t", time.time())), f"{what}: x= is not behind t=: {t}")


def signatures(message):
    """The DKIM-Signature fields, from the top: their tags, without the blanks."""
    head = re.split(rb"\r\n\r\n", message, 1)[0] + b"\r\n"
    found = []
    for m in re.finditer(rb"(?im)^dkim-signature:((?:[^\r\n]*\r\n)(?:[ \t][^\r\n]*\r\n)*)", head):
        text = re.sub(rb"[ \t\r\n]+", b"", m.group(1)).decode()
        found.append(dict(t.split("=", 1) for t in text.split(";") if t))
    return found
