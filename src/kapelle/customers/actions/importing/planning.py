"""Decides what drafts mean for the customers: create, change, leave, or let identity link. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kapelle.customers.actions.importing.drafts import PROFILE_FIELDS
from kapelle.customers.actions.links import find_identifiers, with_new_links
from kapelle.customers.actions.profiles import ATTRIBUTE, Facet, Profile, load_facets, load_profiles, plain
from kapelle.customers.actions.rules import load_rules, usable
from kapelle.customers.contracts import MAIN_COLUMNS, Fact
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from kapelle.customers.actions.importing.drafts import CustomerDraft
    from kapelle.customers.actions.links import Known
    from kapelle.customers.contracts import IdentifierPair, IdentityRules

FIELD_NAMES = (*MAIN_COLUMNS.values(), *(item.name for item in PROFILE_FIELDS))


@dataclass(slots=True)
class FieldChange:
    """One field of one row that differs from what stood there."""

    field: str
    before: Any
    after: Any


@dataclass(slots=True)
class Target:
    """Whom a draft is about: the customer of today, and the identifier under which it is told for ever."""

    origin: UUID
    customer: UUID


@dataclass(slots=True)
class Plan:
    """What each draft (by its place) means."""

    rules: IdentityRules
    known: dict[IdentifierPair, Known]
    targets: list[Target | None] = field(default_factory=list)  # None: identity has to link first
    created: list[int] = field(default_factory=list)  # places of drafts that make a customer
    to_link: list[int] = field(default_factory=list)
    joining: set[int] = field(default_factory=set)  # of these the ones that tell who belongs together
    changes: dict[int, list[FieldChange]] = field(default_factory=dict)


def plan_customers(drafts: Sequence[CustomerDraft], source: str) -> Plan:
    """Match drafts to customers. Rows of one chunk with the same identifier meet here, in the order of the file."""
    rules = load_rules()
    for draft in drafts:
        draft.identifiers = usable(draft.identifiers, rules)
    plan = Plan(rules, find_identifiers(current_workspace(), (pair for draft in drafts for pair in draft.identifiers)))
    plan.joining = {at for at, draft in enumerate(drafts) if not _is_one_customer(plan, draft)}
    unlinked = plan.joining | _unlinked(plan, drafts, source)
    made: dict[IdentifierPair, Target] = {}  # by the identifiers of this chunk's new customers
    alone: dict[UUID, tuple[IdentifierPair, ...]] = {}  # and all that each is known by
    for at, draft in enumerate(drafts):
        first = plan.known.get(draft.identifiers[0])
        target = made.get(draft.identifiers[0])
        if not any(pair in plan.known or pair in made for pair in draft.identifiers):
            customer_id = uuid7()
            target = Target(customer_id, customer_id)
            made.update(dict.fromkeys(draft.identifiers, target))
            alone[customer_id] = draft.identifiers
            plan.created.append(at)
        elif target and _is_told_anew(draft.identifiers, alone[target.customer]):
            plan.joining.discard(at)
        elif first and first.customer and first.is_origin and at not in unlinked:
            target = Target(first.id, first.customer)
        else:
            target = None
            plan.to_link.append(at)
        plan.targets.append(target)
    return plan


def _is_told_anew(names: Sequence[IdentifierPair], known: Sequence[IdentifierPair]) -> bool:
    """Whether another row names a new customer of this chunk by nothing new."""
    return names[0] == known[0] and set(names) <= set(known)


def _is_one_customer(plan: Plan, draft: CustomerDraft) -> bool:
    homes = {item.customer if (item := plan.known.get(pair)) else None for pair in draft.identifiers}
    return len(homes) == 1 and None not in homes


def _unlinked(plan: Plan, drafts: Sequence[CustomerDraft], source: str) -> set[int]:
    """Drafts about one customer whose identifiers were never named together, or not so early."""
    facts = {
        at: Fact(draft.identifiers, draft.as_of, "", source)
        for at, draft in enumerate(drafts)
        if at not in plan.joining and len(draft.identifiers) > 1
    }
    news = {id(fact) for fact in with_new_links(current_workspace(), list(facts.values()), plan.known)}
    return {at for at, fact in facts.items() if id(fact) in news}


def told_by(draft: CustomerDraft) -> Iterator[tuple[str, Any]]:
    """(field, value) of all that the draft says, custom fields under `attributes.<name>`."""
    yield from draft.fields.items()
    for name, value in draft.attributes.items():
        yield ATTRIBUTE + name, value


@dataclass(slots=True)
class Layers:
    """The profiles and facets that drafts are laid over, and what they were like before."""

    profiles: dict[UUID, Profile]
    facets: dict[UUID, Facet]
    images: dict[UUID, dict[str, Any]] = field(default_factory=dict)  # facets that changed, as they were
    changed: set[UUID] = field(default_factory=set)  # customers

    def lay(self, draft: CustomerDraft, target: Target, source: str) -> list[FieldChange]:
        """The newest fact wins; a fact that says the same changes nothing, not even where it comes from."""
        facet, profile = self.facets.get(target.origin), self.profiles[target.customer]
        before = dict(facet.entries) if facet else {}
        changes, is_told = [], False
        for name, value in told_by(draft):
            known = before.get(name)
            if facet and not (known and known[0] == plain(value)):
                is_told |= facet.offer(name, value, source, draft.as_of)
            old = profile.value(name)
            if plain(old) != plain(value) and profile.offer(name, value, source, draft.as_of):
                changes.append(FieldChange(name, None if old == "" else old, value))
                self.changed.add(profile.id)
        if is_told:
            self.images.setdefault(target.origin, before)
        return changes


def load_layers(plan: Plan, places: Sequence[int]) -> Layers:
    """What the drafts at these places are about, as it stands in the database."""
    targets = [target for at in places if (target := plan.targets[at])]
    workspace_id = current_workspace()
    return Layers(
        load_profiles(workspace_id, {target.customer for target in targets}),
        load_facets(workspace_id, {target.origin for target in targets}),
    )


def lay_over(plan: Plan, drafts: Sequence[CustomerDraft], layers: Layers, source: str) -> None:
    """Apply the drafts that make nobody to their customers, in the order of the file; notes what changed where."""
    created = set(plan.created)
    for at, (draft, target) in enumerate(zip(drafts, plan.targets, strict=True)):
        if target is not None:
            plan.changes[at] = [] if at in created else layers.lay(draft, target, source)


def profile_of(draft: CustomerDraft, customer_id: UUID, source: str) -> Profile:
    """The profile that a draft makes."""
    profile = Profile.empty(customer_id)
    for name, value in told_by(draft):
        profile.offer(name, value, source, draft.as_of)
    return profile


def facet_of(draft: CustomerDraft, stamp: Sequence[str]) -> Mapping[str, Any]:
    """What a draft tells, as a facet keeps it."""
    return {name: [plain(value), *stamp] for name, value in told_by(draft)}
