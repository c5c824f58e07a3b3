"""What scheduling a message costs queued when there are 100,000 queues, beside what it costs with one: the real scheduler
with a real spool and daemons that answer at once: with limits of the server, of the VirtualMTA and of each queue in force,
and with those of every kind."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "replay"))

ROUNDS = 3
LINE = re.compile(r"each: ([\d.]+) us to arrive, ([\d.]+) us to the end")


def cost_us(program, messages, queues, limits):
    with tempfile.TemporaryDirectory(prefix="ph-load-", dir="/var/tmp") as folder:
        r = subprocess.run([program, str(messages), str(queues), folder, limits], capture_output=True, text=True)
    found = LINE.search(r.stdout)
    if r.returncode != 0 or not found:
        raise RuntimeError(f"load_replay: {r.stdout}{r.stderr}")
    return float(found[1]) + float(found[2])


def measure(build, messages, queues):
    """The least of some rounds: what else the machine does only adds to it."""
    import machines_cases as machines
    machines.PROGRAMS["load"] = machines.LOAD
    program = machines.build_program(build, "load")
    found = {}
    for limits, name in (("some", ""), ("all", "_every_limit")):
        rounds = [(cost_us(program, messages, 1, limits), cost_us(program, messages, queues, limits)) for _ in range(ROUNDS)]
        one, many = (min(r[i] for r in rounds) for i in (0, 1))
        found |= {f"one_queue{name}_us": one, f"many_queues{name}_us": many, f"many_queues{name}_cost": many / one}
    return found
