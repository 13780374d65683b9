"""Programs: what a user agent, its Client Hints and an app's own words say of device, system and browser. Pure."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from crawleruseragents import CRAWLER_USER_AGENTS_DATA
from ua_parser import OS, Device, Domain, UserAgent
from ua_parser.loaders import load_lazy_builtins
from ua_parser.matchers import UserAgentMatcher
from ua_parser.regex import Resolver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ua_parser.core import Matcher

DEVICE_TYPES = ("desktop", "mobile", "tablet", "tv", "bot", "other")
MAX_TEXT = 100
_MAX_AGENT = 1_000
_REMEMBERED = 50_000  # different programs; one is parsed in some 60 µs and remembered in about 1 kB

_TV = re.compile(
    r"smart-?tv|hbbtv|apple ?tv|google ?tv|android ?tv|\bTV\b|bravia|\baft[a-z]{1,4}\b|roku|crkey|netcast|web0s|viera",
    re.IGNORECASE,
)
_CONSOLE = re.compile(r"playstation|xbox|nintendo", re.IGNORECASE)
_TABLET = re.compile(r"ipad|playbook|kindle|\bsilk\b|\bkf[a-z]{3,5}\b|tablet(?! pc)", re.IGNORECASE)
_MOBILE = re.compile(r"mobi|iphone|ipod|windows phone|blackberry|opera mini|symbian|midp|\bwap\b", re.IGNORECASE)
_DESKTOP = re.compile(r"windows|macintosh|x11|linux|cros", re.IGNORECASE)
_MOBILE_WORD = re.compile(r"\s*\bMobile\b\s*")
_SYSTEMS = {"Mac OS X": "macOS", "Darwin": "macOS", "Chromium OS": "Chrome OS"}
_BROWSERS = {
    "Safari UI/WKWebView": "Safari WebView",
    "Google Chrome": "Chrome",
    "Microsoft Edge": "Edge",
    "IE": "Internet Explorer",
}
_NOT_BRANDS = re.compile(r"not.?a.?brand|chromium", re.IGNORECASE)  # "Not;A=Brand" in any spelling
_WINDOWS_11 = 13  # the first platformVersion of Windows 11 in Client Hints

# Remembered and given out again and again: for reading only. Plain, since a dict takes another one in much faster.
Facts = dict[str, str]
NOTHING: Facts = {}


def read_agent(user_agent: str, hints: Any = None) -> Facts:
    """Facts of one program: device_type, device_brand, device_model, os, os_version, browser, browser_version, and
    is_bot "true" for robots. `hints`: NavigatorUAData as SDKs send it in `context.userAgentData`."""
    packed = msgspec.json.encode(hints) if isinstance(hints, dict) and hints else b""
    return _read_agent(user_agent[:_MAX_AGENT], packed) if user_agent or packed else NOTHING


def is_library(user_agent: str) -> bool:
    """Whether a program asked by its library (curl, okhttp, python-requests): from a server it tells of no person."""
    return _kind_of_robot(user_agent[:_MAX_AGENT]) == "library"


def read_app(context: Mapping[str, Any]) -> dict[str, str]:
    """What an app's SDK says itself in `context.device` and `context.os`; it knows better than any user agent."""
    device, system = context.get("device"), context.get("os")
    found: dict[str, str] = {}
    if isinstance(device, dict):
        brand, model = _text(device.get("manufacturer")), _text(device.get("model"))
        name, kind = _text(device.get("name")), _text(device.get("type")).lower()
        found |= {"device_brand": brand, "device_model": model}
        if kind in DEVICE_TYPES:
            found["device_type"] = kind
        elif kind in {"ios", "android"}:
            found["device_type"] = "tablet" if _TABLET.search(f"{model} {name}") else "mobile"
        elif _TV.search(kind):
            found["device_type"] = "tv"
    if isinstance(system, dict):
        name = _text(system.get("name"))
        found |= {"os": _SYSTEMS.get(name, name), "os_version": _text(system.get("version"))}
    return {name: value for name, value in found.items() if value}


@lru_cache(_REMEMBERED)
def _read_agent(user_agent: str, packed_hints: bytes) -> Facts:
    parsed = _parser()(user_agent, Domain.ALL)
    browser, system, device = parsed.user_agent, parsed.os, parsed.device
    found = {
        **_browser(browser),
        **_system(system),
        **_device(device),
        "device_type": _device_type(user_agent),
    }
    if packed_hints:
        found |= _hinted(msgspec.json.decode(packed_hints), user_agent)
    if _kind_of_robot(user_agent) or (device and device.family == "Spider"):
        found |= {"device_type": "bot", "is_bot": "true"}
    return {name: value[:MAX_TEXT] for name, value in found.items() if value}


@lru_cache(_REMEMBERED)
def _kind_of_robot(user_agent: str) -> str:
    """ "library", "robot", or "" for a person's program."""
    found = _robots()(user_agent, Domain.USER_AGENT).user_agent if user_agent else None
    return found.family if found else ""


def _browser(found: UserAgent | None) -> dict[str, str]:
    if found is None:
        return {}
    name = _MOBILE_WORD.sub(" ", found.family).strip()
    return {"browser": _BROWSERS.get(name, name), "browser_version": _version(found.major, found.minor)}


def _system(found: OS | None) -> dict[str, str]:
    if found is None or found.family == "Other":
        return {}
    return {"os": _SYSTEMS.get(found.family, found.family), "os_version": _version(found.major, found.minor)}


def _device(found: Device | None) -> dict[str, str]:
    # "K" stands for every Android device since Chrome tells no model any more.
    if found is None or found.family == "K" or (found.brand or "").startswith("Generic") or found.brand == "Spider":
        return {}
    return {"device_brand": found.brand or "", "device_model": found.model or ""}


def _device_type(user_agent: str) -> str:
    if _CONSOLE.search(user_agent):
        return "other"
    if _TV.search(user_agent):
        return "tv"
    if _TABLET.search(user_agent):
        return "tablet"
    if _MOBILE.search(user_agent):
        return "mobile"
    if "Android" in user_agent:
        return "tablet"  # a phone says Mobile as well
    return "desktop" if _DESKTOP.search(user_agent) else "other"


def _hinted(hints: dict[str, Any], user_agent: str) -> dict[str, str]:
    """What Client Hints know better: the browser under its own name, versions that the user agent froze, the model."""
    found: dict[str, str] = {}
    brands = hints.get("fullVersionList") or hints.get("brands")
    for brand in brands if isinstance(brands, list) else ():
        name = _text(brand.get("brand")) if isinstance(brand, dict) else ""
        if name and not _NOT_BRANDS.search(name):
            version = _text(brand.get("version")).split(".")
            found |= {"browser": _BROWSERS.get(name, name), "browser_version": _version(*version[:2])}
            break
    platform, version = _text(hints.get("platform")), _text(hints.get("platformVersion")).split(".")
    if platform:
        found["os"] = _SYSTEMS.get(platform, platform)
        if platform == "Windows" and version[0].isdecimal():
            found["os_version"] = "11" if int(version[0]) >= _WINDOWS_11 else "10" if int(version[0]) else ""
        elif version[0]:
            found["os_version"] = _version(*version[:2])
    found["device_model"] = _text(hints.get("model"))
    if not user_agent and isinstance(hints.get("mobile"), bool):
        found["device_type"] = "mobile" if hints["mobile"] else "desktop"
    return {name: value for name, value in found.items() if value}


def _version(major: str | None, minor: str | None = None) -> str:
    return f"{major}.{minor}" if major and minor and minor != "0" else major or ""


def _text(value: Any) -> str:
    return value.strip()[:MAX_TEXT] if isinstance(value, str) else ""


@cache
def _parser() -> Resolver:
    return Resolver(load_lazy_builtins())


@cache
def _robots() -> Resolver:
    """The crawlers' list by the same engine: 1,500 patterns in 4 µs, where Python's own needs 330."""
    kinds = ((item["pattern"], item.get("tags") or ()) for item in CRAWLER_USER_AGENTS_DATA)
    patterns: list[Matcher[UserAgent]] = [
        UserAgentMatcher(text, "library" if "http-library" in tags else "robot") for text, tags in kinds
    ]
    return Resolver((patterns, [], []))
