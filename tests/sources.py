"""The tree's own modules, each read and parsed once in a process."""

import ast
import functools
import pathlib

ROOT = pathlib.Path(__file__).parents[1]


@functools.cache
def text(path: pathlib.Path) -> str:
    """Return what the file holds."""
    return path.read_text("utf-8")


@functools.cache
def tree(path: pathlib.Path) -> ast.Module:
    """Return the module's syntax tree."""
    return ast.parse(text(path))


@functools.cache
def nodes(path: pathlib.Path) -> tuple[ast.AST, ...]:
    """Return every node of the module's tree."""
    return tuple(ast.walk(tree(path)))


@functools.cache
def modules(room: str) -> tuple[pathlib.Path, ...]:
    """Return the modules below a folder of the tree, in order of their paths."""
    return tuple(sorted((ROOT / room).rglob("*.py")))
