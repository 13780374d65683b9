"""The sender against a real SMTP server in this process."""

from __future__ import annotations

from messaging.shop import add_account, add_customers, add_mailing, send_all
from messaging.smtp_server import Box, smtp_server


def test_everybody_in_the_ledger_gets_one_personal_mail(workspace, now):
    people = [{"email": f"p{i}@example.test", "first_name": f"Pat{i}", "external_id": str(i)} for i in range(120)]
    ids = add_customers(workspace, now, people)
    box = Box()
    with smtp_server(box) as port:
        add_account(workspace, now, port)
        rows = send_all(workspace, add_mailing(workspace, now, ids))
    assert sorted(box.addresses) == sorted(person["email"] for person in people)
    assert {row.status for row in rows.values()} == {"sent"}
    mail = box.mail("p7@example.test")
    assert mail["Subject"] == "Sale, Pat7!"
