"""Runs one import job in a process of its own, which a fault point may kill. Called by test_running."""

from __future__ import annotations

import sys
from uuid import UUID

import django

django.setup()

from kapelle.imports.actions.running import run_job  # noqa: E402  # needs a started Django
from kapelle.imports.contracts import get_importer  # noqa: E402
from kapelle.kernel.clock import utc_now  # noqa: E402

get_importer("orders").chunk_rows = 10
run_job(workspace_id=UUID(sys.argv[1]), job_id=UUID(sys.argv[2]), clock=utc_now)
