"""Marks that stand in rendered text where each recipient's own signed address will be put. Pure.

A mark is a control character that no mail may contain, a word, and another control character: `\\x02 17 \\x03`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

OPEN = "\x02o\x03"  # the open pixel
UNSUBSCRIBE = "\x02u\x03"
PREFERENCES = "\x02p\x03"
VIEW = "\x02v\x03"

_MARK = re.compile("\x02([a-z0-9]+)\x03")


def link(index: int) -> str:
    """The mark of the link at this place of `Rendered.links`."""
    return f"\x02{index}\x03"


def is_marked(text: str) -> bool:
    """Whether a mark stands somewhere in it."""
    return "\x02" in text


def replace(text: str, address: Callable[[str], str]) -> str:
    """Put `address("o" | "u" | "p" | "v" | "<index>")` in the place of each mark."""
    return _MARK.sub(lambda match: address(match[1]), text)
