"""``POST /v2/models/{name}/infer``: tensors in, tensors out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from app.api import problems
from app.api.deadline import TimeoutMs, deadline
from app.api.presence import WhileConnected
from app.api.problems import documented, kind_of
from app.api.uploads import read_body
from app.api.v2.answers import respond
from app.api.v2.errors import PREFIX, described
from app.api.v2.metadata import find
from app.api.v2.protocol import ENCODED_IMAGES, InferAnswer, InferRequest, schema_of
from app.api.v2.tensors import files_of, images_of
from app.api.v2.wire import HEADER_LENGTH, check_encoding, split
from app.digits import errors
from app.digits.preprocessing import Frame
from app.digits.session import Images
from app.services import Services, services_of
from app.serving.admission import Ticket
from app.serving.batcher import Answer
from app.serving.framing import frame_file
from app.serving.registry import ServedModel

BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
RESPONSES: Final = {
    200: {"model": InferAnswer, "description": "The outputs.", "content": {"application/octet-stream": BINARY}}
} | documented(
    problems.MalformedInference,
    errors.UnknownModel,
    problems.SlowBody,
    problems.BodyTooLarge,
    problems.TooManyFiles,
    problems.TooManyImages,
    problems.UnsupportedContentType,
    problems.InvalidTensor,
    errors.InvalidTopK,
    *problems.PICTURE,
    *problems.RUN,
    form=described,
)
REQUEST_BODY: Final = {
    "required": True,
    "content": {"application/json": {"schema": schema_of(InferRequest)}, "application/octet-stream": BINARY},
}
HeaderLength = Annotated[
    int | None, Header(alias=HEADER_LENGTH, ge=0, description="Bytes of the JSON, where binary data follows it.")
]

router = APIRouter(prefix=PREFIX, responses=RESPONSES)


@router.post("/models/{name}/infer", summary="Infer", openapi_extra={"requestBody": REQUEST_BODY})
async def infer(request: Request, name: str, header_length: HeaderLength = None, timeout_ms: TimeoutMs = None) -> Response:
    """Run a model on one tensor, sent as JSON or as binary data behind the JSON.

    `images` (UINT8 0–255 or FP32 0–1, `[N, 1, 28, 28]`, ink high on paper 0) go to the model as they are. `encoded_images`
    (BYTES, `[N]`) are picture files, which are decoded and framed as `/v1/predict` does; one that cannot be read fails the
    request and is named by its index.
    """
    return await _infer(request, find(request, name), header_length, timeout_ms)


@router.post(
    "/models/{name}/versions/{version}/infer", summary="Infer by a version", openapi_extra={"requestBody": REQUEST_BODY}
)
async def infer_by_version(
    request: Request, name: str, version: str, header_length: HeaderLength = None, timeout_ms: TimeoutMs = None
) -> Response:
    """The same, if that version is the one that is loaded."""
    return await _infer(request, find(request, name, version), header_length, timeout_ms)


async def _infer(request: Request, model: ServedModel, header_length: int | None, timeout_ms: int | None) -> Response:
    """From a request to its response: admit, read, frame, run."""
    check_encoding(request)
    services = services_of(request)
    with services.images.ticket() as places, services.bodies.ticket() as room:
        places.take(1)  # a service that is full says so before it reads the body
        body = await read_body(request, services.settings, room)
        started = time.monotonic()
        asked, binary = split(body, header_length)
        _check_classifications(asked, model)
        until = _until(asked, timeout_ms, services, started)
        async with WhileConnected(request):
            work = await _work(asked, binary, model, services, places, until)
            answer = await model.batcher.submit(work.images, until)
    _count(work, answer, time.monotonic() - started, model, services)
    return respond(asked, answer, model)


def _check_classifications(asked: InferRequest, model: ServedModel) -> None:
    for output in asked.outputs:
        if output.parameters.classification is not None:
            model.classifier.check_top_k(output.parameters.classification)


@dataclass(frozen=True, slots=True)
class _Work:
    """What the model runs, uint8 (N, 1, 28, 28), and the frames that it came from, where files were sent."""

    images: Images
    frames: Sequence[Frame] = ()


async def _work(
    asked: InferRequest, binary: memoryview | None, model: ServedModel, services: Services, places: Ticket, until: float
) -> _Work:
    (tensor,) = asked.inputs
    if tensor.name == ENCODED_IMAGES:
        files = files_of(tensor, binary, services.settings.max_files)
        places.take(len(files) - 1)
        frames = await _framed(files, model, services, until)
        return _Work(np.stack([frame.image for frame in frames]), frames)
    images = images_of(tensor, binary, services.settings.max_queued_images)
    places.take(len(images) - 1)
    return _Work(images)


async def _framed(files: list[bytes], model: ServedModel, services: Services, until: float) -> list[Frame]:
    limits, decode_s, preprocess_s = services.settings.picture_limits, 0.0, 0.0
    frames = []
    for index, data in enumerate(files):
        await services.turns.take(until)
        try:
            framed = await frame_file(data, model.classifier, limits, services.decoders)
        except errors.PictureError as exc:
            services.metrics.refused_pictures.labels(kind_of(exc).slug).inc()
            raise type(exc)(f"Picture {index} of 'encoded_images': {exc}") from exc
        frames.append(framed.frame)
        decode_s += framed.decode_s
        preprocess_s += framed.preprocess_s
    services.metrics.stages["decode"].observe(decode_s)
    services.metrics.stages["preprocess"].observe(preprocess_s)
    return frames


def _until(asked: InferRequest, timeout_ms: int | None, services: Services, started: float) -> float:
    """The earliest of the service's limit and the caller's two; Triton reads a timeout of 0 as none."""
    until = deadline(services.settings.request_timeout_ms, timeout_ms, started=started)
    return min(until, started + asked.parameters.timeout / 1e6) if asked.parameters.timeout else until


def _count(work: _Work, answer: Answer, total_s: float, model: ServedModel, services: Services) -> None:
    for stage, seconds in (("queue", answer.queue_s), ("inference", answer.inference_s), ("total", total_s)):
        services.metrics.stages[stage].observe(seconds)
    digits = [frame.digits for frame in work.frames] or [1] * len(work.images)
    rows = zip(answer.output.probabilities, digits, strict=True)
    predictions = [model.classifier.interpret(row, 1, digits=seen) for row, seen in rows]
    for prediction in predictions:
        services.metrics.count_prediction(model.name, prediction)
    if model.drift is not None:
        for frame, prediction in zip(work.frames, predictions, strict=False):  # tensors have no frames, and do not count
            model.drift.add(frame, prediction)
