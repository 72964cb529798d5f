"""Errors as RFC 9457 problem documents. ``TABLE`` is the only place where an error meets a status."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from app.api.schemas import Problem
from app.api.v2 import errors as v2
from app.digits import errors

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1


class RequestError(errors.DigitsError):
    """The HTTP request itself is at fault, whatever its pictures hold."""


class EmptyBody(RequestError):
    """The request has no body."""


class MalformedMultipart(RequestError):
    """The multipart body is not well-formed, or holds no picture."""


class UnsupportedContentType(RequestError):
    """The body is neither multipart, nor a picture, nor a CSV."""


class BodyTooLarge(RequestError):
    """The body has more bytes than the limit."""


class TooManyFiles(RequestError):
    """The request has more files than the limit."""


class MalformedInference(RequestError):
    """The body is no inference request of the Open Inference Protocol."""


class InvalidTensor(RequestError):
    """A tensor's shape, data type, size or values are not what the model takes."""


class TooManyImages(RequestError):
    """A tensor holds more images than the service ever takes at one time."""


class SeveralWorkers(RequestError):
    """The request would reach one process of several, and the others would go on as before."""


class ModelRefused(RequestError):
    """The model that was asked to be loaded cannot be served; what was served before still is."""


class SlowBody(RequestError):
    """The body did not arrive in time."""


class ClientLeft(RequestError):
    """The client closed the connection before it had its answer; nobody reads this one."""


class Unauthorized(RequestError):
    """The request carries no key that the service knows."""

    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": "Bearer"}


class Forbidden(RequestError):
    """The request's key, known or not, does not open this."""


class UnknownFile(RequestError):
    """The model has no such card or figure."""


class RateLimited(RequestError):
    """The client's quota is spent."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(max(1, math.ceil(retry_after_s)))}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: the last part of its ``type``, its status and its title."""

    slug: str
    status: int
    title: str


TABLE: Final[dict[type[Exception], Kind]] = {
    EmptyBody: Kind("empty-body", 400, "The request has no body"),
    errors.EmptyFile: Kind("empty-file", 400, "The file is empty"),
    MalformedMultipart: Kind("malformed-multipart", 400, "The multipart body is malformed"),
    ClientLeft: Kind("client-left", 400, "The client closed the connection"),
    Unauthorized: Kind("unauthorized", 401, "A key is needed"),
    MalformedInference: Kind("malformed-inference", 400, "The inference request is malformed"),
    Forbidden: Kind("forbidden", 403, "This is not allowed"),
    errors.UnknownModel: Kind("unknown-model", 404, "No such model"),
    UnknownFile: Kind("unknown-file", 404, "No such file"),
    SeveralWorkers: Kind("several-workers", 409, "Not with several workers"),
    SlowBody: Kind("slow-body", 408, "The body arrived too slowly"),
    BodyTooLarge: Kind("body-too-large", 413, "The body is too large"),
    errors.FileTooLarge: Kind("file-too-large", 413, "The file is too large"),
    errors.TooManyPixels: Kind("too-many-pixels", 413, "The picture has too many pixels"),
    TooManyFiles: Kind("too-many-files", 413, "Too many files"),
    TooManyImages: Kind("too-many-images", 413, "Too many images"),
    UnsupportedContentType: Kind("unsupported-content-type", 415, "The content type is not supported"),
    errors.UnsupportedFormat: Kind("unsupported-format", 415, "Not a known picture format"),
    errors.BrokenPicture: Kind("broken-picture", 422, "The picture is damaged"),
    errors.BrokenTable: Kind("broken-csv", 422, "The CSV is no picture"),
    errors.BlankPicture: Kind("blank", 422, "The picture is blank"),
    errors.TooManyDigits: Kind("too-many-digits", 413, "The picture shows too many digits"),
    errors.NoReader: Kind("no-reader", 422, "The model reads no lines"),
    InvalidTensor: Kind("invalid-tensor", 422, "The tensor is invalid"),
    ModelRefused: Kind("model-refused", 422, "The model cannot be served"),
    errors.InvalidTopK: Kind("invalid-parameter", 422, "A parameter is invalid"),
    errors.UnknownLabel: Kind("invalid-parameter", 422, "A parameter is invalid"),
    RequestValidationError: Kind("invalid-parameter", 422, "A parameter is invalid"),
    RateLimited: Kind("rate-limited", 429, "Too many requests"),
    errors.QueueFull: Kind("overloaded", 503, "The service is overloaded"),
    errors.NotReady: Kind("not-ready", 503, "The service is not ready"),
    errors.ModelStalled: Kind("model-stalled", 503, "A model hangs"),
    errors.ShuttingDown: Kind("shutting-down", 503, "The service is stopping"),
    MemoryError: Kind("out-of-memory", 503, "The service is out of memory"),
    errors.DeadlineExceeded: Kind("deadline-exceeded", 504, "The answer took too long"),
}
# What a route may answer that takes files, one that reads pictures, and one that runs a model.
UPLOAD: Final = (EmptyBody, MalformedMultipart, SlowBody, BodyTooLarge, TooManyFiles, UnsupportedContentType)
PICTURE: Final = (
    errors.EmptyFile,
    errors.FileTooLarge,
    errors.TooManyPixels,
    errors.UnsupportedFormat,
    errors.BrokenPicture,
    errors.BrokenTable,
    errors.BlankPicture,
)
RUN: Final = (errors.NotReady, errors.QueueFull, errors.ShuttingDown, MemoryError, errors.DeadlineExceeded)
# What Starlette's router raises by itself.
BY_STATUS: Final[dict[int, Kind]] = {
    404: Kind("not-found", 404, "No such route"),
    405: Kind("method-not-allowed", 405, "The method is not allowed here"),
}
# What a connection is told before there is a request that a route could answer.
NOT_HTTP: Final = Kind("not-http", 400, "This is not HTTP")
SLOW_HEADER: Final = Kind("slow-header", 408, "The header arrived too slowly")
HEADER_TOO_LARGE: Final = Kind("header-too-large", 431, "The header is too large")
INTERNAL: Final = Kind("internal", 500, "The service failed")
NO_MEMORY: Final = "There was no memory left for this request; try again later."
# Every route may answer these.
ANYWHERE: Final = (INTERNAL,)


def problem_of(error: Exception) -> Problem:
    """The document for an error; one that is not in the table is an internal fault and tells nothing of its inside."""
    kind = kind_of(error)
    detail = str(error) if kind is not INTERNAL else "An unexpected fault; the service's log has it under the request id."
    if isinstance(error, RequestValidationError):
        detail = _parameters(error)
    elif isinstance(error, MemoryError):
        detail = NO_MEMORY
    return problem(kind, detail)


def kind_of(error: Exception) -> Kind:
    """The table's entry for the error's class or the nearest of its bases."""
    return next((TABLE[base] for base in type(error).__mro__ if base in TABLE), INTERNAL)


def problem(kind: Kind, detail: str) -> Problem:
    """A document of a kind."""
    return Problem(type=f"/problems/{kind.slug}", title=kind.title, status=kind.status, detail=detail, request_id=None)


def problem_response(document: Problem, request_id: str | None, headers: dict[str, str] | None = None) -> Response:
    """A document as an answer; a 503 says when to try again."""
    content = document.model_dump(exclude_none=True)
    if request_id:
        content["request_id"] = request_id
    return Response(json.dumps(content, ensure_ascii=False), document.status, _with_retry(document, headers), MEDIA_TYPE)


def response_for(scope: Scope, document: Problem, headers: dict[str, str] | None = None) -> Response:
    """A document as this request's answer: under ``/v2`` in the Open Inference Protocol's form."""
    if v2.speaks(scope["path"]):
        return v2.error_response(document.status, document.detail, _with_retry(document, headers))
    return problem_response(document, scope.get("state", {}).get("request_id"), headers)


def documented(
    *kinds: type[Exception] | Kind, form: Callable[[str, Sequence[Kind]], dict[str, Any]] | None = None
) -> dict[int | str, dict[str, Any]]:
    """OpenAPI ``responses`` for a route that may answer these kinds, made from the table.

    ``form`` makes a response of a description and its kinds; RFC 9457's if None.
    """
    form = form or _described
    by_status: dict[int, list[Kind]] = {}
    for kind in (*(TABLE[kind] if isinstance(kind, type) else kind for kind in kinds), *ANYWHERE):
        same_status = by_status.setdefault(kind.status, [])
        if kind not in same_status:
            same_status.append(kind)
    described: dict[int | str, dict[str, Any]] = {
        status: form("; ".join(f"{kind.title} (`{kind.slug}`)" for kind in same_status), same_status)
        for status, same_status in sorted(by_status.items())
    }
    # Also keeps FastAPI from adding a 422 in a form of its own, which this service never answers.
    described["default"] = form("Any other problem", ())
    return described


def respond(request: Request, error: Exception) -> Response:
    """The answer to a known error; what the request was refused for is noted on its state, to be counted."""
    kind = kind_of(error)
    if kind is INTERNAL:  # the answer tells nothing, so the log must
        log.error("unexpected fault", exc_info=error)
    elif isinstance(error, MemoryError):
        log.error("out of memory", extra={"remedy": "raise the limit of memory, or lower DIGITS_MAX_IMAGE_PIXELS"})
    request.state.problem = kind.slug
    return response_for(request.scope, problem_of(error), getattr(error, "headers", None))


def install(app: FastAPI) -> None:
    """Let every known error answer with its problem."""

    async def on_known_error(request: Request, error: Exception) -> Response:
        return respond(request, error)

    async def on_http_exception(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = BY_STATUS.get(error.status_code, Kind("http-error", error.status_code, "The request failed"))
        request.state.problem = kind.slug
        detail = f"{request.method} {request.url.path[:200]}: {error.detail}"
        return response_for(request.scope, problem(kind, detail), dict(error.headers or {}))

    async def on_fault(request: Request, error: Exception) -> Response:
        return response_for(request.scope, problem_of(error))  # it is raised again, and logged by the outermost layer

    app.add_exception_handler(errors.DigitsError, on_known_error)
    app.add_exception_handler(MemoryError, on_known_error)
    app.add_exception_handler(RequestValidationError, on_known_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(Exception, on_fault)


def _with_retry(document: Problem, headers: dict[str, str] | None) -> dict[str, str]:
    return (headers or {}) | ({"Retry-After": str(RETRY_AFTER_S)} if document.status == 503 else {})


def _parameters(error: RequestValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, part['loc'][1:]))}: {part['msg']}" for part in error.errors())


def _described(description: str, kinds: Sequence[Kind] = ()) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if kinds:
        content["examples"] = {kind.slug: {"summary": kind.title, "value": _example(kind)} for kind in kinds}
    return {"description": description, "content": {MEDIA_TYPE: content}}


def _example(kind: Kind) -> dict[str, Any]:
    return problem(kind, f"{kind.title}.").model_dump(exclude_none=True) | {"request_id": "4f1c…"}
