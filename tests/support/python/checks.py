# SPDX-License-Identifier: BSD-3-Clause
"""A small test runner: tests are functions marked with the sentence they prove.

    @check("a client that sends QUIT is disconnected")
    def _(server): ...

main() runs the marked functions of the given modules, prints a line each and ends with
`N passed, N failed`; the exit status is 1 when something failed. Arguments select tests by a part
of their sentence or by the name of their module.
"""
import importlib
import sys
import time
import traceback


def check(sentence):
    def mark(function):
        module = sys.modules[function.__module__]
        if not hasattr(module, "CHECKS"):
            module.CHECKS = []
        module.CHECKS.append((sentence, function))
        return function
    return mark


def equal(found, expected, what=""):
    if found != expected:
        raise AssertionError(f"{what + ': ' if what else ''}found {found!r}, expected {expected!r}")


def contains(text, part, what=""):
    if part not in text:
        raise AssertionError(f"{what + ': ' if what else ''}{part!r} is not in {text!r}")


def is_true(condition, what):
    if not condition:
        raise AssertionError(what)


def run_one(sentence, function, arguments):
    begin = time.monotonic()
    try:
        function(*arguments)
    except Exception:
        print(f"FAIL  {sentence}", flush=True)
        traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
        return False
    print(f"ok    {sentence} ({time.monotonic() - begin:.2f} s)", flush=True)
    return True


def closing_line(passed, failed):
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def main(modules, words):
    """Run the tests of the modules; a module may define fixture(), a context manager whose value
    is given to each of its tests. Returns the exit status."""
    passed = failed = 0
    for name in modules:
        module = importlib.import_module(name)
        chosen = [(sentence, function) for sentence, function in module.CHECKS
                  if not words or any(word in sentence or word == name for word in words)]
        if not chosen:
            continue
        try:
            if hasattr(module, "fixture"):
                with module.fixture() as value:
                    results = [run_one(sentence, function, (value,)) for sentence, function in chosen]
            else:
                results = [run_one(sentence, function, ()) for sentence, function in chosen]
        except Exception:
            print(f"FAIL  the surroundings of the tests in {name}", flush=True)
            traceback.print_exc(file=sys.stdout)
            failed += 1
            continue
        passed += sum(results)
        failed += len(results) - sum(results)
    if passed + failed == 0:
        print("no test matches", " ".join(words))
        failed = 1
    return closing_line(passed, failed)
