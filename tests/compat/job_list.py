# SPDX-License-Identifier: BSD-3-Clause
"""What a program of jobs in Python consists of; see programs.py."""
import sys


class Jobs:
    def __init__(self):
        self.rows = []

    def job(self, sentence):
        def mark(function):
            self.rows.append((sentence, function))
            return function
        return mark

    def main(self):
        if sys.argv[1] == "list":
            print("\n".join(sentence for sentence, _ in self.rows))
        else:
            self.rows[int(sys.argv[3])][1](sys.argv[1], int(sys.argv[2]))
