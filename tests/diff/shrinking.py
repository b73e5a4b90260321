# SPDX-License-Identifier: BSD-3-Clause
"""Make a failing sequence small: drop steps in ever smaller runs while the same command still differs."""
import dataclasses
import time

MAX_TRIES = 400
MAX_SECONDS = 60


def shrink(sequence, mismatch, play):
    """play(sequence) -> Mismatch or None. Returns (smallest failing sequence found, its mismatch)."""
    best, found = sequence, mismatch
    tries = 0
    deadline = time.monotonic() + MAX_SECONDS

    def may_try():
        return tries < MAX_TRIES and time.monotonic() < deadline

    def attempt(candidate):
        nonlocal best, found, tries
        tries += 1
        result = play(candidate)
        if result is None or result.label != found.label:
            return False
        best, found = candidate, result
        return True

    if not best.last:
        attempt(dataclasses.replace(best, steps=best.steps[:found.step + 1]))
    if best.delivery != "pipelined":
        attempt(dataclasses.replace(best, delivery="pipelined"))
    if best.resp3:
        attempt(dataclasses.replace(best, resp3=False))
    run = max(1, len(best.steps) // 2)
    while may_try():
        begin = 0
        removed = False
        while begin < len(best.steps) - (1 if best.last else 0) and may_try():
            end = min(begin + run, len(best.steps) - (1 if best.last else 0))
            candidate = dataclasses.replace(best, steps=best.steps[:begin] + best.steps[end:])
            if attempt(candidate):
                removed = True
            else:
                begin += run
        if run == 1 and not removed:
            break
        run = max(1, run // 2)
    return best, found
