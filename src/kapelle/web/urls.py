"""Every address that Django answers."""

from __future__ import annotations

urlpatterns: list[object] = []
