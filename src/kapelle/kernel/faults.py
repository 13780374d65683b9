"""Named points at which a test may kill the process, to prove that nothing is lost or doubled there. Pure.

`KAPELLE_FAULT=projector.before_commit` kills at the first passage, `...:3` at the third. Without it a point costs
one comparison.
"""

from __future__ import annotations

import os
import signal

_name, _, _count = os.environ.get("KAPELLE_FAULT", "").partition(":")
_left = int(_count or 1)


def point(name: str) -> None:
    """Die here by SIGKILL if KAPELLE_FAULT names this point."""
    global _left  # noqa: PLW0603  # counts passages; only a test's doomed process ever changes it
    if not _name or name != _name:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
