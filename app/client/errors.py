"""What the client's calls raise.

    ClientError
    ├── ProblemError        the service answered with a problem; carries its document
    ├── UnexpectedAnswer    the answer is not this service's: a proxy's page, or another version's form
    ├── ConnectionFailed    nothing answers there, or the connection broke
    └── DeadlineExceeded    no answer came in time

What is raised is the last try's failure: what the service said, if it said anything. A picture that cannot be read raises
nothing: it is a result with a problem, in its place among the others. A path that cannot be read raises ``OSError``.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import httpx
from pydantic import ValidationError

from app.api.schemas import Problem

# All say "not now": too many requests, a proxy that cannot reach the service, a service that is full or stopping, and one
# that did not come to the request in time. Reading a digit changes nothing, so that a second try does no harm.
TRANSIENT: Final = frozenset({429, 502, 503, 504})


class ClientError(Exception):
    """Root of all errors of the client.

    Attributes:
        transient: whether the same request may succeed later.
        retry_after_s: how long the service asked to wait, in seconds.
    """

    transient = False
    retry_after_s: float | None = None


class ProblemError(ClientError):
    """The service answered with a problem (RFC 9457).

    Attributes:
        problem: its document; one made of the status where an answer had none, as a proxy's.
    """

    def __init__(self, problem: Problem, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}")
        self.problem = problem
        self.retry_after_s = retry_after_s
        self.transient = problem.status in TRANSIENT

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def slug(self) -> str:
        """The last part of the problem's type, as ``overloaded``."""
        return self.problem.type.rpartition("/")[2]

    @property
    def detail(self) -> str:
        """This occurrence, for people."""
        return self.problem.detail

    @property
    def request_id(self) -> str | None:
        """Names the request in the service's logs."""
        return self.problem.request_id


class UnexpectedAnswer(ClientError):
    """The answer is not of this service's form."""


class ConnectionFailed(ClientError):
    """There is no connection, or it broke before the answer was complete."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        self.transient = transient


class DeadlineExceeded(ClientError):
    """No answer came in time."""

    transient = True


def of_httpx(error: httpx.RequestError) -> ClientError:
    """What an error of httpx means to the caller."""
    message = f"{error.request.url}: {str(error) or type(error).__name__}"
    if isinstance(error, httpx.TimeoutException):
        return DeadlineExceeded(f"{message}; no answer in time.")
    if isinstance(error, httpx.DecodingError):
        return UnexpectedAnswer(message)
    hopeless = isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol)
    return ConnectionFailed(message, transient=not hopeless)


def of_response(response: httpx.Response, retry_after_s: float | None) -> ProblemError:
    """The problem of an answer that is no success."""
    try:
        problem = Problem.model_validate_json(response.content, extra="ignore")
    except ValidationError:
        problem = _made_up(response)
    return ProblemError(problem, retry_after_s=retry_after_s)


def _made_up(response: httpx.Response) -> Problem:
    """RFC 9457, 4.2.1: ``about:blank`` says no more than the status."""
    try:
        title = HTTPStatus(response.status_code).phrase
    except ValueError:
        title = "Unknown status"
    return Problem(
        type="about:blank",
        title=title,
        status=response.status_code,
        detail="The answer holds no problem document; it may be a proxy's.",
        request_id=response.headers.get("x-request-id"),
    )
