#!/usr/bin/python3
"""How well failures are understood: score.py BUILD CORPUS [--misses]. Prints for each collection how many are right, and
a table of what was taken for what; with --misses each wrong one."""
import sys

import replies

COLLECTIONS = (("replies.tsv", 0.92), ("replies-zonemta.tsv", 0.87))


def show_confusion(confusion):
    for (wanted, given), n in sorted(confusion.items(), key=lambda x: -x[1]):
        print(f"    {n:4}  {wanted} → {given}")


def main():
    build, corpus, show = sys.argv[1], sys.argv[2], "--misses" in sys.argv[3:]
    good = True
    for name, least in COLLECTIONS:
        right, scored, confusion = replies.score(f"{build}/tests/score/classify_lines", "conf/bounce/rules",
                                                 f"{corpus}/dsn/{name}", show)
        share = right / max(scored, 1)
        good = good and share >= least
        print(f"{name}: category right in {right} of {scored}, {share:.1%} (at least {least:.0%})")
        show_confusion(confusion)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
