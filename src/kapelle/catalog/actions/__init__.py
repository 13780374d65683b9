"""Writes on products and orders, one file a concern."""
