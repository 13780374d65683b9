"""The edge's own figures for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class EdgeMetrics:
    """One registry an edge, so that tests may have several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter("kapelle_edge_requests", "Answers given.", ["route", "status"], registry=self.registry)
        self._seconds = Histogram(
            "kapelle_edge_request_seconds", "Time to answer.", ["route"], registry=self.registry, buckets=_BUCKETS
        )
        self._by_answer: dict[tuple[str, int], Counter] = {}
        self._by_route: dict[str, Histogram] = {}
        self.accepted_events = Counter(
            "kapelle_edge_accepted_events", "Events acknowledged, good or bad.", registry=self.registry
        )
        self.insert_seconds = Histogram(
            "kapelle_edge_inbox_insert_seconds",
            "Time of one gathered insert with its commit.",
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self.spilled_rows = Counter(
            "kapelle_edge_spilled_rows", "Requests kept in the local spill.", registry=self.registry
        )
        self.replayed_rows = Counter(
            "kapelle_edge_replayed_rows", "Requests brought back from the spill.", registry=self.registry
        )
        self.spill_bytes = Gauge("kapelle_edge_spill_bytes", "Size of the local spill.", registry=self.registry)

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count one answer. `route` is one of a few words, never a path."""
        answers = self._by_answer.get((route, status))
        if answers is None:
            answers = self._by_answer[route, status] = self._requests.labels(route, str(status))
        answers.inc()
        timing = self._by_route.get(route)
        if timing is None:
            timing = self._by_route[route] = self._seconds.labels(route)
        timing.observe(seconds)

    def text(self) -> bytes:
        """All figures in Prometheus' text form."""
        return generate_latest(self.registry)
