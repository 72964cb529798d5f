"""The container reaches its limit of memory: the kernel kills the service, and the compose file's policy starts it again."""

from __future__ import annotations

import asyncio
import subprocess
import time
from typing import Final

from benchmarks.contender import free_port
from tests.container.engine import Docker, composed, wait_until_healthy
from tests.reliability.callers import callers
from tests.reliability.rows import Row

# Runs inside until there is no more. Of the processes below the limit the kernel is to take the service, the first below the
# init, and not this one.
EAT: Final = """
import pathlib
commands = {int(path.parent.name): path.read_bytes() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")}
service = min(pid for pid, command in commands.items() if b"app.cli" in command and pid > 1)
pathlib.Path(f"/proc/{service}/oom_score_adj").write_text("1000")
eaten = []
while True:
    eaten.append(b"x" * 2**20)
"""


async def out_of_memory(docker: Docker, image: str, *, times: int, seconds: float) -> Row:
    """Memory is eaten up ``times`` times: callers of ours, which try again, miss nothing."""
    # A port of our own choice: the engine's would be another one after the restart.
    port = f"127.0.0.1:{free_port()}"
    with composed(docker, image, "digits-memory", DIGITS_PORT=port) as compose:
        name, began = compose.container("digits").name, time.time()
        with callers(f"http://{port}") as asking:
            for number in range(times):
                await asyncio.sleep(seconds)
                await asyncio.to_thread(subprocess.run, ["docker", "exec", name, "python", "-c", EAT], capture_output=True)
                await asyncio.to_thread(_wait_for_restart, docker, name, number + 1)
            await asyncio.sleep(seconds)
        answers = await asking.answers()
        killed = _events(docker, name, began).count("oom")
        kept = {
            "killed for want of memory": killed >= times,
            "restarted by policy": docker("inspect", "--format", "{{.RestartCount}}", name) == str(times),
        }
    scenario = f"memory limit of the container reached, {times} times, through DigitsClient"
    return Row(scenario, len(answers), len(answers), 0, len(answers) - sum(answers), kept=kept)


def _wait_for_restart(docker: Docker, name: str, times: int, timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while int(docker("inspect", "--format", "{{.RestartCount}}", name)) < times:
        assert time.monotonic() < end, "it was not restarted"
        time.sleep(0.1)
    wait_until_healthy(docker, name)


def _events(docker: Docker, name: str, began: float) -> list[str]:
    span = ("--since", f"{began:.0f}", "--until", f"{time.time():.0f}")
    return docker("events", *span, "--filter", f"container={name}", "--format", "{{.Action}}").split()
