"""``wrk``, where it is installed: a load generator in C, which leaves the server the most of two cores."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.contender import ContenderError, Job

SCRIPT: Final = """
local file = io.open("{folder}/body", "rb")
wrk.method, wrk.body = "POST", file:read("*a")
{headers}
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\n{{"requests": %d, "us": %d, "p50": %g, "p99": %g, "p999": %g, "refused": %d, "faults": %d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What the clients saw.

    Attributes:
        requests: answered.
        per_s: of them a second.
        p50_ms, p99_ms, p999_ms: latency, from sending to the last byte.
        errors: answers above 399, and connections that failed.
    """

    requests: int
    per_s: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    errors: int


def installed() -> bool:
    """Whether there is a ``wrk`` to run."""
    return shutil.which("wrk") is not None


def load(url: str, job: Job, *, clients: int, seconds: float) -> Load:
    """Send ``job`` from so many connections, each with one request at a time."""
    with tempfile.TemporaryDirectory(prefix="digits-wrk-") as folder:
        script = Path(folder) / "job.lua"
        (script.parent / "body").write_bytes(job.body)
        headers = "\n".join(f"wrk.headers[{_quoted(name)}] = {_quoted(value)}" for name, value in job.headers.items())
        script.write_text(SCRIPT.format(folder=folder, headers=headers))
        words = ["wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout", "10", "-s", str(script)]
        done = subprocess.run([*words, url + job.path], capture_output=True, text=True, check=False)
    found = next((line for line in done.stdout.splitlines() if line.startswith("{")), None)
    if found is None:
        raise ContenderError(f"wrk said: {done.stdout}{done.stderr}")
    seen = json.loads(found)
    p50, p99, p999 = (seen[name] / 1000 for name in ("p50", "p99", "p999"))
    return Load(seen["requests"], seen["requests"] / seen["us"] * 1e6, p50, p99, p999, seen["refused"] + seen["faults"])


def _quoted(text: str) -> str:
    return json.dumps(text)  # Lua reads a JSON string of plain ASCII alike
