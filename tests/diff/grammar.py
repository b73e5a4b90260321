# SPDX-License-Identifier: BSD-3-Clause
"""The language in which a row describes one command, and its compiler to a generator of arguments.

    WORD            a literal; its case is varied now and then
    'text'          a literal whose case stays ('' is the empty argument)
    <name>          a value drawn by values.PLACEHOLDERS[name]
    [ a b ]         present half of the time
    ( a b | c )     one of the alternatives; it may be followed by ... : one to four times
    <name>...       one to four times
    { a b | c }     options: none to three of the alternatives, in any order, repeats included
    ;               the next command of the same row (they stay together)
    @pause <n>      wait n milliseconds after every earlier reply has come
    @scan args      iterate SCAN with these arguments to its end, compare the set of keys
    @any  @data     the commands of some row of any group, or of the groups of data types (groups.ANY, groups.DATA)
    @on <n> command      sent by another connection, number n; its reply comes before the next step
    @wait <n> command    the same, but it may be made to wait: the next step comes when it waits or has its reply;
                         further commands of n queue up behind it
    @finish <n> <how>    the replies of n since it began to wait; see sequences.Finish. At the end of a sequence
                         all that wait are finished by TIMEOUT
    @receive <n>         the messages that n was sent

A generator is a function of a random.Random that returns a list of arguments.
"""
import re

import values

TOKEN = re.compile(r"'[^']*'|<[a-z_0-9]+>|\.\.\.|[\[\](){}|;]|[^\s\[\](){}|;<>]+")
OPTION_COUNTS = (0, 0, 1, 1, 1, 1, 2, 2, 3)
REPEAT_COUNTS = (1, 1, 1, 2, 2, 3, 4)


class GrammarError(Exception):
    """A row that cannot be read."""


def vary_case(word, random):
    roll = random.random()
    if roll < 0.88:
        return word
    if roll < 0.95:
        return word.lower()
    return bytes(c ^ 0x20 if chr(c).isalpha() and random.random() < 0.5 else c for c in word)


def literal(text):
    if text.startswith("'"):
        exact = text[1:-1].encode("latin-1")
        return lambda random: [exact]
    word = text.encode()
    if not any(chr(c).isalpha() for c in word):
        return lambda random: [word]
    return lambda random: [vary_case(word, random)]


def placeholder(name):
    if name not in values.PLACEHOLDERS:
        raise GrammarError(f"no placeholder <{name}>")
    draw = values.PLACEHOLDERS[name]
    return lambda random: [draw(random)]


def in_order(parts):
    if len(parts) == 1:
        return parts[0]

    def generate(random):
        arguments = []
        for part in parts:
            arguments += part(random)
        return arguments
    return generate


def optional(part):
    return lambda random: part(random) if random.random() < 0.5 else []


def one_of(parts):
    return lambda random: random.choice(parts)(random)


def options(parts):
    def generate(random):
        arguments = []
        for _ in range(random.choice(OPTION_COUNTS)):
            arguments += random.choice(parts)(random)
        return arguments
    return generate


def repeated(part):
    def generate(random):
        arguments = []
        for _ in range(random.choice(REPEAT_COUNTS)):
            arguments += part(random)
        return arguments
    return generate


class Parser:
    def __init__(self, text):
        self.tokens = TOKEN.findall(text)
        self.position = 0
        self.text = text

    def peek(self):
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def take(self, expected=None):
        token = self.peek()
        if token is None or (expected and token != expected):
            raise GrammarError(f"{expected or 'more'} expected in: {self.text}")
        self.position += 1
        return token

    def commands(self):
        commands = [self.arguments()]
        while self.peek() == ";":
            self.take()
            commands.append(self.arguments())
        if self.peek() is not None:
            raise GrammarError(f"stray {self.peek()} in: {self.text}")
        return commands

    def arguments(self):
        parts = []
        while self.peek() not in (None, ";", "|", "]", ")", "}"):
            parts.append(self.part())
        return in_order(parts) if parts else (lambda random: [])

    def alternatives(self, close):
        parts = [self.arguments()]
        while self.peek() == "|":
            self.take()
            parts.append(self.arguments())
        self.take(close)
        return parts

    def part(self):
        token = self.take()
        if token == "[":
            made = optional(in_order([one_of(self.alternatives("]"))]))
        elif token == "(":
            made = one_of(self.alternatives(")"))
        elif token == "{":
            made = options(self.alternatives("}"))
        elif token.startswith("<"):
            made = placeholder(token[1:-1])
        else:
            made = literal(token)
        if self.peek() == "...":
            self.take()
            made = repeated(made)
        return made


def compile_row(text):
    """A list of generators, one for each command of the row."""
    return Parser(text).commands()
