"""Operations as a brand's systems call them, through Django's own stack."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from road import Road

if TYPE_CHECKING:
    from datetime import datetime

    from conftest import Api
    from kapelle.accounts.contracts import WorkspaceInfo


class Mindbox:
    """A client of the operations API with one key."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.client = Client()

    def call(self, mode: str, operation: str, body: Any, *, status: int = 200, key: str = "", **query: str) -> Any:
        """The decoded answer; fails unless it has this status."""
        asked = urlencode({"endpointId": "Shop.Website", "operation": operation, **query})
        response = self.client.post(
            f"/v3/operations/{mode}?{asked}",
            data=body if isinstance(body, bytes) else json.dumps(body),
            content_type="application/json; charset=utf-8",
            headers={"Authorization": key or f"SecretKey {self.secret}"},
        )
        assert response.status_code == status, (response.status_code, response.content[:2000])
        return response.json()

    def sync(self, operation: str, body: Any, **query: str) -> Any:
        return self.call("sync", operation, body, **query)


@pytest.fixture
def mindbox(admin_secret: str, api: Api) -> Mindbox:
    """With the ready-made operations set up."""
    api.post("/operations/ready-made")
    return Mindbox(admin_secret)


@pytest.fixture
def road(database: str, workspace: WorkspaceInfo, now: datetime) -> Road:
    return Road(database, workspace.id, now)
