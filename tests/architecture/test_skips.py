"""No test is skipped quietly: each reason stands in tests/SKIPS.md, and nothing stands there that is not skipped."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]
LISTED = {
    line.split("|")[1].strip()
    for line in (TESTS / "SKIPS.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| reason", "| ---"))
}
NO_REASON = "(no plain text as its reason)"


def _reason(call: ast.Call, name: str) -> str:
    """The words a skip gives; those that are only made when it runs could not be held to a list."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "reason"]
    if name == "skip":
        given += call.args[:1]
    if given and isinstance(given[0], ast.Constant) and isinstance(given[0].value, str):
        return given[0].value
    return NO_REASON


def _skips(source: str) -> list[str]:
    """Reasons of all skips and expected failures in a test file."""
    tree = _parse(source)
    found, called = [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func):
            called.add(node.func)
            found.append(_reason(node, _name(node.func)))
    bare = [node for node in ast.walk(tree) if _name(node) and node not in called]
    return found + [NO_REASON] * len(bare)


def _parse(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SystemError:  # CPython 3.11 miscounts its own depth when something else is parsed in the middle
        return ast.parse(source)


def _name(node: ast.AST) -> str:
    """skip, skipif, xfail, importorskip or a unittest skip, however it is reached; "" for anything else."""
    word = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return word if word in {"skip", "skipif", "skipIf", "skipUnless", "xfail", "importorskip", "SkipTest"} else ""


def _all() -> dict[str, list[str]]:
    return {str(path.relative_to(TESTS)): _skips(path.read_text()) for path in sorted(TESTS.rglob("*.py"))}


def test_every_skip_is_listed_with_its_reason() -> None:
    strangers = [f"{name}: {reason}" for name, reasons in _all().items() for reason in reasons if reason not in LISTED]
    assert strangers == []


def test_nothing_is_listed_that_is_not_skipped() -> None:
    assert {reason for reasons in _all().values() for reason in reasons} >= LISTED


def test_a_skip_without_a_plain_reason_does_not_get_by() -> None:
    hidden = "import pytest\n@pytest.mark.skip\ndef test_a(): pytest.skip('new')\nx = pytest.importorskip('numpy')\n"
    assert sorted(_skips(hidden)) == [NO_REASON, NO_REASON, "new"]
