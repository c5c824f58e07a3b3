"""Cases of a test file: functions marked @case("a sentence that is true when it passes"); main() runs those whose
sentence or name holds one of the words on the command line (all without), and prints one line each."""
import os
import sys
import time
import traceback

_cases = []
_current = [""]
before_each = []
# how long a condition is waited for at most, where what is tried is that a test fails (tests/rows)
PATIENCE = float(os.environ.get("PH_PATIENCE", "inf"))


class Failed(Exception):
    """What was expected and what was found."""


class Skip(Exception):
    """What this machine lacks."""


def case(sentence):
    def note(function):
        _cases.append((sentence, function))
        return function
    return note


def current():
    """The sentence of the case that runs, "" before the first."""
    return _current[0]


def expect(is_so, what):
    if not is_so:
        raise Failed(what)


def expect_equal(found, wanted, what):
    if found != wanted:
        raise Failed(f"{what}: {found!r}, wanted {wanted!r}")


def wait_for(what, condition, seconds=30.0):
    """Asks again and again until the condition gives something true, and returns that."""
    seconds = min(seconds, PATIENCE)
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def _run(sentence, function):
    began = time.monotonic()
    _current[0] = sentence
    for f in before_each:
        f()
    try:
        function()
    except Skip as e:
        print(f"skip {sentence}: {e}", flush=True)
        return True
    except Exception as e:  # a broken test is a failed one
        print(f"not ok {sentence}: {type(e).__name__}: {e}", flush=True)
        for line in traceback.format_exc().splitlines():
            print(f"# {line}", flush=True)
        return False
    print(f"ok {sentence} ({time.monotonic() - began:.1f} s)", flush=True)
    return True


def main():
    words = sys.argv[1:]
    chosen = [(s, f) for s, f in _cases if not words or any(w in s or w in f.__name__ for w in words)]
    results = [_run(s, f) for s, f in chosen]
    sys.exit(0 if all(results) and results else 1)
