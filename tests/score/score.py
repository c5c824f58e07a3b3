#!/usr/bin/python3
"""How well failures and complaints are understood: score.py BUILD CORPUS [--misses]. Prints for each collection how many
are right and what was taken for what; with --misses each wrong one. Ends with 1 when a share is below what is asked."""
import sys

import replies
import reports

REPLIES = (("replies.tsv", 0.92), ("replies-zonemta.tsv", 0.87))
RULES = "conf/bounce/rules"


class Shares:
    good = True

    def show(self, what, right, total, least):
        share = right / max(total, 1)
        self.good = self.good and share >= least
        verdict = "" if share >= least else "  TOO FEW"
        print(f"{what}: {right} of {total}, {share:.1%} (at least {least:.0%}){verdict}")


def show_confusion(confusion):
    for (wanted, given), n in sorted(confusion.items(), key=lambda x: -x[1]):
        print(f"    {n:4}  {wanted} → {given}")


def main():
    build, corpus, misses = sys.argv[1], sys.argv[2], "--misses" in sys.argv[3:]
    judge, shares = f"{build}/tests/score/judge", Shares()
    for name, least in REPLIES:
        right, total, confusion = replies.score(judge, RULES, f"{corpus}/dsn/{name}", misses)
        shares.show(f"{name}: category", right, total, least)
        show_confusion(confusion)
    tally, confusion = reports.score(judge, RULES, f"{corpus}/dsn", misses)
    for what, least in (("recipients", 0.97), ("categories", 0.92), ("kinds", 0), ("others", 0)):
        shares.show(f"reports: {what}", tally[what + " right"], tally[what], least)
    show_confusion(confusion)
    shares.show("reports: not a bounce, not taken for one", tally["innocent right"], tally["innocent"], 1)
    shares.show("reports: raw fields of RFC 3464", *reports.raw_fields(judge, f"{corpus}/dsn", misses), 1)
    shares.show("complaints: fields", *reports.complaints(judge, f"{corpus}/arf", misses), 1)
    sys.exit(0 if shares.good else 1)


if __name__ == "__main__":
    main()
