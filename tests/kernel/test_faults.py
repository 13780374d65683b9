"""A named point kills the process at the passage asked for, and only there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

_SCRIPT = """
from kapelle.kernel import faults
for n in range(4):
    print(n, flush=True)
    faults.point("here")
"""


@pytest.mark.parametrize(("fault", "printed"), [("here", "0"), ("here:3", "0 1 2"), ("there", "0 1 2 3")])
def test_the_process_dies_at_the_named_passage(fault: str, printed: str) -> None:
    environment = {**os.environ, "KAPELLE_FAULT": fault}
    done = subprocess.run([sys.executable, "-c", _SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == printed.split()
    assert done.returncode == (0 if fault == "there" else -signal.SIGKILL)
