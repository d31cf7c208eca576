"""The benchmark: every figure of docs/performance in one run.

usage: bench.py [--json FILE] [ROW...]       ROW: see --list

A row is measured against a peer and against a limit of the machine in the same
minutes, in turns; what is judged is ratios. A row that fails or can't be
measured here says so, and the others go on. Exit: 0 all goals met, 1 some
missed, 2 a row failed.

Environment: RELAIS_BUILD the build directory (.), PEERS the prepared roots
(/var/tmp/peers; peers/prepare-roots.sh makes them), RUNS samples a figure (3),
BENCH_DIRECTORY where the stores go (/var/tmp).
"""

import argparse
import json
import operator
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback

import rows_depth
import rows_fair
import rows_relay
import rows_submit
import rows_wishes
from machine import Bench, Skipped, spread

ROWS = {**rows_submit.ROWS, **rows_relay.ROWS, **rows_depth.ROWS,
        **rows_fair.ROWS, **rows_wishes.ROWS}
ROW_SECONDS_MAX = 300
RELATIONS = {">=": operator.ge, "<=": operator.le, "<": operator.lt}


class Row:
    def __init__(self, name, what):
        self.result = {"row": name, "what": what, "unit": "", "samples": {},
                       "goals": [], "status": "measured"}

    def samples(self, unit, **samples):
        self.result["unit"] = unit
        self.result["samples"].update(samples)

    def median(self, name):
        return statistics.median(self.result["samples"][name])

    def ratio(self, name, other):
        return self.median(name) / self.median(other)

    def goal(self, text, value, relation, limit):
        self.result["goals"].append({
            "text": text, "value": value, "relation": relation,
            "limit": limit, "met": RELATIONS[relation](value, limit)})


def measure(bench, name):
    function, what = ROWS[name]
    row = Row(name, what)
    start = time.monotonic()
    signal.alarm(ROW_SECONDS_MAX)
    try:
        function(bench, row)
    except Skipped as reason:
        row.result.update(status="skipped", why=str(reason))
    except Exception as error:  # one row, whatever it met, is no other's
        traceback.print_exc()
        row.result.update(status="failed", why=f"{error}")
    finally:
        signal.alarm(0)
    row.result["seconds"] = round(time.monotonic() - start, 1)
    return row.result


def on_alarm(*_):
    raise RuntimeError(f"it took longer than {ROW_SECONDS_MAX} s")


# ------------------------------------------------------------------- output

def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def figure(samples):
    middle, least, most = spread(samples)
    return f"{number(middle)} ({number(least)}-{number(most)})"


def print_row(result, out):
    print(f"{result['row']}: {result['what']}, {result['unit']} "
          f"[{result['seconds']:.0f} s]", file=out)
    if result["status"] != "measured":
        print(f"    {result['status']}: {result['why']}", file=out)
    for name, samples in result["samples"].items():
        print(f"    {name:<12} {figure(samples)}", file=out)
    for goal in result["goals"]:
        word = "met   " if goal["met"] else "MISSED"
        print(f"    {word}  {number(goal['value'])} {goal['relation']} "
              f"{number(goal['limit'])}   {goal['text']}", file=out)
    out.flush()


def describe_machine(bench):
    version = subprocess.run([str(bench.build / "relaisd"), "--version"],
                             capture_output=True, text=True).stdout.strip()
    return {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "kernel": platform.release(), "machine": platform.machine(),
            "cpus": os.cpu_count(), "load": os.getloadavg()[0],
            "relais": version, "runs": bench.runs}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--json", default="bench.json")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        for name, (_, what) in ROWS.items():
            print(f"{name:<14} {what}")
        return 0
    unknown = set(options.rows) - set(ROWS)
    if unknown:
        parser.error(f"no row {', '.join(sorted(unknown))}; see --list")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGALRM, on_alarm)
    folder = tempfile.mkdtemp(prefix="relais-bench-", dir=os.environ.get(
        "BENCH_DIRECTORY", "/var/tmp"))
    bench = Bench(os.environ.get("RELAIS_BUILD", "."),
                  os.environ.get("PEERS", "/var/tmp/peers"), folder,
                  int(os.environ.get("RUNS", 3)))
    results = []
    table = {"machine": describe_machine(bench), "rows": results}
    try:
        for name in options.rows or ROWS:
            results.append(measure(bench, name))
            print_row(results[-1], sys.stdout)
            with open(options.json, "w") as out:
                json.dump(table, out, indent=1)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return summary(results, options.json)


def summary(results, path):
    goals = [goal for result in results for goal in result["goals"]]
    missed = sum(not goal["met"] for goal in goals)
    broken = [result["row"] for result in results
              if result["status"] == "failed"]
    skipped = [result["row"] for result in results
               if result["status"] == "skipped"]
    print(f"{len(goals) - missed} of {len(goals)} goals met in "
          f"{sum(result['seconds'] for result in results):.0f} s; "
          f"failed: {' '.join(broken) or 'none'}; "
          f"skipped: {' '.join(skipped) or 'none'}; all of it in {path}")
    return 2 if broken else 1 if missed else 0


sys.exit(main())
