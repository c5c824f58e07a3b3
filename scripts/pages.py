#!/usr/bin/python3
"""pages.py FOLDER: its files as rows of a C table, PAGE(name, type, bytes...), for webd to include."""
import os
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def main():
    folder = sys.argv[1]
    for name in sorted(os.listdir(folder)):
        kind = TYPES.get(os.path.splitext(name)[1])
        if kind is None:
            sys.exit(f"{folder}/{name}: of no type that is served")
        data = open(f"{folder}/{name}", "rb").read()
        print(f'PAGE("{name}", "{kind}", {len(data)},')
        for i in range(0, len(data), 20):
            print("    " + "".join(f"{b}, " for b in data[i:i + 20]).rstrip())
        print(")")


main()
