"""The shipped rules against a corpus of real replies, where it is there."""
import os
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [HERE + "/lib", HERE + "/score"]
from cases import Skip, case, expect, main  # noqa: E402
from posthaste import BUILD, ROOT  # noqa: E402
import replies  # noqa: E402

CORPUS = os.path.join(ROOT, "..", "shared", "corpus", "dsn")


def share(name):
    path = os.path.join(CORPUS, name)
    if not os.path.exists(path):
        raise Skip("the corpus is not here")
    right, scored, _ = replies.score(BUILD + "/tests/score/classify_lines", ROOT + "/conf/bounce/rules", path, False)
    print(f"# {name}: {right} of {scored}")
    return right / scored


@case("of the corpus's replies at least 92 % get a category that is right")
def replies_share():
    expect(share("replies.tsv") >= 0.92, "fewer")


@case("of replies that no rule was written from, at least 87 % do")
def unseen_share():
    expect(share("replies-zonemta.tsv") >= 0.87, "fewer")


main()
