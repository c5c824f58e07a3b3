"""Certificates of a test's own making, by the openssl program: an authority, what it signs, and their TLSA records."""
import hashlib
import os
import subprocess

NUL = "\0"


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, check=True, capture_output=True).stdout


def in_der(tag, content):
    n = len(content)
    length = bytes([n]) if n < 128 else bytes([0x80 + (n.bit_length() + 7) // 8]) + n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([tag]) + length + content


def names_in_der(names):
    """dNSNames; the openssl program itself would write none with NUL in it."""
    return in_der(0x30, b"".join(in_der(0x82, name.encode()) for name in names))


class Authority:
    """certificate(name…) gives the path of a PEM file with certificate, chain and key."""

    def __init__(self, folder, name="Test Authority"):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.n = folder, 0
        self.key, self.path = folder + "/ca.key", folder + "/ca.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                f"/CN={name}", "-keyout", self.key, "-out", self.path, "-addext", "basicConstraints=critical,CA:TRUE")

    def certificate(self, *names, password=None):
        self.n += 1
        base = f"{self.folder}/c{self.n}"
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                f"/CN={names[0].partition(NUL)[0]}", "-keyout", base + ".key", "-out", base + ".csr")
        with open(base + ".ext", "w") as f:
            f.write(f"subjectAltName=DER:{names_in_der(names).hex(':')}\n")
        openssl("x509", "-req", "-in", base + ".csr", "-CA", self.path, "-CAkey", self.key, "-CAcreateserial", "-days", "20",
                "-out", base + ".crt", "-extfile", base + ".ext")
        key = open(base + ".key").read()
        if password:
            key = openssl("pkcs8", "-topk8", "-in", base + ".key", "-passout", f"pass:{password}").decode()
        with open(base + ".pem", "w") as f:
            f.write(open(base + ".crt").read() + open(self.path).read() + key)
        return base + ".pem"


def tlsa(path, usage=3, selector=1):
    """"USAGE SELECTOR 1 HEX" of the file's first certificate."""
    if selector:
        public = openssl("x509", "-in", path, "-pubkey", "-noout")
        data = openssl("pkey", "-pubin", "-outform", "DER", data=public)
    else:
        data = openssl("x509", "-in", path, "-outform", "DER")
    return f"{usage} {selector} 1 {hashlib.sha256(data).hexdigest()}"
