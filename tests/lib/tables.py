"""What the program's own tables say there is to be asked, so that a test that walks them cannot forget a new row."""
import re

from posthaste import ROOT

READ, OPERATE, ADMIN = "READ", "OPERATE", "ADMIN"


def _read(path):
    with open(f"{ROOT}/{path}") as f:
        return f.read()


def commands():
    """(number, words, right) of each control command."""
    text = _read("lib/ctl/commands.def")
    found = [(int(n), words, right) for n, words, right in
             re.findall(r'^COMMAND\(\w+, (\d+), "([^"]+)", ".*", \d+, (\w+), "', text, re.M)]
    assert len(found) == len(re.findall(r"^COMMAND\(", text, re.M)), "a row that was not understood"
    return found


def dry_commands():
    """The words of those that take --dry-run."""
    return set(re.findall(r'^COMMAND\(\w+, \d+, "([^"]+)", "[^"]*\[--dry-run\]', _read("lib/ctl/commands.def"), re.M))


def options():
    """{words: names of its options} of each command, pmtactl's own among them."""
    rows = re.findall(r'^COMMAND\(\w+, \d+, "([^"]+)", "([^"]*)"', _read("lib/ctl/commands.def"), re.M)
    rows += re.findall(r'^    \{"([^"]+)", LOCAL_\w+, "([^"]*)"', _read("pmtactl/options.c"), re.M)
    return {words: set(re.findall(r"--([\w-]+)", arguments)) for words, arguments in rows}


def web_routes():
    """(path, is a POST, the right that it takes in small letters) of each URL of webd."""
    rows = re.search(r"routes\[\] = \{\n(.*?)\n\};", _read("webd/route.c"), re.S).group(1)
    found = [(path, post == "true", right.lower()) for path, post, right in
             re.findall(r'\{"([^"]+)", (true|false), ACCESS_(\w+), \w+\}', rows)]
    assert len(found) == rows.count("ACCESS_"), "a route that was not understood"
    rows = re.search(r"\} urls\[\] = \{\n(.*?)\n\};", _read("webd/script.c"), re.S).group(1)
    scripts = re.findall(r'\{"([^"]+)", CTL_', rows)
    assert len(scripts) == rows.count("CTL_"), "a URL that was not understood"
    return found + [(path, False, "monitor") for path in scripts]


def pages():
    """The names of the monitor's pages."""
    return re.findall(r'^\t\{name: "(\w+)", title: "', _read("webd/ui/pages.js"), re.M)
