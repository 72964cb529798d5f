"""Each call as a request and the way to read its answer: all that the clients share but the transport."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from app import __version__
from app.api.schemas import ModelInfo, ModelList, PredictAnswer, ReadAnswer
from app.client import errors, results
from app.client.pictures import Batch, File
from app.client.results import Result
from app.client.retries import retry_after_s

T = TypeVar("T")
Form = TypeVar("Form", bound=BaseModel)


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request, and ``read``, which makes a result of its answer or raises ``ClientError``. May be sent again."""

    request: httpx.Request
    read: Callable[[httpx.Response], T]


class Calls:
    """Makes the calls of one service."""

    def __init__(self, url: str, api_key: str | None) -> None:
        """Remember where and who.

        Raises:
            ValueError: ``url`` does not begin with http:// or https://.
        """
        if httpx.URL(url).scheme not in ("http", "https"):
            raise ValueError(f"The URL {url!r} does not begin with http:// or https://.")
        self._url = url.rstrip("/")
        self._headers = {"User-Agent": f"digits-client/{__version__}"}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"

    def predict(
        self, route: str, batch: Batch, model: str | None, top_k: int | None, *, preview: bool = False
    ) -> Call[list[Result]]:
        """One result for each of the batch's pictures; ``route`` is ``predict`` or ``top-k``."""
        files = [("files", (file.filename, file.data)) for file in batch.files]
        request = self._request("POST", f"/v1/{route}", params=_params(model, top_k, preview), files=files)
        request.read()  # into one piece: httpx would send four for each picture

        def read(response: httpx.Response) -> list[Result]:
            try:
                return results.of_answer(_parse(PredictAnswer, response), batch)
            except errors.ProblemError as problem:
                return results.of_problem(problem, batch)

        return Call(request, read)

    def read(self, file: File, model: str | None, top_k: int | None) -> Call[ReadAnswer]:
        """What one picture of several digits says."""
        files = [("file", (file.filename, file.data))]
        request = self._request("POST", "/v1/read", params=_params(model, top_k), files=files)
        request.read()
        return Call(request, lambda response: _parse(ReadAnswer, response))

    def models(self) -> Call[ModelList]:
        """What is loaded, the default first."""
        return Call(self._request("GET", "/v1/models"), lambda response: _parse(ModelList, response))

    def model(self, name: str) -> Call[ModelInfo]:
        """One loaded model."""
        return Call(self._request("GET", f"/v1/models/{quote(name, safe='')}"), lambda response: _parse(ModelInfo, response))

    def ready(self) -> Call[bool]:
        """Whether the service takes traffic; a 503 is an answer to that, and not tried again."""
        return Call(self._request("GET", "/readyz"), _is_ready)

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str | int] | None = None,
        files: list[tuple[str, tuple[str | None, bytes]]] | None = None,
    ) -> httpx.Request:
        return httpx.Request(method, self._url + path, params=params, files=files, headers=self._headers)


def _params(model: str | None, top_k: int | None, preview: bool = False) -> dict[str, str | int]:
    params: dict[str, str | int | None] = {"model": model, "top_k": top_k, "preview": "true" if preview else None}
    return {name: value for name, value in params.items() if value is not None}


def _parse(form: type[Form], response: httpx.Response) -> Form:
    _raise_problem(response)
    try:
        return form.model_validate_json(response.content, extra="ignore")  # a newer service may say more
    except ValidationError as exc:
        raise errors.UnexpectedAnswer(f"{response.url} answered what is no {form.__name__}.") from exc


def _is_ready(response: httpx.Response) -> bool:
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return False
    _raise_problem(response)
    return True


def _raise_problem(response: httpx.Response) -> None:
    if not response.is_success:
        raise errors.of_response(response, retry_after_s(response))
