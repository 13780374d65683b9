"""From what a person wrote (MJML + Liquid) to what is rendered for each recipient. Once for a version. Pure.

Liquid is taken out before MJML is read and put back after, so that a tag may stand anywhere: between sections,
around columns, in attributes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape, unescape
from typing import TYPE_CHECKING

import mrml

from kapelle.kernel.templates import marks, syntax
from kapelle.kernel.templates.mjml import check_mjml
from kapelle.kernel.templates.plaintext import html_to_text

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_SOURCE = 500_000  # characters
MAX_SUBJECT = 1_000
_LIQUID = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_STAND_IN = re.compile(r"kqliq(\d{6})qk")
_ANCHOR = re.compile(r'(<a\b[^>]*?\bhref=")([^"]*)(")', re.IGNORECASE)
_TEXT_URL = re.compile(r"(?<![\w/])https?://[^\s<>\"'{}]+")
_PRODUCTS = re.compile(r"""(["'])((?:(?!\1).)*)\1\s*\|\s*products\b""")
_OTHER_SCHEMES = ("mailto:", "tel:", "sms:", "#")
_RENDER_OPTIONS = mrml.RenderOptions(disable_comments=False, fonts={})  # no fonts fetched from other companies

_PREHEADER = (
    '<div style="display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden">'
    "{}</div>"
)
_PIXEL = f'<img src="{marks.OPEN}" width="1" height="1" alt="" style="display:block;border:0">'
_FOOTER = (
    '<div style="font:12px/1.5 Arial,sans-serif;color:#666;text-align:center;padding:16px">'
    f'<a href="{marks.UNSUBSCRIBE}" style="color:#666">Unsubscribe</a> · '
    f'<a href="{marks.PREFERENCES}" style="color:#666">Preferences</a></div>'
)
_TEXT_FOOTER = f"\n--\nUnsubscribe: {marks.UNSUBSCRIBE}\nPreferences: {marks.PREFERENCES}\n"


@dataclass(frozen=True, slots=True)
class Parts:
    """What a person writes. An empty `text` is derived from the HTML."""

    subject: str
    mjml: str
    preheader: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Compiled:
    """Liquid sources ready to render; JSON-ready by its fields. `links`: static targets, by their mark's number."""

    subject: str
    html: str
    text: str
    links: list[str]
    products: list[str]
    warnings: list[str] = field(default_factory=list)


def compile_template(parts: Parts) -> Compiled:
    """Check and compile; raises TemplateInvalid that names part and line."""
    _check_sizes(parts)
    for name, source in (("subject", parts.subject), ("preheader", parts.preheader), ("text", parts.text)):
        syntax.check(name, source)
    syntax.check("mjml", parts.mjml)
    check_mjml(parts.mjml)
    links: list[str] = []
    html, liquid = _to_html(parts)
    html = _ANCHOR.sub(lambda found: found[1] + _target(found[2], links, parts.mjml) + found[3], html)
    text = _compile_text(parts.text, links) if parts.text.strip() else html_to_text(_fold_marks(html))
    text = text.replace("kqtrack", "{% tracked %}").replace("kqendtrack", "{% endtracked %}")
    html = html.replace("kqtrack", "{% tracked %}").replace("kqendtrack", "{% endtracked %}")
    html, text = liquid(html), liquid(text)
    warnings = []
    if not re.search(r"\{\{-?\s*(unsubscribe_url|preferences_url)\b", html):
        warnings.append("The mail has no {{ unsubscribe_url }}: a small footer with it is added at the end.")
        html, text = html.replace("</body>", _FOOTER + "</body>"), text + _TEXT_FOOTER
    html = html.replace("</body>", _PIXEL + "</body>")
    return Compiled(
        subject=parts.subject.strip(),
        html=html,
        text=text,
        links=links,
        products=_named_products(parts),
        warnings=warnings,
    )


def _check_sizes(parts: Parts) -> None:
    if not parts.subject.strip():
        raise syntax.TemplateInvalid("subject: it is empty. Write what the mail is about.", part="subject", line=1)
    for name, source, limit in (
        ("subject", parts.subject, MAX_SUBJECT),
        ("preheader", parts.preheader, MAX_SUBJECT),
        ("mjml", parts.mjml, MAX_SOURCE),
        ("text", parts.text, MAX_SOURCE),
    ):
        if len(source) > limit:
            problem = f"{name}: it has {len(source)} characters, {limit} at most. Make it shorter."
            raise syntax.TemplateInvalid(problem, part=name, line=1)
        if marks.is_marked(source) or "\0" in source:
            raise syntax.TemplateInvalid(f"{name}: take the control characters out.", part=name, line=1)


def _to_html(parts: Parts) -> tuple[str, Callable[[str], str]]:
    """HTML with stand-ins for Liquid, and the function that puts Liquid back."""
    taken: list[str] = []

    def take(found: re.Match[str]) -> str:
        taken.append(found[0])
        return f"kqliq{len(taken) - 1:06d}qk"

    def put_back(text: str) -> str:
        return _STAND_IN.sub(lambda found: taken[int(found[1])], text)

    try:
        html = mrml.to_html(_LIQUID.sub(take, parts.mjml), render_options=_RENDER_OPTIONS).content
    except OSError as error:
        raise syntax.invalid(
            "mjml", parts.mjml, 0, f"it cannot be read as MJML ({error})", "Check the tags."
        ) from error
    if parts.preheader.strip():
        preheader = _PREHEADER.format(_LIQUID.sub(take, escape(parts.preheader.strip(), quote=False)))
        html = re.sub(r"<body[^>]*>", lambda found: found[0] + preheader, html, count=1)
    return html, put_back


def _target(href: str, links: list[str], source: str) -> str:
    """What stands in an href from now on: a mark, or a tracked block when Liquid makes the address."""
    if _STAND_IN.search(href):
        return f"kqtrack{href}kqendtrack"
    url = unescape(href).strip()
    if url.lower().startswith(("http://", "https://")):
        return marks.link(_index(url, links))
    if not url or marks.is_marked(url) or url.lower().startswith(_OTHER_SCHEMES):
        return href
    at = max(source.find(href), 0)
    raise syntax.invalid("mjml", source, at, f"a link leads to “{url[:80]}”", "Begin it with https:// or mailto:.")


def _index(url: str, links: list[str]) -> int:
    if url not in links:
        links.append(url)
    return links.index(url)


def _fold_marks(html: str) -> str:
    """The text part is made without the hidden preheader."""
    return re.sub(r'<div style="display:none;font-size:1px.*?</div>', "", html, count=1, flags=re.DOTALL)


def _compile_text(source: str, links: list[str]) -> str:
    """Number the plain addresses of a given text part; those that Liquid takes part in stay as they are."""
    pieces: list[str] = []
    position = 0
    for found in _TEXT_URL.finditer(source):
        url = found[0].rstrip(".,;:!?)")
        end = found.start() + len(url)
        if source[end : end + 1] == "{" or source[found.start() - 1 : found.start()] == "}":
            continue
        pieces += [source[position : found.start()], marks.link(_index(url, links))]
        position = end
    pieces.append(source[position:])
    return "".join(pieces)


def _named_products(parts: Parts) -> list[str]:
    """Every external id that a products filter names; "" stands for the top list."""
    named: dict[str, None] = {}
    for source in (parts.mjml, parts.text):
        for found in _PRODUCTS.finditer(source):
            ids = [""] if found[2] == "top" else [part.strip() for part in found[2].split(",")]
            named.update(dict.fromkeys(ids))
        if re.search(r"\bproducts\b", source):
            named.setdefault("")
    return list(named)
