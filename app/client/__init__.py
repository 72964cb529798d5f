"""A typed client of the service: ``DigitsClient`` and, for asyncio, ``AsyncDigitsClient``. Needs httpx and pydantic only.

    from app.client import DigitsClient

    with DigitsClient("http://127.0.0.1:8000") as digits:
        for result in digits.predict(["samples/7.png", "samples/3.png"]):
            print(result.filename, result.label if result.status == "ok" else result.problem.detail)

``app.client.errors`` draws what the calls raise; ``app.client.retries`` says what is tried again, and when no more.
"""

from app.api.schemas import ReadAnswer
from app.client.asynchronous import AsyncDigitsClient
from app.client.errors import ClientError, ConnectionFailed, DeadlineExceeded, ProblemError, UnexpectedAnswer
from app.client.pictures import Picture
from app.client.results import Reading, Refusal, Result
from app.client.synchronous import DigitsClient

__all__ = [
    "AsyncDigitsClient",
    "ClientError",
    "ConnectionFailed",
    "DeadlineExceeded",
    "DigitsClient",
    "Picture",
    "ProblemError",
    "ReadAnswer",
    "Reading",
    "Refusal",
    "Result",
    "UnexpectedAnswer",
]
