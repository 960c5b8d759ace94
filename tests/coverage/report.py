#!/usr/bin/env python3
"""How much of the library its tests run: lines and branches by folder, from what gcov counted below O.

usage: report.py BUILD [--all FOLDER...]     --all: each branch there that was never taken, by file and line
Fails if a branch of policy/, or of the pager's states, was never taken and tests/coverage/exceptions does not name it, or if
that names one that was.
"""
import argparse
import collections
import glob
import json
import os
import re
import subprocess
import sys

# The pager's state machine: how a block comes and goes.
STATES = "the pager's states", tuple("shim/" + n for n in (
    "memory/block.c", "memory/mapping.c", "move/batch.c", "move/pipeline.c", "move/overlap.c", "move/transfer.c",
    "move/transfer_in.c", "move/transfer_out.c", "pager/execute.c", "pager/unmapped.c"))
HERE = os.path.dirname(os.path.abspath(__file__))


def counted(build):
    """{file: ({line: count}, {(line, branch): count})}, of every object that holds the library's code"""
    files = collections.defaultdict(lambda: (collections.Counter(), collections.Counter()))
    notes = glob.glob(f"{build}/obj/policy/**/*.gcno", recursive=True) + glob.glob(f"{build}/obj/shim/**/*.gcno", recursive=True)
    for note in sorted(notes):
        said = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", note],
                              capture_output=True, text=True)
        for report in said.stdout.splitlines():
            for file in json.loads(report)["files"]:
                path = os.path.normpath(file["file"])
                if not re.match(r"(policy|shim)/.*\.[ch]$", path):
                    continue
                lines, branches = files[path]
                for line in file["lines"]:
                    lines[line["line_number"]] += line["count"]
                    for i, branch in enumerate(line["branches"]):
                        branches[line["line_number"], i] += branch["count"]
    return files


def exceptions():
    """[(file, text of the line, reason)]"""
    found = []
    with open(f"{HERE}/exceptions") as file:
        for entry in file.read().split("\n\n"):
            rows = [row for row in entry.splitlines() if row and not row.startswith("#")]
            if rows:
                found.append((rows[0], rows[1].strip(), " ".join(rows[2:]).strip()))
    return found


def never_taken(files, folders):
    """Of the files whose names begin as one of these: (file, line, its text) of each branch."""
    for path in sorted(files):
        if path.startswith(folders):
            with open(path) as file:
                source = file.read().splitlines()
            for (line, _), count in sorted(files[path][1].items()):
                if not count:
                    yield path, line, source[line - 1].strip()


def share(counts):
    taken = sum(1 for count in counts if count)
    return f"{taken:5} of {len(counts):5}  {100 * taken / len(counts) if counts else 100:5.1f} %"


def tell(name, files, paths):
    lines = [c for p in paths for c in files[p][0].values()]
    branches = [c for p in paths for c in files[p][1].values()]
    print(f"{name:<20} lines {share(lines)}   branches {share(branches)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--all", nargs="*", default=[])
    arguments = parser.parse_args()
    files = counted(arguments.build)
    for folder in sorted({os.path.dirname(path) for path in files}):
        tell(folder + "/", files, [p for p in files if os.path.dirname(p) == folder])
    name, paths = STATES
    tell(name, files, [p for p in paths if p in files])
    for folder in arguments.all:
        for path, line, text in never_taken(files, folder):
            print(f"{path}:{line}: {text}")

    held = ("policy/", *paths)
    known = {(path, text): reason for path, text, reason in exceptions()}
    missed = {(path, text): line for path, line, text in never_taken(files, held)}
    failed = 0
    for path in paths:
        if path not in files:
            failed += 1
            print(f"failed: {path} is no more, or no test ran it")
    for (path, text), line in sorted(missed.items()):
        if (path, text) not in known:
            failed += 1
            print(f"failed: {path}:{line}: a branch of this line is never taken, and no reason given: {text}")
    for path, text in sorted(set(known) - set(missed)):
        failed += 1
        print(f"failed: {path}: all branches are taken, or the line is no more, and it stands among the exceptions: {text}")
    print(f"policy/ and {name}: " + (f"{failed} to be looked at" if failed else
          f"{len(missed)} lines with a branch that is never taken, each with its reason in tests/coverage/exceptions"))
    taken = sum(1 for p in files if p.startswith(held) for c in files[p][1].values() if c)
    print(f"{taken} passed, {failed} failed")
    sys.exit(failed > 0 or not taken)


main()
