"""Runs one erasure in a process of its own, which a fault point may kill. Called by test_erasure."""

from __future__ import annotations

import sys

import django

django.setup()

from kapelle.privacy.tasks import run_erasure  # noqa: E402  # needs a started Django

run_erasure(sys.argv[1], sys.argv[2])
