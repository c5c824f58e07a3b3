"""The suppression database with ten million entries: what a look-up costs when mail arrives, and what the rest takes."""
import os
import shutil
import subprocess
import tempfile


def measure(bench, n):
    folder = tempfile.mkdtemp(prefix="suppress-", dir=bench.work)
    try:
        r = subprocess.run([bench.build + "/tests/bench/suppress", str(n), folder], capture_output=True, text=True)
        if r.returncode:
            raise RuntimeError("suppress: " + r.stderr)
        size = sum(os.path.getsize(f"{folder}/{name}") for name in os.listdir(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"entries": n, "disk_mb": size / 1e6} | {k: float(v) for k, v in map(str.split, r.stdout.splitlines())}
