"""The small language in which an operation says how a body becomes messages. Pure.

A template is JSON. A text `$a.b.c` is the value at that path of the body, `*` being the first plain value of an object;
`$a.b|c` is the first of several paths that has one; what no path has is left out. `{"$each": "lines", ...}` repeats
the rest of itself for each item of a list, with paths within the item. `"$spread": "a.b"` puts an object's members
beside the others. `$$` at the start of a text is one dollar sign. Everything else stands for itself.
"""

from __future__ import annotations

from typing import Any

from kapelle.kernel.errors import Invalid

EACH, SPREAD = "$each", "$spread"
MAX_ITEMS = 1_000
_MAX_DEPTH = 12
_KINDS = frozenset({"identify", "track", "page", "screen", "group"})


class _Absent:
    """There is nothing at the path; not even null."""


ABSENT = _Absent()


def read_path(body: Any, paths: str) -> Any:
    """The first value that one of `a.b|c.d` leads to, ABSENT if none does. Null counts as absent."""
    for path in paths.split("|"):
        value: Any = body
        for name in path.strip().split("."):
            value = _step(value, name)
        if value is not None and value is not ABSENT:
            return value
    return ABSENT


def fill(template: Any, body: Any) -> Any:
    """The template with the body's values in it."""
    if isinstance(template, str):
        if template.startswith("$$"):
            return template[1:]
        return read_path(body, template[1:]) if template.startswith("$") else template
    if isinstance(template, list):
        return [value for item in template if (value := fill(item, body)) is not ABSENT]
    if not isinstance(template, dict):
        return template
    if EACH in template:
        items = read_path(body, template[EACH])
        rest = {name: value for name, value in template.items() if name != EACH}
        return [fill(rest, item) for item in items[:MAX_ITEMS]] if isinstance(items, list) else ABSENT
    filled: dict[str, Any] = {}
    if SPREAD in template:
        told = read_path(body, template[SPREAD])
        filled |= told if isinstance(told, dict) else {}
    for name, part in template.items():
        if name != SPREAD and (value := fill(part, body)) is not ABSENT:
            filled[name] = value
    return filled


def check_template(template: Any) -> None:
    """Raises Invalid for a template of a message that could never be used."""
    if not isinstance(template, dict) or template.get("type") not in _KINDS:
        raise Invalid(f"Each write needs `type`: one of {', '.join(sorted(_KINDS))}.")
    if template["type"] == "track" and not isinstance(template.get("event"), str):
        raise Invalid("A write of type track needs `event`: the name of what was done, or a path to it.")
    _check_part(template, _MAX_DEPTH)


def _check_part(part: Any, room: int) -> None:
    if not room:
        raise Invalid(f"A template's objects and lists stand more than {_MAX_DEPTH} deep inside each other.")
    if isinstance(part, dict):
        for name in (EACH, SPREAD):
            if name in part and not isinstance(part[name], str):
                raise Invalid(f"`{name}` takes a path such as order.lines, without a dollar sign.")
        unknown = [name for name in part if name.startswith("$") and name not in {EACH, SPREAD}]
        if unknown:
            raise Invalid(f"`{unknown[0]}` is no instruction; there are {EACH} and {SPREAD}.")
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _check_part(inner, room - 1)


def _step(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        if name == "*":
            return next((item for item in value.values() if isinstance(item, (str, int, float))), ABSENT)
        return value.get(name, ABSENT)
    if isinstance(value, list) and name.isdigit() and len(name) < len(str(MAX_ITEMS)):
        return value[int(name)] if int(name) < len(value) else ABSENT
    return ABSENT
