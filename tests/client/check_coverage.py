#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_coverage.py SOURCE: every test that docs/client-coverage.md names is defined where it says,
and every test of the client's test programs stands in their list of tests."""
import pathlib
import re
import sys


def main():
    source = pathlib.Path(sys.argv[1])
    folder = source / "tests" / "client"
    wrong, checked = [], 0
    for line in (source / "docs" / "client-coverage.md").read_text().splitlines():
        for file, names in re.findall(r"`([\w/.]+\.(?:c|py))`: ([\w, ]+)", line):
            path = source / file if file.startswith("tests/") else folder / file
            text = path.read_text()
            for name in re.findall(r"\b[a-z]\w*_\w+\b", names):
                checked += 1
                if not re.search(rf"\b(?:void|def) {name}\(", text):
                    wrong.append(f"{file} has no {name}")
        for file in re.findall(r"`([\w/.-]+\.(?:c|py|sh|cpp))`", line):
            path = source / file if file.startswith("tests/") else folder / file
            if not path.is_file():
                wrong.append(f"there is no {file}")
    for path in sorted(folder.glob("**/*.c")):
        text = path.read_text()
        for name in re.findall(r"^static void (\w+)\(void \*\*state\)", text, re.M):
            if len(re.findall(rf"\b{name}\b", text)) < 2:
                wrong.append(f"{path.name}: {name} is never run")
    print("\n".join(wrong) or f"{checked} tests of the table exist")
    return 1 if wrong or checked < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
