"""``POST /v1/read``: one picture of several digits in, its text and their boxes out."""

from __future__ import annotations

import time
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api import problems
from app.api.deadline import TimeoutMs, deadline
from app.api.multipart import Upload
from app.api.predict import ModelName, TopK, ranking, rounded
from app.api.presence import WhileConnected
from app.api.problems import documented, kind_of
from app.api.schemas import ReadAnswer
from app.api.timed import timed_response
from app.api.uploads import ONE_PICTURE, read_upload
from app.digits import errors
from app.digits.image import Decoded
from app.digits.reader import ReadDigit, Reader
from app.metrics import Seconds
from app.services import Services, services_of
from app.serving.admission import Ticket
from app.serving.framing import open_file
from app.serving.reading import Read, read_picture
from app.serving.registry import ServedModel

EXAMPLE: Final = {
    "model": {"name": "cnn", "version": "2", "sha256": "e919374b…", "provider": "CPUExecutionProvider"},
    "request_id": "6def468c0eec4d8a9c059d5b058f05ae",
    "text": "42",
    "lines": [
        {
            "text": "42",
            "box": [34, 14, 100, 51],
            "digits": [
                {
                    "label": "4",
                    "probability": 0.998,
                    "box": [34, 14, 45, 48],
                    "top_k": [{"label": "4", "probability": 0.998}],
                },
                {
                    "label": "2",
                    "probability": 0.999,
                    "box": [91, 15, 43, 50],
                    "top_k": [{"label": "2", "probability": 0.999}],
                },
            ],
        }
    ],
    "digits": [
        {"label": "4", "probability": 0.998, "box": [34, 14, 45, 48], "top_k": [{"label": "4", "probability": 0.998}]},
        {"label": "2", "probability": 0.999, "box": [91, 15, 43, 50], "top_k": [{"label": "2", "probability": 0.999}]},
    ],
    "probability": 0.997002,
    "timings_ms": {"decode": 0.7, "preprocess": 14.1, "queue": 0.3, "inference": 1.2, "total": 17.0},
}
RESPONSES = {
    200: {"model": ReadAnswer, "description": "What it says.", "content": {"application/json": {"example": EXAMPLE}}}
} | documented(
    *problems.UPLOAD,
    errors.UnknownModel,
    errors.InvalidTopK,
    errors.NoReader,
    errors.TooManyDigits,
    *problems.PICTURE,
    *problems.RUN,
)
ONE: Final = "A request reads one picture; send each in its own."

router = APIRouter(prefix="/v1", tags=["read"])


@router.post("/read", summary="Read numbers", responses=RESPONSES, openapi_extra={"requestBody": ONE_PICTURE})
async def read(request: Request, model: ModelName = None, top_k: TopK = 3, timeout_ms: TimeoutMs = None) -> Response:
    """Read all digits of one picture: a number, several lines, the cells of a form, digits that touch.

    Send the picture as multipart `file`, or as the body itself. `text` has a line feed between lines. `probability` is the
    product of the digits' own: that the whole text is right if its digits were found rightly.
    """
    services = services_of(request)
    served = services.registry.get(model)
    served.classifier.check_top_k(top_k)
    reader = Reader(served.classifier, most_digits=services.settings.max_digits)
    with services.images.ticket() as places, services.bodies.ticket() as body:
        places.take(1)  # a service that is full says so before it reads the body
        upload = await read_upload(request, services.settings, body, hint=ONE)
        started = time.monotonic()
        until = deadline(services.settings.request_timeout_ms, timeout_ms, started=started)
        async with WhileConnected(request):
            done = await _read(upload, reader, served, services, places, until, top_k)
        return _response(request, done, time.monotonic() - started, served, services)


async def _read(
    upload: Upload, reader: Reader, served: ServedModel, services: Services, places: Ticket, until: float, top_k: int
) -> Read:
    try:
        picture = await open_file(upload.data, services.settings.picture_limits, services.decoders, is_csv=upload.is_csv)
        return await read_picture(picture, reader, served.batcher, services.decoders, places, until, top_k=top_k)
    except errors.PictureError as exc:
        services.metrics.refused_pictures.labels(kind_of(exc).slug).inc()
        raise


def _response(request: Request, done: Read, total_s: float, served: ServedModel, services: Services) -> Response:
    # Not in the model's drift: that compares with whole pictures, and a page's digits come fifty at a time.
    for digit in done.reading.digits:
        services.metrics.count_prediction(served.name, digit.prediction)
    seconds = Seconds(done.decode_s, done.preprocess_s, done.queue_s, done.inference_s, total_s)
    return timed_response(request, _content(done), seconds, served, services)


def _content(done: Read) -> dict[str, Any]:
    reading = done.reading
    lines = [
        {
            "text": line.text,
            "box": done.pixels.in_original(line.box),
            "digits": [_digit(digit, done.pixels) for digit in line.digits],
        }
        for line in reading.lines
    ]
    return {
        "text": reading.text,
        "lines": lines,
        "digits": [digit for line in lines for digit in line["digits"]],
        "probability": rounded(reading.probability),
    }


def _digit(digit: ReadDigit, pixels: Decoded) -> dict[str, Any]:
    return {
        "label": digit.label,
        "probability": rounded(digit.prediction.probability),
        "box": pixels.in_original(digit.box),
        "top_k": ranking(digit.prediction),
    }
