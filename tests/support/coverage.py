"""Lines and branches that were run, by folder, from what gcovr collected.

    coverage.py REPORT.json           a line for each folder
    coverage.py REPORT.json --never   the functions that nothing has called
"""

import collections
import json
import pathlib
import sys


def folder_of(name):
    folder = pathlib.PurePath(name).parent
    return "daemon (above)" if str(folder) == "daemon" else str(folder)


def count(report):
    """{folder: [lines, of them run, branches, of them taken]}"""
    folders = collections.defaultdict(lambda: [0, 0, 0, 0])
    for file in report["files"]:
        sums = folders[folder_of(file["file"])]
        for line in file["lines"]:
            if line["gcovr/noncode"]:
                continue
            taken = [branch["count"] > 0 for branch in line["branches"]]
            sums[0] += 1
            sums[1] += line["count"] > 0
            sums[2] += len(taken)
            sums[3] += sum(taken)
    return folders


def percent(part, whole):
    return f"{100 * part / whole:5.1f} %" if whole else "      -"


def print_folders(report):
    folders = count(report)
    everything = [sum(column) for column in zip(*folders.values())]
    print(f"{'folder':20} {'lines':>7} {'run':>8} "
          f"{'branches':>9} {'taken':>8}")
    for name, sums in [*sorted(folders.items()), ("all", everything)]:
        lines, run, branches, taken = sums
        print(f"{name:20} {lines:7} {percent(run, lines):>8} "
              f"{branches:9} {percent(taken, branches):>8}")


def print_never_called(report):
    for file in report["files"]:
        for function in file["functions"]:
            if function["execution_count"] == 0:
                print(f"{file['file']}:{function['lineno']}: "
                      f"{function['name']}")


if __name__ == "__main__":
    with open(sys.argv[1]) as text:
        what = json.load(text)
    if "--never" in sys.argv:
        print_never_called(what)
    else:
        print_folders(what)
