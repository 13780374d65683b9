"""How many events a second one write key may send: a token bucket each."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from kapelle.edge.http import Busy

if TYPE_CHECKING:
    from uuid import UUID

_MAX_BUCKETS = 10_000


class RateLimit:
    """`rate` events a second, one second's worth at once; 0 means no limit."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._buckets: OrderedDict[tuple[UUID, str], tuple[float, float]] = OrderedDict()

    def take(self, bucket: tuple[UUID, str], events: int) -> None:
        """Count the events against the bucket; raises Busy, and then counts nothing.

        A request larger than the whole bucket passes when the bucket is full, and leaves a debt behind.
        """
        if not self._rate:
            return
        now = time.monotonic()
        left, at = self._buckets.get(bucket, (float(self._rate), now))
        left = min(self._rate, left + (now - at) * self._rate)
        wanted = min(events, self._rate)
        if left < wanted:
            wait = math.ceil((wanted - left) / self._rate)
            raise Busy(f"This key may send {self._rate} events a second. Nothing was kept.", retry_after=max(1, wait))
        self._buckets[bucket] = (left - events, now)
        self._buckets.move_to_end(bucket)
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)
