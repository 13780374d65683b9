"""Reads of the event road."""
