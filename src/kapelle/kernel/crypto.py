"""Envelope encryption (AES-256-GCM): a fresh data key for each value, itself wrapped by the installation's key. Pure.

The associated data names the row that a ciphertext belongs to, so that it cannot be moved to another one.
"""

from __future__ import annotations

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kapelle.kernel.errors import KapelleError

_VERSION = b"\x01"
_KEY = 32
_NONCE = 12
_TAG = 16
_NAME = 4  # which key wrapped it, for rotation and for a clear error
_WRAPPED = _NONCE + _KEY + _TAG


class SecretUnreadable(KapelleError):
    """A stored secret cannot be decrypted: the key in KAPELLE_HOME/keys is another one, or the row was changed."""

    code = "secret_unreadable"
    status = 500


def encrypt(kek: bytes, plaintext: bytes, *, aad: str) -> bytes:
    """Seal `plaintext` for the row named by `aad`; `kek` is 32 bytes."""
    data_key = AESGCM.generate_key(_KEY * 8)
    bound = aad.encode()
    wrap_nonce, nonce = os.urandom(_NONCE), os.urandom(_NONCE)
    wrapped = wrap_nonce + AESGCM(kek).encrypt(wrap_nonce, data_key, bound)
    return _VERSION + _key_name(kek) + wrapped + nonce + AESGCM(data_key).encrypt(nonce, plaintext, bound)


def decrypt(kek: bytes, sealed: bytes, *, aad: str) -> bytes:
    """Open what `encrypt` sealed for the same row; raises SecretUnreadable."""
    head = 1 + _NAME
    if sealed[:1] != _VERSION or sealed[1:head] != _key_name(kek):
        raise SecretUnreadable(
            "A stored secret was sealed with another key than the one in KAPELLE_HOME/keys. "
            "Put the old key back, or enter the secret again."
        )
    wrapped, rest = sealed[head : head + _WRAPPED], sealed[head + _WRAPPED :]
    bound = aad.encode()
    try:
        data_key = AESGCM(kek).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], bound)
        return AESGCM(data_key).decrypt(rest[:_NONCE], rest[_NONCE:], bound)
    except InvalidTag as error:
        raise SecretUnreadable("A stored secret was changed or moved to another row. Enter it again.") from error


def _key_name(kek: bytes) -> bytes:
    return hashlib.sha256(b"kapelle key name" + kek).digest()[:_NAME]
