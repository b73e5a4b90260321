# SPDX-License-Identifier: BSD-3-Clause
"""How much of the machine others used while something was measured: all busy and stolen time of
/proc/stat, less what the server and our child processes (the client) used."""

import os
import resource
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
IDLE_COLUMNS = (3, 4)  # idle, iowait
STOLEN_COLUMN = 7      # the columns after it are parts of earlier ones


def _busy_seconds():
    with open("/proc/stat", encoding="ascii") as file:
        columns = [int(word) for word in file.readline().split()[1:]]
    return sum(ticks for number, ticks in enumerate(columns[:STOLEN_COLUMN + 1])
               if number not in IDLE_COLUMNS) / TICKS_PER_SECOND


def _process_seconds(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def _children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Disturbance:
    """Context manager; afterwards `fraction` is the share of all cores that others had."""

    def __init__(self, server_pid):
        self.pid = server_pid
        self.fraction = 0.0

    def _read(self):
        return time.monotonic(), _busy_seconds() - _process_seconds(self.pid) - _children_seconds()

    def __enter__(self):
        self.start, self.others = self._read()
        return self

    def __exit__(self, *unused):
        try:
            end, others = self._read()
        except OSError:
            return
        span = (end - self.start) * (os.cpu_count() or 1)
        self.fraction = max(0.0, (others - self.others) / span)
