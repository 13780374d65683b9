"""The browser SDKs of Segment and RudderStack in Chromium, on a page of another origin than the edge's.

Segment's is told the host of its CDN and nothing else: the settings that it finds there name the rest.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright

from live import wait_until
from sdk.conftest import MODULES
from sdk.shaky import Site, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    from sdk.conftest import SdkRoad
    from sdk.shaky import ShakyFront

pytestmark = pytest.mark.browser

SEGMENT = MODULES / "@segment" / "analytics-next" / "dist" / "umd" / "standalone.js"
RUDDERSTACK = MODULES / "@rudderstack" / "analytics-js" / "dist" / "npm" / "modern" / "bundled" / "esm" / "index.mjs"

SEGMENT_PAGE = """<!doctype html><title>Shop</title><script>
const analytics = (window.analytics = []);
for (const name of ["ready", "identify", "track", "page", "screen", "group", "alias", "reset", "on"])
  analytics[name] = (...rest) => (analytics.push([name, ...rest]), analytics);
analytics._writeKey = {key};
analytics._cdn = {url};
analytics._loadOptions = {options};
analytics.SNIPPET_VERSION = "5.2.1";
</script><script async src="/segment.js"></script>"""
RUDDERSTACK_PAGE = """<!doctype html><title>Shop</title><script type="module">
import { RudderAnalytics } from "/rudderstack.mjs";
window.sdk = new RudderAnalytics();
sdk.load({key}, {url}, { configUrl: {url}, logLevel: "ERROR", ...{options} });
sdk.ready(() => (window.isReady = true));
</script>"""
CALLS = """(sdk) => {
  sdk.alias("u-1", "old-1");
  sdk.identify("u-1", { email: "ann@shop.example", plan: "gold" });
  sdk.track("Plan Chosen", { price: 9.99, nested: { ok: true } });
  sdk.page("Docs", "Pricing", { tab: "first" });
  sdk.group("g-1", { employees: 420 });
}"""
ALL_CALLS = {
    ("identify", "Identify"): 1,
    ("track", "Plan Chosen"): 1,
    ("page", "Page Viewed"): 1,
    ("group", "Group"): 1,
    ("alias", "Alias"): 1,
}


@contextmanager
def page_of(family: str, url: str, key: str, **options: Any) -> Iterator[Page]:
    """A shop's page with this SDK loaded and ready. Fails if anything but loopback is asked for."""
    page_text = SEGMENT_PAGE if family == "segment" else RUDDERSTACK_PAGE
    for name, value in (("{key}", key), ("{url}", url), ("{options}", options)):
        page_text = page_text.replace(name, json.dumps(value))
    site = Site(
        {
            "/": ("text/html", page_text.encode()),
            "/away": ("text/html", b"<!doctype html><title>Away</title>"),
            "/segment.js": ("text/javascript", SEGMENT.read_bytes()),
            "/rudderstack.mjs": ("text/javascript", RUDDERSTACK.read_bytes()),
        }
    )
    asked: list[str] = []
    with serving(site), sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{site.url}/?utm_source=mail")
        ready = "window.analytics.initialized" if family == "segment" else "window.isReady"
        page.wait_for_function(ready, timeout=20_000)
        yield page
        browser.close()
    assert {urlsplit(address).hostname for address in asked} == {"127.0.0.1"}


def call(page: Page, family: str, calls: str = CALLS) -> None:
    page.evaluate(f"({calls})({'window.analytics' if family == 'segment' else 'window.sdk'})")


def sent_events(front: ShakyFront) -> list[str]:
    """The message ids that were posted, in all attempts."""
    bodies = [json.loads(body) for path, _, body in front.posts if path != "/v1/m"]
    return [event["messageId"] for body in bodies for event in body.get("batch", [body])]


def wait_for(front: ShakyFront, count: int) -> None:
    wait_until(lambda: len(set(sent_events(front))) >= count, seconds=20, what=f"{count} events sent")


@pytest.mark.parametrize("family", ["segment", "rudderstack"])
def test_every_call_lands(family: str, shaky: Callable[..., ShakyFront], write_secret: str, road: SdkRoad) -> None:
    front = shaky("refuse", bad=0)
    with page_of(family, front.url, write_secret) as page:
        call(page, family)
        wait_for(front, 5)
        page.wait_for_load_state("networkidle")
    assert road.names() == ALL_CALLS
    landed = {event.name: event for event in road.landed()}
    assert landed["Plan Chosen"].properties == {"price": 9.99, "nested": {"ok": True}}
    assert landed["Page Viewed"].properties["name"] == "Pricing"
    assert landed["Page Viewed"].properties["category"] == "Docs"
    assert landed["Page Viewed"].properties["title"] == "Shop"
    assert landed["Group"].properties == {"group_id": "g-1", "traits": {"employees": 420}}
    assert "Chrome" in landed["Plan Chosen"].context["userAgent"]
    assert landed["Plan Chosen"].context["campaign"]["source"] == "mail"
    (person,) = road.events_of()
    assert {("user_id", "u-1"), ("anonymous_id", "old-1"), ("email", "ann@shop.example")} <= person
    assert road.profile(user_id="u-1")["attributes"] == {"plan": "gold"}
    assert road.quarantined() == []


@pytest.mark.parametrize("trouble", ["lose", "refuse"])
@pytest.mark.parametrize("family", ["segment", "rudderstack"])
def test_what_is_sent_again_counts_once(
    family: str, trouble: str, shaky: Callable[..., ShakyFront], write_secret: str, road: SdkRoad
) -> None:
    front = shaky(trouble)
    with page_of(family, front.url, write_secret) as page:
        call(page, family, '(sdk) => { sdk.track("Plan Chosen", { price: 9.99 }); }')
        wait_until(lambda: len(sent_events(front)) >= 2, seconds=25, what="a second attempt")
        page.wait_for_load_state("networkidle")
    assert len(set(sent_events(front))) == 1
    assert road.names() == {("track", "Plan Chosen"): 1}


@pytest.mark.parametrize(
    ("family", "options", "path"),
    [
        (
            "segment",
            {"integrations": {"Segment.io": {"deliveryStrategy": {"strategy": "batching", "config": {"size": 50}}}}},
            "/v1/b",
        ),
        ("rudderstack", {"useBeacon": True}, "/beacon/v1/batch"),
    ],
)
def test_what_waits_is_sent_when_the_page_is_left(
    family: str,
    options: dict[str, Any],
    path: str,
    shaky: Callable[..., ShakyFront],
    write_secret: str,
    road: SdkRoad,
) -> None:
    front = shaky("refuse", bad=0)
    with page_of(family, front.url, write_secret, **options) as page:
        call(page, family, '(sdk) => { sdk.track("Left"); sdk.track("Left"); }')
        page.wait_for_timeout(300)
        assert front.posts == []
        page.evaluate("location.href = '/away'")
        wait_for(front, 2)
        page.wait_for_load_state("networkidle")
    assert [posted for posted, _, _ in front.posts] == [f"{path}?writeKey={write_secret}" if "beacon" in path else path]
    assert road.names() == {("track", "Left"): 2}
