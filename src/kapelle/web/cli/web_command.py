"""`kapelle web`: the product's API and pages, on a unix socket behind the edge (or on a port of its own)."""

from __future__ import annotations

import signal
import sys
from typing import Any

import click
import waitress

from kapelle.kernel import config as kernel_config
from kapelle.kernel.clock import utc_now
from kapelle.kernel.telemetry import watching
from kapelle.privacy.actions import replay_erasures
from kapelle.web.checks import refuse_unsafe_database
from kapelle.web.wsgi import application

_THREADS = 8
_MAX_BODY = 2 * 1024**3 + 64 * 1024  # a 2 GB import file and its form


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Listen on this address instead of the unix socket.")
@click.option("--threads", default=_THREADS, show_default=True, help="Requests answered at the same time.")
def command(listen: str | None, threads: int) -> None:
    """Run the product's API and pages alone."""
    config = kernel_config.load()
    refuse_unsafe_database(config)
    replay_erasures(now=utc_now())
    address: dict[str, Any]
    if listen:
        address = {"listen": listen}
    else:
        config.make_sockets_dir()
        address = {"unix_socket": str(config.web_socket), "unix_socket_perms": "600"}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with watching("web"):
        waitress.serve(
            application,
            threads=threads,
            max_request_body_size=_MAX_BODY,
            ident=None,
            clear_untrusted_proxy_headers=False,  # the edge sets them; nobody else can reach the socket
            **address,
        )
