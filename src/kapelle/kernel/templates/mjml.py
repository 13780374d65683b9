"""Finding mistakes in MJML with their line, which the compiler itself does not name. Pure."""

from __future__ import annotations

import re

from kapelle.kernel.templates import syntax

_COMPONENTS = frozenset(
    [
        "accordion",
        "accordion-element",
        "accordion-text",
        "accordion-title",
        "all",
        "attributes",
        "body",
        "breakpoint",
        "button",
        "carousel",
        "carousel-image",
        "class",
        "column",
        "divider",
        "font",
        "group",
        "head",
        "hero",
        "html-attributes",
        "html-attribute",
        "image",
        "navbar",
        "navbar-link",
        "preview",
        "raw",
        "section",
        "selector",
        "social",
        "social-element",
        "spacer",
        "style",
        "table",
        "text",
        "title",
        "wrapper",
    ]
)
_SKIP = re.compile(r"<!--.*?-->|\{%.*?%\}|\{\{.*?\}\}|<!\[CDATA\[.*?\]\]>", re.DOTALL)
_TAG = re.compile(r"<(/?)(mjml|mj-[a-z-]+)\b((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>")


def check_mjml(source: str) -> None:
    """Raises TemplateInvalid for what MJML would take amiss silently or without naming the line."""
    # Blanked out, not cut, so that every character keeps its line.
    text = _SKIP.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)
    if include := re.search(r"<mj-include\b", text):
        raise syntax.invalid("mjml", source, include.start(), "mj-include is not available", "Put the text in place.")
    opened: list[tuple[str, int]] = []
    seen = set()
    for found in _TAG.finditer(text):
        closing, name, rest, at = found[1], found[2], found[3], found.start()
        seen.add(name)
        if name != "mjml" and name.removeprefix("mj-") not in _COMPONENTS:
            raise syntax.invalid("mjml", source, at, f"there is no component <{name}>", "Mind the spelling.")
        if closing:
            _close(source, opened, name, at)
        elif not rest.rstrip().endswith("/"):
            opened.append((name, at))
    if opened:
        name, at = opened[-1]
        raise syntax.invalid("mjml", source, at, f"<{name}> is never closed", f"Add </{name}>.")
    for needed in ("mjml", "mj-body"):
        if needed not in seen:
            advice = "A mail is <mjml><mj-body>…</mj-body></mjml>."
            raise syntax.invalid("mjml", source, 0, f"<{needed}> is missing", advice)


def _close(source: str, opened: list[tuple[str, int]], name: str, at: int) -> None:
    if opened and opened[-1][0] == name:
        opened.pop()
        return
    advice = f"Close <{opened[-1][0]}> first." if opened else "Take it out or open it before."
    raise syntax.invalid("mjml", source, at, f"</{name}> closes nothing that is open here", advice)
