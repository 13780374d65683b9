"""What events say of consent, and what tracking does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kapelle.customers.actions.consents import Said, change_consents
from kapelle.customers.queries.contacts import map_origins
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.contracts import (
    ADVERTISING,
    ANALYTICS,
    PERSONALIZATION,
    SALE,
    Scope,
    Status,
    SuppressionReason,
    judge,
)
from kapelle.privacy.models import PrivacySettings
from kapelle.privacy.queries import find_suppressed
from kapelle.privacy.queries.consents import read_states
from kapelle.web.subscriptions import GATES, PROJECTIONS, RESOLVERS
from road import Road, identify, minutes, track

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from kapelle.accounts.contracts import WorkspaceInfo

GRANTED, DENIED, WITHDRAWN = Status.GRANTED, Status.DENIED, Status.WITHDRAWN
EMAIL = Scope(channel="email")
NO_ANALYTICS = {"consent": {"categoryPreferences": {"Analytics": False}}}
ANALYTICS_GRANTED = {"consent": {"categoryPreferences": {"Analytics": True}}}


class Shop(Road):
    """A workspace's traffic through everything that the product has on the road."""

    def go(self, *messages: dict[str, Any]) -> None:
        if messages:
            self.send(*messages)
        self.project(RESOLVERS, PROJECTIONS, gates=GATES)

    def verdict(self, scope: Scope, **identifier: str) -> Status | None:
        """What holds for the customer of this identifier now, addresses included."""
        customer = self.profile(**identifier)
        with workspace_scope(self.workspace_id):
            origins = map_origins([customer["id"]])[customer["id"]]
            addresses = [text for text in (customer["email"], customer["phone"]) if text]
            found = judge(read_states(addresses, origins, scope), scope)
        return found.status if found else None

    def kept(self) -> list[str]:
        return [name for (name,) in self.rows("SELECT message_id FROM events WHERE kind <> 'consent' ORDER BY 1")]

    def withheld(self) -> int:
        return sum(count for (count,) in self.rows("SELECT count FROM withheld_events"))

    def need_consent(self) -> None:
        with workspace_scope(self.workspace_id):
            PrivacySettings.objects.create(tracking_needs_consent=True, updated_at=self.now)


@pytest.fixture
def shop(database: str, workspace: WorkspaceInfo, now: datetime, projector_role: None) -> Shop:
    return Shop(database, workspace.id, now)


def ann(shop: Shop) -> UUID:
    shop.go(identify("i0", user="ann", traits={"email": "Ann@Example.test"}, at=minutes(shop.now, -60)))
    return shop.profile(user_id="ann")["id"]


def test_the_banner_of_segment_speaks_for_the_visitor(shop: Shop) -> None:
    choice = {"Advertising": False, "Analytics": True, "Functional": True, "DataSharing": False, "Necessary": True}
    shop.go(track("1", anonymous="v", context={"consent": {"categoryPreferences": choice}}))
    verdicts = [
        shop.verdict(Scope(purpose), anonymous_id="v") for purpose in (ADVERTISING, ANALYTICS, PERSONALIZATION, SALE)
    ]
    assert verdicts == [DENIED, GRANTED, GRANTED, DENIED]
    assert shop.verdict(EMAIL, anonymous_id="v") is None


def test_the_banner_of_rudderstack_speaks_too_in_the_brands_own_categories(shop: Shop) -> None:
    with workspace_scope(shop.workspace_id):
        PrivacySettings.objects.create(categories={"cat-7": ANALYTICS}, updated_at=shop.now)
    managed = {"allowedConsentIds": ["C0004", "cat-7"], "deniedConsentIds": ["C0003"], "provider": "oneTrust"}
    shop.go(track("1", anonymous="v", context={"consentManagement": managed}))
    verdicts = [shop.verdict(Scope(purpose), anonymous_id="v") for purpose in (ADVERTISING, ANALYTICS, PERSONALIZATION)]
    assert verdicts == [GRANTED, GRANTED, DENIED]


def test_a_choice_repeated_with_every_event_is_written_once(shop: Shop) -> None:
    for number in range(3):
        shop.go(*(track(f"{number}.{n}", anonymous="v", context=ANALYTICS_GRANTED) for n in range(3)))
    assert len(shop.rows("SELECT FROM consent_entries")) == 1


def test_a_subscription_is_of_the_address_and_its_proof_is_kept(shop: Shop) -> None:
    ann(shop)
    said = {"channel": "email", "status": "unsubscribed", "text_version": "2026-1"}
    shop.go(track("s1", user="ann", event="Subscription Changed", properties=said, context={"ip": "192.0.2.7"}))
    ((address, status, *proof),) = shop.rows(
        "SELECT address, status, proof ->> 'ip', proof ->> 'message_id', proof ->> 'text_version' FROM consent_entries"
    )
    assert (address, status, proof) == ("ann@example.test", "withdrawn", ["192.0.2.0", "s1", "2026-1"])
    with workspace_scope(shop.workspace_id):
        assert find_suppressed(channel="email", addresses=[address]) == {address: SuppressionReason.UNSUBSCRIBED}


MESSAGING = [{"key": "ann@example.test", "type": "EMAIL", "status": "UNSUBSCRIBED"}]
PROFILING = {"purpose": "profiling", "granted": True}


@pytest.mark.parametrize(
    ("message", "scope", "status"),
    [
        (track("s", event="Unsubscribed", properties={"list_id": "x"}), Scope(channel="email", topic="x"), WITHDRAWN),
        (track("s", event="Subscribed"), EMAIL, GRANTED),
        (track("s", event="Consent Changed", properties=PROFILING), Scope("profiling"), GRANTED),
        (track("s", context={"messaging_subscriptions": MESSAGING}), EMAIL, WITHDRAWN),
        (identify("s", traits={"email_subscribed": False}), EMAIL, DENIED),
        (identify("s", traits={"smsSubscribed": "yes"}), Scope(channel="sms"), GRANTED),
        (identify("s", traits={"unsubscribed": True}), Scope(channel="webpush"), WITHDRAWN),
    ],
)
def test_each_way_of_saying_it_is_understood(shop: Shop, message: dict[str, Any], scope: Scope, status: Status) -> None:
    ann(shop)
    shop.go({**message, "userId": "ann"})
    assert shop.verdict(scope, user_id="ann") is status


def test_an_address_that_is_none_is_told_and_the_event_stays(shop: Shop) -> None:
    said = {"channel": "email", "status": "granted", "address": "nonsense"}
    shop.go(track("s1", user="ann", event="Subscription Changed", properties=said))
    assert shop.quarantined() == ["address_invalid"]
    assert shop.kept() == ["s1"]


def test_gpc_refuses_sale_and_advertising_until_the_person_says_otherwise(shop: Shop) -> None:
    def page(name: str, minute: int, **context: Any) -> dict[str, Any]:
        return track(name, anonymous="v", at=minutes(shop.now, minute), context={"gpc": True, **context})

    both = {"consent": {"categoryPreferences": {"Advertising": True}}}
    shop.go(page("1", -9))
    assert [shop.verdict(Scope(purpose), anonymous_id="v") for purpose in (SALE, ADVERTISING, ANALYTICS)] == [
        DENIED,
        DENIED,
        None,
    ]
    shop.go(page("2", -8, **both))
    assert shop.verdict(Scope(ADVERTISING), anonymous_id="v") is DENIED, (
        "an old choice in a cookie is no answer to the signal"
    )
    shop.go(page("3", -7, **both) | {"event": "Segment Consent Preference Updated"})
    assert shop.verdict(Scope(ADVERTISING), anonymous_id="v") is GRANTED
    shop.go(page("4", -6), page("5", -5, **both))
    assert [shop.verdict(Scope(purpose), anonymous_id="v") for purpose in (SALE, ADVERTISING)] == [DENIED, GRANTED]
    assert len(shop.rows("SELECT FROM consent_entries WHERE source = 'gpc'")) == 2


def test_tracking_ends_when_consent_is_withdrawn_and_essentials_stay(shop: Shop) -> None:
    shop.go(track("before", anonymous="v", at=minutes(shop.now, -9)))
    shop.go(track("saying", anonymous="v", at=minutes(shop.now, -8), context=NO_ANALYTICS))
    order = {"order_id": "7", "total": 5, "currency": "EUR", "products": []}
    shop.go(
        track("after", anonymous="v", at=minutes(shop.now, -7)),
        {"type": "page", "messageId": "page", "anonymousId": "v", "name": "Home"},
        track("late", anonymous="v", at=minutes(shop.now, -10)),
        track("order", anonymous="v", event="Order Completed", properties=order),
        track("leave", anonymous="v", event="Unsubscribed", properties={"address": "v@example.test"}),
        track("other", anonymous="w"),
    )
    assert shop.kept() == ["before", "late", "leave", "order", "other"]
    assert shop.withheld() == 3
    assert shop.rows("SELECT external_id FROM orders") == [("7",)]
    assert shop.rows("SELECT sum(event_count) FROM event_types WHERE name = 'Viewed'") == [(3,)]
    shop.go(track("again", anonymous="v", context=ANALYTICS_GRANTED), track("more", anonymous="v"))
    assert shop.kept()[0] == "again"
    assert "more" in shop.kept()


def test_a_refusal_within_a_batch_holds_from_its_time_on(shop: Shop) -> None:
    shop.go(
        track("3", anonymous="v", at=minutes(shop.now, -3)),
        track("2", anonymous="v", at=minutes(shop.now, -4), context=NO_ANALYTICS),
        track("1", anonymous="v", at=minutes(shop.now, -5)),
    )
    assert shop.kept() == ["1"]


def test_who_refused_on_one_device_is_not_tracked_on_any_once_both_are_one_person(shop: Shop) -> None:
    shop.go(track("1", anonymous="phone", context=NO_ANALYTICS, at=minutes(shop.now, -9)))
    shop.go(identify("2", user="ann", anonymous="laptop"), identify("3", user="ann", anonymous="phone"))
    shop.go(track("4", user="ann", anonymous="laptop"))
    assert "4" not in shop.kept()


def test_where_tracking_needs_consent_nothing_is_kept_before_it(shop: Shop) -> None:
    shop.need_consent()
    shop.go(track("1", anonymous="v"), track("server", user="ann", event="Invoice Paid"))
    assert shop.kept() == ["server"]
    assert shop.people() == {frozenset({("user_id", "ann")})}, "not even the id of the visitor"
    shop.go(track("2", anonymous="v", context=ANALYTICS_GRANTED, at=minutes(shop.now, 1)))
    shop.go(track("3", anonymous="v", at=minutes(shop.now, 2)), track("0", anonymous="v", at=minutes(shop.now, -1)))
    assert shop.kept() == ["2", "3", "server"]
    assert shop.withheld() == 2


def test_the_gates_cost_no_statement_a_customer_where_nobody_refused(shop: Shop) -> None:
    shop.go(*(track(str(number), anonymous=f"v{number}") for number in range(50)))
    assert len(shop.kept()) == 50
    assert shop.withheld() == 0


def test_what_staff_are_told_is_in_the_ledger_and_in_the_timeline(shop: Shop) -> None:
    customer_id = ann(shop)
    change_consents(
        workspace_id=shop.workspace_id,
        said=[Said(GRANTED, EMAIL, customer_id), Said(DENIED, Scope(channel="sms"), customer_id)],
        source="api:test",
        actor="test",
        now=shop.now,
    )
    names = shop.rows(
        "SELECT name, properties ->> 'channel', properties ->> 'status' FROM events WHERE kind = 'consent' ORDER BY 2"
    )
    assert names == [("Subscription Changed", "email", "granted"), ("Subscription Changed", "sms", "denied")]
    assert [shop.verdict(Scope(channel=name), user_id="ann") for name in ("email", "sms")] == [GRANTED, DENIED]
    assert shop.rows(
        "SELECT count(*) FROM audit_log WHERE action = 'consents.recorded' AND strpos(details::text, 'example') = 0"
    ) == [(1,)]
