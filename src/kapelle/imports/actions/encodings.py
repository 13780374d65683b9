"""Finds the encoding of a text file, or refuses: a text is never read in a way that may change a letter.

By proof: byte order mark, zero bytes, escape sequences, UTF-8. By evidence: Cyrillic by pairs of letters, the rest by
Mozilla's detector. Where the evidence is weak and the candidates read differently, who sent the file is asked.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from chardetng_py import EncodingDetector
from charset_normalizer import from_bytes

from kapelle.imports.actions.cyrillic import CLOSE, ENOUGH, rank_tables
from kapelle.imports.contracts import EncodingUncertain, NotReadable

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
_UTF8_SHARE = 0.9
# The detector names encodings as browsers do. Supersets read what their subsets hold, and more.
_SUPERSETS = {
    "windows-874": "cp874",
    "shift_jis": "cp932",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "euc-kr": "cp949",
    "big5": "big5hkscs",
}
_LATIN_SHARE = 0.7  # of the letters beyond ASCII, those that stand beside an ASCII letter
_COMMON_HANZI = 0.9
_SIGNS = frozenset("\u00a0‘’‚“”„«»‹›–—…•™©®€£§°·´¿¡ªº¹²³½¼¾×")
_HANGUL_SHARE = 0.5
_FEW = 10  # bytes beyond ASCII that are too few to choose by
_SHORT = 40  # below that, pairs of letters prove nothing by themselves
_SAMPLE = 80
# Hungarian under the western table: no other language has these letters there.
_HUNGARIAN = re.compile("õ(?![eE])|Õ(?![eE])")
_HUNGARIAN_TOO = re.compile("[áÁéÉ]")


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
    """The encoding to read this file with; plain ASCII is read as UTF-8. Raises EncodingUncertain."""
    with path.open("rb") as file:
        head = file.read(4096)
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    shown = _wide_without_bom(head) or _escaped(path, head)
    if shown:
        return shown
    sample = _telling_lines(path)
    return detect_in_lines(sample) if sample else "utf-8-sig"


def detect_in_lines(lines: list[bytes]) -> str:
    """The encoding of lines that each hold bytes above 127; raises EncodingUncertain."""
    valid = sum(_decodes(line, "utf-8") for line in lines)
    if valid >= len(lines) * _UTF8_SHARE:
        return "utf-8-sig"
    text = b"\n".join(lines)
    guess = _guess(text)
    (best, table), (second, other), *_ = rank_tables(text)
    if best >= ENOUGH:
        if _beyond_ascii(text) < _SHORT:
            if guess != table or table == "mac-cyrillic":
                raise _uncertain(lines, (table, "cp1251" if guess == table else guess))
            return _unless_weak(lines, text, guess)
        if best - second >= CLOSE or _letters(text, table) == _letters(text, other):
            return table
        if guess in (table, other):
            return guess
        raise _uncertain(lines, (table, other))
    if guess == "mac-cyrillic":  # the pairs of letters did not say so
        raise _uncertain(lines, (guess, "cp1251"))
    if guess == "cp1252":
        return _western(lines, text)
    if guess == "gb18030" and _hanzi_share(text) < _COMMON_HANZI:
        raise _uncertain(lines, (guess, "big5", "euc_jp", "cp949"))
    return _unless_weak(lines, text, guess)


def _guess(text: bytes) -> str:
    detector = EncodingDetector()
    detector.feed(text, last=True)
    name = str(detector.guess(tld=None, allow_utf8=False)).lower()
    return codecs.lookup(_SUPERSETS.get(name, name)).name


def _western(lines: list[bytes], text: bytes) -> str:
    """Windows-1252 is what the detector says when nothing else fits: see whether it does."""
    read = text.decode("cp1252", errors="replace")
    beyond = sum(not char.isascii() and char not in _SIGNS for char in read)
    in_words = sum(len(found) for found in _IN_WORD.findall(read))
    if in_words < beyond * _LATIN_SHARE:
        if _hangul_share(text) >= _HANGUL_SHARE:
            return "johab"
        raise _uncertain(lines, ("cp1252", "cp850", "mac-roman"))
    if _HUNGARIAN.search(read) and _HUNGARIAN_TOO.search(read):
        if _letters(text, "cp1250") == _letters(text, "iso8859-2"):
            return "cp1250"
        raise _uncertain(lines, ("cp1250", "iso8859-2", "cp1252"))
    return _unless_weak(lines, text, "cp1252")


# Letters beyond ASCII, alone or in pairs, that touch an ASCII letter: Müller, Grüße, été.
_IN_WORD = re.compile("(?<=[A-Za-z])[À-ÖØ-öø-ÿŠŽšžŸŒœ]{1,2}|[À-ÖØ-öø-ÿŠŽšžŸŒœ]{1,2}(?=[A-Za-z])")


def _unless_weak(lines: list[bytes], text: bytes, guess: str) -> str:
    """The guess, unless it stands on a few letters and another detector reads other letters."""
    if _beyond_ascii(text) >= _FEW:
        return guess
    best = from_bytes(text).best()
    if best is not None and _decodes(text, best.encoding) and _letters(text, best.encoding) != _letters(text, guess):
        raise _uncertain(lines, (guess, best.encoding))
    return guess


def _uncertain(lines: list[bytes], names: tuple[str, ...]) -> EncodingUncertain:
    """What to tell the person: how one line of theirs reads in each candidate."""
    line = max(lines[:50], key=lambda one: _beyond_ascii(one) / (len(one) + 40))
    readings = [{"encoding": name, "sample": _around(line, name)} for name in names if _decodes(line, name)]
    shown = "; ".join(f"as {item['encoding']} it reads {item['sample']!r}" for item in readings)
    return EncodingUncertain(
        f"The file's encoding cannot be told for sure, and a wrong one would change its letters. A line of it: {shown}."
        " Give the right one as `encoding`.",
        candidates=readings,
    )


def _around(line: bytes, name: str) -> str:
    """The part of the line that tells: around its first letter beyond ASCII."""
    text = line.decode(name, errors="replace").strip()
    at = next((place for place, char in enumerate(text) if not char.isascii()), 0)
    start = max(at - _SAMPLE // 4, 0)
    return text[start : start + _SAMPLE]


def _beyond_ascii(data: bytes) -> int:
    return sum(byte >= 128 for byte in data)  # noqa: PLR2004  # the first that is none


def _letters(text: bytes, name: str) -> str:
    """What must not change: relatives may differ in a dash or a dot."""
    return "".join(filter(str.isalpha, text.decode(name, errors="replace")))


def _hanzi_share(text: bytes) -> float:
    """Of the double bytes of Chinese, those that are punctuation or of the 3,755 everyday characters."""
    leads: list[int] = [pair[0] for pair in re.findall(rb"[\x81-\xfe][\x40-\xfe]", text)]
    everyday = sum(0xA1 <= lead <= 0xD7 for lead in leads)  # noqa: PLR2004  # rows of GB 2312
    return everyday / max(len(leads), 1)


def _hangul_share(text: bytes) -> float:
    """Of what is beyond ASCII, the Korean syllables that Johab makes of it."""
    read = text.decode("johab", errors="replace")
    return sum("가" <= char <= "힣" for char in read) / max(sum(not char.isascii() for char in read), 1)


def _escaped(path: Path, head: bytes) -> str | None:
    """ISO 2022: plain ASCII with escape sequences that switch to Japanese or Korean."""
    if b"\x1b" not in head and b"\x0e" not in head:
        return None
    with path.open("rb") as file:
        data = file.read(_WANTED)
    return next((name for name in ("iso2022_kr", "iso2022_jp_2") if data.isascii() and _decodes(data, name)), None)


def _wide_without_bom(head: bytes) -> str | None:
    """Latin text in UTF-16 has a zero in every second byte; Cyrillic text at least at its delimiters and newlines."""
    whole = head[: len(head) // 4 * 4]
    for name, nothing in (("utf-32-be", whole[0::4] + whole[1::4]), ("utf-32-le", whole[2::4] + whole[3::4])):
        if whole and nothing.count(0) > len(nothing) * 0.9 and _decodes(whole, name):  # planes 0 to 16
            return name
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
