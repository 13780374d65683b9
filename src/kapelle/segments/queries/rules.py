"""Rules that name other segments: loads those, refuses circles, puts every rule in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.kernel.errors import Invalid
from kapelle.segments.contracts import parse_rule
from kapelle.segments.contracts.rule import EventLeaf, SegmentLeaf, leaves, referred_segments, replace_segments
from kapelle.segments.models import Segment

if TYPE_CHECKING:
    from uuid import UUID

    from kapelle.segments.contracts.rule import Node

_MAX_NESTED = 10  # segments within segments
_MAX_CONDITIONS = 500  # in the whole, repeats and conditions on properties included


class SegmentCircle(Invalid):
    """A segment would contain itself."""

    code = "segment_circle"


class SegmentUnknown(Invalid):
    """A rule names a segment that does not exist in this workspace."""

    code = "segment_unknown"


def complete_rule(rule: Node, *, of_segment: UUID | None = None) -> Node:
    """The rule without SegmentLeaf. `of_segment` is the segment that the rule is to belong to.

    Raises SegmentUnknown, SegmentCircle, or Invalid when the whole is too large.
    """
    found = _load(referred_segments(rule))
    if of_segment is not None and of_segment in found:
        raise SegmentCircle("The segment would contain itself, through the segments that its rule names.")
    sizes: dict[UUID, int] = {}
    size = _measure(rule, found, sizes, ())
    if size > _MAX_CONDITIONS:
        raise Invalid(
            f"With the segments that it names and the conditions on properties, the rule has {size} conditions;"
            f" at most {_MAX_CONDITIONS} are allowed."
        )
    return replace_segments(rule, found)


def _load(wanted: set[UUID]) -> dict[UUID, Node]:
    """The rules of these segments and of all that they name, one query a level."""
    found: dict[UUID, Node] = {}
    for _ in range(_MAX_NESTED + 1):
        missing = wanted - found.keys()
        if not missing:
            return found
        rows = Segment.objects.filter(id__in=missing).values_list("id", "rule")
        found.update((segment_id, parse_rule(rule)) for segment_id, rule in rows)
        if unknown := missing - found.keys():
            raise SegmentUnknown(f"There is no segment {min(unknown)} in this workspace.")
        wanted = {named for segment_id in missing for named in referred_segments(found[segment_id])}
    raise Invalid(f"Segments are nested deeper than {_MAX_NESTED} levels.")


def _measure(rule: Node, rules: dict[UUID, Node], sizes: dict[UUID, int], inside: tuple[UUID, ...]) -> int:
    """Conditions in the completed rule, counted without building it: nested repeats multiply."""
    total = 0
    for leaf in leaves(rule):
        if not isinstance(leaf, SegmentLeaf):
            total += 1 + (len(leaf.where) if isinstance(leaf, EventLeaf) else 0)
            continue
        named = leaf.segment_id
        if named in inside:
            raise SegmentCircle(f"The segment {named} contains itself.")
        if named not in sizes:
            sizes[named] = _measure(rules[named], rules, sizes, (*inside, named))
        total += sizes[named]
    return total
