"""``DigitsClient``: plain calls."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

import httpx

from app.api.schemas import ModelInfo, ModelList, ReadAnswer
from app.client.calls import Call, Calls
from app.client.errors import ClientError
from app.client.pictures import BatchLimits, Picture, batches, load
from app.client.results import Result
from app.client.retries import Attempts

T = TypeVar("T")


class DigitsClient:
    """Asks one service; keeps its connections open until ``close`` or the end of its ``with`` block. Thread-safe.

    Every call raises ``app.client.errors``.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 10.0,
        deadline_s: float = 30.0,
        limits: BatchLimits = BatchLimits(),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Connect with the first call.

        Args:
            url: of the service, as ``http://127.0.0.1:8000``.
            api_key: sent as a bearer token.
            timeout_s: how long one try may wait for the connection, and for each next piece of the answer.
            deadline_s: how long a request may take with all its retries; a long list of pictures is several requests.
            limits: what one request may hold, if the service's settings are not the defaults.
            transport: httpx' own, for certificates or proxies of one's own.

        Raises:
            ValueError: ``url`` is none.
        """
        self._calls = Calls(url, api_key)
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s
        self._limits = limits
        self._http = httpx.Client(transport=transport, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(
        self, pictures: Iterable[Picture], *, model: str | None = None, top_k: int | None = None, preview: bool = False
    ) -> list[Result]:
        """Read digits.

        Args:
            pictures: any number; more than a request holds are sent in several, one after the other.
            model: by name; the service's default if None.
            top_k: how many labels to rank; the service's default (3) if None.
            preview: ask for what the model saw of each picture, too.

        Returns:
            One result for each picture, in order, a ``Refusal`` for each that cannot be read, also for a lone one.
        """
        return list(self.predict_many(pictures, model=model, top_k=top_k, preview=preview))

    def predict_many(
        self, pictures: Iterable[Picture], *, model: str | None = None, top_k: int | None = None, preview: bool = False
    ) -> Iterator[Result]:
        """``predict`` for a stream: takes pictures as it yields results, and holds one request's of each."""
        return self._predict("predict", pictures, model, top_k, preview=preview)

    def top_k(
        self, pictures: Iterable[Picture], *, model: str | None = None, top_k: int | None = None, preview: bool = False
    ) -> list[Result]:
        """``predict`` where the service's default ranks five labels."""
        return list(self._predict("top-k", pictures, model, top_k, preview=preview))

    def read(self, picture: Picture, *, model: str | None = None, top_k: int | None = None) -> ReadAnswer:
        """What one picture of several digits says: its text, its lines, and each digit with its place.

        Args:
            picture: one; the service's limit is 64 digits.
            model: by name; the service's default if None.
            top_k: how many labels to rank for each digit; the service's default (3) if None.

        Raises:
            ProblemError: also for a picture that cannot be read, as there are no others to go on with.
        """
        return self._ask(self._calls.read(load(picture), model, top_k))

    def models(self) -> ModelList:
        """What is loaded, the default model first."""
        return self._ask(self._calls.models())

    def model(self, name: str) -> ModelInfo:
        """One loaded model; a name that is not loaded is a ``ProblemError`` with the slug ``unknown-model``."""
        return self._ask(self._calls.model(name))

    def ready(self) -> bool:
        """Whether the service takes traffic now: tried once, and False too where nothing answers."""
        call = self._calls.ready()
        try:
            return call.read(self._http.send(call.request))
        except httpx.TransportError:
            return False

    def _predict(
        self, route: str, pictures: Iterable[Picture], model: str | None, top_k: int | None, *, preview: bool
    ) -> Iterator[Result]:
        for batch in batches(pictures, self._limits):
            yield from self._ask(self._calls.predict(route, batch, model, top_k, preview=preview))

    def _ask(self, call: Call[T]) -> T:
        attempts = Attempts(timeout_s=self._timeout_s, deadline_s=self._deadline_s)
        while True:
            try:
                return call.read(self._http.send(attempts.prepare(call.request)))
            except (httpx.RequestError, ClientError) as exc:
                pause_s = attempts.pause_s(exc)
            time.sleep(pause_s)
