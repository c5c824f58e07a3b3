#!/usr/bin/python3
"""How well failures and complaints are understood: score.py BUILD CORPUS [--misses]. Prints for each collection how many
are right and what was taken for what; with --misses each wrong one. Ends with 1 when a share is below what is asked."""
import glob
import sys

import replies
import reports

REPLIES = (("replies.tsv", 0.92), ("replies-zonemta.tsv", 0.87))
RULES = "conf/bounce/rules"
MOST_US = 20


class Shares:
    good = True
    reports = {}

    def show(self, what, right, total, least):
        share = right / max(total, 1)
        self.good = self.good and share >= least
        verdict = "" if share >= least else "  TOO FEW"
        print(f"{what}: {right} of {total}, {share:.1%} (at least {least:.0%}){verdict}")


def show_confusion(confusion):
    for (wanted, given), n in sorted(confusion.items(), key=lambda x: -x[1]):
        print(f"    {n:4}  {wanted} → {given}")


def own_replies():
    with open("tests/unit/classify/replies.tsv", encoding="utf-8", errors="surrogateescape") as f:
        texts = [line.split("\t")[0] for line in f if line.strip() and line[0] != "#"]
    return [(*replies.codes_of(text), "", text) for text in texts]


def show_speed(judge, corpus, shares):
    """A reply takes 20 us at most. The longest is told too, but what it takes is also what else the machine does."""
    given = [f for name, _ in REPLIES for f, _ in replies.failures_of(f"{corpus}/dsn/{name}")]
    texts = [("", "", "", r[2]) for r in shares.reports.values()]
    for what, failures in (("replies", given + own_replies()), ("texts of reports", texts)):
        n, mean, nearly, longest = replies.speed(judge, RULES, failures)
        shares.good = shares.good and mean <= MOST_US
        print(f"time to judge {n} {what}: {mean:.1f} us each (at most {MOST_US}), 99 of 100 within {nearly:.1f}, "
              f"the longest {longest:.1f}" + ("" if mean <= MOST_US else "  TOO SLOW"))


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
    shares.show("reports: raw fields of RFC 3464", *reports.raw_fields(judge, RULES, f"{corpus}/dsn", misses), 1)
    shares.show("complaints: fields", *reports.complaints(judge, RULES, f"{corpus}/arf", misses), 1)
    shares.reports = reports.read_reports(judge, RULES, sorted(glob.glob(f"{corpus}/dsn/*.eml")))
    show_speed(judge, corpus, shares)
    sys.exit(0 if shares.good else 1)


if __name__ == "__main__":
    main()
