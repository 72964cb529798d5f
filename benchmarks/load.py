"""Load test. Closed loop: every client sends its next picture as soon as it has the answer to the last.

    python -m benchmarks.load --url http://127.0.0.1:8000/v1/predict --clients 16 --seconds 10 samples/7.png

Open loop, with ``--rate``: pictures are due at random times, so many a second, whatever becomes of those before; clients that
are all busy send late, and the wait counts. Latency is what a client sees, from when it was to send to the last byte, and
counts answers only; errors are counted by kind.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import itertools
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

# A client that cannot connect fails in microseconds; without a pause it would count nothing but its own speed.
PAUSE_AFTER_FAULT_S: Final = 0.05
# Above this share of one core the event loop of the clients has no time left, and their latency is their own.
CLIENT_LIMIT: Final = 0.9
# Wide enough for every row, in a narrow terminal and in a pipe too: a table that is cut cannot be pasted.
WIDTH: Final = 120
SCHEDSTAT: Final = Path("/proc/self/schedstat")


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body, encoded once: encoding it for each request would take the client more time than sending it.

    For that reason, and because its retries would hide what is counted here, this is not ``app.client``.
    """

    content: bytes
    headers: dict[str, str]

    @classmethod
    def of_picture(cls, name: str, data: bytes) -> Body:
        """One picture as multipart ``files``, as curl and browsers send it."""
        request = httpx.Request("POST", "http://any", files={"files": (name, data)})
        return cls(request.read(), {"content-type": request.headers["content-type"]})


@dataclass(slots=True)
class Tally:
    """What the clients saw: latencies of answers in milliseconds, and everything else by kind."""

    latencies_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run.

    Attributes:
        clients: how many asked at the same time.
        elapsed_s: from the first request to the last answer.
        latencies_ms: of each answer with status 200.
        errors: how often each kind came: status and problem slug, or the exception's class.
        client_load: share of one core, 0–1, that this process used or waited for; of several processes, the busiest's.
    """

    clients: int
    elapsed_s: float
    latencies_ms: Sequence[float]
    errors: Counter[str]
    client_load: float

    @property
    def requests(self) -> int:
        """All requests, failed ones too."""
        return len(self.latencies_ms) + self.errors.total()

    @property
    def answers_per_second(self) -> float:
        """Answers with status 200 only: a refusal is quick, but no work."""
        return len(self.latencies_ms) / self.elapsed_s

    def percentile_ms(self, percent: float) -> float:
        """Latency that ``percent`` % of the answers keep; NaN without answers."""
        return float(np.percentile(self.latencies_ms, percent)) if self.latencies_ms else float("nan")


async def measure(
    url: str,
    bodies: Sequence[Body],
    *,
    clients: int,
    seconds: float,
    rate: float | None = None,
    warm_up_s: float = 0.0,
    timeout_s: float = 10.0,
) -> Report:
    """Load ``url`` with ``clients`` connections for ``seconds``, after ``warm_up_s`` that do not count.

    Args:
        url: where pictures are POSTed.
        bodies: sent in turn.
        clients: connections, each with one request at a time.
        seconds: how long requests are sent.
        rate: requests that are due in a second; None for as many as are answered.
        warm_up_s: seconds before.
        timeout_s: of one request.
    """
    deck = itertools.cycle(bodies)
    async with _connections(clients, timeout_s) as connections:
        if warm_up_s:
            await _drive(connections, url, deck, _times(warm_up_s, rate))
        busy_s, started = _busy_s(), time.perf_counter()
        tally = await _drive(connections, url, deck, _times(seconds, rate))
        elapsed_s = time.perf_counter() - started
    return Report(clients, elapsed_s, tally.latencies_ms, tally.errors, (_busy_s() - busy_s) / elapsed_s)


def measure_in(
    processes: int, url: str, bodies: Sequence[Body], *, clients: int, rate: float | None, **options: float
) -> Report:
    """``measure``, its clients and its rate shared out among processes of their own."""
    share = None if rate is None else rate / processes
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        counts = [clients // processes + (number < clients % processes) for number in range(processes)]
        runs = [pool.submit(_measure, url, bodies, clients=count, rate=share, **options) for count in counts]
        reports = [run.result() for run in runs]
    return Report(
        clients,
        max(report.elapsed_s for report in reports),
        [latency for report in reports for latency in report.latencies_ms],
        sum((report.errors for report in reports), Counter()),
        max(report.client_load for report in reports),
    )


def _measure(url: str, bodies: Sequence[Body], **options: Any) -> Report:
    return asyncio.run(measure(url, bodies, **options))


def check_local(url: str) -> None:
    """Raise ``typer.BadParameter`` unless ``url`` names this machine: a load test of someone else's is an attack."""
    host = httpx.URL(url).host
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise typer.BadParameter(f"{host!r} is not this machine; say --allow-remote if you may load it.")


def render(report: Report) -> Table:
    """The report as one row that can be pasted into Markdown."""
    columns = {
        "clients": f"{report.clients}",
        "requests": f"{report.requests:,}",
        "answers/s": f"{report.answers_per_second:,.0f}",
        "p50 ms": f"{report.percentile_ms(50):.1f}",
        "p95 ms": f"{report.percentile_ms(95):.1f}",
        "p99 ms": f"{report.percentile_ms(99):.1f}",
        "errors": f"{report.errors.total():,}",
        "client busy": f"{report.client_load:.0%}",
    }
    table = _table(*columns)
    table.add_row(*columns.values())
    return table


def render_errors(report: Report) -> Table:
    """How often each kind of error came, the most frequent first."""
    table = _table("times", "error")
    for kind, count in report.errors.most_common():
        table.add_row(f"{count:,}", kind)
    return table


def main(
    pictures: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Picture files, sent in turn.")],
    url: Annotated[str, typer.Option(help="Where to POST them.")] = "http://127.0.0.1:8000/v1/predict",
    clients: Annotated[int, typer.Option(min=1, help="Connections, each with one request at a time.")] = 16,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to measure.")] = 10.0,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Requests a second, whatever is answered.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="That the clients are shared out among.")] = 1,
    warm_up: Annotated[float, typer.Option(min=0.0, help="Seconds before that, which do not count.")] = 1.0,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Load another machine than this one.")] = False,
) -> None:
    """Measure answers a second and latency of a service under a steady load; exit code 1 if nothing was answered."""
    if not allow_remote:
        check_local(url)
    bodies = [Body.of_picture(path.name, path.read_bytes()) for path in pictures]
    if processes > clients:
        raise typer.BadParameter(f"{processes} processes cannot share {clients} clients.")
    run = _measure if processes == 1 else functools.partial(measure_in, processes)
    report = run(url, bodies, clients=clients, rate=rate, seconds=seconds, warm_up_s=warm_up)
    console = Console(width=WIDTH)
    console.print(render(report))
    if report.errors:
        console.print(render_errors(report))
    if report.client_load >= CLIENT_LIMIT:
        console.print(
            f"The clients themselves used or waited for {report.client_load:.0%} of the one core that a process can use: "
            "they are the limit, the service may be faster and its latency lower. Try more --processes."
        )
    if not report.latencies_ms:
        raise typer.Exit(1)


def _table(*columns: str) -> Table:
    table = Table(box=box.MARKDOWN)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _times(seconds: float, rate: float | None) -> Iterator[float]:
    """When requests are due, on ``time.perf_counter``'s clock: now, again and again, or at random times (a Poisson process)."""
    due = time.perf_counter()
    end, chance = due + seconds, random.Random()  # noqa: S311 - no secret
    while (due := time.perf_counter() if rate is None else due + chance.expovariate(rate)) < end:
        yield due


async def _drive(connections: Sequence[httpx.AsyncClient], url: str, deck: Iterator[Body], times: Iterator[float]) -> Tally:
    tally = Tally()
    async with asyncio.TaskGroup() as group:
        for connection in connections:
            group.create_task(_client(connection, url, deck, times, tally))
    return tally


async def _client(connection: httpx.AsyncClient, url: str, deck: Iterator[Body], times: Iterator[float], tally: Tally) -> None:
    for due in times:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        body = next(deck)
        try:
            answer = await connection.post(url, content=body.content, headers=body.headers)
        except httpx.HTTPError as exc:
            tally.errors[type(exc).__name__] += 1
            await asyncio.sleep(PAUSE_AFTER_FAULT_S)
            continue
        if answer.status_code == httpx.codes.OK:
            tally.latencies_ms.append((time.perf_counter() - due) * 1000)
        else:
            tally.errors[_kind(answer)] += 1


def _kind(answer: httpx.Response) -> str:
    """``503 overloaded`` for a problem document, else the bare status."""
    if answer.headers.get("content-type") != "application/problem+json":
        return str(answer.status_code)
    return f"{answer.status_code} {answer.json()['type'].rpartition('/')[2]}"


@asynccontextmanager
async def _connections(count: int, timeout_s: float) -> AsyncIterator[list[httpx.AsyncClient]]:
    """One httpx client for each of ours: a shared pool would hand connections around and cost more than the request."""
    tls = httpx.create_ssl_context()
    async with AsyncExitStack() as stack:
        clients = [httpx.AsyncClient(verify=tls, timeout=timeout_s, trust_env=False) for _ in range(count)]
        yield [await stack.enter_async_context(client) for client in clients]


def _busy_s() -> float:
    """CPU time of this process and, where Linux tells, the time that its main thread waited for a core."""
    try:
        waited_ns = int(SCHEDSTAT.read_text().split()[1])
    except OSError:
        waited_ns = 0
    return time.process_time() + waited_ns / 1e9


if __name__ == "__main__":
    typer.run(main)
