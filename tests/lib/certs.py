"""Certificates for tests, made by openssl(1): an authority, and what it signed."""
import os
import subprocess


def openssl(*words, **options):
    r = subprocess.run(["openssl", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    if r.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(words)}: {r.stderr}")
    return r.stdout


class Certs:
    """Files in one folder: NAME.pem (certificate and key), NAME.crt, NAME.key."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def path(self, name):
        return f"{self.folder}/{name}"

    def _write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def _read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def key(self, name, kind="rsa"):
        if kind == "rsa":
            openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.path(name + ".key"))
        else:
            openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.path(name + ".key"))

    def authority(self, name):
        self.key(name, "ec")
        openssl("req", "-x509", "-key", self.path(name + ".key"), "-subj", f"/CN={name}", "-days", "30",
                "-out", self.path(name + ".crt"))
        return self.path(name + ".crt")

    def make(self, name, authority=None, kind="rsa", password=None):
        """The path of NAME.pem; by itself or signed by an authority; its key encrypted if there is a password."""
        self.key(name, kind)
        openssl("req", "-new", "-key", self.path(name + ".key"), "-subj", f"/CN={name}", "-out", self.path(name + ".csr"))
        signer = ["-signkey", self.path(name + ".key")] if authority is None else \
            ["-CA", self.path(authority + ".crt"), "-CAkey", self.path(authority + ".key"), "-CAcreateserial"]
        openssl("x509", "-req", "-in", self.path(name + ".csr"), "-days", "30", "-out", self.path(name + ".crt"), *signer)
        if password is not None:
            openssl("pkcs8", "-topk8", "-in", self.path(name + ".key"), "-passout", "pass:" + password,
                    "-out", self.path(name + ".enc"))
        key = self._read(name + (".key" if password is None else ".enc"))
        return self._write(name + ".pem", self._read(name + ".crt") + key)
