"""How many replies of the corpus get a category that is right."""
import collections
import csv
import os
import re
import subprocess


def rows(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        names = f.readline().rstrip("\n").split("\t")
        for line in f:
            yield dict(zip(names, line.rstrip("\n").split("\t")))


def judge(program, rules, failures):
    """[(code, status, host, text)] → [(category, verdict, line of the rule)]"""
    done = subprocess.run([program, "classify", rules], input=lines_of(failures).encode("utf-8", "surrogateescape"),
                          stdout=subprocess.PIPE, check=True)
    return [tuple(l.split("\t")) for l in done.stdout.decode().splitlines()]


def lines_of(failures):
    return "".join("\t".join(re.sub(r"[\t\r\n]", " ", x) for x in f) + "\n" for f in failures)


def speed(program, rules, failures):
    """How long it takes to judge them: (number, mean, the 99th of 100, the longest), in microseconds."""
    done = subprocess.run([program, "speed", rules], input=lines_of(failures).encode("utf-8", "surrogateescape"),
                          stdout=subprocess.PIPE, check=True)
    n, mean, nearly, longest = done.stdout.decode("utf-8", "replace").split("\t")[:4]
    return int(n), float(mean), float(nearly), float(longest)


def codes_of(text):
    code = re.match(r"\s*([245]\d\d)\b", text)
    status = re.search(r"\b([245]\.\d{1,3}\.\d{1,3})\b", text)
    return code.group(1) if code else "", status.group(1) if status else ""


def failures_of(path):
    for row in rows(path):
        text = row.get("diagnostic", row.get("reply", ""))
        code, status = row.get("smtp_code"), row.get("status")
        if code is None:
            code, status = codes_of(text)
        yield (code, status, "", text), row


def is_right(category, accepted):
    return accepted == "*" or category in accepted.split(",")


def score(program, rules, path, show):
    pairs = list(failures_of(path))
    results = judge(program, rules, [f for f, _ in pairs])
    right = scored = 0
    confusion = collections.Counter()
    for (failure, row), (category, _, line) in zip(pairs, results):
        if row["pmta_accept"] == "*":
            continue
        scored += 1
        if is_right(category, row["pmta_accept"]):
            right += 1
            continue
        confusion[(row.get("pmta_category", row["pmta_accept"]), category)] += 1
        if show:
            print(f"  {row['pmta_accept']} ≠ {category} (rule {line}): {failure[0]} {failure[1]} {failure[3][:230]}")
    return right, scored, confusion
