"""Segments: the rule tree, its compiler to ClickHouse SQL, preview counts and member snapshots."""
