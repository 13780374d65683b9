"""What an event says of consent, in the words of the SDKs and consent managers that brands use. Pure.

- `Subscription Changed` and its kin: one track call about a channel, a topic or a purpose.
- Segment's `Unsubscribed`, and `context.messaging_subscriptions` of its messaging product.
- `context.consent.categoryPreferences` (Segment) and `context.consentManagement` (RudderStack): what a visitor chose in
  a cookie banner, repeated with every event.
- `context.gpc`: the browser's Global Privacy Control, as the edge saw it.
- Traits `email_subscribed`, `sms_subscribed`, ..., and `unsubscribed` for all channels.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kapelle.privacy.contracts import (
    ADVERTISING,
    ANALYTICS,
    EMAIL,
    GPC,
    GPC_PURPOSES,
    MARKETING,
    MOBILE_PUSH,
    PERSONALIZATION,
    SALE,
    SMS,
    WEB_PUSH,
    Scope,
    Statement,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kapelle.events.contracts import Event

SUBSCRIPTION_CHANGED = "Subscription Changed"
CONSENT_CHANGED = "Consent Changed"
SEGMENT_UPDATED = "Segment Consent Preference Updated"
UNSUBSCRIBED, SUBSCRIBED = "Unsubscribed", "Subscribed"
NAMES = frozenset({SUBSCRIPTION_CHANGED, CONSENT_CHANGED, SEGMENT_UPDATED, UNSUBSCRIBED, SUBSCRIBED})
"""Track calls about consent: kept and heard whatever tracking may do."""

_A_MOMENT = timedelta(microseconds=1)
_MAX_WORD = 100
_MAX_SAID = 50  # of one event
_PROOFS = ("text_version", "text_hash", "text", "form", "lawful_basis", "source")
_MAX_PROOF = 1_000
_CHANNELS = {
    **dict.fromkeys(("email", "e-mail", "mail"), EMAIL),
    **dict.fromkeys(("sms", "phone", "text", "mobile"), SMS),
    **dict.fromkeys(("webpush", "web_push", "browser_push"), WEB_PUSH),
    **dict.fromkeys(("mobilepush", "mobile_push", "push", "app_push", "iospush", "androidpush"), MOBILE_PUSH),
}
# Categories of cookie banners by the names that people give them, letters only; OneTrust's default ids too.
_CATEGORIES = {
    **dict.fromkeys(("analytics", "analytical", "performance", "statistics", "statistic", "c0002"), ANALYTICS),
    **dict.fromkeys(
        ("functional", "functionality", "personalization", "personalisation", "preferences", "c0003"), PERSONALIZATION
    ),
    **dict.fromkeys(
        ("advertising", "ads", "marketing", "targeting", "marketingandattribution", "socialmedia", "c0004", "c0005"),
        ADVERTISING,
    ),
    **dict.fromkeys(("datasharing", "sale", "saleofdata", "donotsell", "spibg", "ospbg"), SALE),
}
_NECESSARY = frozenset({"necessary", "strictlynecessary", "essential", "required", "c0001"})
_WORDS = {
    **dict.fromkeys(("granted", "grant", "subscribed", "subscribe", "optedin", "optin", "yes", "true"), Status.GRANTED),
    **dict.fromkeys(
        ("withdrawn", "withdraw", "unsubscribed", "unsubscribe", "revoked", "revoke", "optedout", "optout"),
        Status.WITHDRAWN,
    ),
    **dict.fromkeys(("denied", "deny", "didnotsubscribe", "refused", "no", "false"), Status.DENIED),
}


def says_something(event: Event) -> bool:
    """Quick: whether `read_consents` is worth asking."""
    context = event.context
    return (
        event.name in NAMES
        or "consent" in context
        or "consentManagement" in context
        or "gpc" in context
        or "messaging_subscriptions" in context
        or (bool(event.traits) and any("subscribed" in name.lower() for name in event.traits))
    )


def read_consents(event: Event, categories: Mapping[str, str]) -> list[Statement]:
    """What the event says, of its origin or of the addresses that it names as they were sent. `categories`: a
    workspace's own ids of its banner's categories."""
    said = [*_read_call(event), *_read_traits(event), *_read_messaging(event), *_read_banner(event, categories)]
    if event.context.get("gpc") is True:
        said = _hear_gpc(event, said)
    return said[:_MAX_SAID]


def read_status(value: Any) -> Status | None:
    """A word or boolean as a status; None if it is neither."""
    if isinstance(value, bool):
        return Status.GRANTED if value else Status.DENIED
    return _WORDS.get(_letters(value)) if isinstance(value, str) else None


def read_channel(value: Any) -> str:
    """A channel by any of its names; what nobody knows stays as it is, "" is all."""
    text = _word(value)
    return _CHANNELS.get(text.lower().replace(" ", "_"), text.lower())


def read_purpose(category: Any, categories: Mapping[str, str]) -> str | None:
    """The purpose that a banner's category means; None for what needs no consent. One of the brand's own is itself."""
    text = _word(category)
    known = categories.get(text)
    if known is None:
        key = _letters(text)
        known = "" if key in _NECESSARY else _CATEGORIES.get(key, text.lower())
    return known or None


def _hear_gpc(event: Event, said: list[Statement]) -> list[Statement]:
    """A banner's stored choice does not speak against the signal, however often it is repeated; only a call in which
    the person says so does."""
    refused = [_say(event, Status.DENIED, Scope(purpose), source=GPC) for purpose in GPC_PURPOSES]
    if event.name in NAMES:
        return [*said, *(replace(one, happened_at=one.happened_at - _A_MOMENT) for one in refused)]
    return [*(one for one in said if one.scope.purpose not in GPC_PURPOSES or one.status.is_refusal), *refused]


def _read_call(event: Event) -> Iterator[Statement]:
    if event.kind != "track" or event.name not in NAMES or event.name == SEGMENT_UPDATED:
        return
    told = event.properties
    if event.name in (UNSUBSCRIBED, SUBSCRIBED):
        status: Status | None = Status.WITHDRAWN if event.name == UNSUBSCRIBED else Status.GRANTED
        channel, topic = read_channel(told.get("channel") or EMAIL), told.get("topic") or told.get("list_id")
    else:
        status = read_status(told.get("status", told.get("subscribed", told.get("granted"))))
        channel, topic = read_channel(told.get("channel")), told.get("topic")
    if status is None:
        return
    scope = Scope(_word(told.get("purpose")) or MARKETING, channel, _word(topic), _word(told.get("brand")))
    address = _word(told.get("address"), 254) if channel else ""
    yield _say(event, status, scope, address, {name: told[name] for name in _PROOFS if told.get(name)})


def _read_traits(event: Event) -> Iterator[Statement]:
    """`email_subscribed: true`, `smsSubscribed`, `unsubscribed: true`."""
    for name, value in event.traits.items():
        head, found, tail = name.replace("_", "").lower().partition("subscribed")
        status = read_status(value) if found and not tail else None
        if status is None:
            continue
        if head == "un":
            yield _say(event, Status.GRANTED if status.is_refusal else Status.WITHDRAWN, Scope())
        elif head in _CHANNELS:
            yield _say(event, status, Scope(channel=_CHANNELS[head]))


def _read_messaging(event: Event) -> Iterator[Statement]:
    """Segment Engage: [{"key": "ann@example.com", "type": "EMAIL", "status": "SUBSCRIBED", "groups": [...]}]."""
    listed = event.context.get("messaging_subscriptions")
    for item in listed if isinstance(listed, list) else ():
        if not isinstance(item, dict):
            continue
        channel, address = read_channel(item.get("type")), _word(item.get("key"), 254)
        if not channel:
            continue
        groups = item.get("groups")
        for part in [item, *(groups if isinstance(groups, list) else ())]:
            status = read_status(part.get("status")) if isinstance(part, dict) else None
            topic = "" if part is item else _word(part.get("name")) if isinstance(part, dict) else ""
            if status is not None and (part is item or topic):
                yield _say(event, status, Scope(channel=channel, topic=topic), address)


def _read_banner(event: Event, categories: Mapping[str, str]) -> Iterator[Statement]:
    chosen: dict[str, Status] = {}
    for category, is_allowed in _preferences(event.context):
        purpose = read_purpose(category, categories)
        status = Status.GRANTED if is_allowed else Status.DENIED
        if purpose and (purpose not in chosen or status.strictness > chosen[purpose].strictness):
            chosen[purpose] = status  # two categories of one purpose: the stricter
    for purpose, status in chosen.items():
        yield _say(event, status, Scope(purpose))


def _preferences(context: Mapping[str, Any]) -> Iterator[tuple[Any, bool]]:
    consent = context.get("consent")
    listed = consent.get("categoryPreferences") if isinstance(consent, dict) else None
    if isinstance(listed, dict):
        yield from ((name, value) for name, value in listed.items() if isinstance(value, bool))
    managed = context.get("consentManagement")
    if isinstance(managed, dict):
        for key, is_allowed in (("allowedConsentIds", True), ("deniedConsentIds", False)):
            ids = managed.get(key)
            yield from ((name, is_allowed) for name in (ids if isinstance(ids, list) else ()))


def _say(
    event: Event,
    status: Status,
    scope: Scope,
    address: str = "",
    proof: Mapping[str, Any] | None = None,
    source: str = "",
) -> Statement:
    shown = {"ip": event.context.get("ip"), "user_agent": event.context.get("userAgent"), **(proof or {})}
    texts = {name: str(value)[:_MAX_PROOF] for name, value in shown.items() if value}
    return Statement(
        status,
        event.occurred_at,
        source or f"event:{event.source}",
        scope,
        event.origin_id,
        address,
        {**texts, "message_id": event.message_id},
    )


def _word(value: Any, length: int = _MAX_WORD) -> str:
    return value.strip()[:length].replace("\0", "") if isinstance(value, str) else ""


def _letters(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())
