# SPDX-License-Identifier: BSD-3-Clause
"""The parts of the benchmark driver; ../run.py is the program."""
