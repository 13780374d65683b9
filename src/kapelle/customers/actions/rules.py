"""The workspace's rules of identity: read once a batch, changed by people."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
import re2

from kapelle.accounts.actions import record_audit
from kapelle.customers.actions.identifiers import NotAnIdentifier, normalize, normalize_kind
from kapelle.customers.contracts import IdentityRules, KindRule
from kapelle.customers.models import IdentityRule
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.errors import Invalid
from kapelle.kernel.tenancy import current_workspace, workspace_scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.customers.contracts import IdentifierPair

_READ = """
SELECT kind, priority, "limit", grants_access, ARRAY[blocked::text, blocked_patterns::text] FROM identity_rules
WHERE workspace_id = %b LIMIT %b
"""

MAX_KINDS = 100
MAX_BLOCKED = 1_000
MAX_PATTERNS = 50
MAX_PATTERN_LENGTH = 500


class IdentityRuleInvalid(Invalid):
    """A rule of identity that cannot be used."""

    code = "identity_rule_invalid"


def load_rules() -> IdentityRules:
    """The rules of the open workspace."""
    rows = bulk_cursor().execute(_READ, [current_workspace(), MAX_KINDS], prepare=True, binary=True)
    rules = (KindRule(*plain, *(tuple(msgspec.json.decode(text)) for text in texts)) for *plain, texts in rows)
    return IdentityRules({rule.kind: rule for rule in rules})


def usable(pairs: Sequence[IdentifierPair], rules: IdentityRules) -> tuple[IdentifierPair, ...]:
    """Of normalised identifiers those that the workspace does not block, strongest first."""
    if rules.kinds:
        pairs = [pair for pair in pairs if not is_blocked(pair, rules)]
        return tuple(sorted(pairs, key=rules.strength))
    return tuple(pairs)  # by default they are sorted already


def is_blocked(pair: IdentifierPair, rules: IdentityRules) -> bool:
    """Whether the workspace says that this value names nobody."""
    kind, value = pair
    rule = rules.kinds.get(kind)
    if rule is None:
        return False
    return value.lower() in rule.blocked or any(_compile(text).fullmatch(value) for text in rule.blocked_patterns)


def set_rule(*, workspace_id: UUID, rule: KindRule, now: datetime, actor: str) -> KindRule:
    """Set what holds for one kind of identifier from now on; raises IdentityRuleInvalid.

    Who was joined under the old rule is worked out anew by the chore in `customers.tasks`.
    """
    checked = _check(rule)
    with workspace_scope(workspace_id):
        known = IdentityRule.objects.filter(kind=checked.kind)
        if not known.exists() and IdentityRule.objects.count() >= MAX_KINDS:
            raise IdentityRuleInvalid(f"A workspace may have rules for {MAX_KINDS} kinds of identifiers.")
        IdentityRule.objects.update_or_create(
            kind=checked.kind,
            defaults={
                "priority": checked.priority,
                "limit": checked.limit,
                "grants_access": checked.grants_access,
                "blocked": list(checked.blocked),
                "blocked_patterns": list(checked.blocked_patterns),
                "updated_at": now,
                "applied_at": None,
                "applied_up_to": None,
            },
        )
        record_audit(actor=actor, action="identity.rule_set", target=checked.kind, now=now)
    return checked


def _check(rule: KindRule) -> KindRule:
    try:
        kind = normalize_kind(rule.kind)
    except NotAnIdentifier as error:
        raise IdentityRuleInvalid(f"{rule.kind[:100]!r} is no kind of identifier: {error}.") from error
    if rule.limit is not None and rule.limit < 1:
        raise IdentityRuleInvalid("A limit is 1 or more; leave it out for any number.")
    if len(rule.blocked) > MAX_BLOCKED or len(rule.blocked_patterns) > MAX_PATTERNS:
        raise IdentityRuleInvalid(f"A kind may have {MAX_BLOCKED} blocked values and {MAX_PATTERNS} patterns.")
    for pattern in rule.blocked_patterns:
        if len(pattern) > MAX_PATTERN_LENGTH:
            raise IdentityRuleInvalid(f"A pattern may have {MAX_PATTERN_LENGTH} characters.")
        try:
            _compile(pattern)
        except re2.error as error:
            raise IdentityRuleInvalid(f"The pattern {pattern[:100]!r} is not valid: {error}.") from error
    return replace(rule, kind=kind, blocked=tuple(sorted({_blocked(kind, value) for value in rule.blocked})))


def _blocked(kind: str, value: str) -> str:
    """As values are compared; what could never be an identifier may be listed all the same."""
    try:
        return normalize(kind, value).lower()
    except NotAnIdentifier:
        return value.strip().lower()


@lru_cache(maxsize=10_000)
def _compile(pattern: str) -> re2._Regexp:
    """RE2 takes linear time, whatever somebody writes."""
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return re2.compile(pattern, options)
