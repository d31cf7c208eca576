"""Writes the table of docs/performance from what the benchmark measured.

usage: report.py BENCH.JSON DOCS/PERFORMANCE

All between the two lines of dashes-and-dots of the page is replaced.
"""

import json
import pathlib
import re
import statistics
import sys
import textwrap

FENCE = "-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-."


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def goal_lines(goal):
    word = "met" if goal["met"] else "MISSED"
    value = f"{number(goal['value'])} {goal['relation']} " \
            f"{number(goal['limit'])}"
    return f"   {word:<7} {value:<22} {goal['text']}"


def row_lines(row):
    lines = [f"{row['row']}: {row['what']}" +
             (f" [{row['unit']}]" if row["unit"] else "")]
    if row["status"] != "measured":
        lines += textwrap.wrap(f"{row['status']}: {row['why']}", 76,
                               initial_indent="   ",
                               subsequent_indent="   ")
    for name, samples in row["samples"].items():
        lines.append(f"   {name:<12} {number(statistics.median(samples)):>10}"
                     f"   ({number(min(samples))} - {number(max(samples))})")
    lines += map(goal_lines, row["goals"])
    return lines


def table(measured):
    machine = measured["machine"]
    goals = [goal for row in measured["rows"] for goal in row["goals"]]
    lines = [f"{machine['relais']}, {machine['time']}, {machine['cpus']} "
             f"CPUs, Linux {machine['kernel'].split('-')[0]}, load {machine['load']:.1f} "
             "at the start,", f"{machine['runs']} runs a figure: median "
             "(least - most). Goals met: "
             f"{sum(goal['met'] for goal in goals)} of {len(goals)}.", ""]
    for row in measured["rows"]:
        lines += row_lines(row) + [""]
    return "\n".join(lines)


def main():
    source, page = map(pathlib.Path, sys.argv[1:])
    text = page.read_text()
    before, _, after = re.split(f"^{re.escape(FENCE)}\n", text,
                                flags=re.MULTILINE)
    page.write_text(f"{before}{FENCE}\n\n{table(json.loads(source.read_text()))}"
                    f"\n{FENCE}\n{after}")


main()
