#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Generate code and documentation from the command descriptions in commands/*.json.

    gen_commands.py table --out-dir DIR FILE...     command_table.h and command_table.c
    gen_commands.py docs --out FILE FILE...         the Markdown reference
    gen_commands.py routes --out FILE FILE...       the cluster client's routing table (C)
    gen_commands.py format [--check] FILE...        put description files into their tidy form

FILE is a description in the format of commands/README.md or in the JSON format of Valkey's
src/commands; the two may be mixed. The output depends on nothing but the input.
"""

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

# The order of the vocabularies is the order in which a server reports the words; the position of
# a word is its bit in base/command_spec.h.
FLAGS = [
    "write", "readonly", "denyoom", "admin", "pubsub", "noscript", "blocking", "loading", "stale",
    "skip_monitor", "skip_slowlog", "asking", "fast", "no_auth", "may_replicate",
    "no_mandatory_keys", "protected", "no_async_loading", "no_multi", "movablekeys", "allow_busy",
]
DERIVED_FLAGS = {"movablekeys"}
CATEGORIES = [
    "keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap",
    "hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous",
    "connection", "transaction", "scripting",
]
GROUPS = [
    "generic", "string", "list", "set", "sorted-set", "hash", "pubsub", "transactions",
    "connection", "server", "scripting", "hyperloglog", "cluster", "geo", "stream", "bitmap",
    "module",
]
KEY_FLAGS = [
    "RO", "RW", "OW", "RM", "ACCESS", "UPDATE", "INSERT", "DELETE", "NOT_KEY", "INCOMPLETE",
    "VARIABLE_FLAGS",
]
KEY_METHODS = ["specs", "numkeys", "sort", "sort_ro", "migrate", "xread", "set", "bitfield"]
ARGUMENT_TYPES = [
    "string", "integer", "double", "key", "pattern", "unix-time", "pure-token", "oneof", "block",
]
ARGUMENT_FLAGS = ["optional", "multiple", "multiple_token"]
REPLY_TYPES = [
    "simple-string", "bulk-string", "integer", "double", "boolean", "null", "array", "map", "set",
    "verbatim-string", "push", "any", "none",
]
DOC_FLAGS = ["deprecated", "syscmd"]
TIPS = {
    "nondeterministic_output", "nondeterministic_output_order",
    "request_policy:all_nodes", "request_policy:all_shards", "request_policy:multi_shard",
    "request_policy:special",
    "response_policy:one_succeeded", "response_policy:all_succeeded",
    "response_policy:agg_logical_and", "response_policy:agg_logical_or",
    "response_policy:agg_min", "response_policy:agg_max", "response_policy:agg_sum",
    "response_policy:special",
}
# Functions of Valkey's descriptions that find keys where key specifications cannot.
VALKEY_KEY_METHODS = {
    "sortGetKeys": "sort", "sortROGetKeys": "sort_ro", "migrateGetKeys": "migrate",
    "xreadGetKeys": "xread", "setGetKeys": "set", "bitfieldGetKeys": "bitfield",
    "evalGetKeys": "numkeys", "functionGetKeys": "numkeys",
    "lmpopGetKeys": "numkeys", "blmpopGetKeys": "numkeys", "zmpopGetKeys": "numkeys",
    "bzmpopGetKeys": "numkeys", "sintercardGetKeys": "numkeys",
    "zunionInterDiffGetKeys": "numkeys", "zunionInterDiffStoreGetKeys": "numkeys",
}
NAME_BYTES_MAX = 24
COMMAND_FIELDS = [
    "container", "name", "summary", "since", "group", "complexity", "arity", "flags", "categories",
    "key_method", "keys", "arguments", "reply", "tips", "history", "deprecated_since",
    "replaced_by", "doc_flags",
]
KEY_FIELDS = [
    "flags", "index", "keyword", "start_from", "unknown", "last", "step", "limit", "numkeys",
    "notes",
]
ARGUMENT_FIELDS = [
    "name", "type", "token", "flags", "key", "display_text", "since", "deprecated_since",
    "arguments",
]


class DescriptionError(Exception):
    """A description that does not follow the format; the text names file and command."""


@dataclass
class KeySpec:
    """One key specification; positions count from the command name, which is 0."""
    flags: list
    begin: str  # "index", "keyword" or "unknown"
    index: int = 0
    keyword: str = ""
    start_from: int = 0
    find: str = "range"  # "range", "numkeys" or "unknown"
    last: int = 0
    step: int = 1
    limit: int = 0
    numkeys_index: int = 0
    first: int = 0
    notes: str = ""

    def is_plain_range(self):
        return self.begin == "index" and self.find == "range"


@dataclass
class Argument:
    name: str
    type: str
    token: str | None = None
    flags: list = field(default_factory=list)
    key: int = -1
    display_text: str | None = None
    since: str | None = None
    deprecated_since: str | None = None
    arguments: list = field(default_factory=list)


@dataclass
class Command:
    name: str  # upper case
    container: str | None = None
    summary: str = ""
    since: str = ""
    group: str = ""
    complexity: str = ""
    arity: int = 0
    flags: list = field(default_factory=list)
    categories: list = field(default_factory=list)
    key_method: str = "specs"
    keys: list = field(default_factory=list)
    arguments: list = field(default_factory=list)
    reply: list = field(default_factory=list)
    tips: list = field(default_factory=list)
    history: list = field(default_factory=list)
    deprecated_since: str | None = None
    replaced_by: str | None = None
    doc_flags: list = field(default_factory=list)
    subcommands: list = field(default_factory=list)
    is_imported: bool = False

    @property
    def words(self):
        return (self.container, self.name) if self.container else (self.name,)

    @property
    def full_name(self):
        return "|".join(self.words).lower()

    @property
    def identifier(self):
        return "COMMAND_" + "_".join(self.words).replace("-", "_").replace(".", "_").upper()


# ---------------------------------------------------------------------------------------------
# Reading
# ---------------------------------------------------------------------------------------------

def load(paths):
    """All commands of the files, sorted by name with subcommands linked to their containers."""
    commands = []
    for path in paths:
        text = Path(path).read_text(encoding="utf-8")
        try:
            data = json.loads(text)
            if "commands" in data and isinstance(data["commands"], list):
                commands += read_ours(data)
            else:
                commands += read_valkey(data)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DescriptionError(f"{path}: {type(error).__name__}: {error}") from error
    return link(commands)


def read_ours(data):
    unknown = set(data) - {"group", "commands"}
    if unknown:
        raise ValueError(f"unknown field {sorted(unknown)}")
    return [read_command(item, data["group"]) for item in data["commands"]]


def require_fields(item, known, what):
    unknown = set(item) - set(known)
    if unknown:
        raise ValueError(f"{what}: unknown field {sorted(unknown)}")


def read_command(item, group):
    label = " ".join(filter(None, (item.get("container"), item.get("name"))))
    require_fields(item, COMMAND_FIELDS, label)
    values = dict(item)
    values.setdefault("group", group)
    values["keys"] = [read_key_spec(key, label) for key in item.get("keys", [])]
    values["arguments"] = [read_argument(arg, label) for arg in item.get("arguments", [])]
    return Command(**values)


def read_key_spec(item, label):
    require_fields(item, KEY_FIELDS, label)
    spec = KeySpec(flags=item.get("flags", []), begin="unknown", notes=item.get("notes", ""))
    if "unknown" in item:
        spec.find = "unknown"
        return spec
    if "index" in item:
        spec.begin, spec.index = "index", item["index"]
    else:
        spec.begin, spec.keyword, spec.start_from = "keyword", item["keyword"], item["start_from"]
    if "numkeys" in item:
        spec.find = "numkeys"
        spec.numkeys_index, spec.first, spec.step = item["numkeys"]
    else:
        spec.last = item.get("last", 0)
        spec.step = item.get("step", 1)
        spec.limit = item.get("limit", 0)
    return spec


def read_argument(item, label):
    require_fields(item, ARGUMENT_FIELDS, label)
    values = dict(item)
    values["arguments"] = [read_argument(arg, label) for arg in item.get("arguments", [])]
    return Argument(**values)


def read_valkey(data):
    """Commands of a file of Valkey's src/commands: {"NAME": {...}, ...}."""
    return [read_valkey_command(name, item) for name, item in data.items()]


def read_valkey_command(name, item):
    flags = [flag.lower() for flag in item.get("command_flags", [])]
    renamed = {"skip_commandlog": "skip_slowlog"}
    flags = [renamed.get(flag, flag) for flag in flags]
    group = item.get("group", "module").replace("_", "-")
    return Command(
        name=name.upper(), is_imported=True,
        container=item["container"].upper() if "container" in item else None,
        summary=item.get("summary", ""), since=item.get("since", ""),
        group=group if group in GROUPS else "module",
        complexity=item.get("complexity", ""), arity=item.get("arity", -1),
        flags=[flag for flag in flags if flag in FLAGS and flag not in DERIVED_FLAGS],
        categories=[word.lower() for word in item.get("acl_categories", [])
                    if word.lower() in CATEGORIES],
        key_method=VALKEY_KEY_METHODS.get(item.get("get_keys_function"), "specs"),
        keys=[read_valkey_key_spec(key) for key in item.get("key_specs", [])],
        arguments=[read_valkey_argument(arg) for arg in item.get("arguments", [])],
        tips=[tip.lower() for tip in item.get("command_tips", []) if tip.lower() in TIPS],
        history=[list(entry) for entry in item.get("history", [])],
        deprecated_since=item.get("deprecated_since"), replaced_by=item.get("replaced_by"),
        doc_flags=[flag.lower() for flag in item.get("doc_flags", [])
                   if flag.lower() in DOC_FLAGS])


def read_valkey_key_spec(item):
    spec = KeySpec(flags=[flag.upper() for flag in item.get("flags", [])], begin="unknown",
                   find="unknown", notes=item.get("notes", ""))
    begin = item.get("begin_search") or {}
    find = item.get("find_keys") or {}
    if "index" in begin:
        spec.begin, spec.index = "index", begin["index"]["pos"]
    elif "keyword" in begin:
        spec.begin = "keyword"
        spec.keyword = begin["keyword"]["keyword"]
        spec.start_from = begin["keyword"]["startfrom"]
    if "range" in find:
        spec.find = "range"
        spec.last = find["range"].get("lastkey", 0)
        spec.step = find["range"].get("step", 1)
        spec.limit = find["range"].get("limit", 0)
    elif "keynum" in find:
        spec.find = "numkeys"
        spec.numkeys_index = find["keynum"].get("keynumidx", 0)
        spec.first = find["keynum"].get("firstkey", 1)
        spec.step = find["keynum"].get("step", 1)
    return spec


def read_valkey_argument(item):
    flags = [flag for flag in ARGUMENT_FLAGS if item.get(flag)]
    display = item.get("display", item["name"])
    return Argument(
        name=item["name"], type=item["type"], token=item.get("token"), flags=flags,
        key=item.get("key_spec_index", -1),
        display_text=display if display != item["name"] else None,
        since=item.get("since"), deprecated_since=item.get("deprecated_since"),
        arguments=[read_valkey_argument(arg) for arg in item.get("arguments", [])])


def link(commands):
    by_name = {}
    for command in commands:
        if command.full_name in by_name:
            raise DescriptionError(f"{command.full_name} is described twice")
        by_name[command.full_name] = command
        command.flags, command.categories = derive(command)
    for command in commands:
        if command.container:
            parent = by_name.get(command.container.lower())
            if parent is None or parent.container:
                raise DescriptionError(f"{command.full_name}: no container of that name")
            parent.subcommands.append(command)
    ordered = sorted(commands, key=lambda command: tuple(word.lower() for word in command.words))
    for command in ordered:
        command.subcommands.sort(key=lambda sub: sub.name.lower())
    return ordered


def derive(command):
    """Flags and categories in reporting order, with those that follow from the others."""
    flags = set(command.flags)
    if any(not spec.is_plain_range() for spec in command.keys):
        flags.add("movablekeys")
    categories = set(command.categories)
    if "write" in flags:
        categories.add("write")
    if "readonly" in flags and "scripting" not in categories:
        categories.add("read")
    if "admin" in flags:
        categories |= {"admin", "dangerous"}
    categories |= flags & {"pubsub", "blocking"}
    categories.add("fast" if "fast" in flags else "slow")
    unknown = sorted(flags - set(FLAGS)) + sorted(categories - set(CATEGORIES))
    if unknown:
        raise DescriptionError(f"{command.full_name}: unknown flag or category {unknown}")
    return sorted(flags, key=FLAGS.index), sorted(categories, key=CATEGORIES.index)


def legacy_range(command):
    """The first key, last key and step of COMMAND INFO, as one range over plain key specs."""
    specs = command.keys
    if len(specs) == 1 and specs[0].is_plain_range():
        last = specs[0].last + (specs[0].index if specs[0].last >= 0 else 0)
        return specs[0].index, last, specs[0].step
    first = last = previous = None
    for spec in specs:
        if not spec.is_plain_range():
            continue
        if spec.step != 1 or (previous is not None and previous != spec.index - 1):
            break
        end = spec.last + (spec.index if spec.last >= 0 else 0)
        first = spec.index if first is None else min(first, spec.index)
        last = end if last is None or end < 0 else last if last < 0 else max(last, end)
        previous = end
    return (0, 0, 0) if first is None else (first, last, 1)


# ---------------------------------------------------------------------------------------------
# Checking
# ---------------------------------------------------------------------------------------------

def check(commands):
    """Everything that is wrong with the descriptions, as a list of sentences."""
    problems = []
    identifiers = {"COMMAND_COUNT"}
    for command in commands:
        def problem(text, name=command.full_name):
            problems.append(f"{name}: {text}")
        if command.identifier in identifiers:
            problem("its identifier is taken")
        identifiers.add(command.identifier)
        check_command(command, problem)
    return problems


def check_command(command, problem):
    for word in command.words:
        if len(word.encode()) > NAME_BYTES_MAX or not word.isascii() or word != word.upper():
            problem("a name is upper case ASCII of at most %d bytes" % NAME_BYTES_MAX)
    if not command.is_imported and not (command.summary and command.since):
        problem("summary and since must be given")
    if command.group not in GROUPS:
        problem(f"unknown group {command.group}")
    if command.key_method not in KEY_METHODS:
        problem(f"unknown key method {command.key_method}")
    vocabularies = ((command.reply, REPLY_TYPES), (command.doc_flags, DOC_FLAGS))
    for words, known in vocabularies:
        for word in words:
            if word not in known:
                problem(f"unknown word {word}")
    for tip in command.tips:
        if tip not in TIPS:
            problem(f"unknown tip {tip}")
    for entry in command.history:
        if len(entry) != 2:
            problem("a history entry is [version, text]")
    if bool(command.deprecated_since) != ("deprecated" in command.doc_flags):
        problem("deprecated_since and the doc flag deprecated go together")
    for spec in command.keys:
        check_key_spec(command, spec, problem)
    check_arguments(command, command.arguments, problem)
    check_arity(command, problem)


def check_key_spec(command, spec, problem):
    for flag in spec.flags:
        if flag not in KEY_FLAGS:
            problem(f"unknown key flag {flag}")
    accesses = set(spec.flags) & {"RO", "RW", "OW", "RM", "NOT_KEY"}
    if len(accesses) != 1:
        problem("a key spec has exactly one of RO, RW, OW, RM, NOT_KEY")
    if spec.begin == "index" and spec.index < 1:
        problem("a key cannot stand before position 1")
    if spec.step < 1 or spec.limit < 0:
        problem("step must be positive and limit not negative")
    if spec.limit and spec.last != -1:
        problem("a limit needs last to be -1")
    if "write" not in command.flags and "readonly" in command.flags:
        if accesses & {"OW", "RM"}:
            problem("a read-only command does not write keys")


def check_arguments(command, arguments, problem):
    for arg in arguments:
        if arg.type not in ARGUMENT_TYPES:
            problem(f"argument {arg.name}: unknown type {arg.type}")
        for flag in arg.flags:
            if flag not in ARGUMENT_FLAGS:
                problem(f"argument {arg.name}: unknown flag {flag}")
        if bool(arg.arguments) != (arg.type in ("oneof", "block")):
            problem(f"argument {arg.name}: only oneof and block have arguments")
        if arg.type == "pure-token" and arg.token is None:
            problem(f"argument {arg.name}: a pure-token needs a token")
        if "multiple_token" in arg.flags and (arg.token is None or "multiple" not in arg.flags):
            problem(f"argument {arg.name}: multiple_token needs a token and multiple")
        if not -1 <= arg.key < len(command.keys):
            problem(f"argument {arg.name}: no key spec {arg.key}")
        check_arguments(command, arg.arguments, problem)


def word_counts(arguments):
    """(smallest, largest) number of words that the arguments take; largest None = no limit."""
    low, high = 0, 0
    for arg in arguments:
        token = 0 if arg.token is None or arg.type == "pure-token" else 1
        if arg.type == "oneof":
            counts = [word_counts([sub]) for sub in arg.arguments]
            one_low = min((count[0] for count in counts), default=0)
            highs = [count[1] for count in counts]
            one_high = None if None in highs else max(highs, default=0)
        elif arg.type == "block":
            one_low, one_high = word_counts(arg.arguments)
        else:
            one_low = one_high = 1
        one_low += token
        one_high = None if one_high is None or "multiple" in arg.flags else one_high + token
        low += 0 if "optional" in arg.flags else one_low
        high = None if high is None or one_high is None else high + one_high
    return low, high


def check_arity(command, problem):
    if command.arity == 0:
        problem("arity must not be 0")
    if command.is_imported or (command.arity < 0 and not command.arguments):
        return  # a container, or arguments that are nobody's business
    low, high = word_counts(command.arguments)
    low += len(command.words)
    high = None if high is None else high + len(command.words)
    bound = abs(command.arity)
    if command.arity > 0 and (low, high) != (bound, bound):
        problem(f"arity {command.arity} does not fit arguments of {low} to {high} words")
    if command.arity < 0 and (low > bound or (high is not None and high < bound)):
        problem(f"arity {command.arity} does not fit arguments of {low} to {high} words")


# ---------------------------------------------------------------------------------------------
# table
# ---------------------------------------------------------------------------------------------

NOTICE = "/* SPDX-License-Identifier: BSD-3-Clause */\n" \
         "/* Generated by tools/gen_commands.py from the command descriptions. Do not edit. */\n"

HASH_SEED = 0x9E3779B97F4A7C15
MASK64 = (1 << 64) - 1


def name_words(name):
    data = name.upper().encode().ljust(NAME_BYTES_MAX, b"\0")
    return [int.from_bytes(data[at:at + 8], "little") for at in range(0, NAME_BYTES_MAX, 8)]


def name_hash(words, size, multiplier):
    mixed = words[0] ^ ((words[1] << 1) & MASK64) ^ ((words[2] << 2) & MASK64) ^ (size << 60)
    return (mixed * multiplier) & MASK64


def find_perfect_hash(names):
    """(multiplier, bits): no two names share the top `bits` bits of their hash."""
    packed = [(name_words(name), len(name) & 15) for name in names]
    state = HASH_SEED
    bits = max(4, (len(names) * len(names) // 16).bit_length())
    while True:
        for _ in range(20000):
            state = (state * 6364136223846793005 + 1442695040888963407) & MASK64
            multiplier = state | 1
            seen = set()
            for words, size in packed:
                slot = name_hash(words, size, multiplier) >> (64 - bits)
                if slot in seen:
                    break
                seen.add(slot)
            else:
                return multiplier, bits
        bits += 1


def c_string(text):
    if text is None:
        return "NULL"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def c_bits(words, prefix):
    names = [prefix + word.upper().replace("-", "_") for word in words]
    return " | ".join(names) if names else "0"


def emit_arguments(arguments, base, out):
    """Emit the arrays of an argument tree, deepest first; returns the C name of the array."""
    if not arguments:
        return "NULL"
    nested = [emit_arguments(arg.arguments, f"{base}_{at}", out)
              for at, arg in enumerate(arguments)]
    out.append(f"static const struct command_argument {base}[] = {{")
    for arg, children in zip(arguments, nested):
        parts = [f".name = {c_string(arg.name)}",
                 f".type = COMMAND_ARGUMENT_{arg.type.upper().replace('-', '_')}",
                 f".key_spec_index = {arg.key}"]
        for label, value in (("display_text", arg.display_text), ("token", arg.token),
                             ("since", arg.since), ("deprecated_since", arg.deprecated_since)):
            if value is not None:
                parts.append(f".{label} = {c_string(value)}")
        if arg.flags:
            parts.append(f".flags = {c_bits(arg.flags, 'COMMAND_ARGUMENT_')}")
        if children != "NULL":
            parts.append(f".arguments = {children}")
            parts.append(f".argument_count = {len(arg.arguments)}")
        out.append("    {" + ", ".join(parts) + "},")
    out.append("};")
    return base


def emit_key_specs(command, base, out):
    if not command.keys:
        return "NULL"
    out.append(f"static const struct command_key_spec {base}[] = {{")
    for spec in command.keys:
        parts = [f".flags = {c_bits(spec.flags, 'COMMAND_KEY_')}",
                 f".begin = COMMAND_KEY_BEGIN_{spec.begin.upper()}",
                 f".find = COMMAND_KEY_FIND_{spec.find.upper()}"]
        if spec.begin == "index":
            parts.append(f".index = {spec.index}")
        if spec.begin == "keyword":
            parts.append(f".keyword = {c_string(spec.keyword)}")
            parts.append(f".start_from = {spec.start_from}")
        if spec.find == "range":
            parts.append(f".last = {spec.last}, .step = {spec.step}, .limit = {spec.limit}")
        if spec.find == "numkeys":
            parts.append(f".numkeys_index = {spec.numkeys_index}, .first = {spec.first}, "
                         f".step = {spec.step}")
        if spec.notes:
            parts.append(f".notes = {c_string(spec.notes)}")
        out.append("    {" + ", ".join(parts) + "},")
    out.append("};")
    return base


def emit_list(kind, base, rows, out):
    if not rows:
        return "NULL"
    out.append(f"static const {kind}{base}[] = {{")
    out.extend(f"    {row}," for row in rows)
    out.append("};")
    return base


def emit_command(command, parent_index, index, support, rows):
    base = command.identifier.lower()
    keys = emit_key_specs(command, f"keys_{base}", support)
    arguments = emit_arguments(command.arguments, f"arguments_{base}", support)
    tips = emit_list("char *const ", f"tips_{base}", [c_string(tip) for tip in command.tips],
                     support)
    history = emit_list("struct command_history ", f"history_{base}",
                        [f"{{{c_string(a)}, {c_string(b)}}}" for a, b in command.history], support)
    first, last, step = legacy_range(command)
    values = [
        ("name", c_string(command.full_name)), ("short_name", c_string(command.name.lower())),
        ("id", command.identifier), ("parent", parent_index), ("arity", command.arity),
        ("first_key", first), ("last_key", last), ("key_step", step),
        ("key_method", "COMMAND_KEY_METHOD_" + command.key_method.upper()),
        ("flags", c_bits(command.flags, "COMMAND_FLAG_")),
        ("categories", c_bits(command.categories, "COMMAND_CATEGORY_")),
        ("reply_types", c_bits(command.reply, "COMMAND_REPLY_")),
        ("doc_flags", c_bits(command.doc_flags, "COMMAND_DOC_")),
        ("summary", c_string(command.summary)), ("since", c_string(command.since)),
        ("group", c_string(command.group)), ("complexity", c_string(command.complexity or None)),
        ("deprecated_since", c_string(command.deprecated_since)),
        ("replaced_by", c_string(command.replaced_by)),
        ("key_specs", keys), ("key_spec_count", len(command.keys)),
        ("arguments", arguments), ("argument_count", len(command.arguments)),
        ("tips", tips), ("tip_count", len(command.tips)),
        ("history", history), ("history_count", len(command.history)),
    ]
    if command.subcommands:
        values += [("subcommands", f"&command_table[{index + 1}]"),
                   ("subcommand_count", len(command.subcommands))]
    rows.append(f"    [{command.identifier}] = {{")
    rows.extend(f"        .{label} = {value}," for label, value in values
                if value not in ("NULL", "0", 0))
    rows.append("    },")


TABLE_HEADER = """
#ifndef LARDER_COMMAND_TABLE_H
#define LARDER_COMMAND_TABLE_H

#include <stddef.h>

#include "base/command_spec.h"

/* Every command and subcommand, sorted by full name: the subcommands of a container follow it. */
enum command_id {
%(ids)s
    COMMAND_COUNT
};

/* Immutable; the index is the command_id. */
extern const struct command_spec command_table[COMMAND_COUNT];

/* The command (not a subcommand) with this name in any case; NULL if there is none. `name` need
 * not end with NUL. Does not allocate or block. Any thread. */
const struct command_spec *command_find(const char *name, size_t length);

/* Same for the subcommands of a container; NULL if `parent` has no such subcommand. */
const struct command_spec *command_find_subcommand(const struct command_spec *parent,
                                                   const char *name, size_t length);

#endif
"""

LOOKUP_CODE = """
/* A name as little-endian words in upper case, padded with zero bytes, and its size: two names are
 * equal exactly when these are. */
struct packed_name {
    uint64_t words[3];
    uint64_t size;
};

static const struct packed_name packed_names[COMMAND_COUNT] = {
%(packed)s
};

enum { NAME_BYTES_MAX = %(max)d, SLOT_BITS = %(bits)d };

/* Perfect hash of the top-level names: slot -> 1 + command_id, 0 where no name falls. */
static const uint16_t slots[1 << SLOT_BITS] = {
%(slots)s
};

static inline uint64_t load_32(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
}

/* 1 to 8 bytes, by overlapping loads that stay inside the name. */
static inline uint64_t load_word(const uint8_t *p, size_t size)
{
    if (size >= 4)
        return load_32(p) | load_32(p + size - 4) << ((size - 4) * 8);
    return (uint64_t)p[0] | (uint64_t)p[size / 2] << (size / 2 * 8) |
           (uint64_t)p[size - 1] << ((size - 1) * 8);
}

/* Upper-case the ASCII letters of eight bytes at once. */
static inline uint64_t upper_word(uint64_t word)
{
    uint64_t low = word & UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t from_a = low + UINT64_C(0x1f1f1f1f1f1f1f1f);
    uint64_t past_z = low + UINT64_C(0x0505050505050505);
    uint64_t letters = (from_a & ~past_z & ~word) & UINT64_C(0x8080808080808080);
    return word ^ letters >> 2;
}

static inline struct packed_name pack(const uint8_t *name, size_t size)
{
    struct packed_name packed = {{0, 0, 0}, size};
    if (size <= 8) {
        packed.words[0] = upper_word(load_word(name, size));
        return packed;
    }
    packed.words[0] = upper_word(load_word(name, 8));
    if (size <= 16) {
        packed.words[1] = upper_word(load_word(name + 8, size - 8));
        return packed;
    }
    packed.words[1] = upper_word(load_word(name + 8, 8));
    packed.words[2] = upper_word(load_word(name + 16, size - 16));
    return packed;
}

static inline bool packed_equal(const struct packed_name *a, const struct packed_name *b)
{
    return ((a->words[0] ^ b->words[0]) | (a->words[1] ^ b->words[1]) |
            (a->words[2] ^ b->words[2]) | (a->size ^ b->size)) == 0;
}

static inline unsigned slot_of(uint64_t mixed, size_t size)
{
    return slots[((mixed ^ (uint64_t)size << 60) * UINT64_C(0x%(multiplier)016x)) >>
                 (64 - SLOT_BITS)];
}

static const struct command_spec *find_long(const uint8_t *name, size_t size)
{
    if (size > NAME_BYTES_MAX)
        return NULL;
    struct packed_name packed = pack(name, size);
    unsigned slot =
        slot_of(packed.words[0] ^ packed.words[1] << 1 ^ packed.words[2] << 2, size);
    if (slot == 0 || !packed_equal(&packed, &packed_names[slot - 1]))
        return NULL;
    return &command_table[slot - 1];
}

/* Nearly all commands that a server sees have at most eight bytes: one word to hash and compare. */
const struct command_spec *command_find(const char *name, size_t length)
{
    const uint8_t *bytes = (const uint8_t *)name;
    if (length - 1 >= 8)
        return length == 0 ? NULL : find_long(bytes, length);
    uint64_t word = upper_word(load_word(bytes, length));
    unsigned slot = slot_of(word, length);
    if (slot == 0 || packed_names[slot - 1].words[0] != word ||
        packed_names[slot - 1].size != length)
        return NULL;
    return &command_table[slot - 1];
}

const struct command_spec *command_find_subcommand(const struct command_spec *parent,
                                                   const char *name, size_t length)
{
    if (length - 1 >= NAME_BYTES_MAX)
        return NULL;
    struct packed_name packed = pack((const uint8_t *)name, length);
    for (size_t i = 0; i < parent->subcommand_count; i++) {
        const struct command_spec *sub = &parent->subcommands[i];
        if (packed_equal(&packed, &packed_names[sub->id]))
            return sub;
    }
    return NULL;
}
"""


def wrap_numbers(numbers, per_line):
    lines = []
    for at in range(0, len(numbers), per_line):
        lines.append("    " + ", ".join(numbers[at:at + per_line]) + ",")
    return "\n".join(lines)


def emit_lookup(commands):
    packed = []
    for command in commands:
        words = ", ".join(f"UINT64_C(0x{word:016x})" for word in name_words(command.name))
        packed.append(f"    {{{{{words}}}, {len(command.name)}}}, /* {command.full_name} */")
    top = [(index, c.name) for index, c in enumerate(commands) if not c.container]
    multiplier, bits = find_perfect_hash([name for _, name in top])
    slots = [0] * (1 << bits)
    for index, name in top:
        slots[name_hash(name_words(name), len(name) & 15, multiplier) >> (64 - bits)] = index + 1
    return LOOKUP_CODE % {
        "packed": "\n".join(packed), "max": NAME_BYTES_MAX, "bits": bits,
        "slots": wrap_numbers([str(slot) for slot in slots], 16), "multiplier": multiplier}


def generate_table(commands):
    """The texts of command_table.h and command_table.c."""
    ids = "\n".join(f"    {command.identifier}," for command in commands)
    header = NOTICE + TABLE_HEADER % {"ids": ids}
    index_of = {command.full_name: index for index, command in enumerate(commands)}
    support, rows = [], []
    for index, command in enumerate(commands):
        parent = index_of[command.container.lower()] if command.container else -1
        emit_command(command, parent, index, support, rows)
    source = [NOTICE, '#include "command_table.h"', "", "#include <stdbool.h>",
              "#include <stdint.h>", "", *support, "",
              "const struct command_spec command_table[COMMAND_COUNT] = {", *rows, "};",
              emit_lookup(commands)]
    return header, "\n".join(source)


# ---------------------------------------------------------------------------------------------
# docs
# ---------------------------------------------------------------------------------------------

def syntax(arguments):
    return " ".join(argument_syntax(arg) for arg in arguments)


def argument_syntax(arg):
    is_optional, is_multiple = "optional" in arg.flags, "multiple" in arg.flags
    token = None if arg.token is None else arg.token or '""'
    if arg.type == "oneof":
        text = " | ".join(argument_syntax(sub) for sub in arg.arguments)
        if token or is_multiple or not is_optional:
            text = f"<{text}>"
    elif arg.type == "block":
        text = syntax(arg.arguments)
    elif arg.type == "pure-token":
        text, token = token, None
    else:
        text = arg.display_text or arg.name
    repeat = f"{token} {text}" if token and "multiple_token" in arg.flags else text
    text = f"{token} {text}" if token else text
    if is_multiple:
        text += " ..." if arg.type == "oneof" else f" [{repeat} ...]"
    return f"[{text}]" if is_optional else text


def describe(command, built):
    title = " ".join(command.words)
    lines = [f"### {title}", "", command.summary, "", "```text",
             " ".join(filter(None, (title, syntax(command.arguments)))), "```", ""]
    if built is not None and command.full_name not in built:
        lines += ["Not built yet: answers the unknown-command error.", ""]
    if command.deprecated_since:
        lines.append(f"- Deprecated since {command.deprecated_since}; "
                     f"use {command.replaced_by} instead")
    facts = [("Since", command.since), ("Complexity", command.complexity),
             ("Reply", ", ".join(command.reply)), ("Arity", str(command.arity)),
             ("Flags", ", ".join(command.flags)),
             ("Categories", ", ".join("@" + word for word in command.categories)),
             ("Tips", ", ".join(command.tips))]
    lines += [f"- {label}: {value}" for label, value in facts if value]
    lines += [f"- {version}: {text}" for version, text in command.history]
    return lines + [""]


def generate_docs(commands, built=None):
    lines = ["<!-- SPDX-License-Identifier: BSD-3-Clause -->",
             "<!-- Generated by tools/gen_commands.py from commands/. Do not edit. -->", "",
             "# Commands", ""]
    lines.append("Reply types are those of RESP3; with RESP2 a map or a set arrives as an array, a "
                 "double as a bulk string, a boolean as an integer.")
    lines.append("")
    groups = [group for group in GROUPS if any(c.group == group for c in commands)]
    for group in groups:
        members = [c for c in commands if c.group == group]
        count = f"{len(members)} commands" if built is None else \
            f"{sum(c.full_name in built for c in members)} of {len(members)} built"
        lines.append(f"- [{group}](#{group}): {count}")
    lines.append("")
    for group in groups:
        lines += [f"## {group}", ""]
        for command in commands:
            if command.group == group:
                lines += describe(command, built)
    return "\n".join(lines).rstrip("\n") + "\n"


# ---------------------------------------------------------------------------------------------
# format
# ---------------------------------------------------------------------------------------------

def ordered(item, fields):
    return {name: item[name] for name in fields if name in item}


def order_argument(item):
    item = dict(item)
    if "arguments" in item:
        item["arguments"] = [order_argument(arg) for arg in item["arguments"]]
    return ordered(item, ARGUMENT_FIELDS)


def format_value(value, indent, prefix):
    """JSON on one line where it fits into 100 columns behind `prefix`, else one item per line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(prefix) + len(flat) <= 99 or not isinstance(value, (list, dict)):
        return flat
    inner = indent + "  "
    if isinstance(value, list):
        items = [inner + format_value(item, inner, inner) for item in value]
        return "[\n" + ",\n".join(items) + "\n" + indent + "]"
    items = []
    for key, item in value.items():
        head = f"{inner}{json.dumps(key)}: "
        items.append(head + format_value(item, inner, head))
    return "{\n" + ",\n".join(items) + "\n" + indent + "}"


def format_description(data):
    """The tidy text of a description in our format."""
    commands = []
    for item in sorted(data["commands"], key=lambda c: (c.get("container") or c["name"],
                                                        "container" in c, c["name"])):
        item = ordered(item, COMMAND_FIELDS)
        if "arguments" in item:
            item["arguments"] = [order_argument(arg) for arg in item["arguments"]]
        if "keys" in item:
            item["keys"] = [ordered(key, KEY_FIELDS) for key in item["keys"]]
        fields = []
        for key, value in item.items():
            head = f"      {json.dumps(key)}: "
            fields.append(head + format_value(value, "      ", head))
        commands.append("    {\n" + ",\n".join(fields) + "\n    }")
    return (f'{{\n  "group": {json.dumps(data["group"])},\n  "commands": [\n'
            + ",\n".join(commands) + "\n  ]\n}\n")


# ---------------------------------------------------------------------------------------------

def write_if_changed(path, text):
    path = Path(path)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def load_checked(paths):
    commands = load(paths)
    problems = check(commands)
    if problems:
        raise DescriptionError("\n".join(problems))
    return commands


def run_table(options):
    header, source = generate_table(load_checked(options.files))
    write_if_changed(Path(options.out_dir) / "command_table.h", header)
    write_if_changed(Path(options.out_dir) / "command_table.c", source)
    return 0


def route_keys(command):
    """The specifications that tell a client where the first key of a command stands."""
    return [spec for spec in command.keys if spec.begin != "unknown" and spec.find != "unknown"]


def emit_route_key(spec):
    keyword = c_string(spec.keyword) if spec.begin == "keyword" else "NULL"
    begin = spec.start_from if spec.begin == "keyword" else spec.index
    is_counted = spec.find == "numkeys"
    return (f"{{{keyword}, {begin}, {str(is_counted).lower()}, "
            f"{spec.numkeys_index if is_counted else 0}, {spec.first if is_counted else 0}}}")


# What the tips of a command mean for sending it to several nodes, as src/client/slot.h names it.
ROUTE_REQUESTS = {"all_nodes": "SPREAD_NODES", "all_shards": "SPREAD_PRIMARIES",
                  "multi_shard": "SPREAD_SPLIT", "special": "SPREAD_SPECIAL"}
ROUTE_RESPONSES = {"one_succeeded": "MERGE_ONE_SUCCEEDED", "all_succeeded": "MERGE_ALL_SUCCEEDED",
                   "agg_logical_and": "MERGE_AND", "agg_logical_or": "MERGE_OR",
                   "agg_min": "MERGE_MIN", "agg_max": "MERGE_MAX", "agg_sum": "MERGE_SUM",
                   "special": "MERGE_NONE"}


# Commands whose replies change although their key does not.
ROUTE_NOT_KEPT = {"HPTTL", "HTTL", "MEMORY", "XINFO"}


def route_traits(command):
    """Whether replicas may answer it, whether its replies may be kept, where it goes without a key
    or with keys of several slots, how its replies become one, and the words per key where it can
    be split."""
    tips = dict(tip.split(":") for tip in command.tips if ":" in tip)
    request = ROUTE_REQUESTS.get(tips.get("request_policy"), "SPREAD_ONE")
    merge = ROUTE_RESPONSES.get(tips.get("response_policy"), "MERGE_ARRAYS")
    reads = "readonly" in command.flags and "may_replicate" not in command.flags
    step = 0
    if request == "SPREAD_SPLIT":
        specs = route_keys(command)
        if (len(specs) == 1 and specs[0].is_plain_range()
                and (specs[0].index, specs[0].last) == (1, -1)):
            step = specs[0].step
        else:
            request = "SPREAD_ONE"
    specs = command.keys
    is_cacheable = (reads and "blocking" not in command.flags
                    and command.words[0] not in ROUTE_NOT_KEPT
                    and "nondeterministic_output" not in command.tips
                    and len(specs) == 1 and specs[0].is_plain_range() and specs[0].last == 0)
    return f"{str(reads).lower()}, {str(is_cacheable).lower()}, {request}, {merge}, {step}"


def generate_routes(commands):
    """Rows sorted by name and subcommand, and the key specifications they point into."""
    rows, keys = [], []
    for command in sorted(commands, key=lambda item: (item.words[0], item.words[1:])):
        specs = route_keys(command)
        name, sub = command.words[0], command.words[1] if command.container else ""
        rows.append(f"    {{{c_string(name)}, {c_string(sub)}, {len(keys)}, {len(specs)}, "
                    f"{str(bool(command.subcommands)).lower()}, {route_traits(command)}}},")
        keys += [f"    {emit_route_key(spec)}," for spec in specs]
    return "\n".join([
        "/* SPDX-License-Identifier: BSD-3-Clause */",
        "/* Generated by tools/gen_commands.py routes. */",
        f"static const struct route_key ROUTE_KEYS[{max(1, len(keys))}] = {{",
        *(keys or ["    {NULL, 0, false, 0, 0},"]), "};", "",
        f"static const struct route ROUTES[{len(rows)}] = {{", *rows, "};", ""])


def run_routes(options):
    write_if_changed(options.out, generate_routes(load_checked(options.files)))
    return 0


def run_docs(options):
    commands = load_checked(options.files)
    built = None
    if options.built:
        built = set(Path(options.built).read_text(encoding="utf-8").split())
        unknown = built - {command.full_name for command in commands}
        if unknown:
            raise DescriptionError(f"{options.built}: no description of {sorted(unknown)}")
    write_if_changed(options.out, generate_docs(commands, built))
    return 0


def run_format(options):
    status = 0
    for path in options.files:
        text = Path(path).read_text(encoding="utf-8")
        tidy = format_description(json.loads(text))
        if options.check and tidy != text:
            print(f"{path}: not in its tidy form; run gen_commands.py format", file=sys.stderr)
            status = 1
        elif not options.check:
            write_if_changed(path, tidy)
    return status


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="gen_commands.py",
        description="Generate code and documentation from command descriptions.",
        epilog="A description file is in the format of commands/README.md or in the JSON format "
               "of Valkey's src/commands.")
    verbs = parser.add_subparsers(required=True, metavar="table|docs|routes|format")

    table = verbs.add_parser("table", help="write command_table.h and command_table.c",
                             description="Write the server's command table: the enumeration of "
                             "all commands, their specifications and the lookup by name.")
    table.add_argument("--out-dir", required=True, metavar="DIR", help="folder of the two files")
    table.set_defaults(run=run_table)

    docs = verbs.add_parser("docs", help="write the Markdown reference",
                            description="Write the Markdown reference, grouped by group.")
    docs.add_argument("--out", required=True, metavar="FILE", help="the Markdown file")
    docs.add_argument("--built", metavar="FILE", help="full names (config|get) of the commands "
                      "that are built, one per line; the others are marked")
    docs.set_defaults(run=run_docs)

    routes = verbs.add_parser("routes", help="write the cluster client's routing table",
                              description="Write the C tables from which the cluster client "
                              "finds the first key of a command. Add description files of module "
                              "commands to route those too.")
    routes.add_argument("--out", required=True, metavar="FILE", help="the C file, for inclusion")
    routes.set_defaults(run=run_routes)

    tidy = verbs.add_parser("format", help="tidy description files in our format",
                            description="Rewrite description files (our format only) with stable "
                            "order and layout.")
    tidy.add_argument("--check", action="store_true", help="only tell which are not tidy")
    tidy.set_defaults(run=run_format)

    for verb in (table, docs, routes, tidy):
        verb.add_argument("files", nargs="+", metavar="FILE", help="description files")
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (DescriptionError, OSError) as error:
        print(f"gen_commands.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
