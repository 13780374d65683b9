"""Rendering one compiled version for one recipient after another. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liquid.exceptions import LiquidError

from kapelle.kernel.templates import marks, syntax

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kapelle.kernel.templates.compiling import Compiled

_ADDRESSES = {"unsubscribe_url": marks.UNSUBSCRIBE, "preferences_url": marks.PREFERENCES, "view_url": marks.VIEW}
_BLANK_LINES = re.compile(r"\n\s*\n\s*\n")
_OWN = {"forloop", "tablerowloop", "products", *_ADDRESSES}


@dataclass(frozen=True, slots=True)
class Rendered:
    """One recipient's mail, with marks where signed addresses go. `links[i]` is the target of the mark `i`."""

    subject: str
    html: str
    text: str
    links: list[str]


class Renderer:
    """Holds the parsed templates of one version; not for use by two threads at once."""

    def __init__(self, compiled: Compiled, products: Mapping[str, Any]) -> None:
        """`products`: by external id the product's fields, and under "" the list of what sells most."""
        self._static = compiled.links
        self._fixed = {**_ADDRESSES, syntax.PRODUCTS: products, "products": products.get("", [])}
        plain, rich = syntax.environment(autoescape=False), syntax.environment(autoescape=True)
        self._subject = plain.from_string(compiled.subject)
        self._html = rich.from_string(compiled.html)
        self._text = plain.from_string(compiled.text)

    def render(self, context: Mapping[str, Any]) -> Rendered:
        """`context`: plain values under customer, attributes, campaign, brand. Raises TemplateInvalid over a limit."""
        links = list(self._static)
        facts = {**context, **self._fixed, syntax.LINKS: links}
        part = "subject"
        try:
            subject = " ".join(self._subject.render(facts).split())
            part = "mjml"
            html = self._html.render(facts)
            part = "text"
            text = _BLANK_LINES.sub("\n\n", self._text.render(facts))
        except LiquidError as error:
            raise syntax.explain_render_error(part, error) from error
        return Rendered(subject=subject, html=html, text=text, links=links)

    def missing(self, context: Mapping[str, Any]) -> list[str]:
        """Names such as `customer.first_name` that the template uses and this recipient has no value for."""
        absent: dict[str, None] = {}
        for template in (self._subject, self._html, self._text):
            for variables in template.analyze().globals.values():
                for variable in variables:
                    path = [str(segment) for segment in variable.segments]
                    if path[0] not in _OWN and not path[0].startswith("__") and not _has_value(context, path):
                        absent[".".join(path)] = None
        return list(absent)


def _has_value(context: Mapping[str, Any], path: list[str]) -> bool:
    value: Any = context
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return isinstance(value, list)  # an index or `size` of a list is not followed further
        value = value[step]
    return value not in (None, "")
