"""Texts as they are compared: one alphabet, one case, no marks; and keys for what is written in several ways."""

from __future__ import annotations

import re
from functools import lru_cache

from anyascii import anyascii

_APOSTROPHES = re.compile(r"['`´’ʹʺ\"]+")
_NOT_WORDS = re.compile(r"[^a-z0-9]+")
_NOT_DIGITS = re.compile(r"[^0-9]+")
_MAILBOX_MARKS = re.compile(r"\+.*|[._-]+")

# Spellings of one sound, and ways in which Cyrillic is written in Latin: Yulia, Iuliia, Julia; Dmitriy, Dmitri.
_SOUNDS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        ("shch|sch", "sh"),
        ("tch", "ch"),
        ("kh", "h"),
        ("ph", "f"),
        ("th", "t"),
        ("ck|q", "k"),
        ("x", "ks"),
        ("w", "v"),
        ("j", "y"),
        ("c(?=[eiy])", "s"),
        ("c(?!h)", "k"),
        ("[yi]+([uaoe])", r"\1"),
        ("[yi]+", "i"),
        (r"(.)\1+", r"\1"),
    )
)


@lru_cache(maxsize=100_000)
def plain(text: str) -> str:
    """Lower-case Latin letters and digits, words parted by one space: "Щербаков-Юн" is "shcherbakov yun"."""
    return _NOT_WORDS.sub(" ", _APOSTROPHES.sub("", anyascii(text).lower())).strip()


@lru_cache(maxsize=100_000)
def sound(name: str) -> str:
    """A key that other spellings of the same name share; `name` is plain."""
    key = name.replace(" ", "")
    for pattern, replacement in _SOUNDS:
        key = pattern.sub(replacement, key)
    return key


def digits(text: str) -> str:
    """Digits only: telephone numbers and codes written in any way."""
    return _NOT_DIGITS.sub("", text)


def mailbox(address: str) -> tuple[str, str]:
    """The local part without dots, dashes and a +tag, and the domain."""
    local, _, domain = address.lower().rpartition("@")
    return _MAILBOX_MARKS.sub("", local), domain


def beyond_names(local: str, *names: str) -> str:
    """What a local part holds besides the person's names: "" for "annaivanova", "aivanova" and "ivanova7".

    One more letter or digit is an initial or a counter.
    """
    rest = sound(local)
    for name in sorted((sound(name) for name in names if name), key=len, reverse=True):
        rest = rest.replace(name, "", 1)
    return "" if len(rest) <= 1 else rest
