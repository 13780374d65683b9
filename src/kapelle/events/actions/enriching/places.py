"""Where an address is: country by a list that comes as a package, region and city by .mmdb files, if there are any.

`KAPELLE_GEO_DATABASES` names the files (with ":" between them); otherwise all in `KAPELLE_HOME/geo` are used. They may
have MaxMind's form (GeoLite2, DB-IP, IPinfo's like) or the flat one of ip-location-db.
"""

from __future__ import annotations

import logging
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

import iptocc
import maxminddb

from kapelle.kernel import config as kernel_config

if TYPE_CHECKING:
    from kapelle.kernel.config import Config

logger = logging.getLogger(__name__)

_REMEMBERED = 50_000
_KEPT_BITS = {4: 24, 6: 48}
_MAX_TEXT = 100


@lru_cache(_REMEMBERED)
def find_place(ip: str) -> dict[str, str]:
    """country (ISO 3166, two letters), region, city, time_zone: those that are known; nothing for a private address.

    For reading only: it is remembered and given out again.
    """
    address = _parse(ip)
    if address is None or not address.is_global:
        return {}
    found: dict[str, str] = {}
    for reader in _readers():
        if address.version <= reader.metadata().ip_version:
            found = _read(reader.get(address)) | found
    if "country" not in found and (country := iptocc.country_code(str(address))):
        found["country"] = country
    return found


@lru_cache(_REMEMBERED)
def shorten_ip(ip: str, keeping: str) -> str:
    """The address as the workspace keeps it: "whole", "truncated" to its network (/24, /48), or "none"."""
    if keeping == "whole":
        return ip
    address = _parse(ip) if keeping == "truncated" else None
    if address is None:
        return ""
    return str(ip_network((address, _KEPT_BITS[address.version]), strict=False).network_address)


def list_databases(config: Config) -> list[maxminddb.Reader]:
    """The operator's own databases, in the order of their files' names; one that cannot be read is left out."""
    found = []
    for path in config.geo_databases:
        try:
            found.append(maxminddb.open_database(path, maxminddb.MODE_MMAP))
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            logger.warning("%s cannot be used to find places: %s", path, error)
    return found


@cache
def _readers() -> list[maxminddb.Reader]:
    return list_databases(kernel_config.load())


def _parse(ip: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(ip)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _read(record: Any) -> dict[str, str]:
    if not isinstance(record, dict):
        return {}
    areas = record.get("subdivisions")
    location = record.get("location")
    found = {
        "country": _name(record.get("country"), "iso_code") or record.get("country_code"),
        "region": _name(areas[0] if isinstance(areas, list) and areas else record.get("region"), "names")
        or record.get("state1"),
        "city": _name(record.get("city"), "names"),
        "time_zone": (location.get("time_zone") if isinstance(location, dict) else None) or record.get("timezone"),
    }
    return {name: value[:_MAX_TEXT] for name, value in found.items() if value and isinstance(value, str)}


def _name(value: Any, key: str) -> Any:
    """MaxMind wraps names: {"names": {"en": ...}}, {"iso_code": ...}; flat databases have the text itself."""
    inner = value.get(key) if isinstance(value, dict) else value
    return inner.get("en") if isinstance(inner, dict) else inner
