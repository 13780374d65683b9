"""How a visitor came to a page: campaign, click id, source and channel, by its address and its referrer. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

CHANNELS = ("direct", "organic", "social", "email", "paid", "referral", "internal", "message", "other")
MAX_TEXT = 200
MAX_URL = 1_000
_REMEMBERED = 50_000

# Advertising systems put these into the address of a page that they lead to; fbclid stands in unpaid links too.
_PAID_CLICKS = {
    "gclid": "google",
    "gbraid": "google",
    "wbraid": "google",
    "dclid": "google",
    "msclkid": "bing",
    "yclid": "yandex",
    "ysclid": "",  # Yandex marks its unpaid results with it
    "ttclid": "tiktok",
    "twclid": "twitter",
    "li_fat_id": "linkedin",
    "fbclid": "",
    "rb_clickid": "vk",
    "epik": "pinterest",
    "sccid": "snapchat",
}
_MEDIUMS = (
    (re.compile(r"^(cpc|ppc|cpm|cpv|cpa|paid.*|.*_?ads?|display|banner|retargeting|remarketing)$"), "paid"),
    (re.compile(r"^(e-?mail|newsletter)$"), "email"),
    (re.compile(r"^(social.*|sm|smm)$"), "social"),
    (re.compile(r"^(organic|seo)$"), "organic"),
    (re.compile(r"^(referral|link|affiliate|partner)$"), "referral"),
    (re.compile(r"^(sms|push|webpush|messenger|telegram|whatsapp|viber)$"), "message"),
)
# The name is the label before the public suffix: google.com, google.co.uk, yandex.ru.
_SEARCH = frozenset(
    ("google", "bing", "yandex", "ya", "yahoo", "duckduckgo", "baidu", "ecosia", "startpage", "qwant", "naver", "sogou",
     "seznam", "rambler", "brave", "kagi", "ask", "aol")
)  # fmt: skip
_SOCIAL = {
    "facebook": "facebook", "fb": "facebook", "instagram": "instagram", "vk": "vk", "ok": "ok", "t": "twitter",
    "twitter": "twitter", "x": "twitter", "linkedin": "linkedin", "lnkd": "linkedin", "pinterest": "pinterest",
    "reddit": "reddit", "tiktok": "tiktok", "youtube": "youtube", "youtu": "youtube", "dzen": "dzen",
    "telegram": "telegram", "threads": "threads", "snapchat": "snapchat", "whatsapp": "whatsapp",
}  # fmt: skip
_MAIL_HOSTS = re.compile(r"^(mail|e|webmail|outlook|deref-mail|deref-gmx)\.|\bmail\.(google|yahoo|yandex|ru)\b")
_SECOND_LEVEL = frozenset(("co", "com", "org", "net", "gov", "ac", "edu"))
_CAMPAIGN_FIELDS = {"name": "utm_campaign", "source": "utm_source", "medium": "utm_medium", "term": "utm_term",
                    "content": "utm_content"}  # fmt: skip
_UTM = frozenset(_CAMPAIGN_FIELDS.values())
_NOTHING: dict[str, str] = {}


def read_traffic(page: Mapping[str, Any], campaign: Any) -> dict[str, str]:
    """path, utm_*, click_id (its name), source and channel. `page` and `campaign` are the context's as they were sent.

    Only a page has a way by which one came: without an address and a campaign there is nothing to tell.
    The answer is remembered: for reading only.
    """
    url, referrer = page.get("url"), page.get("referrer")
    url = url[:MAX_URL] if isinstance(url, str) else ""
    referrer = referrer[:MAX_URL] if isinstance(referrer, str) else ""
    stated: tuple[tuple[str, str], ...] = ()
    if isinstance(campaign, dict) and campaign:
        stated = tuple((key, _text(campaign.get(name))) for name, key in _CAMPAIGN_FIELDS.items() if campaign.get(name))
    return _read(url, referrer, stated) if url or stated else _NOTHING


@lru_cache(_REMEMBERED)
def _read(url: str, referrer: str, stated: tuple[tuple[str, str], ...]) -> dict[str, str]:
    host, path, query = _split(url)
    found = {"path": path[:MAX_TEXT]}
    clicked = ""
    for name, value in query:
        key = name.lower()
        if key in _UTM:
            found.setdefault(key, _text(value))
        elif key in _PAID_CLICKS and value:
            clicked = clicked or key
    found |= stated
    found["click_id"] = clicked
    source, channel = _way(host, referrer, found, clicked)
    found |= {"source": source, "channel": channel}
    return {name: value for name, value in found.items() if value}


def _way(host: str, referrer: str, found: Mapping[str, str], clicked: str) -> tuple[str, str]:
    """Source and channel: what the campaign says, else what a click id shows, else what the referrer is."""
    came_from, channel = _referrer(host, referrer)
    source, medium = found.get("utm_source", "").lower(), found.get("utm_medium", "").lower()
    payer = _PAID_CLICKS.get(clicked, "")
    if source or medium:
        by_medium = next((name for pattern, name in _MEDIUMS if pattern.match(medium)), "")
        by_source = "email" if source in {"email", "newsletter"} else "social" if source in _SOCIAL else ""
        return source or payer or came_from, by_medium or ("paid" if payer else by_source or "other")
    if payer:
        return payer, "paid"
    if clicked == "fbclid" and channel in {"direct", "internal"}:
        return "facebook", "social"
    return came_from, channel


def _referrer(host: str, referrer: str) -> tuple[str, str]:
    other = _split(referrer)[0]
    if not other:
        return "direct", "direct"
    if _site(other) == _site(host):
        return other, "internal"
    if _MAIL_HOSTS.search(other):
        return other, "email"
    label = _site(other).partition(".")[0]
    if label in _SEARCH:
        return "yandex" if label == "ya" else label, "organic"
    if label in _SOCIAL and (label != "t" or other in {"t.co", "t.me"}):
        return "telegram" if other == "t.me" else _SOCIAL[label], "social"
    return other, "referral"


def _split(url: str) -> tuple[str, str, list[tuple[str, str]]]:
    """Host (without www.), path and query; nothing of an address that cannot be read."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.")
        return host, parts.path, parse_qsl(parts.query, max_num_fields=100) if parts.query else []
    except ValueError:
        return "", "", []


def _site(host: str) -> str:
    """The domain that somebody registered, near enough: shop.example.co.uk -> example.co.uk."""
    labels = host.split(".")
    return ".".join(labels[-3:] if _SECOND_LEVEL.intersection(labels[-2:-1]) else labels[-2:])


def _text(value: Any) -> str:
    return value.strip()[:MAX_TEXT] if isinstance(value, str) else ""
