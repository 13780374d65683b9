"""The installation that this test process works in: a home of its own, Django ready. Import it before any model."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile

import django
import psycopg
from django.test.utils import setup_test_environment


def _fresh_database(base: str) -> str:
    """A database of its own on a given server, so that several test processes can share the server."""
    name = f"kapelle_test_{secrets.token_hex(4)}"
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return psycopg.conninfo.make_conninfo(base, dbname=name)


HOME = tempfile.mkdtemp(prefix="kapelle-test-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ["KAPELLE_HOME"] = HOME
os.environ["DJANGO_SETTINGS_MODULE"] = "kapelle.web.settings"
if base_url := os.environ.get("KAPELLE_TEST_DATABASE_URL"):
    os.environ["DATABASE_URL"] = _fresh_database(base_url)
django.setup()
setup_test_environment()
