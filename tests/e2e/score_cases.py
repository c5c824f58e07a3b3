"""The shipped rules against a corpus of real replies, where it is there."""
import os
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [HERE + "/score", HERE + "/lib"]
import replies  # noqa: E402
import reports  # noqa: E402  (tests/lib has one of that name, too, and puts itself first)
from cases import Skip, case, expect, main  # noqa: E402
from posthaste import BUILD, ROOT  # noqa: E402

CORPUS = os.path.join(ROOT, "..", "shared", "corpus", "dsn")


def share(name):
    path = os.path.join(CORPUS, name)
    if not os.path.exists(path):
        raise Skip("the corpus is not here")
    right, scored, _ = replies.score(BUILD + "/tests/score/judge", ROOT + "/conf/bounce/rules", path, False)
    print(f"# {name}: {right} of {scored}")
    return right / scored


@case("of the corpus's replies at least 92 % get a category that is right")
def replies_share():
    expect(share("replies.tsv") >= 0.92, "fewer")


@case("of replies that no rule was written from, at least 87 % do")
def unseen_share():
    expect(share("replies-zonemta.tsv") >= 0.87, "fewer")


@case("of the corpus's reports the recipient is found in 97 %, the category right in 92 %, and nothing else is a bounce")
def reports_share():
    folder = CORPUS
    if not os.path.exists(folder):
        raise Skip("the corpus is not here")
    tally, _ = reports.score(BUILD + "/tests/score/judge", ROOT + "/conf/bounce/rules", folder, True)
    expect(tally["recipients right"] >= 0.97 * tally["recipients"], f"recipients {tally}")
    expect(tally["categories right"] >= 0.92 * tally["categories"], f"categories {tally}")
    expect(tally["innocent right"] == tally["innocent"], f"false bounces {tally}")


@case("the raw fields of RFC 3464 and of complaints are those that the corpus says")
def raw_fields():
    if not os.path.exists(CORPUS):
        raise Skip("the corpus is not here")
    judge, rules = BUILD + "/tests/score/judge", ROOT + "/conf/bounce/rules"
    for right, total in (reports.raw_fields(judge, rules, CORPUS, True),
                         reports.complaints(judge, rules, os.path.join(CORPUS, "..", "arf"), True)):
        expect(right == total, f"{right} of {total}")


main()
