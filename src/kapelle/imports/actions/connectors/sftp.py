"""A folder over SFTP: Debian's `ssh` makes the connection, we speak version 3 of the protocol through it.

The address is resolved and checked like any other that people gave, and ssh connects to that very one. The server must
show the key that was stored with the source. Reads are asked for in advance: a far server is no slower than a near one.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import stat
import struct
import subprocess
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from kapelle.imports.actions.storage import FILE_LIMITS, MAX_FILE, require_space
from kapelle.imports.contracts.sources import RemoteFile, SourceFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kapelle.imports.contracts.sources import SftpPlace
    from kapelle.kernel.http import GuardedClient

_INIT, _VERSION, _OPEN, _CLOSE, _READ, _OPENDIR, _READDIR = 1, 2, 3, 4, 5, 11, 12
_STATUS, _HANDLE, _DATA, _NAME = 101, 102, 103, 104
_EOF = 1
_PIECE = 32 * 1024
_AHEAD = 32
_MAX_PACKET = 512 * 1024
_MAX_FILES = 100_000
_SECONDS = 20
_SIZE, _IDS, _MODE, _TIMES = 1, 2, 4, 8  # flags of a file's attributes


class SftpConnector:
    """One ssh process, one folder."""

    def __init__(self, place: SftpPlace, secret: str, client: GuardedClient) -> None:
        if any(char.isspace() or char in "\0-" for text in (place.host[:1], place.username[:1]) for char in text):
            raise SourceFailed("The host or user name cannot be used.")
        self._place = place
        self._number = 0
        address = client.resolve_host(place.host, place.port)
        self._private = Path(tempfile.mkdtemp(prefix="kapelle-sftp-"))
        try:
            self._process = subprocess.Popen(  # noqa: S603  # a list of words, no shell
                self._command(address, secret),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment(secret),
                start_new_session=True,  # no terminal to ask at
            )
        except OSError as error:
            self._forget()
            raise SourceFailed("The program `ssh` is not installed on this machine.") from error
        self._deadline = threading.Timer(FILE_LIMITS.seconds, self._process.kill)
        self._deadline.daemon = True
        self._deadline.start()
        self._in = cast("IO[bytes]", self._process.stdin)
        self._out = cast("IO[bytes]", self._process.stdout)
        try:
            self._write(bytes([_INIT]) + struct.pack(">I", 3))
            kind, _ = self._packet()
            if kind != _VERSION:
                raise SourceFailed("The server does not speak SFTP.")
        except BaseException:
            self.close()
            raise

    def list_files(self) -> Iterator[RemoteFile]:
        handle = self._handle(bytes([_OPENDIR]), _text(self._place.folder))
        listed = 0
        while True:
            kind, body = self._ask(bytes([_READDIR]), handle)
            if kind == _STATUS:
                self._require(body, _EOF)
                break
            for name, size, mode, changed in _entries(body):
                listed += 1
                if listed > _MAX_FILES:
                    raise SourceFailed(f"The folder lists more than {_MAX_FILES:,} files.")
                if mode is None or stat.S_ISREG(mode):
                    yield RemoteFile(name, f"{changed}-{size}", size)
        self._ask(bytes([_CLOSE]), handle)

    def fetch(self, file: RemoteFile, path: Path, *, seen: str) -> str | None:
        require_space(path.parent, file.size or 0)
        if (file.size or 0) > MAX_FILE:
            raise SourceFailed(f"{file.name} is larger than {MAX_FILE:,} bytes.")
        name = posixpath.join(self._place.folder, file.name)
        handle = self._handle(bytes([_OPEN]), _text(name), struct.pack(">II", 1, 0))
        size = 0
        with path.open("wb") as target:
            for piece in self._pieces(handle):
                size += target.write(piece)
                if size > MAX_FILE:
                    raise SourceFailed(f"{file.name} is larger than {MAX_FILE:,} bytes.")
        self._ask(bytes([_CLOSE]), handle)
        return file.version

    def _pieces(self, handle: bytes) -> Iterator[bytes]:
        """Reads asked for in advance; a short one is asked for again from where it stopped."""
        waiting: deque[tuple[int, int]] = deque()
        offset, is_end = 0, False
        while waiting or not is_end:
            while not is_end and len(waiting) < _AHEAD:
                self._send(bytes([_READ]), handle, struct.pack(">QI", offset, _PIECE))
                waiting.append((offset, _PIECE))
                offset += _PIECE
            at, wanted = waiting.popleft()
            kind, body = self._packet()
            if kind == _STATUS:
                self._require(body, _EOF)
                is_end = True
                continue
            if kind != _DATA or is_end:
                raise SourceFailed("The server's answer to a read is not one.")
            piece = body[4:]
            if not piece:
                raise SourceFailed("The server answers a read with nothing.")
            if len(piece) < wanted:
                for _ in waiting:  # what is on its way is asked for again afterwards
                    self._packet()
                waiting.clear()
                offset = at + len(piece)
            yield piece

    def close(self) -> None:
        self._deadline.cancel()
        self._process.kill()
        self._process.communicate()
        self._forget()

    def _forget(self) -> None:
        shutil.rmtree(self._private, ignore_errors=True)

    def _command(self, address: str, secret: str) -> list[str]:
        place = self._place
        known = self._private / "known_hosts"
        known.write_text(f"kapelle-source {place.host_key.strip()}\n")
        options = {
            "HostKeyAlias": "kapelle-source",
            "UserKnownHostsFile": known,
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "CheckHostIP": "no",
            "ConnectTimeout": _SECONDS,
            "ServerAliveInterval": _SECONDS,
            "ServerAliveCountMax": 2,
            "ForwardAgent": "no",
            "ClearAllForwardings": "yes",
            "PermitLocalCommand": "no",
            "IdentityAgent": "none",
            "IdentitiesOnly": "yes",
            "NumberOfPasswordPrompts": 1,
            "LogLevel": "ERROR",
        }
        if _is_key(secret):
            key = self._private / "key"
            key.touch(mode=0o600)
            key.write_text(secret.strip() + "\n")
            options |= {"IdentityFile": key, "PreferredAuthentications": "publickey", "BatchMode": "yes"}
        else:
            options |= {"IdentityFile": "none", "PreferredAuthentications": "password,keyboard-interactive"}
        listed = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", *listed, "-p", str(place.port), "-l", place.username, "-s", "--", address, "sftp"]

    def _environment(self, secret: str) -> dict[str, str]:
        """A password goes to ssh by a program that prints it from the environment: never an argument, never a file."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        if not _is_key(secret):
            ask = self._private / "ask"
            ask.write_text('#!/bin/sh\nprintf "%s\\n" "$KAPELLE_SFTP_PASSWORD"\n')
            ask.chmod(0o700)
            environment |= {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force", "KAPELLE_SFTP_PASSWORD": secret}
        return environment

    def _handle(self, kind: bytes, *parts: bytes) -> bytes:
        answer, body = self._ask(kind, *parts)
        if answer != _HANDLE:
            raise SourceFailed(f"The server refuses: {_reason(body)}.")
        return body  # as the protocol writes it, with its length

    def _ask(self, kind: bytes, *parts: bytes) -> tuple[int, bytes]:
        self._send(kind, *parts)
        return self._packet()

    def _send(self, kind: bytes, *parts: bytes) -> None:
        self._number += 1
        self._write(kind + struct.pack(">I", self._number) + b"".join(parts))

    def _write(self, body: bytes) -> None:
        try:
            self._in.write(struct.pack(">I", len(body)) + body)
            self._in.flush()
        except OSError as error:
            raise self._broken() from error

    def _packet(self) -> tuple[int, bytes]:
        """Kind and body of the next answer, behind its number."""
        head = self._out.read(4)
        length = struct.unpack(">I", head)[0] if len(head) == 4 else 0  # noqa: PLR2004
        body = self._out.read(length) if 0 < length <= _MAX_PACKET else b""
        if not body or len(body) < length:
            raise self._broken()
        return body[0], body[1:] if body[0] == _VERSION else body[5:]

    def _broken(self) -> SourceFailed:
        self._process.kill()
        _, said = self._process.communicate()
        words = said.decode(errors="replace").strip().splitlines() if said else []
        return SourceFailed(
            f"No SFTP connection to {self._place.host}: {words[-1][:300] if words else 'it broke off'}."
        )

    def _require(self, body: bytes, code: int) -> None:
        if struct.unpack(">I", body[:4])[0] != code:
            raise SourceFailed(f"The server refuses: {_reason(body)}.")


def _is_key(secret: str) -> bool:
    return "PRIVATE KEY-----" in secret


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(">I", len(encoded)) + encoded


def _reason(body: bytes) -> str:
    length = struct.unpack(">I", body[4:8])[0]
    return body[8 : 8 + length].decode(errors="replace")[:200] or "without a word"


def _entries(body: bytes) -> Iterator[tuple[str, int, int | None, int]]:
    """Name, size, mode and time of change of each file in a listing."""
    at = 4

    def take(form: str) -> tuple[int, ...]:
        nonlocal at
        values = struct.unpack_from(form, body, at)
        at += struct.calcsize(form)
        return values

    for _ in range(struct.unpack_from(">I", body)[0]):
        texts = []
        for _part in range(2):  # the name, and a line as `ls -l` has it
            (length,) = take(">I")
            texts.append(body[at : at + length])
            at += length
        (flags,) = take(">I")
        size = take(">Q")[0] if flags & _SIZE else 0
        if flags & _IDS:
            take(">II")
        mode = take(">I")[0] if flags & _MODE else None
        changed = take(">II")[1] if flags & _TIMES else 0
        yield texts[0].decode(errors="replace"), size, mode, changed
