"""The house stays small: files, functions, classes, names (architecture 7)."""

import ast
import pathlib
import unittest

ROOT = pathlib.Path(__file__).parents[3]
PACKAGE = ROOT / "escalator"
FILE_LINES = 400
FUNCTION_STATEMENTS = 50
CLASS_LINES = 260
PUBLIC_METHODS = 14
SERVICE_LINES = 200
FORBIDDEN = {"common", "utils", "util", "helpers", "helper", "manager", "misc", "impl"}
BASES = {"drivers/base.py", "objects/base.py"}


def sources():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("db/migration/"):
            yield name, path.read_text(encoding="utf-8")


def functions(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def statements(function):
    return sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1


class TestSize(unittest.TestCase):
    def test_files(self):
        limits = {
            name: SERVICE_LINES if name.endswith("/service.py") else FILE_LINES
            for name, _ in sources()
        }
        long = [
            f"{name}: {len(text.splitlines())} lines"
            for name, text in sources()
            if len(text.splitlines()) > limits[name]
        ]
        self.assertEqual([], long)

    def test_functions(self):
        long = [
            f"{name}:{node.lineno} {node.name}: {statements(node)} statements"
            for name, text in sources()
            for node in functions(ast.parse(text))
            if statements(node) > FUNCTION_STATEMENTS
        ]
        self.assertEqual([], long)

    def test_classes(self):
        found = []
        for name, text in sources():
            for node in ast.walk(ast.parse(text)):
                if not isinstance(node, ast.ClassDef):
                    continue
                lines = (node.end_lineno or 0) - node.lineno
                public = [
                    each.name
                    for each in node.body
                    if isinstance(each, ast.FunctionDef)
                    and not each.name.startswith("_")
                ]
                if lines > CLASS_LINES or len(public) > PUBLIC_METHODS:
                    found.append(
                        f"{name}:{node.lineno} {node.name}: {lines} lines,"
                        f" {len(public)} public methods"
                    )
        self.assertEqual([], found)

    def test_names(self):
        bad = [
            name
            for name, _ in sources()
            if FORBIDDEN & set(name.removesuffix(".py").split("/"))
            or (name.endswith("/base.py") and name not in BASES)
        ]
        self.assertEqual([], bad)

    def test_every_module_says_what_lives_there(self):
        silent = [
            name
            for name, text in sources()
            if text.strip() and not ast.get_docstring(ast.parse(text))
        ]
        self.assertEqual([], silent)
