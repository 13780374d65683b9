"""Helpers of import tests: write a file, run it, look at what came of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from kapelle.imports.actions.jobs import create_job
from kapelle.imports.actions.running import run_job
from kapelle.imports.actions.undoing import request_undo, undo_job
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from kapelle.accounts.contracts import WorkspaceInfo
    from kapelle.imports.contracts import JobInfo

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Importing:
    """A workspace, a folder, and the three things that one does with a file."""

    def __init__(self, workspace: WorkspaceInfo, folder: Path) -> None:
        self.workspace_id: UUID = workspace.id
        self.folder = folder
        self.now = NOW

    def file(self, text: str | bytes, name: str = "file.csv") -> Path:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def prepare(
        self, kind: str, text: str | bytes | Path, mapping: dict[str, Any] | None = None, **options: Any
    ) -> JobInfo:
        path = self.file(text) if isinstance(text, str | bytes) else text
        return create_job(
            workspace_id=self.workspace_id, kind=kind, path=path, now=self.now, actor="test", mapping=mapping, **options
        )

    def run(
        self, kind: str, text: str | bytes | Path, mapping: dict[str, Any] | None = None, **options: Any
    ) -> JobInfo:
        job = self.prepare(kind, text, mapping, **options)
        return run_job(workspace_id=self.workspace_id, job_id=job.id, clock=lambda: self.now)

    def undo(self, job: JobInfo) -> JobInfo:
        request_undo(workspace_id=self.workspace_id, job_id=job.id, now=self.now, actor="test")
        return undo_job(workspace_id=self.workspace_id, job_id=job.id, clock=lambda: self.now)

    def scope(self) -> Any:
        return workspace_scope(self.workspace_id)


@pytest.fixture
def importing(workspace: WorkspaceInfo, tmp_path: Path) -> Importing:
    return Importing(workspace, tmp_path)
