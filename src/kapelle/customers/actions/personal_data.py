"""What customers keeps about people, and how a person is found under all of their ids and names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

from kapelle.customers.models import Customer, Identifier
from kapelle.customers.queries.contacts import as_contacts
from kapelle.customers.queries.lookups import resolve_customer
from kapelle.events.actions import close_batch, delete_from_columnar, lock_workspace, open_batch
from kapelle.imports.actions.changes import forget_changes
from kapelle.kernel.tenancy import current_workspace
from kapelle.privacy.actions import change_rows, stream_rows
from kapelle.privacy.contracts import Subject, TombstoneKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from kapelle.events.contracts import OpenBatch

_SOURCE = "erasure"
_CHUNK = 5_000
_KEPT = {"id", "workspace_id", "batch_id", "merged_into", "created_at", "updated_at"}
_ORIGIN = "workspace_id = %s AND customer_id = ANY(%s::uuid[])"
_NAMES = "workspace_id = %(workspace)s AND customer_id = ANY(%(origins)s::uuid[])"
# Links from names of others, of a kind that two people may share, make the name theirs.
_SHARE = """
UPDATE identifiers i SET customer_id = o.customer_id, facet = NULL, batch_id = %(batch)s, is_moved = true
FROM (
    SELECT DISTINCT ON (l.weak_id) l.weak_id, s.customer_id
    FROM identity_links l
    JOIN identifiers s ON s.workspace_id = l.workspace_id AND s.id = l.strong_id
    WHERE l.workspace_id = %(workspace)s AND l.weak_id = ANY(%(origins)s::uuid[])
      AND s.customer_id <> ALL(%(origins)s::uuid[])
    ORDER BY l.weak_id, l.at, l.strong_id
) o
JOIN identity_rules r ON r.workspace_id = %(workspace)s AND NOT r.grants_access
WHERE i.workspace_id = %(workspace)s AND i.id = o.weak_id AND i.kind = r.kind
  AND i.customer_id = ANY(%(origins)s::uuid[])
"""
_STRAYS = """
SELECT DISTINCT w.id FROM identity_links l
JOIN identifiers w ON w.workspace_id = l.workspace_id AND w.id = l.weak_id AND w.customer_id IS NULL
WHERE l.workspace_id = %(workspace)s AND l.strong_id = ANY(%(origins)s::uuid[])
"""
_DELETE_STRAYS = """
DELETE FROM identifiers i WHERE i.workspace_id = %(workspace)s AND i.id = ANY(%(strays)s::uuid[])
  AND NOT EXISTS (SELECT FROM identity_links l WHERE l.workspace_id = i.workspace_id AND l.weak_id = i.id)
RETURNING i.id
"""
_MERGES = "workspace_id = %s AND (winner_id = ANY(%s::uuid[]) OR loser_id = ANY(%s::uuid[]))"
_REVIEWS = "workspace_id = %s AND (customer_id = ANY(%s::uuid[]) OR other_customer_id = ANY(%s::uuid[]))"
_ROWS = "workspace_id = %s AND id = ANY(%s::uuid[])"


class CustomerPeople:
    """Finds persons for privacy."""

    def find(self, customer_id: UUID) -> Subject:
        """See privacy.contracts.People."""
        lock_workspace(current_workspace(), wait=True)
        return _subject(resolve_customer(customer_id))

    def search(self, is_known: Callable[[TombstoneKind, str, str], bool]) -> Iterator[Subject]:
        """See privacy.contracts.People."""
        lock_workspace(current_workspace(), wait=True)
        rows = Identifier.objects.values_list("customer_id", "kind", "value").iterator(_CHUNK)
        homes = {home for home, kind, value in rows if home and is_known(TombstoneKind.IDENTIFIER, kind, value)}
        ids = Customer.objects.values_list("id", flat=True).iterator(_CHUNK)
        homes |= {home for home in ids if is_known(TombstoneKind.CUSTOMER, "", str(home))}
        for home in dict.fromkeys(resolve_customer(home) for home in sorted(homes)):
            yield _subject(home)


def _subject(home: UUID) -> Subject:
    names = list(Identifier.objects.filter(customer_id=home).order_by("first_seen_at", "id"))
    husks = Customer.objects.filter(merged_into=home).values_list("id", flat=True)
    origins = dict.fromkeys([home, *(row.id for row in names), *husks])
    identifiers = tuple((row.kind, row.value) for row in names)
    return Subject(current_workspace(), home, tuple(origins), identifiers, tuple(as_contacts(identifiers)))


class IdentityData:
    """The names of a person, what was merged and what is to be reviewed. Among the first that an erasure asks: without
    names nothing new comes to the person, and nobody finds them; the profile is emptied with them."""

    name = "identity"
    tables = frozenset({"identifiers", "identity_links", "merge_journal", "identity_reviews"})

    def export(self, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
        own, origins = [subject.workspace_id], list(subject.origin_ids)
        for row in stream_rows(
            "identifiers", _ORIGIN, [*own, origins], "id, kind, value, source, first_seen_at, facet"
        ):
            yield "identifiers", row
        merges = "id, winner_id, loser_id, reason, evidence, merged_at, undone_at"
        for row in stream_rows("merge_journal", _MERGES, [*own, origins, origins], merges):
            yield "merges", row

    def erase(self, subject: Subject, now: datetime) -> dict[str, int]:
        own, origins = [subject.workspace_id], list(subject.origin_ids)
        gone = _erase_identifiers(subject, now)
        return {
            **gone,
            **change_rows("merge_journal", f"DELETE FROM merge_journal WHERE {_MERGES}", [*own, origins, origins]),
            **change_rows(
                "identity_reviews", f"DELETE FROM identity_reviews WHERE {_REVIEWS}", [*own, origins, origins]
            ),
        }


def _erase_identifiers(subject: Subject, now: datetime) -> dict[str, int]:
    """The names with all that was told under them and the links between them. A name that others share (a home phone)
    stays theirs; one that was only ever named beside this person goes too."""
    values: dict[str, Any] = {"workspace": subject.workspace_id, "origins": list(subject.origin_ids)}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT FROM identifiers WHERE {_NAMES})", values)
        if not cursor.fetchone()[0]:
            return {}
        batch = open_batch(source=_SOURCE, now=now)
        cursor.execute(_SHARE, {**values, "batch": batch.id})
        cursor.execute(_STRAYS, values)
        strays = [row[0] for row in cursor.fetchall()]
        cursor.execute(f"DELETE FROM identifiers WHERE {_NAMES} RETURNING id", values)
        gone = [row[0] for row in cursor.fetchall()]
        cursor.execute(_DELETE_STRAYS, {**values, "strays": strays})
        gone += [row[0] for row in cursor.fetchall()]
    delete_from_columnar(batch, "origins", gone)
    _empty_profiles(batch, subject)
    return {"identifiers": len(gone)}


def _empty_profiles(batch: OpenBatch, subject: Subject) -> None:
    blank = Customer()
    values = {field.attname: getattr(blank, field.attname) for field in Customer._meta.fields}
    emptied = {name: value for name, value in values.items() if name not in _KEPT}
    rows = Customer.objects.filter(id__in=subject.origin_ids)
    close_batch(batch, {"customers": rows.update(**emptied, batch_id=batch.id, updated_at=batch.now)})


class CustomerData:
    """The profile itself. The last that an erasure asks: others find their rows by its id."""

    name = "customers"
    tables = frozenset({"customers"})

    def export(self, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
        for row in stream_rows("customers", _ROWS, [subject.workspace_id, list(subject.origin_ids)]):
            yield "profile", row

    def erase(self, subject: Subject, now: datetime) -> dict[str, int]:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT id FROM customers WHERE {_ROWS}", [subject.workspace_id, list(subject.origin_ids)])
            ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return {}
        batch = open_batch(source=_SOURCE, now=now)
        Customer.objects.filter(id__in=ids).delete()
        delete_from_columnar(batch, "customers", ids)
        images = forget_changes(table="customers", row_ids=ids)
        return {"customers": len(ids), **({"import_changes": images} if images else {})}
