"""Reads of the catalogue and orders."""
