"""Puts the product together once Django has loaded the tables of all modules."""

from __future__ import annotations

import importlib

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The composing module."""

    name = "kapelle.web"

    def ready(self) -> None:
        # Only now: the subscriptions reach every module's models.
        importlib.import_module("kapelle.web.subscriptions").register()
