"""What privacy keeps about people: the ledger of consent, its state, suppressions; and the remembered answers below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

from kapelle.privacy.actions.personal_rows import CHUNK, change_rows, delete_mentions, stream_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from kapelle.privacy.contracts import Subject

_OF_CONTACTS = "(channel, address) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"
_ENTRIES = f"workspace_id = %s AND (origin_id = ANY(%s::uuid[]) OR {_OF_CONTACTS})"
_STATES = f"workspace_id = %s AND ((origin_id = ANY(%s::uuid[]) AND address = '') OR {_OF_CONTACTS})"
_SUPPRESSIONS = f"workspace_id = %s AND {_OF_CONTACTS}"


class ConsentData:
    """The proof of consent goes with the person: of a refusal a keyed hash is left, so that it still holds."""

    name = "privacy"
    tables = frozenset({"consent_entries", "consent_states", "suppressions"})

    def export(self, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
        contacts = _contacts(subject)
        own = [subject.workspace_id, list(subject.origin_ids), *contacts]
        for row in stream_rows("consent_entries", _ENTRIES, own, _ENTRY):
            yield "consents", row
        for row in stream_rows("suppressions", _SUPPRESSIONS, [subject.workspace_id, *contacts]):
            yield "suppressions", row

    def erase(self, subject: Subject, now: datetime) -> dict[str, int]:
        contacts, origins = _contacts(subject), list(subject.origin_ids)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT erase_consent_entries(%s::uuid[], %s::text[], %s::text[], %s)", [origins, *contacts, CHUNK]
            )
            (erased,) = cursor.fetchone()
        own = [subject.workspace_id, origins, *contacts]
        return {
            **({"consent_entries": erased} if erased else {}),
            **change_rows("consent_states", f"DELETE FROM consent_states WHERE {_STATES}", own),
            **change_rows(
                "suppressions", f"DELETE FROM suppressions WHERE {_SUPPRESSIONS}", [subject.workspace_id, *contacts]
            ),
        }


class AnswerData:
    """Answers that are kept for a day, to be given again to a repeated request."""

    name = "answers"
    tables = frozenset({"idempotency_keys"})

    def export(self, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
        """Nothing: they say again what the other sections say."""
        yield from ()

    def erase(self, subject: Subject, now: datetime) -> dict[str, int]:
        return delete_mentions("idempotency_keys", "encode(body, 'escape')", subject)


_ENTRY = "id, origin_id, address, purpose, channel, topic, brand, status, happened_at, recorded_at, source, proof"


def _contacts(subject: Subject) -> tuple[list[str], list[str]]:
    return [channel for channel, _ in subject.contacts], [address for _, address in subject.contacts]
