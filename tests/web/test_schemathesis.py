"""Every documented operation of a running installation under odd requests: none may end in an error of ours.

A minute in `make test`, with the same requests each time; the long form takes many more and follows links as well.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from live import installation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live import Live

_TOOL = Path(sys.executable).parent / "schemathesis"
_CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with installation() as running:
        running.cli("workspace", "create", "odd")
        yield running


def _run(live: Live, folder: Path, *options: str) -> None:
    key = live.cli("key", "create", "--workspace", "odd", "--name", "odd", "--scope", "admin")
    document = f"{live.url}/api/v1/openapi.json"
    common = ["--checks", _CHECKS, "--generation-database", "none", "--no-color"]
    done = subprocess.run(
        [_TOOL, "run", document, "--header", f"Authorization: Bearer {key}", *common, *options],
        cwd=folder,
        env={
            **os.environ,
            "HYPOTHESIS_STORAGE_DIRECTORY": str(folder),
            "SCHEMATHESIS_HOOKS": "odd_bodies",
            "PYTHONPATH": str(Path(__file__).parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "Traceback" not in (live.home / "logs" / "web.log").read_text()


def test_odd_requests_never_break_the_api(live: Live, tmp_path: Path) -> None:
    _run(live, tmp_path, "--phases", "fuzzing", "--max-examples", "8", "--max-time", "60", "--seed", "1")


@pytest.mark.long
def test_many_odd_requests_never_break_the_api(live: Live, tmp_path: Path) -> None:
    _run(live, tmp_path, "--phases", "coverage,fuzzing,stateful", "--max-examples", "100", "--max-time", "600")
