"""The cost guard: instructions a message, in units of a fixed piece of work.

usage: cost.py [--record]

Counts with callgrind what relaisd executes for messages that are submitted one
after the other on one connection and relayed on one, and what `calibration`
executes. Their ratio is compared with the one in cost.expected; more than 10 %
above it fails. --record writes the ratio of now there.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from machine import HERE, Bench, Relaisd, Sink, relay_at

EXPECTED = HERE / "cost.expected"
FEW, MANY = 50, 250
TOLERANCE = 1.10


def valgrind(file):
    return ["valgrind", "--quiet", "--tool=callgrind",
            f"--callgrind-out-file={file}"]


def counted(file):
    """Instructions in all, by callgrind's own sum."""
    text = pathlib.Path(file).read_text()
    return int(re.search(r"^(?:totals|summary): (\d+)", text, re.M).group(1))


def count_calibration(bench):
    file = bench.directory / "calibration.out"
    subprocess.run([*valgrind(file),
                    str(bench.build / "tests" / "bench" / "calibration")],
                   check=True, stdout=subprocess.DEVNULL)
    return counted(file)


def count_mail(bench, messages):
    """From start to end, with so many messages in and out."""
    file = bench.directory / f"relaisd.{messages}.out"
    with Sink(bench, messages) as sink:
        daemon = Relaisd(bench, {"sink": relay_at(
            sink.port, limits={"connections": 1})})
        daemon.wrapper = valgrind(file)
        with daemon:
            bench.program("bench_submit", "-t", 1, "-w", 1, "-n", messages,
                          daemon.socket)
            sink.wait()
    return counted(file)


def measure():
    """Instructions of one message, and of the calibration."""
    folder = tempfile.mkdtemp(prefix="relais-cost-", dir="/tmp")
    bench = Bench(os.environ.get("RELAIS_BUILD", "."), "/nonexistent", folder,
                  1)
    try:
        work = count_calibration(bench)
        both = [count_mail(bench, count) for count in (FEW, MANY)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return (both[1] - both[0]) / (MANY - FEW), work


def judge(ratio):
    expected = float(EXPECTED.read_text())
    change = (ratio / expected - 1) * 100
    if ratio <= expected * TOLERANCE:
        print(f"{change:+.1f} % of the recorded {expected}: as it was")
        return True
    print(f"{change:+.1f} % of the recorded {expected}: a message costs more "
          "than it did. Find out why (callgrind_annotate), or record the new "
          "cost with a reason: cost.py --record")
    return False


def main():
    start = time.monotonic()
    if shutil.which("valgrind") is None:
        print("there is no valgrind\n1 skipped in 0.0s")
        return 0
    each, work = measure()
    print(f"{each:,.0f} instructions a message, {work:,} of calibration: "
          f"ratio {each / work:.4f}")
    if "--record" in sys.argv:
        EXPECTED.write_text(f"{each / work:.4f}\n")
        return 0
    is_good = judge(each / work)
    print(f"1 {'passed' if is_good else 'failed'} in "
          f"{time.monotonic() - start:.1f}s")
    return 0 if is_good else 1


sys.exit(main())
