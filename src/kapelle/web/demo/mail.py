"""The demo's mail server: takes every mail on loopback, keeps it in a Maildir, sends nothing anywhere."""

from __future__ import annotations

import email
import email.policy
import json
import mailbox
import os
import socket
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path
    from threading import Event

    from kapelle.kernel.config import Config

HOST = "127.0.0.1"
MAX_MAIL = 32 * 1024 * 1024


def mail_folder(config: Config) -> Path:
    """The Maildir of the demo."""
    return config.home / "demo-mail"


def reserve_port(config: Config) -> int:
    """The port that the server has, or will take: as set, as last time if it is still free, else any free one."""
    wished = os.environ.get("KAPELLE_DEMO_SMTP_PORT")
    if wished:
        port = int(wished)
    else:
        last = _read_port(config)
        port = last if last and (_answers(last) or _is_free(last)) else _free_port()
    config.run_dir.mkdir(parents=True, exist_ok=True)
    draft = _port_path(config).with_suffix(".new")
    draft.write_text(json.dumps({"host": HOST, "port": port}))
    draft.replace(_port_path(config))
    return port


def serve(config: Config, port: int, stop: Event) -> None:
    """Take mail until `stop` is set."""
    handler = Mailbox(mail_folder(config))
    controller = Controller(handler, hostname=HOST, port=port, data_size_limit=MAX_MAIL, enable_SMTPUTF8=True)
    controller.start()
    try:
        stop.wait()
    finally:
        controller.stop()


def read_mails(config: Config, *, to: str | None, limit: int) -> list[EmailMessage]:
    """The newest mails first, only those to one address if it is given."""
    if not mail_folder(config).is_dir():
        return []
    box = mailbox.Maildir(mail_folder(config), create=False)
    keys = sorted(box.keys(), reverse=True)
    found: list[EmailMessage] = []
    for key in keys:
        message: Any = email.message_from_bytes(box.get_bytes(key), policy=email.policy.default)
        if to is None or to.lower() in str(message["X-RcptTo"] or message["To"] or "").lower():
            found.append(message)
            if len(found) >= limit:
                break
    return found


def _port_path(config: Config) -> Path:
    return config.run_dir / "demo-smtp.json"


def _read_port(config: Config) -> int | None:
    try:
        return int(json.loads(_port_path(config).read_text())["port"])
    except (OSError, ValueError, KeyError):
        return None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _answers(port: int) -> bool:
    """Whether an SMTP server of ours is there already."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            return b"SMTP" in connection.recv(200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
