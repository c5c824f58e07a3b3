"""What must be shown, one row a demand: name, the figure, whether it is a ratio to Postfix, the comparison and the
bound. A ratio is the median over the rounds of ours divided by Postfix's of the same round."""
import statistics

AT_LEAST, AT_MOST = "≥", "≤"

#     what                                      group        figure              of        rule      bound
DEMANDS = (
    ("relayed a second, 2 KB",                 "relay-2k",  "relayed_per_s",    "ratio", AT_LEAST, 6),
    ("relayed a second, 50 KB",                "relay-50k", "relayed_per_s",    "ratio", AT_LEAST, 6),
    ("accepted a second, 2 KB",                "relay-2k",  "accepted_per_s",   "ratio", AT_LEAST, 8),
    ("accepted a second, 50 KB",               "relay-50k", "accepted_per_s",   "ratio", AT_LEAST, 8),
    ("CPU seconds per 1,000, 2 KB",            "relay-2k",  "cpu_s_per_1000",   "ratio", AT_MOST, 0.1),
    ("CPU seconds per 1,000, 50 KB",           "relay-50k", "cpu_s_per_1000",   "ratio", AT_MOST, 0.1),
    ("disk flushes a message, 20 sessions",    "relay-2k",  "flushes_per_msg",  "ours",  AT_MOST, 0.4),
    ("disk flushes a message, 100 sessions",   "relay-100", "flushes_per_msg",  "ours",  AT_MOST, 0.15),
    ("bytes to disk a message, 2 KB",          "relay-2k",  "bytes_per_msg",    "ours",  AT_MOST, 3 * 2048),
    ("bytes to disk a message, 50 KB",         "relay-50k", "bytes_per_msg",    "ours",  AT_MOST, 1.2 * 51200),
    ("system calls a message",                 "calls",     "calls_per_msg",    "ours",  AT_MOST, 40),
    ("1 M queued: memory (PSS), MB",           "million",   "queued_pss_mb",    "ours",  AT_MOST, 200),
    ("1 M queued: restart to delivery, s",     "million",   "first_delivery_s", "ours",  AT_MOST, 2),
    ("1 M queued: all recovered, s",           "million",   "recovered_s",      "ours",  AT_MOST, 30),
    ("relayed a second, TLS on both legs",     "tls",       "relayed_per_s",    "ratio", AT_LEAST, 4),
    ("RSA-2048: CPU by signature + relay",     "dkim",      "dkim_cost",        "ours",  AT_MOST, 1.2),
    ("10,000 connections: KB resident each",    "connections", "kb_per_connection", "ours", AT_MOST, 40),
    ("10 M suppressed: look-up when absent, us", "suppression", "absent_us",      "ours",  AT_MOST, 2),
    ("1 M in 50,000 queues: slowest command, s", "operators", "slowest_command_s", "ours", AT_MOST, 0.5),
    ("1 M in 50,000 queues: slowest page, s",    "operators", "slowest_page_s",    "ours", AT_MOST, 0.5),
    ("1 M in 50,000 queues: slowest change, s",  "operators", "slowest_change_s",  "ours", AT_MOST, 0.5),
    ("delivery watched / with nobody looking",   "operators", "watched_rate",      "ours", AT_LEAST, 0.98),
    ("100,000 queues: a message, by one queue's", "scheduling", "many_queues_cost", "ours",  AT_MOST, 2),
    ("the same with limits of every kind",         "scheduling", "many_queues_every_limit_cost", "ours", AT_MOST, 2),
    ("one connection, 100 ms, messages a s",   "link",      "link_msgs_per_s",  "ratio", AT_LEAST, 5),
)


def number(x):
    if x is None:
        return "-"
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:.3g}"


def median(runs, figure):
    values = [r[figure] for r in runs if r and figure in r]
    return statistics.median(values) if values else None


def ratio(ours, theirs, figure):
    pairs = [a[figure] / b[figure] for a, b in zip(ours, theirs) if a and b and b.get(figure)]
    return statistics.median(pairs) if pairs else None


def rows(results):
    """Yields what, ours, Postfix's, ratio, demand, verdict; results: {group: {server: [run, …]}}."""
    for what, group, figure, of, rule, bound in DEMANDS:
        runs = results.get(group, {})
        ours, theirs = runs.get("posthaste", []), runs.get("postfix", [])
        a, b, r = median(ours, figure), median(theirs, figure), ratio(ours, theirs, figure)
        value = r if of == "ratio" else a
        demand = f"{rule} {number(bound)}" + (" × Postfix" if of == "ratio" else "")
        verdict = "not run" if value is None else \
            "pass" if (value >= bound if rule == AT_LEAST else value <= bound) else "FAIL"
        yield what, number(a), number(b), number(r), demand, verdict


def table(results):
    lines = [("figure", "Posthaste", "Postfix", "ratio", "demand", "")] + list(rows(results))
    widths = [max(len(l[i]) for l in lines) for i in range(6)]
    return ["  ".join(c.ljust(w) if i in (0, 4) else c.rjust(w) for i, (c, w) in enumerate(zip(l, widths))).rstrip()
            for l in lines]
