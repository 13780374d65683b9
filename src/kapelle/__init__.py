"""Kapelle: a self-hosted customer engagement platform."""
