"""A disk of a few megabytes that a test may fill: a file system in memory, mounted by root."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STEP = b"\0" * 65_536


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """`folder` becomes a disk of this size, with what it held; at the end the disk and all on it are gone.

    Skips the test where mounting is not allowed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before, aside = folder.stat(), folder.with_name(f"{folder.name}.aside")
    folder.rename(aside)
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "kapelle-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        folder.rmdir()
        aside.rename(folder)
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", str(folder)], check=True)
        os.chown(folder, before.st_uid, before.st_gid)
        folder.chmod(before.st_mode)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(aside)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a byte is free on the folder's disk, whatever is given back meanwhile is taken as well by `fill`."""
    fill(folder)
    try:
        yield
    finally:
        (folder / "filler").unlink()


def fill(folder: Path) -> None:
    """Take all that is free now."""
    with (folder / "filler").open("ab", buffering=0) as file:
        try:
            while file.write(_STEP) == len(_STEP):
                pass
        except OSError:
            return
