"""Tells the tables of Cyrillic text apart by the pairs of letters that Russian, Ukrainian and Bulgarian words have."""

from __future__ import annotations

import re

TABLES = ("cp1251", "koi8-u", "cp866", "iso8859-5", "mac-cyrillic", "cp855")
ENOUGH = 0.25  # Greek and Hebrew read as koi8-r reach 0.23, Russian hardly ever falls below 0.35
CLOSE = 0.03  # windows-1251 and Mac share their small letters; what is really Mac's differs by 0.06 and more

# The most frequent pairs of letters in text and names.
_PAIRS = frozenset(
    re.findall(
        r"\w\w",
        "ст но то на ен ов ни ра во ко ал ро не ос по ре ли ер та ва ев ан ор ин ел от ка ол ль ло ле ла "
        "ти те де ес ом ри ая ий ый ск да ит ет об го ви ди им ве ки ма ми се си ик ся ям ть ат ак ам ",
    )
)
_LETTERS = re.compile("[а-яёА-ЯЁіїєґІЇЄҐ]")
_PUNCTUATION = frozenset("«»—–№…“”„’\u00a0")
_SHARE = 0.6
# Letters of both alphabets in one word: a Latin text's accented letters that a Cyrillic table misreads.
_MIXED = re.compile("[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]")
_MIXED_SHARE = 0.3


def rank_tables(data: bytes) -> list[tuple[float, str]]:
    """The tables by how much like words they make this text, best first."""
    return sorted(((score(data, name), name) for name in TABLES), reverse=True)


def score(data: bytes, encoding: str) -> float:
    """The share of frequent Russian pairs in the text's pairs of Cyrillic letters; 0 when it is hardly Cyrillic."""
    text = data.decode(encoding, errors="replace")
    beyond_ascii = sum(not char.isascii() and char not in _PUNCTUATION for char in text)
    letters = len(_LETTERS.findall(text))
    if not letters or letters < beyond_ascii * _SHARE or len(_MIXED.findall(text)) > letters * _MIXED_SHARE:
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
