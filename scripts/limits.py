#!/usr/bin/python3
"""The limits of the house style that a program can see: lines a function (80) and a file (600, tables exempt), columns
(132, tables exempt; 100 is the aim), layers of lib, and which lib folders a module calls (its `uses`, and what those use)."""
import glob
import os
import re
import sys

FUNCTION_LINES, FILE_LINES, COLUMNS = 80, 600, 132
PROGRAMS = ["master", "injectd", "queued", "dnsd", "deliverd", "bounced", "acctd", "signd", "execd", "fbld", "webd",
            "pmtactl"]
INCLUDE = re.compile(r'^#\s*include\s+"([^"]+)"', re.M)


def layers():
    """The folders of lib from the top down, as docs/architecture.md lists them."""
    return re.findall(r"^\| `lib/(\w+)` \|", open("docs/architecture.md").read(), re.M)


def columns(line):
    return len(line.rstrip("\n").expandtabs(8))


def functions(lines):
    """(name, first line, length) of each definition: KNF, the name at a line's start and braces at column 0."""
    start = name = None
    for i, line in enumerate(lines):
        m = re.match(r"^(\w+)\(", line)
        if m:
            start, name = i, m.group(1)
        elif line.startswith("}") and start is not None:
            yield name, start + 1, i - start + 1
            start = None
        elif line.startswith("{") or line[:1] in "\t ":
            continue
        elif not line.startswith("#") and line.strip():
            start = None


def check_sizes(path, found):
    lines = open(path, errors="replace").readlines()
    if len(lines) > FILE_LINES and not path.endswith(".def") and not is_table(lines):
        found.append(f"{path}: {len(lines)} lines, {FILE_LINES} is the end")
    for i, line in enumerate(lines):
        if columns(line) > COLUMNS and not path.endswith(".def"):
            found.append(f"{path}:{i + 1}: {columns(line)} columns")
    if path.endswith(".c"):
        for name, at, length in functions(lines):
            if length > FUNCTION_LINES:
                found.append(f"{path}:{at}: {name}() has {length} lines, {FUNCTION_LINES} is the end")


def is_table(lines):
    rows = sum(1 for line in lines if re.match(r"^\s*[{\"]|^[A-Z_]+\(", line))
    return rows > len(lines) * 0.6


def uses(module):
    try:
        text = open(f"{module}/module.mk").read().replace("\\\n", " ")
    except OSError:
        return set()
    m = re.search(r"^uses\s*:=(.*)$", text, re.M)
    return set(m.group(1).split()) if m else set()


def closure(names):
    seen, todo = set(), list(names)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += uses(f"lib/{name}")
    return seen


def lib_folders(path):
    for name in INCLUDE.findall(open(path, errors="replace").read()):
        if name.startswith("lib/"):
            yield name.split("/")[1], name


def check_layers(order, found):
    for path in glob.glob("lib/*/*.[ch]"):
        own = path.split("/")[1]
        if own not in order:
            found.append(f"{path}: lib/{own} is not in the list of docs/architecture.md")
            continue
        for other, name in lib_folders(path):
            if other not in order:
                found.append(f"{path}: {name}: no such layer")
            # structs and tables that messages carry are plain data, seen by all
            elif order.index(other) > order.index(own) and not name.startswith("lib/ipc/structs"):
                found.append(f"{path}: {name} is below lib/{own}")


def check_programs(found):
    for program in PROGRAMS:
        allowed = closure(uses(program))
        for path in glob.glob(f"{program}/*.[ch]"):
            for name in INCLUDE.findall(open(path, errors="replace").read()):
                top = name.split("/")[0]
                if top in PROGRAMS and top != program:
                    found.append(f"{path}: {name}: a program uses no other program")
                if top == "lib" and name.split("/")[1] not in allowed:
                    found.append(f"{path}: {name}: not among the uses of {program}/module.mk")


def main():
    found = []
    sources = [p for pattern in ("lib/*/*.[chd]*", "tests/*/*.[ch]", "tests/unit/*/*.[ch]",
                                 *(f"{x}/*.[ch]" for x in PROGRAMS)) for p in glob.glob(pattern)]
    for path in sorted(sources):
        if os.path.splitext(path)[1] in (".c", ".h", ".def"):
            check_sizes(path, found)
    check_layers(layers(), found)
    check_programs(found)
    print("\n".join(sorted(set(found))))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
