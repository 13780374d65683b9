"""Puts together what an event's context tells: `derive` adds `context["derived"]`. Pure."""

from __future__ import annotations

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
    login_state: str,
    seen_agent: str,
    seen_ip: str,
    keep_ip: str,
) -> bool:
    """Set `context["derived"]`, and `context["ip"]` as far as the workspace keeps it; whether a robot sent the event.

    `seen_agent` and `seen_ip` are what the edge saw of a device's own request ("" for a server's), used where the
    context does not say better. `login_state`: as far as the identifiers show it, "" for what no device
    sent.
    """
    derived: dict[str, Any] = {}
    agent = NOTHING
    user_agent = context.get("userAgent")
    if not isinstance(user_agent, str) or not user_agent:
        user_agent = "" if not seen_agent or is_library(seen_agent) else seen_agent
        if user_agent:
            context["userAgent"] = user_agent
    if user_agent or "userAgentData" in context:
        agent = read_agent(user_agent, context.get("userAgentData"))
        derived.update(agent)
    if "device" in context or "os" in context:
        derived.update(read_app(context))
        if derived.get("device_type", "other") == "other" and derived.get("os") in {"iOS", "Android"}:
            derived["device_type"] = "mobile"
    ip = context.get("ip") or seen_ip
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
    if login_state:
        said = context.get("isLoggedIn")
        derived["login_state"] = login_state if not isinstance(said, bool) else LOGGED_IN if said else LOGGED_OUT
    context.pop(DERIVED, None)
    if derived:
        context[DERIVED] = derived
    return "is_bot" in agent
