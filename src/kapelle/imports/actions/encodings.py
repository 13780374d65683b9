"""Finds the encoding of a text file: BOM, zero bytes, UTF-8 by proof, Cyrillic by letter pairs, else by a sample."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from charset_normalizer import from_bytes

from kapelle.imports.contracts import NotReadable

if TYPE_CHECKING:
    from pathlib import Path

# Stands for bytes that mean nothing in the encoding. A Unicode noncharacter: no real text holds it.
UNDECODABLE = "\ufdd0"
_ERRORS = "kapelle-undecodable"

_BLOCK = 1 << 20
_WANTED = 256 * 1024  # bytes of lines with non-ASCII letters are plenty to decide
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CYRILLIC = ("cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic")
# The most frequent pairs of letters in Russian and Ukrainian text and names.
_PAIRS = frozenset(
    [
        "ст",
        "но",
        "то",
        "на",
        "ен",
        "ов",
        "ни",
        "ра",
        "во",
        "ко",
        "ал",
        "ро",
        "не",
        "ос",
        "по",
        "ре",
        "ли",
        "ер",
        "та",
        "ва",
        "ев",
        "ан",
        "ор",
        "ин",
        "ел",
        "от",
        "ка",
        "ол",
        "ль",
        "ло",
        "ле",
        "ла",
        "ти",
        "те",
        "де",
        "ес",
        "ом",
        "ри",
        "ая",
        "ий",
        "ый",
        "на",
        "ск",
        "да",
        "ит",
        "ет",
        "об",
        "го",
        "ви",
        "ди",
        "им",
        "ла",
        "ве",
        "ки",
        "ма",
        "ми",
        "се",
        "си",
        "ин",
        "ми",
        "ик",
        "ся",
        "ям",
        "ть",
        "ат",
        "ак",
        "ль",
        "ам",
    ]
)
_LETTERS = re.compile("[а-яёА-ЯЁіїєґІЇЄҐ]")
_PUNCTUATION = frozenset("«»—–№…“”„’\u00a0")
_UTF8_SHARE = 0.9
_CYRILLIC_SHARE = 0.6
_CYRILLIC_SCORE = 0.25  # Greek and Hebrew read as koi8-r reach 0.23, Russian hardly ever falls below 0.35
# Letters of both alphabets in one word: a Latin text's accented letters that a Cyrillic table misreads.
_MIXED = re.compile("[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]")
_MIXED_SHARE = 0.3


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNDECODABLE, error.end


codecs.register_error(_ERRORS, _mark)
DECODE_ERRORS = _ERRORS


def check_encoding(name: str) -> str:
    """Python's name of a text encoding that a person gave; raises NotReadable."""
    try:
        info = codecs.lookup(name)
        "a".encode(info.name)
    except (LookupError, ValueError, TypeError) as error:
        raise NotReadable(
            f"{name!r} is not a text encoding. Examples: utf-8, windows-1251, utf-16, latin-1."
        ) from error
    return "utf-8-sig" if info.name == "utf-8" else info.name


def detect_encoding(path: Path) -> str:
    """The encoding to read this file with. Plain ASCII is read as UTF-8."""
    with path.open("rb") as file:
        head = file.read(4096)
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    wide = _utf16_without_bom(head)
    if wide:
        return wide
    sample = _telling_lines(path)
    if not sample:
        return "utf-8-sig"
    return detect_in_lines(sample)


def detect_in_lines(lines: list[bytes]) -> str:
    """The encoding of lines that each hold bytes above 127."""
    valid = sum(_decodes(line, "utf-8") for line in lines)
    if valid >= len(lines) * _UTF8_SHARE:
        return "utf-8-sig"
    text = b"\n".join(lines)
    cyrillic = max(_CYRILLIC, key=lambda name: _cyrillic_score(text, name))
    if _cyrillic_score(text, cyrillic) >= _CYRILLIC_SCORE:
        return cyrillic
    best = from_bytes(text).best()
    if best is not None and _decodes(text, best.encoding):
        return best.encoding
    return next(name for name in ("cp1252", "latin-1") if _decodes(text, name))


def _utf16_without_bom(head: bytes) -> str | None:
    """Latin text in UTF-16 has a zero in every second byte; Cyrillic text at least at its delimiters and newlines."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    few = max(len(head) // 200, 1)
    for zeros, others, name in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if zeros > few and zeros > 4 * others and _decodes(head[: len(head) // 2 * 2 - 2], name):
            return name
    return None


def _telling_lines(path: Path) -> list[bytes]:
    """Lines with bytes above 127, wherever in the file they are, up to a bounded size."""
    found: list[bytes] = []
    size = 0
    rest = b""
    with path.open("rb") as file:
        while size < _WANTED and (block := file.read(_BLOCK)):
            if block.isascii() and rest.isascii():
                rest = block[block.rfind(b"\n") + 1 :] if b"\n" in block else b""
                continue
            lines = (rest + block).split(b"\n")
            rest = lines.pop()[-_BLOCK:]
            for line in lines:
                if not line.isascii():
                    found.append(line)
                    size += len(line)
                    if size >= _WANTED:
                        break
    if rest and not rest.isascii() and size < _WANTED:
        found.append(rest)
    return found


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def _cyrillic_score(data: bytes, encoding: str) -> float:
    """The share of frequent Russian pairs in the text's pairs of Cyrillic letters; 0 when it is hardly Cyrillic."""
    text = data.decode(encoding, errors="replace")
    beyond_ascii = sum(not char.isascii() and char not in _PUNCTUATION for char in text)
    letters = len(_LETTERS.findall(text))
    if not letters or letters < beyond_ascii * _CYRILLIC_SHARE or len(_MIXED.findall(text)) > letters * _MIXED_SHARE:
        return 0.0
    pairs = hits = 0
    for word in re.findall(r"[\u0400-\u04ff]{2,}", text):
        # A capital inside a word of small letters is what a wrong table makes of small letters.
        usual = word if word[1:].islower() or word.isupper() else ""
        lowered = usual.lower()
        pairs += len(word) - 1
        hits += sum(lowered[at : at + 2] in _PAIRS for at in range(len(lowered) - 1))
    # Tables that share their small letters differ in their capitals: wrong ones show as strange signs.
    return hits / pairs * letters / beyond_ascii if pairs else 0.0
