"""``AsyncDigitsClient``: the same calls for asyncio, with several requests in flight."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx

from app.api.schemas import ModelInfo, ModelList, ReadAnswer
from app.client.calls import Call, Calls
from app.client.errors import ClientError
from app.client.pictures import BatchLimits, Picture, batches, load
from app.client.results import Result
from app.client.retries import Attempts

T = TypeVar("T")

# Two full requests are half of what a service queues by default (256 images): one is read while the other runs.
CONCURRENCY: Final = 2


class AsyncDigitsClient:
    """Asks one service; keeps its connections open until ``aclose`` or the end of its ``async with`` block.

    Every call raises ``app.client.errors``.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 10.0,
        deadline_s: float = 30.0,
        concurrency: int = CONCURRENCY,
        limits: BatchLimits = BatchLimits(),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Connect with the first call.

        Args:
            url: of the service, as ``http://127.0.0.1:8000``.
            api_key: sent as a bearer token.
            timeout_s: how long one try may wait for the connection, and for each next piece of the answer.
            deadline_s: how long a request may take with all its retries; a long list of pictures is several requests.
            concurrency: requests in flight of one call.
            limits: what one request may hold, if the service's settings are not the defaults.
            transport: httpx' own, for certificates or proxies of one's own.

        Raises:
            ValueError: ``url`` is none.
        """
        self._calls = Calls(url, api_key)
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s
        self._concurrency = concurrency
        self._limits = limits
        self._http = httpx.AsyncClient(transport=transport, timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def predict(
        self, pictures: Iterable[Picture], *, model: str | None = None, top_k: int | None = None, preview: bool = False
    ) -> list[Result]:
        """Read digits.

        Args:
            pictures: any number; more than a request holds are sent in several, ``concurrency`` at a time.
            model: by name; the service's default if None.
            top_k: how many labels to rank; the service's default (3) if None.
            preview: ask for what the model saw of each picture, too.

        Returns:
            One result for each picture, in order, a ``Refusal`` for each that cannot be read, also for a lone one.
        """
        return [result async for result in self.predict_many(pictures, model=model, top_k=top_k, preview=preview)]

    def predict_many(
        self, pictures: Iterable[Picture], *, model: str | None = None, top_k: int | None = None, preview: bool = False
    ) -> AsyncIterator[Result]:
        """``predict`` for a stream: takes pictures as it yields results, and holds ``concurrency`` requests' of each.

        Pictures are iterated, and paths read, on a worker thread: files block.
        """
        return self._predict("predict", pictures, model, top_k, preview=preview)

    async def top_k(
        self, pictures: Iterable[Picture], *, model: str | None = None, top_k: int | None = None, preview: bool = False
    ) -> list[Result]:
        """``predict`` where the service's default ranks five labels."""
        return [result async for result in self._predict("top-k", pictures, model, top_k, preview=preview)]

    async def read(self, picture: Picture, *, model: str | None = None, top_k: int | None = None) -> ReadAnswer:
        """What one picture of several digits says: its text, its lines, and each digit with its place.

        Args:
            picture: one; the service's limit is 64 digits.
            model: by name; the service's default if None.
            top_k: how many labels to rank for each digit; the service's default (3) if None.

        Raises:
            ProblemError: also for a picture that cannot be read, as there are no others to go on with.
        """
        file = await asyncio.to_thread(load, picture)
        return await self._ask(self._calls.read(file, model, top_k))

    async def models(self) -> ModelList:
        """What is loaded, the default model first."""
        return await self._ask(self._calls.models())

    async def model(self, name: str) -> ModelInfo:
        """One loaded model; a name that is not loaded is a ``ProblemError`` with the slug ``unknown-model``."""
        return await self._ask(self._calls.model(name))

    async def ready(self) -> bool:
        """Whether the service takes traffic now: tried once, and False too where nothing answers."""
        call = self._calls.ready()
        try:
            return call.read(await self._http.send(call.request))
        except httpx.TransportError:
            return False

    async def _predict(
        self, route: str, pictures: Iterable[Picture], model: str | None, top_k: int | None, *, preview: bool
    ) -> AsyncIterator[Result]:
        waiting: deque[asyncio.Task[list[Result]]] = deque()
        source = batches(pictures, self._limits)
        try:
            while batch := await asyncio.to_thread(next, source, None):
                call = self._calls.predict(route, batch, model, top_k, preview=preview)
                waiting.append(asyncio.create_task(self._ask(call)))
                if len(waiting) >= self._concurrency:
                    for result in await waiting.popleft():
                        yield result
            while waiting:
                for result in await waiting.popleft():
                    yield result
        finally:  # after a failure, or when the caller takes no more
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _ask(self, call: Call[T]) -> T:
        attempts = Attempts(timeout_s=self._timeout_s, deadline_s=self._deadline_s)
        while True:
            try:
                return call.read(await self._http.send(attempts.prepare(call.request)))
            except (httpx.RequestError, ClientError) as exc:
                pause_s = attempts.pause_s(exc)
            await asyncio.sleep(pause_s)
