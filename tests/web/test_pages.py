"""The front page, readiness, and the API's documentation."""

from __future__ import annotations

from django.test import Client


def test_readiness_names_the_role_and_the_age_of_columnar(database: str) -> None:
    answer = Client().get("/readyz").json()
    assert (answer["database"], answer["role"]) == ("ok", "kapelle_app")
    assert answer["columnar"]["lag_seconds"] >= 0


def test_the_front_page_shows_how_to_send_an_event_to_this_address(database: str) -> None:
    page = Client().get("/", headers={"host": "kapelle.example.test"}).content.decode()
    assert "http://kapelle.example.test/v1/track" in page


def test_the_documentation_needs_nothing_from_the_internet(database: str) -> None:
    page = Client().get("/api/v1/docs").content.decode()
    assert "cdn" not in page.lower()
    assert "/static/ninja/swagger-ui.css" in page
    assert Client().get("/static/ninja/swagger-ui.css").status_code == 200
