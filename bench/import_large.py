"""One file of customers of about 2 GB: rows a second, memory, a kill -9 in the middle, the resume, the undo.

Runs the product's own command in processes of its own and looks at their memory from outside. `--megabytes` sets the
size. Not part of `make bench`: it takes a quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from kapelle.kernel import config as kernel_config
from kapelle.kernel.postgres import running

_NOTE = "A line that somebody wrote about this customer; as long as such lines are; with a word of Привет in it. " * 28


def write_file(path: Path, megabytes: int) -> int:
    """Customers with a long note; returns how many."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("user_id,email,first name,last name,city,points,note\r\n")
        number = 0
        while file.tell() < megabytes * 1_000_000:
            file.write(
                "".join(
                    f"u{n},u{n}@example.test,Anna{n % 997},Иванова{n % 4999},Berlin,{n % 1000},{_NOTE}{n}\r\n"
                    for n in range(number + 1, number + 1001)
                )
            )
            number += 1000
    return number


class Watched:
    """A run of `kapelle` whose peak memory is kept."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("kapelle"), *arguments], stdout=subprocess.PIPE, text=True
        )
        self.peak = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        status = Path(f"/proc/{self.process.pid}/status")
        while self.process.poll() is None:
            try:
                lines = status.read_text().splitlines()
            except OSError:
                return
            self.peak = max([self.peak, *(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))])
            time.sleep(0.2)


def kapelle(*arguments: str) -> str:
    return subprocess.run(
        [Path(sys.executable).with_name("kapelle"), *arguments], check=True, capture_output=True, text=True
    ).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--undo-seconds", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kapelle-large-") as folder:
        os.environ["KAPELLE_HOME"] = str(Path(folder) / "home")
        file = Path(folder) / "customers.csv"
        rows = write_file(file, options.megabytes)
        with running(kernel_config.load()):
            measure(file, rows, options)


def measure(file: Path, rows: int, options: argparse.Namespace) -> None:
    kapelle("migrate")
    kapelle("workspace", "create", "large", "--name", "Large")
    began = time.monotonic()
    first = Watched("import", "customers", str(file), "--workspace", "large", "--json")
    killed_at = wait_for(0.4, first)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    job = kapelle("import", "list", "--workspace", "large").split("\t")[0]
    before = json.loads(kapelle("import", "status", job, "--workspace", "large", "--json"))
    second = Watched("import", "resume", job, "--workspace", "large", "--json")
    done = json.loads(second.process.communicate()[0])
    seconds = time.monotonic() - began
    assert done["rows_read"] == done["rows_created"] == rows, done
    undo = Watched("import", "undo", job, "--workspace", "large")
    time.sleep(options.undo_seconds)
    undo.process.send_signal(signal.SIGKILL)
    undo.process.wait()
    undone = json.loads(kapelle("import", "status", job, "--workspace", "large", "--json"))
    print(
        json.dumps(
            {
                "bench": "import_large",
                "bytes": file.stat().st_size,
                "rows": rows,
                "rows_per_second_of_work": done["rows_per_second"],
                "seconds": round(seconds),
                "killed_at_share": killed_at,
                "rows_when_killed": before["rows_read"],
                "peak_rss_mb": {"until_kill": first.peak, "resumed": second.peak, "undo": undo.peak},
                "undone_in_a_minute": undone["report"].get("undone"),
            }
        )
    )


def wait_for(share: float, run: Watched) -> float:
    while run.process.poll() is None:
        time.sleep(2)
        job = kapelle("import", "list", "--workspace", "large").split("\t")[0]
        if job:
            at = json.loads(kapelle("import", "status", job, "--workspace", "large", "--json"))["share_read"]
            if at >= share:
                return float(at)
    raise SystemExit(f"the import ended before it could be killed: {run.process.returncode}")


if __name__ == "__main__":
    main()
