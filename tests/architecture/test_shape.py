"""The shape that the code base promises to keep: small files, small functions, a word on every module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("src", "tools", "bench")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAX_FILE = 400
MAX_FUNCTION = 60
MODULE_FILES = {
    "contracts",
    "models",
    "queries",
    "actions",
    "schemas",
    "api",
    "tasks",
    "wire",
    "migrations",
    "templates",
}
COMPOSED = {"kernel", "web", "edge"}  # not cut by the seven names
CHANNELS = {"email"}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=_name)
def test_a_file_has_at_most_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_function_has_at_most_60_lines(path: Path) -> None:
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION
    ]
    assert long == []


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_no_import_stands_inside_a_function(path: Path) -> None:
    inside = [
        f"line {node.lineno}"
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert inside == []


def test_a_module_has_only_the_agreed_file_names() -> None:
    strangers = []
    for module in sorted((ROOT / "src" / "kapelle").iterdir()):
        if not module.is_dir() or module.name in COMPOSED or module.name.startswith("__"):
            continue
        folders = [module] + [module / name for name in CHANNELS if module.name == "channels"]
        for folder in folders:
            names = {path.stem for path in folder.iterdir() if path.name not in {"__init__.py", "__pycache__"}}
            strangers += [f"{module.name}/{name}" for name in sorted(names - MODULE_FILES - CHANNELS)]
    assert strangers == []
