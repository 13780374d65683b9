"""Personalised mails a second that one sender process hands to Postfix's `smtp-sink`, and the memory it takes.

Counted from the sender's start to the last row recorded: claims, facts, Liquid, signed links, MIME, SMTP, results and
"Email Sent" events, PostgreSQL's fsync on. Starts a PostgreSQL of its own in a temporary home. Prints JSON.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from django.db import connection

from harness import Size, arguments, database, free_port, report
from kapelle.accounts.actions import create_workspace
from kapelle.catalog.models import Order, OrderLine, Product
from kapelle.channels.email.actions import save_account
from kapelle.channels.email.contracts import TlsMode
from kapelle.customers.models import Customer
from kapelle.events.actions import open_batch
from kapelle.kernel.clock import utc_now
from kapelle.kernel.ids import uuid7
from kapelle.kernel.templates import Parts
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.actions import create_mailing, fill_mailing, mark_filled, save_template_version
from kapelle.messaging.contracts import Lane, NewMailing, SourceKind
from kapelle.messaging.queries import load_mailing

SINK = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"
MJML = """<mjml><mj-head><mj-attributes><mj-all font-family="Arial" /></mj-attributes></mj-head>
<mj-body background-color="#f4f4f4">
<mj-section><mj-column><mj-text font-size="20px">Hello {{ customer.first_name | default: "you" }},</mj-text>
<mj-text>{% if customer.city != "" %}good news for {{ customer.city }}:{% else %}good news:{% endif %}
your size is {{ attributes.size }}, your points: {{ attributes.points }}.</mj-text>
<mj-button href="https://shop.example/sale?from=mail">To the sale</mj-button></mj-column></mj-section>
<mj-section>{% for product in products limit: 3 %}
<mj-column width="33%"><mj-image src="{{ product.image_url }}" href="{{ product.url }}" alt="{{ product.name }}" />
<mj-text>{{ product.name }}, {{ product.price }} {{ product.currency }}</mj-text></mj-column>{% endfor %}</mj-section>
<mj-section><mj-column><mj-text><a href="https://shop.example/new">New</a> · <a href="https://shop.example/size">
Sizes</a> · <a href="{{ view_url }}">In the browser</a> · <a href="{{ unsubscribe_url }}">Unsubscribe</a></mj-text>
</mj-column></mj-section></mj-body></mjml>"""


def prepare(customers: int, port: int) -> tuple[Any, Any]:
    """A workspace with customers, three products that sell, an account, a wording."""
    now = utc_now()
    workspace = create_workspace(slug="bench", name="Bench shop", now=now)
    save_account(
        workspace_id=workspace.id, host="127.0.0.1", port=port, tls=TlsMode.NONE, from_address="news@shop.example",
        from_name="Bench shop", now=now, actor="bench",
    )  # fmt: skip
    with workspace_scope(workspace.id):
        batch = open_batch(source="bench", now=now).id
        Customer.objects.bulk_create(
            [
                Customer(
                    workspace_id=workspace.id, batch_id=batch, created_at=now, updated_at=now, first_name=f"Name{i}",
                    last_name=f"Family{i}", city="Riga" if i % 2 else "", email=f"person{i}@example.test",
                    external_id=str(i), attributes={"size": "M", "points": i},
                )
                for i in range(customers)
            ],
            batch_size=2000,
        )  # fmt: skip
        for i in range(3):
            Product.objects.create(
                external_id=f"p{i}", name=f"Product {i}", price=10 + i, currency="EUR", source="bench", updated_at=now,
                url=f"https://shop.example/p/{i}", image_url=f"https://shop.example/i/{i}.jpg",
            )  # fmt: skip
        order = Order.objects.create(
            batch_id=batch, external_id="o1", status="paid", ordered_at=now, currency="EUR", total=33, source="bench",
            created_at=now, updated_at=now,
        )  # fmt: skip
        for i in range(3):
            OrderLine.objects.create(
                order_id=order.id, number=i, product_external_id=f"p{i}", quantity=1, unit_price=10, total=10
            )
    parts = Parts(subject="{{ customer.first_name }}, the sale is on", preheader="Two days only", mjml=MJML)
    return workspace, save_template_version(workspace_id=workspace.id, parts=parts, now=now)


def fill(workspace: Any, template_id: Any, version: int) -> tuple[Any, float]:
    """A mailing to everybody; returns its source's id and the seconds that the ledger took."""
    now, source_id = utc_now(), uuid7()
    new = NewMailing(SourceKind.CAMPAIGN, source_id, version, template_id, "Bench", Lane.MARKETING)
    mailing_id = create_mailing(workspace_id=workspace.id, new=new, now=now)
    with workspace_scope(workspace.id):
        ids = list(Customer.objects.order_by("id").values_list("id", flat=True))
    began = time.perf_counter()
    for start in range(0, len(ids), 5000):
        with workspace_scope(workspace.id):
            mailing = load_mailing(mailing_id)
            fill_mailing(mailing=mailing, customer_ids=ids[start : start + 5000], now=now)
    seconds = time.perf_counter() - began
    mark_filled(workspace_id=workspace.id, mailing_id=mailing_id)
    return source_id, seconds


def measure(workspace: Any, source_id: Any) -> dict[str, float]:
    """One run of a fresh sender process."""

    sql = (
        "SELECT count(*), count(sent_at), extract(epoch FROM max(sent_at) - min(sent_at)) FROM sends"
        " WHERE workspace_id = %s AND source_id = %s"
    )
    process = subprocess.Popen([sys.executable, "-m", "kapelle.web.cli", "worker", "sender"])
    try:
        while True:
            time.sleep(0.5)
            with workspace_scope(workspace.id), connection.cursor() as cursor:
                cursor.execute(sql, [workspace.id, source_id])
                rows, sent, seconds = cursor.fetchone()
            assert process.poll() is None, "the sender died"
            if sent == rows:
                break
        status = Path(f"/proc/{process.pid}/status").read_text()
        ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        cpu = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
        peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
    finally:
        process.terminate()
        process.wait()
    return {"mails_s": sent / float(seconds), "rss_mb": peak, "cpu_ms_a_mail": cpu * 1000 / sent}


def main() -> None:
    options = arguments(__doc__, mails=Size(20_000, 500))
    port, fills, runs = free_port(), [], []
    sink = subprocess.Popen([SINK, "-u", "nobody", f"127.0.0.1:{port}", "100"])
    try:
        with database():
            workspace, template_id = prepare(options.mails, port)
            for version in range(1, options.runs + 1):
                source_id, seconds = fill(workspace, template_id, version)
                fills.append(options.mails / seconds)
                runs.append(measure(workspace, source_id))
    finally:
        sink.terminate()
        sink.wait()
    report(
        "campaign_hand_off",
        "mails/s",
        [run["mails_s"] for run in runs],
        options,
        sender_rss_mb=round(max(run["rss_mb"] for run in runs)),
        sender_cpu_ms_a_mail=round(statistics.median(run["cpu_ms_a_mail"] for run in runs), 2),
        ledger_rows_s=round(statistics.median(fills)),
    )


if __name__ == "__main__":
    assert Path(SINK).exists(), "this needs smtp-sink: apt-get install postfix"
    main()
