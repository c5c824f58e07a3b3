"""How well reports are read: kind, failed recipient and category of whole messages, and the raw fields of RFC 3464."""
import collections
import glob
import subprocess

from replies import is_right, rows

BOUNCES = ("bounce", "delayed")
INNOCENT = ("not-bounce", "autoreply", "delivered", "mdn")
SCORED = ("gold", "silver", "manual")


CATEGORY, RULE, FIELDS = 7, 8, 9  # of a recipient's line


def read_reports(program, rules, files):
    """{file name: (kind, format, text for people, [recipient fields], (category, rule) of one it does not name)}"""
    done = subprocess.run([program, "report", rules] + files, stdout=subprocess.PIPE, check=True)
    found = {}
    for block in done.stdout.decode("utf-8", "surrogateescape").split("\n\n"):
        lines = block.split("\n")
        if len(lines) < 2 or not lines[0]:
            continue
        kind, form, _, category, rule = lines[1].split("\t")
        found[lines[0].rsplit("/", 1)[1]] = (kind, form, lines[2], [l.split("\t") for l in lines[3:]], (category, rule))
    return found


def same_address(a, b):
    return a.strip("<>").lower() == b.strip("<>").lower()


def pick(rcpts, wanted, nth):
    """The recipient that is meant: by address, else by order."""
    for r in rcpts:
        if same_address(r[0], wanted) or same_address(r[1], wanted):
            return r, True
    return (rcpts[min(nth, len(rcpts)) - 1] if rcpts else None), False


def score(program, rules, folder, show):
    expected = list(rows(f"{folder}/expected.tsv"))
    reports = read_reports(program, rules, sorted(glob.glob(f"{folder}/*.eml")))
    tally = collections.Counter()
    confusion = collections.Counter()
    for row in expected:
        kind, form, _, rcpts, unnamed = reports[row["file"]]
        if row["kind"] not in BOUNCES:
            tally["others"] += 1
            tally["others right"] += kind not in BOUNCES
            if row["kind"] in INNOCENT:
                tally["innocent"] += 1
                tally["innocent right"] += kind not in BOUNCES
            if show and kind in BOUNCES:
                print(f"  {row['file']}: {row['kind']} taken for {kind}")
            continue
        if row["conf"] not in SCORED:
            continue
        picked, found = pick(rcpts, row["recipient"], int(row["n"]))
        if row["recipient"]:
            tally["recipients"] += 1
            tally["recipients right"] += found
            if show and not found:
                print(f"  {row['file']} ({kind}, {form}): recipient {row['recipient']}, found {[r[0] for r in rcpts]}")
        tally["kinds"] += 1
        tally["kinds right"] += kind == row["kind"]
        if show and kind != row["kind"]:
            print(f"  {row['file']}: {row['kind']} taken for {kind}")
        r = picked or ["", "", "", "", "0", "", "", *unnamed]
        if row["pmta_accept"] in ("*", ""):
            continue
        tally["categories"] += 1
        if is_right(r[CATEGORY], row["pmta_accept"]):
            tally["categories right"] += 1
            continue
        confusion[(row["pmta_category"], r[CATEGORY])] += 1
        if show:
            print(f"  {row['file']}: {row['pmta_accept']} ≠ {r[CATEGORY]} (rule {r[RULE]}): {r[4]} {r[3]} {r[6][:200]}")
    return tally, confusion


RAW = ("reporting_mta", "original_envelope_id", "arrival_date", "original_recipient", "final_recipient", "action", "status",
       "remote_mta", "diagnostic_code", "last_attempt_date", "will_retry_until")


def raw_fields(program, rules, folder, show):
    """(fields that agree with rfc3464.tsv, all of them)"""
    expected = list(rows(f"{folder}/rfc3464.tsv"))
    files = sorted({f"{folder}/{r['file']}" for r in expected})
    done = subprocess.run([program, "report", rules] + files, stdout=subprocess.PIPE, check=True)
    found = {}
    for block in done.stdout.decode("utf-8", "surrogateescape").split("\n\n"):
        lines = block.split("\n")
        if len(lines) > 2:
            found[lines[0].rsplit("/", 1)[1]] = [l.split("\t")[FIELDS:] for l in lines[3:]]
    right = total = 0
    for row in expected:
        rcpts = found.get(row["file"], [])
        nth = int(row["n"]) - 1
        mine = dict(zip(RAW, rcpts[nth])) if nth < len(rcpts) else {}
        for name in RAW:
            total += 1
            same = " ".join(mine.get(name, "").split()) == " ".join(row[name].split())
            right += same
            if show and not same:
                print(f"  {row['file']} {nth + 1} {name}: {row[name]!r} ≠ {mine.get(name)!r}")
    return right, total


ARF = ("", "feedback_type", "user_agent", "version", "original_rcpt", "removal_rcpt", "original_mail_from", "source_ip",
       "reported_domain", "arrival_date", "received_date", "reporting_mta", "incidents", "auth_failure", "orig_envelope_id",
       "orig_message_id", "orig_from", "orig_to", "orig_return_path", "x_hmxmroriginalrecipient")


def complaints(program, rules, folder, show):
    """(expected fields of complaints that were found, all of them)"""
    expected = list(rows(f"{folder}/expected.tsv"))
    done = subprocess.run([program, "report", rules] + [f"{folder}/{r['file']}" for r in expected], stdout=subprocess.PIPE, check=True)
    found = {}
    for block in done.stdout.decode("utf-8", "surrogateescape").split("\n\n"):
        lines = block.split("\n")
        if len(lines) > 3:
            found[lines[0].rsplit("/", 1)[1]] = dict(zip(ARF, lines[3].split("\t")))
    right = total = 0
    for row in expected:
        mine = found.get(row["file"], {})
        if not mine.get("arrival_date"):
            mine["arrival_date"] = mine.get("received_date", "")
        for name in ARF[1:]:
            if not row.get(name):
                continue
            total += 1
            same = " ".join(mine.get(name, "").split()) == " ".join(row[name].split())
            right += same
            if show and not same:
                print(f"  {row['file']} {name}: {row[name]!r} ≠ {mine.get(name)!r}")
    return right, total
