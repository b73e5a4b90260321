# SPDX-License-Identifier: BSD-3-Clause
"""The command descriptions, the generator, and both against a real server.

Needs gcc, clang and redis-server 7.0.15 on PATH.
"""

import contextlib
import copy
import io
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import server_check
from server_check import ROOT, Connection, ServerError

import gen_commands

FILES = sorted((ROOT / "commands").glob("*.json"))
GENERATOR = ROOT / "tools" / "gen_commands.py"
WARNINGS = ["-std=c17", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wstrict-prototypes",
            "-Wmissing-prototypes", "-Wvla", "-Wundef", "-Werror"]
EXAMPLE = {
    "name": "EXAMPLE", "summary": "Shows.", "since": "1.0.0", "arity": 3, "flags": ["readonly"],
    "keys": [{"flags": ["RO"], "index": 1}],
    "arguments": [{"name": "key", "type": "key", "key": 0}, {"name": "x", "type": "string"}],
    "reply": ["integer"],
}


def run_generator(*arguments, hash_seed="0"):
    environment = dict(os.environ, PYTHONHASHSEED=hash_seed)
    return subprocess.run([sys.executable, str(GENERATOR), *map(str, arguments)], text=True,
                          capture_output=True, env=environment, timeout=120, check=False)


class Scratch(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="gen_commands."))
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, data):
        path = self.folder / name
        path.write_text(json.dumps(data), encoding="utf-8")
        return path


class Descriptions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.commands = gen_commands.load(FILES)
        cls.by_name = {command.full_name: command for command in cls.commands}

    def test_descriptions_are_valid(self):
        self.assertEqual(gen_commands.check(self.commands), [])

    def test_descriptions_are_in_their_tidy_form(self):
        result = run_generator("format", "--check", *FILES)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_every_group_has_its_file(self):
        for path in FILES:
            group = json.loads(path.read_text(encoding="utf-8"))["group"]
            self.assertEqual(path.stem, group.replace("-", "_"))

    def test_nothing_is_written_that_follows_from_the_rest(self):
        for path in FILES:
            for item in json.loads(path.read_text(encoding="utf-8"))["commands"]:
                with self.subTest(item["name"]):
                    bare = gen_commands.read_command(dict(item, categories=[]), "string")
                    flags, implied = gen_commands.derive(bare)
                    scripting = "scripting" in item.get("categories", [])
                    repeated = set(implied) & set(item.get("categories", []))
                    self.assertEqual(repeated - ({"read"} if scripting else set()), set())
                    self.assertNotIn("movablekeys", item.get("flags", []))
                    self.assertNotIn([], item.values())

    def test_every_command_says_what_it_replies(self):
        for command in self.commands:
            self.assertTrue(command.reply or command.subcommands, command.full_name)

    def test_every_key_argument_points_at_a_key_spec_and_back(self):
        def used(arguments):
            for arg in arguments:
                if arg.type == "key":
                    yield arg.key
                yield from used(arg.arguments)
        for command in self.commands:
            known = [at for at, spec in enumerate(command.keys) if "NOT_KEY" not in spec.flags]
            unknown = [at for at in known if command.keys[at].begin == "unknown"]
            self.assertLessEqual(set(used(command.arguments)) - {-1}, set(known))
            self.assertLessEqual(set(known) - set(unknown), set(used(command.arguments)),
                                 command.full_name)

    def test_implied_categories_are_derived(self):
        self.assertEqual(self.by_name["get"].categories, ["read", "string", "fast"])
        self.assertEqual(self.by_name["blpop"].categories, ["write", "list", "slow", "blocking"])
        self.assertEqual(self.by_name["config|set"].categories, ["admin", "slow", "dangerous"])
        self.assertEqual(self.by_name["eval_ro"].categories, ["slow", "scripting"])
        self.assertEqual(self.by_name["lastsave"].categories, ["admin", "fast", "dangerous"])

    def test_plain_ranges_become_one_range(self):
        expected = {"get": (1, 1, 1), "mset": (1, -1, 2), "bitop": (2, -1, 1), "blpop": (1, -2, 1),
                    "rename": (1, 2, 1), "georadius": (1, 1, 1), "zunionstore": (1, 1, 1),
                    "eval": (0, 0, 0), "ping": (0, 0, 0), "object|encoding": (2, 2, 1)}
        for name, keys in expected.items():
            self.assertEqual(gen_commands.legacy_range(self.by_name[name]), keys, name)


class Refusals(Scratch):
    """What is wrong in a description is found, and named."""

    def problems(self, **changes):
        item = copy.deepcopy(EXAMPLE)
        item.update(changes)
        path = self.write("string.json", {"group": "string", "commands": [item]})
        result = run_generator("table", "--out-dir", self.folder, path)
        self.assertFalse(result.returncode == 0 and result.stderr)
        return result.stderr

    def test_a_good_description_is_accepted(self):
        self.assertEqual(self.problems(), "")

    def test_bad_descriptions_are_refused(self):
        key = EXAMPLE["arguments"][0]
        cases = {
            "unknown flag": {"flags": ["reedonly"]},
            "unknown flag or category": {"categories": ["strings"]},
            "unknown field": {"sumary": "x"},
            "unknown word": {"reply": ["number"]},
            "unknown tip": {"tips": ["be_quick"]},
            "unknown key flag": {"keys": [{"flags": ["RO", "READ"], "index": 1}]},
            "exactly one of": {"keys": [{"flags": ["ACCESS"], "index": 1}]},
            "before position 1": {"keys": [{"flags": ["RO"], "index": 0}]},
            "does not write keys": {"keys": [{"flags": ["OW"], "index": 1}]},
            "a limit needs": {"keys": [{"flags": ["RO"], "index": 1, "limit": 2}]},
            "unknown key method": {"key_method": "guess"},
            "does not fit arguments of 3 to 3": {"arity": 4},
            "of 3 to 3 words": {"arity": -4},
            "arity must not be 0": {"arity": 0},
            "unknown type": {"arguments": [key, {"name": "x", "type": "text"}]},
            "no key spec 1": {"arguments": [dict(key, key=1), {"name": "x", "type": "string"}]},
            "needs a token": {"arguments": [key, {"name": "x", "type": "pure-token"}]},
            "only oneof and block": {"arguments": [key, {"name": "x", "type": "oneof"}]},
            "must be given": {"summary": ""},
            "upper case ASCII": {"name": "Example"},
            "at most 24 bytes": {"name": "E" * 25},
            "identifier is taken": {"name": "COUNT"},
            "no container": {"container": "NOBODY"},
            "go together": {"deprecated_since": "2.0.0"},
            "unknown group": {"group": "strings"},
        }
        for text, changes in cases.items():
            with self.subTest(text):
                self.assertIn(text, self.problems(**changes))

    def test_a_command_is_described_once(self):
        path = self.write("a.json", {"group": "string", "commands": [EXAMPLE, EXAMPLE]})
        self.assertIn("described twice", run_generator("docs", "--out", self.folder / "x",
                                                       path).stderr)

    def test_a_file_that_is_no_json_is_named(self):
        path = self.folder / "broken.json"
        path.write_text("{", encoding="utf-8")
        result = run_generator("docs", "--out", self.folder / "x", path)
        self.assertEqual(result.returncode, 1)
        self.assertIn("broken.json", result.stderr)


class Table(Scratch):
    def generate(self, name, files, hash_seed):
        folder = self.folder / name
        result = run_generator("table", "--out-dir", folder, *files, hash_seed=hash_seed)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return [(folder / part).read_text() for part in ("command_table.h", "command_table.c")]

    def test_output_depends_on_nothing_but_the_descriptions(self):
        self.assertEqual(self.generate("a", FILES, "1"), self.generate("b", FILES[::-1], "2"))

    def test_unchanged_files_are_not_touched(self):
        self.generate("a", FILES, "1")
        paths = list((self.folder / "a").iterdir())
        for path in paths:
            os.utime(path, (1, 1))
        self.generate("a", FILES, "1")
        self.assertEqual([path.stat().st_mtime for path in paths], [1, 1])

    def test_generated_code_compiles_without_warnings(self):
        self.generate("a", FILES, "1")
        for compiler in ("gcc", "clang"):
            result = subprocess.run(
                [compiler, *WARNINGS, "-O1", f"-I{ROOT}/src", f"-I{self.folder}/a", "-c",
                 str(self.folder / "a" / "command_table.c"), "-o", str(self.folder / "a.o")],
                capture_output=True, text=True, check=False)
            self.assertEqual((result.returncode, result.stderr), (0, ""), compiler)

    def test_no_two_names_share_a_slot(self):
        names = [c.name for c in gen_commands.load(FILES) if not c.container]
        names += [f"MODULE.COMMAND{i}" for i in range(100)]
        multiplier, bits = gen_commands.find_perfect_hash(names)
        hashes = [gen_commands.name_hash(gen_commands.name_words(n), len(n) & 15, multiplier)
                  for n in names]
        self.assertEqual(len({value >> (64 - bits) for value in hashes}), len(names))

    def test_bits_of_the_header_are_the_vocabularies_in_order(self):
        header = (ROOT / "src" / "base" / "command_spec.h").read_text(encoding="utf-8")
        for name, words in (("COMMAND_FLAG_TABLE", gen_commands.FLAGS),
                            ("COMMAND_CATEGORY_TABLE", gen_commands.CATEGORIES),
                            ("COMMAND_KEY_FLAG_TABLE", gen_commands.KEY_FLAGS)):
            body = header.split(f"#define {name}(ROW)")[1].split("\n\n")[0]
            rows = re.findall(r'ROW\((\w+), (\d+), "(\w+)"\)', body)
            self.assertEqual(rows, [(word.upper(), str(bit), rows[bit][2])
                                    for bit, word in enumerate(words)])
            self.assertEqual([row[2].upper() for row in rows], [word.upper() for word in words])

    def test_help_describes_every_verb(self):
        self.assertIn("docs", run_generator("--help").stdout)
        for verb, option in (("table", "--out-dir"), ("docs", "--built"), ("format", "--check")):
            result = run_generator(verb, "--help")
            self.assertEqual(result.returncode, 0)
            self.assertIn(option, result.stdout)


class Docs(Scratch):
    @classmethod
    def setUpClass(cls):
        cls.commands = {command.full_name: command for command in gen_commands.load(FILES)}

    def syntax(self, name):
        return gen_commands.syntax(self.commands[name].arguments)

    def test_syntax_shows_choices_options_and_repetition(self):
        self.assertEqual(self.syntax("getex"), "key [EX seconds | PX milliseconds | EXAT "
                         "unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]")
        self.assertEqual(self.syntax("mset"), "key value [key value ...]")
        self.assertEqual(self.syntax("sort_ro"), "key [BY pattern] [LIMIT offset count] "
                         "[GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]")
        self.assertEqual(self.syntax("linsert"), "key <BEFORE | AFTER> pivot element")
        self.assertEqual(self.syntax("bitop"), "<AND | OR | XOR | NOT> destkey key [key ...]")
        self.assertEqual(self.syntax("bitfield"), "key [<GET encoding offset | [OVERFLOW <WRAP | "
                         "SAT | FAIL>] <SET encoding offset value | INCRBY encoding offset "
                         "increment>> ...]")

    def test_every_command_has_its_entry_under_its_group(self):
        text = gen_commands.generate_docs(list(self.commands.values()))
        self.assertEqual(text.count("\n### "), len(self.commands))
        self.assertIn("\n### CONFIG GET\n", text.split("\n## server\n")[1].split("\n## ")[0])

    def test_what_is_not_built_is_marked(self):
        built = self.folder / "built"
        built.write_text("get\nset\n")
        out = self.folder / "commands.md"
        self.assertEqual(run_generator("docs", "--out", out, "--built", built,
                                       *FILES).returncode, 0)
        text = out.read_text()
        self.assertIn("- [string](#string): 2 of 23 built", text)
        entries = {entry.split("\n")[0]: entry for entry in text.split("\n### ")}
        self.assertNotIn("Not built yet", entries["GET"])
        self.assertIn("Not built yet", entries["GETDEL"])

    def test_what_is_built_must_be_described(self):
        built = self.folder / "built"
        built.write_text("get\ngot\n")
        result = run_generator("docs", "--out", self.folder / "x", "--built", built, *FILES)
        self.assertEqual(result.returncode, 1)
        self.assertIn("['got']", result.stderr)


def to_valkey(command):
    """A command in the layout of Valkey's src/commands."""
    methods = {}
    for function, method in gen_commands.VALKEY_KEY_METHODS.items():
        methods.setdefault(method, function)
    item = {"summary": command.summary, "since": command.since, "complexity": command.complexity,
            "group": command.group.replace("-", "_"), "arity": command.arity,
            "command_flags": [flag.upper() for flag in command.flags if flag != "movablekeys"],
            "acl_categories": [word.upper() for word in command.categories],
            "command_tips": [tip.upper() for tip in command.tips],
            "key_specs": [to_valkey_key(spec) for spec in command.keys],
            "arguments": [to_valkey_argument(arg) for arg in command.arguments]}
    if command.container:
        item["container"] = command.container
    if command.key_method != "specs":
        item["get_keys_function"] = methods[command.key_method]
    return {command.name: item}


def to_valkey_key(spec):
    begin = {"index": {"index": {"pos": spec.index}},
             "keyword": {"keyword": {"keyword": spec.keyword, "startfrom": spec.start_from}},
             "unknown": {"unknown": None}}[spec.begin]
    find = {"range": {"range": {"lastkey": spec.last, "step": spec.step, "limit": spec.limit}},
            "numkeys": {"keynum": {"keynumidx": spec.numkeys_index, "firstkey": spec.first,
                                   "step": spec.step}},
            "unknown": {"unknown": None}}[spec.find]
    return {"flags": spec.flags, "begin_search": begin, "find_keys": find}


def to_valkey_argument(arg):
    item = {"name": arg.name, "type": arg.type}
    item.update({flag: True for flag in arg.flags})
    for name, value in (("token", arg.token), ("display", arg.display_text), ("since", arg.since)):
        if value is not None:
            item[name] = value
    if arg.key >= 0:
        item["key_spec_index"] = arg.key
    if arg.arguments:
        item["arguments"] = [to_valkey_argument(sub) for sub in arg.arguments]
    return item


class ValkeyFormat(Scratch):
    @staticmethod
    def route(command):
        keys = [{**vars(spec), "notes": ""} for spec in command.keys]
        return (command.words, command.arity, command.flags, command.categories, command.tips,
                command.key_method, keys, gen_commands.legacy_range(command))

    def test_the_same_commands_in_both_formats_give_the_same_routes(self):
        ours = gen_commands.load(FILES)
        paths = [self.write(f"{command.full_name.replace('|', '-')}.json", to_valkey(command))
                 for command in ours]
        theirs = gen_commands.load(paths)
        self.assertEqual(gen_commands.check(theirs), [])
        self.assertEqual(list(map(self.route, theirs)), list(map(self.route, ours)))
        for command, imported in zip(ours, theirs):
            self.assertEqual(gen_commands.syntax(imported.arguments),
                             gen_commands.syntax(command.arguments), command.full_name)

    def test_a_module_command_joins_the_table(self):
        path = self.write("shelf-put.json", {"SHELF.PUT": {
            "summary": "Puts books on shelves.", "complexity": "O(1)", "group": "shelf",
            "since": "1.2.0", "arity": -4, "function": "shelfPut",
            "command_flags": ["WRITE", "DENYOOM", "FAST", "UNHEARD_OF"],
            "acl_categories": ["SET"],
            "key_specs": [{"flags": ["RW", "INSERT"], "begin_search": {"index": {"pos": 2}},
                           "find_keys": {"range": {"lastkey": -1, "step": 2, "limit": 0}}}]}})
        command = next(c for c in gen_commands.load([*FILES, path]) if c.name == "SHELF.PUT")
        self.assertEqual(command.flags, ["write", "denyoom", "fast"])
        self.assertEqual(command.categories, ["write", "set", "fast"])
        self.assertEqual(gen_commands.legacy_range(command), (2, -1, 2))
        result = run_generator("table", "--out-dir", self.folder, *FILES, path)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("COMMAND_SHELF_PUT", (self.folder / "command_table.h").read_text())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RealServer(Scratch):
    """Needs redis-server 7.0.15: without it these tests fail."""

    @classmethod
    def setUpClass(cls):
        cls.data = tempfile.mkdtemp(prefix="gen_commands.server.")
        cls.addClassCleanup(shutil.rmtree, cls.data)
        port = int(os.environ.get("LARDER_TEST_PORT", "0")) or free_port()
        # pylint: disable-next=consider-using-with
        cls.server = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
             "--dir", cls.data], stdout=subprocess.DEVNULL)
        cls.addClassCleanup(cls.server.wait)
        cls.addClassCleanup(cls.server.terminate)
        deadline = time.monotonic() + 10
        while True:
            try:
                cls.connection = Connection(port)
                break
            except (ConnectionRefusedError, ServerError):
                if time.monotonic() > deadline or cls.server.poll() is not None:
                    raise
                time.sleep(0.02)
        cls.addClassCleanup(cls.connection.close)

    def test_command_info_agrees_but_for_the_explained_differences(self):
        self.assertIn("redis_version:7.0.15", self.connection.call("INFO", "server"))
        self.assertEqual(server_check.compare(self.connection), [])

    def build_driver(self):
        with contextlib.redirect_stdout(io.StringIO()):
            gen_commands.main(["table", "--out-dir", str(self.folder), *map(str, FILES)])
        driver = self.folder / "driver"
        sources = [ROOT / "tests/unit/commands_table/keys_driver.c",
                   ROOT / "src/base/command_keys.c", ROOT / "src/base/slice.c",
                   self.folder / "command_table.c"]
        subprocess.run(["gcc", *WARNINGS, "-O1", "-g", "-fsanitize=address,undefined",
                        "-fno-sanitize-recover=all", f"-I{ROOT}/src", f"-I{self.folder}",
                        *map(str, sources), "-o", str(driver)], check=True)
        return driver

    def ask_driver(self, driver, commands):
        text = b""
        for words in commands:
            text += b"%d\n" % len(words)
            text += b"".join(b"%d\n%s\n" % (len(word.encode()), word.encode()) for word in words)
        result = subprocess.run([str(driver)], input=text, capture_output=True, check=False,
                                timeout=60)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        return result.stdout.decode().splitlines()

    def ask_server(self, words):
        errors = {"Invalid command specified": "unknown", "no key arguments": "no-keys",
                  "Invalid number of arguments": "arity", "Invalid arguments": "invalid"}
        try:
            return self.connection.call("COMMAND", "GETKEYSANDFLAGS", *words)
        except ServerError as error:
            return next(short for text, short in errors.items() if text in str(error))

    @staticmethod
    def decode_driver(line, words):
        if not line.startswith("keys"):
            return line
        keys = []
        for key in line.split()[1:]:
            position, flags = key.split(":")
            keys.append([words[int(position)], [flag for flag in flags.split(",") if flag]])
        return keys

    def test_keys_of_random_commands_are_those_of_the_server(self):
        seed = int(os.environ.get("LARDER_TEST_SEED", "0")) or random.randrange(1 << 32)
        chance = random.Random(seed)
        commands = [self.random_command(chance, spec) for spec in self.comparable_commands()
                    for _ in range(40)]
        answers = self.ask_driver(self.build_driver(), commands)
        self.assertEqual(len(answers), len(commands))
        for words, line in zip(commands, answers):
            self.assertEqual(self.decode_driver(line, words), self.ask_server(words),
                             f"seed {seed}, command {words}")

    @staticmethod
    def comparable_commands():
        changed = {name for name, what in server_check.DIFFERENCES if what in ("arity", "keys")}
        return [command for command in gen_commands.load(FILES)
                if command.full_name not in server_check.NEWER_COMMANDS | changed
                and not (command.subcommands and command.arity < 0)]

    def random_command(self, chance, command):
        def tokens(arguments):
            for arg in arguments:
                if arg.token:
                    yield arg.token
                yield from tokens(arg.arguments)
        vocabulary = list(tokens(command.arguments)) + ["STORE", "STREAMS"]
        plain = ["a", "b", "c", "0", "1", "2", "3", "", "-1", "2x", "+1", " 1", "#", "u8",
                 "99999999999999999999"]
        words = [chance.choice((word.lower(), word)) for word in command.words]
        size = max(abs(command.arity) + chance.randrange(-1, 8), 2)
        while len(words) < size:
            word = chance.choice(chance.choice((vocabulary, plain, ["1", "2", "3", "a", "b"])))
            words.append(chance.choice((word, word.lower())))
        return words


if __name__ == "__main__":
    unittest.main()
