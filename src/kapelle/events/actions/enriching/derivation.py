"""Puts together what an event's context tells: `derive` adds `context["derived"]`. Pure."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from kapelle.events.actions.enriching.agents import NOTHING, is_library, read_agent, read_app
from kapelle.events.actions.enriching.places import find_place, shorten_ip
from kapelle.events.actions.enriching.traffic import read_traffic
from kapelle.events.contracts import DERIVED, LOGGED_IN, LOGGED_OUT

if TYPE_CHECKING:
    from collections.abc import Mapping


def derive(
    context: dict[str, Any],
    properties: Mapping[str, Any],
    *,
    device_id: str,
    user_id: str,
    seen_agent: str,
    seen_ip: str,
    keep_ip: str,
) -> bool:
    """Set `context["derived"]`, and `context["ip"]` as far as the workspace keeps it; whether a robot sent the event.

    `device_id` is "" for what a server sent: its address and program (`seen_agent`, `seen_ip`: what the edge saw of the
    request) are nobody's, and it tells nothing of a login. Where the context says better itself, that counts.
    """
    derived: dict[str, Any] = {}
    agent = NOTHING
    user_agent = context.get("userAgent")
    if not isinstance(user_agent, str) or not user_agent:
        user_agent = seen_agent if device_id and not is_library(seen_agent) else ""
        if user_agent:
            context["userAgent"] = user_agent
    if user_agent or "userAgentData" in context:
        agent = read_agent(user_agent, context.get("userAgentData"))
        derived.update(agent)
    if "device" in context or "os" in context:
        derived.update(read_app(context))
        if derived.get("device_type", "other") == "other" and derived.get("os") in {"iOS", "Android"}:
            derived["device_type"] = "mobile"
    ip = context.get("ip") or (seen_ip if device_id else "")
    if ip and isinstance(ip, str):
        derived.update(find_place(ip))
        kept = shorten_ip(ip, keep_ip)
        if kept:
            context["ip"] = kept
        else:
            context.pop("ip", None)
    page, campaign = context.get("page"), context.get("campaign")
    if not isinstance(page, dict):
        page = properties if "url" in properties else {}
    if page or campaign:
        derived.update(read_traffic(page, campaign))
    if device_id:
        said = context.get("isLoggedIn")
        derived["login_state"] = LOGGED_IN if (said if isinstance(said, bool) else user_id) else LOGGED_OUT
        derived["device"] = blake2b(device_id.encode(), digest_size=8).hexdigest()
    context.pop(DERIVED, None)
    if derived:
        context[DERIVED] = derived
    return "is_bot" in agent
