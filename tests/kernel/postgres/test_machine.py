"""Settings computed for a machine, and the system user."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kapelle.kernel.postgres import account
from kapelle.kernel.postgres.settings import Machine, configuration

if TYPE_CHECKING:
    from pathlib import Path

GB = 1024**3


def setting(machine: Machine, name: str) -> str:
    lines = dict(line.split(" = ") for line in configuration(machine).splitlines() if " = " in line)
    return lines[name]


@pytest.mark.parametrize(("memory", "buffers"), [(GB // 2, "64MB"), (4 * GB, "512MB"), (256 * GB, "4096MB")])
def test_shared_buffers_follow_the_memory_within_bounds(memory: int, buffers: str) -> None:
    assert setting(Machine(memory, 100 * GB, GB), "shared_buffers") == buffers


def test_a_small_disk_gets_a_small_write_ahead_log() -> None:
    assert setting(Machine(4 * GB, 2 * GB, GB), "max_wal_size") == "512MB"
    assert setting(Machine(4 * GB, 500 * GB, GB), "max_wal_size") == "4096MB"


def test_a_container_with_a_tiny_dev_shm_does_not_use_it() -> None:
    assert setting(Machine(4 * GB, 9 * GB, 64 * 1024**2), "dynamic_shared_memory_type") == "sysv"


@pytest.mark.parametrize("name", ["fsync", "synchronous_commit", "full_page_writes"])
def test_nothing_acknowledged_may_be_lost(name: str) -> None:
    assert setting(Machine(GB, GB, GB), name) == "on"


def test_a_system_user_is_written_by_hand_where_no_tool_is(tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("root:x:0:0:root:/root:/bin/sh")
    (tmp_path / "group").write_text("root:x:0:\n")
    account.write_by_hand("kapelle-test", etc=tmp_path)
    root, added = (tmp_path / "passwd").read_text().splitlines()
    assert root == "root:x:0:0:root:/root:/bin/sh"
    name, password, uid, gid, _, home, shell = added.split(":")
    assert (name, password, home, shell) == ("kapelle-test", "!", "/nonexistent", "/usr/sbin/nologin")
    assert 100 < int(uid) == int(gid) < 1000
    assert (tmp_path / "group").read_text().endswith(f"\nkapelle-test:x:{gid}:\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make users")
def test_root_under_another_name_is_not_accepted() -> None:
    with pytest.raises(account.AccountUnusable, match="root under another name"):
        account.ensure_user("root")
