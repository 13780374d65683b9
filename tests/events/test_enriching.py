"""What an event's context tells: devices, robots, places, ways to a page; and what is kept of an address."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import maxminddb
import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA
from hypothesis import given
from hypothesis import strategies as st

from kapelle.accounts.actions import change_workspace
from kapelle.accounts.contracts import KeepIp
from kapelle.events.actions.enriching import derive, places
from kapelle.events.actions.enriching.agents import DEVICE_TYPES, is_library, read_agent
from kapelle.events.actions.enriching.places import find_place, shorten_ip
from kapelle.events.actions.enriching.traffic import CHANNELS, read_traffic
from kapelle.events.contracts import DERIVED
from kapelle.kernel import config as kernel_config
from kapelle.kernel.errors import Invalid
from road import Road, identify, track

if TYPE_CHECKING:
    from pathlib import Path

    from kapelle.accounts.contracts import WorkspaceInfo

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/131.0.0.0 Safari/537.36"
ANDROID = f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36"
IPAD = (
    "Mozilla/5.0 (iPad; CPU OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4"
    " Mobile/15E148 Safari/604.1"
)
TV = f"Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) {_WEBKIT} 76.0.3809.146/6.0 TV Safari/537.36"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
HEADLESS = CHROME.replace("Chrome/", "HeadlessChrome/")
DEVICE = blake2b(b"a1", digest_size=8).hexdigest()
_JSON = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("user_agent", "told"),
    [
        (CHROME, {"device_type": "desktop", "os": "Windows", "os_version": "10", "browser": "Chrome"}),
        (ANDROID, {"device_type": "mobile", "os": "Android", "browser": "Chrome", "browser_version": "131"}),
        (ANDROID.replace("Mobile ", ""), {"device_type": "tablet", "os": "Android"}),
        (IPAD, {"device_type": "tablet", "device_brand": "Apple", "os_version": "17.4", "browser": "Safari"}),
        (TV, {"device_type": "tv", "os": "Tizen"}),
        (GOOGLEBOT, {"device_type": "bot", "is_bot": "true", "browser": "Googlebot"}),
        (HEADLESS, {"device_type": "bot", "is_bot": "true"}),
        ("Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)", {"device_type": "bot", "is_bot": "true"}),
        ("?", {"device_type": "other"}),
    ],
)  # fmt: skip
def test_a_user_agent_tells_device_system_and_browser(user_agent: str, told: dict[str, str]) -> None:
    assert read_agent(user_agent).items() >= told.items()


def test_every_known_crawler_is_a_robot() -> None:
    agents = [agent for item in CRAWLER_USER_AGENTS_DATA for agent in item["instances"]]
    assert [agent for agent in agents if "is_bot" not in read_agent(agent)] == []


def test_client_hints_know_the_browser_and_windows_11() -> None:
    hints = {
        "brands": [{"brand": "Not_A Brand", "version": "24"}, {"brand": "Chromium", "version": "131"},
                   {"brand": "Microsoft Edge", "version": "131"}],
        "mobile": False, "platform": "Windows", "platformVersion": "15.0.0",
    }  # fmt: skip
    told = read_agent(CHROME, hints)
    assert (told["browser"], told["os"], told["os_version"]) == ("Edge", "Windows", "11")
    alone = read_agent("", {"mobile": True, "platform": "Android", "platformVersion": "14.0.0", "model": "Pixel 8"})
    assert (alone["device_type"], alone["os"], alone["os_version"], alone["device_model"]) == (
        "mobile", "Android", "14", "Pixel 8",
    )  # fmt: skip


@given(st.text(max_size=300), _JSON)
def test_nothing_that_a_program_says_of_itself_breaks_its_reading(user_agent: str, hints: Any) -> None:
    told = read_agent(user_agent, hints)
    assert not told or told.get("device_type", "other") in DEVICE_TYPES
    odd = {"brands": hints, "platform": hints, "platformVersion": hints, "mobile": hints, "model": hints}
    assert all(isinstance(value, str) for value in read_agent(user_agent, odd).values())


@pytest.mark.parametrize(
    ("url", "referrer", "source", "channel"),
    [
        ("https://shop.test/", "", "direct", "direct"),
        ("https://shop.test/b", "https://www.shop.test/a", "direct", "internal"),
        ("https://shop.test/b", "https://m.shop.test/a", "m.shop.test", "internal"),
        ("https://shop.test/", "https://www.google.co.uk/", "google", "organic"),
        ("https://shop.test/", "https://ya.ru/search", "yandex", "organic"),
        ("https://shop.test/?gclid=x", "https://www.google.com/", "google", "paid"),
        ("https://shop.test/?yclid=1", "", "yandex", "paid"),
        ("https://shop.test/?msclkid=1", "", "bing", "paid"),
        ("https://shop.test/?fbclid=1", "", "facebook", "social"),
        ("https://shop.test/", "https://vk.com/wall", "vk", "social"),
        ("https://shop.test/", "https://t.me/shop", "telegram", "social"),
        ("https://shop.test/", "https://mail.google.com/", "mail.google.com", "email"),
        ("https://shop.test/", "https://blog.example.test/post", "blog.example.test", "referral"),
        ("https://shop.test/?utm_source=Spring&utm_medium=email", "", "spring", "email"),
        ("https://shop.test/?utm_source=google&utm_medium=cpc", "https://www.google.com/", "google", "paid"),
        ("https://shop.test/?utm_source=vk", "", "vk", "social"),
        ("https://shop.test/?utm_source=leaflet&utm_medium=print", "", "leaflet", "other"),
    ],
)
def test_a_page_shows_by_which_way_one_came(url: str, referrer: str, source: str, channel: str) -> None:
    told = read_traffic({"url": url, "referrer": referrer}, None)
    expected = "shop.test" if channel == "internal" and referrer.startswith("https://www") else source
    assert (told["source"], told["channel"]) == (expected, channel)


def test_a_campaign_that_the_sender_states_goes_before_the_address() -> None:
    page = {"url": "https://shop.test/sale?utm_campaign=old&utm_content=banner"}
    told = read_traffic(page, {"name": "Spring", "source": "mail", "medium": "email", "term": None})
    assert {key: told[key] for key in told if key.startswith("utm_")} == {
        "utm_campaign": "Spring", "utm_source": "mail", "utm_medium": "email", "utm_content": "banner",
    }  # fmt: skip
    assert told["path"] == "/sale"


@given(st.text(), st.text(), st.dictionaries(st.sampled_from(["name", "source", "medium"]), _JSON))
def test_no_address_breaks_the_reading_of_the_way(url: str, referrer: str, campaign: dict[str, Any]) -> None:
    told = read_traffic({"url": url, "referrer": referrer}, campaign)
    assert not told or told["channel"] in CHANNELS


def test_an_address_tells_the_country_without_any_file() -> None:
    assert find_place("8.8.8.8") == {"country": "US"}
    assert find_place("::ffff:8.8.8.8") == {"country": "US"}
    assert find_place("2a02:6b8::1")["country"] == "RU"
    assert [dict(find_place(ip)) for ip in ("192.168.1.1", "::1", "nonsense", "8.8.8.8.8")] == [{}, {}, {}, {}]


class _Reader:
    """A database with one record for everybody, in place of a file of a hundred megabytes."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record

    def metadata(self) -> Any:
        return maxminddb.reader.Metadata(
            binary_format_major_version=2, binary_format_minor_version=0, build_epoch=0, database_type="",
            description={}, ip_version=4, languages=[], node_count=1, record_size=24,
        )  # fmt: skip

    def get(self, address: Any) -> Any:
        return self.record


@pytest.mark.parametrize(
    "record",
    [
        {"country": {"iso_code": "GB", "names": {"en": "United Kingdom"}}, "city": {"names": {"en": "London"}},
         "subdivisions": [{"names": {"en": "England"}}], "location": {"time_zone": "Europe/London", "latitude": 51.5}},
        {"country_code": "GB", "state1": "England", "city": "London", "timezone": "Europe/London"},
        {"country_code": "GB", "region": "England", "city": "London", "timezone": "Europe/London"},
    ],
)  # fmt: skip
def test_databases_of_all_usual_forms_tell_region_city_and_time_zone(
    record: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_readers", lambda: [_Reader(record)])
    find_place.cache_clear()
    try:
        told = {"country": "GB", "region": "England", "city": "London", "time_zone": "Europe/London"}
        assert dict(find_place("81.2.69.142")) == told
        assert dict(find_place("2a02:6b8::1")) == {"country": "RU"}  # a database of IPv4 only
    finally:
        find_place.cache_clear()


def test_a_file_that_is_no_database_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "city.mmdb").write_bytes(b"no database")
    config = kernel_config.load({"KAPELLE_GEO_DATABASES": str(tmp_path / "city.mmdb")})
    assert places.list_databases(config) == []


@pytest.mark.parametrize(
    ("ip", "kept"), [("198.51.100.77", "198.51.100.0"), ("2001:db8:1:2:3::4", "2001:db8:1::"), ("nonsense", "")]
)
def test_a_truncated_address_names_a_network(ip: str, kept: str) -> None:
    assert shorten_ip(ip, "truncated") == kept
    assert (shorten_ip(ip, "whole"), shorten_ip(ip, "none")) == (ip, "")


def test_a_server_that_sends_for_a_device_is_not_taken_for_it() -> None:
    context: dict[str, Any] = {}
    assert is_library("python-requests/2.32")
    assert not derive(
        context, {}, device_id="", user_id="", seen_agent="python-requests/2.32", seen_ip="", keep_ip="whole"
    )  # fmt: skip
    assert context == {}


def test_an_app_says_itself_what_it_runs_on() -> None:
    context: dict[str, Any] = {
        "device": {"manufacturer": "Apple", "model": "iPad13,4", "type": "ios"},
        "os": {"name": "iOS", "version": "17.1"},
    }
    derive(context, {}, device_id="a1", user_id="", seen_agent="okhttp/4.9", seen_ip="", keep_ip="whole")
    assert context[DERIVED] == {
        "device_brand": "Apple", "device_model": "iPad13,4", "device_type": "tablet", "os": "iOS", "os_version": "17.1",
        "device": DEVICE, "login_state": "logged_out",
    }  # fmt: skip


@pytest.fixture
def road(database: str, workspace: WorkspaceInfo, now: Any, projector_role: None) -> Road:
    return Road(database, workspace.id, now)


def _contexts(road: Road) -> list[dict[str, Any]]:
    return [json.loads(text) for (text,) in road.rows("SELECT context::text FROM events ORDER BY message_id")]


def test_an_event_comes_home_with_what_its_context_tells(road: Road) -> None:
    page = {"url": "https://shop.test/a?utm_source=mail&utm_medium=email", "referrer": ""}
    forged = {"page": page, DERIVED: {"country": "XX"}, "userAgentData": "no hints"}
    road.send(
        track("m1", anonymous="a1", context=forged), track("m2", user="u1"),
        context={"ip": "8.8.8.8", "user_agent": CHROME},
    )  # fmt: skip
    road.project()
    first, second = _contexts(road)
    assert first[DERIVED] == {
        "device_type": "desktop", "os": "Windows", "os_version": "10", "browser": "Chrome", "browser_version": "131",
        "country": "US", "path": "/a", "utm_source": "mail", "utm_medium": "email", "source": "mail",
        "channel": "email", "login_state": "logged_out", "device": DEVICE,
    }  # fmt: skip
    assert first["ip"] == "8.8.8.0"
    assert second == {}  # sent by the brand's server: its address and program are nobody's


def test_a_browser_that_asks_not_to_be_tracked_is_heard(road: Road) -> None:
    road.send(track("m1", anonymous="a1"), context={"gpc": True, "dnt": True})
    road.send(track("m2", anonymous="a1", context={"globalPrivacyControl": True}))
    road.project()
    first, second = _contexts(road)
    assert (first["gpc"], first["dnt"], second["gpc"], "dnt" in second) == (True, True, True, False)


@pytest.mark.parametrize(("keep_ip", "kept"), [("whole", "8.8.8.8"), ("truncated", "8.8.8.0"), ("none", None)])
def test_the_workspace_says_what_is_kept_of_an_address(road: Road, keep_ip: str, kept: str | None) -> None:
    change_workspace(workspace_id=road.workspace_id, keep_ip=KeepIp(keep_ip), now=road.now, actor="test")
    road.send(identify("m1", anonymous="a1", traits={"city": "Riga"}), context={"ip": "8.8.8.8"})
    road.project()
    (context,) = _contexts(road)
    assert context.get("ip") == kept
    assert context[DERIVED]["country"] == "US"
    assert road.rows("SELECT count(*) FROM audit_log WHERE action = 'workspace.changed'") == [(1,)]


def test_a_visit_cannot_be_told_to_end_at_once(workspace: WorkspaceInfo, now: Any) -> None:
    with pytest.raises(Invalid):
        change_workspace(workspace_id=workspace.id, session_idle_minutes=0, now=now, actor="test")
