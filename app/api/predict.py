"""``POST /v1/predict`` and ``POST /v1/top-k``: pictures in, calibrated answers out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.api import problems
from app.api.deadline import TimeoutMs, deadline
from app.api.multipart import Upload
from app.api.presence import WhileConnected
from app.api.previews import preview_of
from app.api.problems import documented, problem_of
from app.api.schemas import PredictAnswer
from app.api.timed import timed_response
from app.api.uploads import PICTURE_TYPES, read_uploads
from app.digits import errors
from app.digits.classifier import DigitClassifier, Prediction
from app.digits.preprocessing import Frame
from app.digits.session import Floats
from app.metrics import Seconds
from app.services import Services, services_of
from app.serving.framing import frame_file
from app.serving.registry import ServedModel

PROBABILITY_UNITS: Final = 10**6

ModelName = Annotated[str | None, Query(description="The model by name; the default model if absent.")]
TopK = Annotated[int, Query(ge=1, description="How many labels to rank, up to the number of the model's labels.")]
WithPreview = Annotated[bool, Query(description="Show what the model saw of each picture, and how it came about.")]

RESPONSES = {200: {"model": PredictAnswer, "description": "One result for each picture, in order."}} | documented(
    *problems.UPLOAD,
    errors.UnknownModel,
    errors.InvalidTopK,
    *problems.PICTURE,
    *problems.RUN,
)
REQUEST_BODY: Final = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["files"],
                "properties": {
                    "files": {
                        "type": "array",
                        "items": {"type": "string", "format": "binary"},
                        "description": "One or many pictures (PNG, JPEG, WebP, BMP, GIF, TIFF) or 28×28 CSVs.",
                    }
                },
            }
        },
        **PICTURE_TYPES,
    },
}

router = APIRouter(prefix="/v1", tags=["predict"])


@router.post("/predict", summary="Read digits", responses=RESPONSES, openapi_extra={"requestBody": REQUEST_BODY})
async def predict(
    request: Request, model: ModelName = None, top_k: TopK = 3, preview: WithPreview = False, timeout_ms: TimeoutMs = None
) -> Response:
    """Read the digit in each picture.

    Send one or many pictures as multipart `files`, or one picture as the body itself. A picture of a batch that cannot be
    read gets a problem of its own and disturbs no other; a lone one answers its problem's status.
    """
    return await answer(request, model, top_k, timeout_ms, with_preview=preview)


@router.post("/top-k", summary="Rank digits", responses=RESPONSES, openapi_extra={"requestBody": REQUEST_BODY})
async def rank(
    request: Request, model: ModelName = None, top_k: TopK = 5, preview: WithPreview = False, timeout_ms: TimeoutMs = None
) -> Response:
    """The same as `/v1/predict`, for those who want the ranking."""
    return await answer(request, model, top_k, timeout_ms, with_preview=preview)


DIRECT: Final = {"/v1/predict": predict, "/v1/top-k": rank}


@dataclass(slots=True)
class _Work:
    """One request's pictures on their way: each has a frame or an error."""

    uploads: Sequence[Upload]
    frames: list[Frame | errors.DigitsError] = field(default_factory=list)
    decode_s: float = 0.0
    preprocess_s: float = 0.0
    queue_s: float = 0.0
    inference_s: float = 0.0


async def answer(
    request: Request, model_name: str | None, top_k: int, timeout_ms: int | None, *, with_preview: bool
) -> Response:
    """From a request to its response: admit, read, decode, frame, run, interpret."""
    services = services_of(request)
    model = services.registry.get(model_name)
    model.classifier.check_top_k(top_k)
    with services.images.ticket() as places, services.bodies.ticket() as body:
        places.take(1)  # a service that is full says so before it reads the body
        uploads = await read_uploads(request, services.settings, body)
        started = time.monotonic()
        if len(uploads) > 1:
            places.take(len(uploads) - 1)
        work = _Work(uploads)
        until = deadline(services.settings.request_timeout_ms, timeout_ms, started=started)
        async with WhileConnected(request):
            await _frame_all(work, model.classifier, services, until)
            probabilities = await _infer(work, model, until)
        if len(uploads) == 1 and isinstance(work.frames[0], errors.DigitsError):
            _count_refused(services, work.frames[0])
            raise work.frames[0]
        results = _results(work, probabilities, model, top_k, services)
        if with_preview:
            _add_previews(results, work.frames)
        total_s = time.monotonic() - started
    return _response(request, results, work, total_s, model, services)


async def _frame_all(work: _Work, classifier: DigitClassifier, services: Services, until: float) -> None:
    limits = services.settings.picture_limits
    for upload in work.uploads:
        await services.turns.take(until)
        try:
            framed = await frame_file(upload.data, classifier, limits, services.decoders, is_csv=upload.is_csv)
        except errors.PictureError as exc:
            work.frames.append(exc)
            continue
        work.frames.append(framed.frame)
        work.decode_s += framed.decode_s
        work.preprocess_s += framed.preprocess_s


async def _infer(work: _Work, model: ServedModel, until: float) -> Floats:
    """Probabilities (M, C) of the M pictures that have a frame, in order."""
    images = [frame.image for frame in work.frames if isinstance(frame, Frame)]
    if not images:
        return np.empty((0, len(model.classifier.manifest.labels)), np.float32)
    result = await model.batcher.submit(images[0][None] if len(images) == 1 else np.stack(images), until)
    work.queue_s, work.inference_s = result.queue_s, result.inference_s
    return result.output.probabilities


def _results(work: _Work, probabilities: Floats, model: ServedModel, top_k: int, services: Services) -> list[dict[str, Any]]:
    rows = iter(probabilities)
    results = []
    for index, (upload, frame) in enumerate(zip(work.uploads, work.frames, strict=True)):
        if isinstance(frame, errors.DigitsError):
            _count_refused(services, frame)
            problem = problem_of(frame).model_dump(exclude_none=True)
            results.append({"index": index, "filename": upload.filename, "status": "error", "problem": problem})
        else:
            prediction = model.classifier.interpret(next(rows), top_k, digits=frame.digits)
            services.metrics.count_prediction(model.name, prediction)
            if model.drift is not None:
                model.drift.add(frame, prediction)
            results.append({"index": index, "filename": upload.filename, "status": "ok", **shown(prediction)})
    return results


def _add_previews(results: list[dict[str, Any]], frames: Sequence[Frame | errors.DigitsError]) -> None:
    for result, frame in zip(results, frames, strict=True):
        if isinstance(frame, Frame):
            result["preview"] = preview_of(frame)


def shown(prediction: Prediction) -> dict[str, Any]:
    """A prediction as answers have it."""
    ranked = ranking(prediction)
    return {
        "label": prediction.label,
        "probability": ranked[0]["probability"],
        "abstained": prediction.abstained,
        "reason": prediction.reason,
        "top_k": ranked,
    }


def ranking(prediction: Prediction) -> list[dict[str, Any]]:
    """A prediction's labels with their probabilities, as answers have them."""
    return [{"label": label, "probability": rounded(probability)} for label, probability in prediction.top_k]


def rounded(probability: float) -> float:
    """A probability with the six digits that answers have; ``round`` takes four times as long."""
    return int(probability * PROBABILITY_UNITS + 0.5) / PROBABILITY_UNITS


def _response(
    request: Request, results: list[dict[str, Any]], work: _Work, total_s: float, model: ServedModel, services: Services
) -> Response:
    seconds = Seconds(work.decode_s, work.preprocess_s, work.queue_s, work.inference_s, total_s)
    return timed_response(request, {"predictions": results}, seconds, model, services)


def _count_refused(services: Services, error: Exception) -> None:
    services.metrics.refused_pictures.labels(problems.kind_of(error).slug).inc()
