"""How much a median latency varies from run to run of the same work, each run a process of its own.

    python tests/bench/speed_between_runs.py [RUNS]

The work is a matrix product and a sort of about ten milliseconds. The standard deviation of the logarithm of the median
is what ``speed_ratio`` of the gate has to stand: two runs of equal speed differ by more than a ratio r with
probability 1 - Phi(log r / (s sqrt 2)).
"""

from __future__ import annotations

import os
import subprocess
import sys
from math import log, sqrt
from statistics import NormalDist, stdev

_CALLS = 60
_WORK = f"""
import statistics, time
import numpy
rng = numpy.random.default_rng(0)
left, values = rng.random((384, 384)), rng.random(60_000)
clocks = (time.perf_counter, time.process_time)
taken = []
for _ in range({_CALLS} + 10):
    begin = [clock() for clock in clocks]
    left @ left @ left
    numpy.sort(values)
    taken.append([clock() - before for clock, before in zip(clocks, begin)])
print(*(statistics.median(times) for times in zip(*taken[10:])))
"""


def main(runs: int) -> None:
    """Print the log-sd of both clocks and the rates of false alarms that follow."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    lines = [
        subprocess.run(
            [sys.executable, "-c", _WORK], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(runs)
    ]
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    print(f"{runs} runs of {_CALLS} calls, {os.cpu_count()} cores, load averages {load}")
    for name, medians in zip(
        ("wall", "processor"), zip(*(map(float, line.split()) for line in lines), strict=True), strict=True
    ):
        spread = stdev(map(log, medians))
        rates = [f"{ratio}: {NormalDist().cdf(-log(ratio) / (spread * sqrt(2))):.2%}" for ratio in (1.1, 1.2, 1.3, 1.5)]
        print(f"{name} clock: log-sd {spread:.1%}; false alarms at ratio {', '.join(rates)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
