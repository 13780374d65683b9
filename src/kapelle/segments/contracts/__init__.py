"""What other modules may know of segments: the rule tree, its canonical form, what queries give."""

from __future__ import annotations

from kapelle.segments.contracts.canonical import Canonical, Group, Inverse, Ref, Tree, canonicalize, leaf_key, node_json
from kapelle.segments.contracts.parsing import parse_rule
from kapelle.segments.contracts.reading import InvalidRule

__all__ = [
    "Canonical",
    "Group",
    "InvalidRule",
    "Inverse",
    "Ref",
    "Tree",
    "canonicalize",
    "leaf_key",
    "node_json",
    "parse_rule",
]
