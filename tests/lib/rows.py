"""The rows of the configuration that a text holds, and the text without one of them, for tests/rows/tried.py.

A row is "block/directive", such as "domain/max-smtp-out"; directives outside of any block are in "global". Where one
name has two forms the second has the name of its row in directives.def ("domain/retry-after-reply"). With

    PH_UNHONOURED=ROW   Posthaste of these tests gets every configuration without that row: so it behaves as if nobody
                        honoured it. Lines stay where they are, emptied. A row that is another spelling goes by itself;
                        what goes with a row are all spellings of it.
    PH_ROWS_SEEN=FILE   what rows each case has in its configurations is added there, as "case TAB row"
"""
import functools
import glob
import os
import re

import cases

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DROPPED = os.environ.get("PH_UNHONOURED", "")
SEEN = os.environ.get("PH_ROWS_SEEN", "")
OTHER_FORMS = {"domain/retry-after": (r"\d\d\d\s+\S", "domain/retry-after-reply"),
               "domain/dkim-sign": (r"\S+\s+\S", "domain/dkim-sign-key")}
TAG = re.compile(r'<(/?)([A-Za-z0-9._-]+)((?:"(?:\\.|[^"\\])*"|[^">])*)>')
ATTRIBUTE = re.compile(r'([A-Za-z][A-Za-z0-9._-]*)=("(?:\\.|[^"\\])*"|\S*)')


def table(name, macro):
    """The arguments, as text, of each row of one of lib/conf's tables."""
    text = re.sub(r"/\*.*?\*/", "", open(f"{ROOT}/lib/conf/{name}.def").read(), flags=re.S)
    for row in re.split(rf"^{macro}\(", text, flags=re.M)[1:]:
        yield [w.strip('"') for w in re.findall(r'"(?:\\.|[^"\\])*"|[^\s,"()]+', row)]


@functools.cache
def tags():
    """Name of each block by its id."""
    return {row[0]: row[1] or "global" for row in table("blocks", "BLOCK")}


@functools.cache
def directives():
    """What is known: row and status of each row of directives.def."""
    known = {}
    for block, ident, name, *rest in table("directives", "DIRECTIVE"):
        row = f"{tags()[block]}/{name}"
        if row in known:
            row = f"{tags()[block]}/{ident.lower().replace('_', '-')}"
        known[row] = next(w for w in rest if w in ("HONOURED", "NOT_YET", "IGNORED", "DEPRECATED"))
    return known


@functools.cache
def spellings():
    """The row that each other spelling sets."""
    by_key = {}
    for block, ident, name, *_ in table("directives", "DIRECTIVE"):
        by_key[f"{block}_{ident}"] = f"{tags()[block]}/{name}"
    found = {f"{tags()[a[0]]}/{a[1]}": by_key[a[2]] for a in table("aliases", "ALIAS")}
    return dict(found, **{"domain/route": "domain/smtp-hosts"})


# what stands in blocks and is no row of directives.def
IN_BLOCKS = ("domain/include", "source/include", "virtual-mta/include", "smtp-pattern-list/include", "virtual-mta/domain",
             "virtual-mta-pool/domain", "global/smtp-listener")


def knows(block, name):
    return f"{block}/{name}" in directives() or f"{block}/{name}" in spellings()


def statement(block, name, rest, at):
    row = f"{block}/{name.lower()}"
    form = OTHER_FORMS.get(row)
    if form is not None and re.match(form[0], rest.strip()):
        row = form[1]
    if row == "domain/route" and rest.strip().startswith("virtual-mta-pool"):
        return {row, "domain/virtual-mta-pool"}, at
    return {row, spellings().get(row, row)}, at


def bare(line, state):
    """The line with blanks for its comments; state: does a comment of several lines go on?"""
    out, i = list(line), 0
    while i < len(line):
        if state["comment"] or line.startswith("<!--", i):
            end = line.find("-->", i)
            state["comment"] = end < 0
            end = len(line) if end < 0 else end + 3
            out[i:end] = " " * (end - i)
            i = end
        elif line[i] == "#":
            return "".join(out[:i])
        elif line.startswith('\\"', i):
            i += 2
        elif line[i] == '"' and (m := re.compile(r'"(?:\\.|[^"\\])*"').match(line, i)):
            i = m.end()
        else:
            i += 1
    return "".join(out)


class Block(str):
    """A block that is open: its tag; the rows that it is the end of, and where they begin."""

    rows, start = frozenset(), 0


def of_tag(stack, text, m, offset):
    """What one tag says: (statements, index behind it)."""
    closing, name, args = m.group(1), m.group(2).lower(), m.group(3)
    top = stack[-1]
    if closing:
        inner = stack.pop() if len(stack) > 1 else top
        # what began with a directive (header X /re/ <pattern-list>) goes with it
        return [(inner.rows, (inner.start, offset + m.end()))] if inner.rows else [], m.end()
    if args.endswith("/") and knows(top, name):
        return [statement(top, name, args[:-1], (offset + m.start(), offset + m.end()))], m.end()
    end = re.compile(rf"</{re.escape(name)}\s*>", re.I).search(text, m.end())
    if end and not args.strip() and knows(top, name):
        value = text[m.end():end.start()]
        return [statement(top, name, value, (offset + m.start(), offset + end.end()))], end.end()
    if name not in tags().values():
        return [], m.end()
    found = [statement(name, a.group(1), a.group(2), (offset + m.start(3) + a.start(), offset + m.start(3) + a.end()))
             for a in ATTRIBUTE.finditer(args) if knows(name, a.group(1))]
    if not args.endswith("/"):
        stack.append(Block(name))
        if top != "global":
            stack[-1].rows, stack[-1].start = frozenset({f"{top}/{name}"}), offset + m.start()
    return found, m.end()


def of_line(stack, line, offset):
    """The statements of one line: (rows that they are, where in the text)."""
    found, i = [], 0
    while line[i:].strip():
        i += len(line[i:]) - len(line[i:].lstrip())
        m = TAG.match(line, i)
        if m:
            more, i = of_tag(stack, line, m, offset)
            found += more
            continue
        end = line.rfind(f"</{stack[-1]}", i) if len(stack) > 1 else -1
        end = len(line) if end < 0 else end
        words = line[i:end].split(None, 1)
        name = "(entries)" if words[0].startswith("/") else words[0]
        rest = words[1] if len(words) > 1 else ""
        found.append(statement(stack[-1], name, rest, (offset + i, offset + end)))
        inner = re.search(r"<([a-z-]+)>\s*$", rest)
        if inner and inner.group(1) in tags().values():
            stack.append(Block(inner.group(1)))
            stack[-1].rows, stack[-1].start = found[-1][0], offset + i
        if name == "smtp-listener":
            base = offset + i + line[i:end].find(rest)
            found += [statement(name, a.group(1), a.group(2), (base + a.start(), base + a.end()))
                      for a in ATTRIBUTE.finditer(rest)]
        i = end
    return found


def statements(text, block="global"):
    """What a text says that stands in that block: (the rows that it is, where)."""
    stack, state, offset, found = [Block(block)], {"comment": False}, 0, []
    is_macro = False
    for line in text.splitlines(True):
        plain = bare(line.rstrip("\r\n"), state)
        if is_macro and plain.strip() and not plain.strip().startswith("<"):
            start = offset + len(plain) - len(plain.lstrip())
            found.append(({"global/domain-macro"}, (start, offset + len(plain.rstrip()))))
        else:
            found += of_line(stack, plain, offset)
        if plain.strip():
            is_macro = plain.rstrip().endswith(",") and any("global/domain-macro" in r for r, _ in found[-1:])
        offset += len(line)
    return found


def of_text(text, block="global"):
    """All rows in it, by every name that they have."""
    return set().union(*(rows for rows, _ in statements(text, block)))


def without(text, row, block="global"):
    """Blanks where that row is, and everything else where it was."""
    out = list(text)
    for rows, (start, end) in statements(text, block):
        if row in rows:
            out[start:end] = re.sub(r"[^\n]", " ", text[start:end])
    return "".join(out)


# ---- in the tests ----

def as_if(text, block="global"):
    """The text as Posthaste is to have it."""
    return without(text, DROPPED, block) if DROPPED else text


def included(path, text, block):
    """(file, the block that includes it)"""
    for rows, (start, end) in statements(text, block):
        words = text[start:end].split(None, 1)
        for row in rows:
            if row.endswith("/include") and len(words) == 2:
                for name in glob.glob(os.path.join(os.path.dirname(path), words[1].strip().strip('"'))):
                    yield name, row.split("/")[0]


def look_through(owner, path, block="global"):
    """What is done with a configuration that is there, and with what it includes."""
    if not DROPPED and not SEEN:
        return
    try:
        with open(path) as f:
            text = f.read()
    except (OSError, UnicodeDecodeError):
        return
    seen(owner, text, block)
    if as_if(text, block) != text:
        with open(path, "w") as f:
            f.write(as_if(text, block))
    for name, inner in included(path, text, block):
        look_through(owner, name, inner)


_live = {}


def _note(rows):
    with open(SEEN, "a") as f:
        f.writelines(f"{cases.current()}\t{row}\n" for row in sorted(rows))


def seen(owner, text, block="global"):
    """A Posthaste has this configuration from now on."""
    if SEEN:
        _live.setdefault(id(owner), set()).update(of_text(text, block))
        _note(_live[id(owner)])


def ended(owner):
    _live.pop(id(owner), None)


if SEEN:
    cases.before_each.append(lambda: _note(set().union(*_live.values())))
