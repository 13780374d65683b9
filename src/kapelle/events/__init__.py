"""The road of every event: inbox, deduplication, `events`, registry of names, projector, columnar mirror."""
