"""Sealed secrets."""

from __future__ import annotations

import os

import pytest

from kapelle.kernel.crypto import SecretUnreadable, decrypt, encrypt

KEY = os.urandom(32)


def test_a_secret_comes_back_for_its_own_row_only() -> None:
    sealed = encrypt(KEY, "пароль".encode(), aad="accounts:1")
    assert decrypt(KEY, sealed, aad="accounts:1").decode() == "пароль"
    assert "пароль".encode() not in sealed
    assert sealed != encrypt(KEY, "пароль".encode(), aad="accounts:1")
    with pytest.raises(SecretUnreadable):
        decrypt(KEY, sealed, aad="accounts:2")


def test_a_changed_byte_anywhere_is_noticed() -> None:
    sealed = encrypt(KEY, b"secret", aad="a")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SecretUnreadable):
            decrypt(KEY, bytes(changed), aad="a")
    with pytest.raises(SecretUnreadable):
        decrypt(KEY, b"", aad="a")


def test_another_installation_s_key_is_named_as_the_cause() -> None:
    with pytest.raises(SecretUnreadable, match="another key"):
        decrypt(os.urandom(32), encrypt(KEY, b"secret", aad="a"), aad="a")
