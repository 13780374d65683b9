"""Single events a second: authenticated, validated, acknowledged after the commit, 32 connections. Load: wrk.

Everything stands on this machine: wrk, the edge, PostgreSQL with fsync, and the projector working the inbox off
(`--without-projector` leaves it out). Each event has a message id of its own. Wanted: >= 5,000/s, p99 < 25 ms.
"""

from __future__ import annotations

import base64
import json
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from _collecting import Collecting, shares
from harness import Size, arguments, report

_SCRIPT = """
local head = '{"type":"track","event":"Product Viewed","userId":"user-'
local tail = '","timestamp":"2026-11-22T00:33:50.471Z","properties":{"product_id":"p1","price":12.5,' ..
  '"currency":"EUR","name":"Winter boots"},"context":{"locale":"de-DE","library":{"name":"analytics.js",' ..
  '"version":"2.11.1"}}}'
local headers = { ["Authorization"] = "Basic AUTHORIZATION", ["Content-Type"] = "application/json" }
local count = 0
init = function() math.randomseed(SEED) run = math.random(1, 999999999) end
request = function()
  count = count + 1
  local body = head .. math.random(1, 20000) .. '","messageId":"' .. run .. "-" .. count .. tail
  return wrk.format("POST", "/v1/track", headers, body)
end
done = function(summary, latency)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format('{"requests": %d, "microseconds": %d, "failed": %d, "p50": %d, "p99": %d, "max": %d}\\n',
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99), latency.max))
end
"""


def load(collecting: Collecting, seconds: int, connections: int) -> dict[str, Any]:
    """One run of wrk; its own figures, and the processors that it and the others used."""
    token = base64.b64encode(f"{collecting.write_key}:".encode()).decode()
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT.replace("AUTHORIZATION", token).replace("SEED", str(time.time_ns() % 2**31)))
        script.flush()
        before, own = collecting.cpu(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [
                "wrk",
                "-t1",
                f"-c{connections}",
                f"-d{seconds}s",
                "-s",
                script.name,
                f"http://127.0.0.1:{collecting.port}",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    result["cpu"] = shares(before, collecting.cpu(), seconds)
    wrk = resource.getrusage(resource.RUSAGE_CHILDREN)
    result["client_cpu"] = (wrk.ru_utime + wrk.ru_stime - own.ru_utime - own.ru_stime) / seconds
    return result


def main() -> None:
    options = arguments(
        __doc__, {"without_projector": "leave the inbox as it grows"}, seconds=Size(10, 3), connections=Size(32, 32)
    )
    with Collecting(projector=not options.without_projector) as collecting:
        load(collecting, 3, options.connections)  # first plans, first pages
        results = [load(collecting, options.seconds, options.connections) for _ in range(options.runs)]
    assert not any(result["failed"] for result in results), results
    report(
        "collect_single",
        "events/s",
        [result["requests"] / result["microseconds"] * 1e6 for result in results],
        options,
        p50_ms=statistics.median(result["p50"] for result in results) / 1000,
        p99_ms=statistics.median(result["p99"] for result in results) / 1000,
        cpu=statistics.median(result["client_cpu"] for result in results),
        max_ms=round(max(result["max"] for result in results) / 1000, 1),
        processors=results[-1]["cpu"],
    )


if __name__ == "__main__":
    assert Path("/usr/bin/wrk").exists(), "this needs wrk: apt-get install wrk"
    main()
