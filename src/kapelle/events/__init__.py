"""The road of every event: inbox, deduplication, `events`, the registry of names, the projector, the columnar mirror."""
