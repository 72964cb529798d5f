"""``POST /v1/explain``: which pixels decided."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.api import problems
from app.api.deadline import TimeoutMs, deadline
from app.api.multipart import Upload
from app.api.predict import ModelName, shown
from app.api.presence import WhileConnected
from app.api.previews import data_uri
from app.api.problems import documented, kind_of
from app.api.schemas import ExplainAnswer
from app.api.timed import timed_response
from app.api.uploads import ONE_PICTURE, read_upload
from app.digits import errors
from app.digits.classifier import DigitClassifier
from app.digits.occlusion import Occlusion, overlay
from app.digits.session import Floats
from app.metrics import Seconds
from app.services import Services, services_of
from app.serving.framing import Framed, frame_file

DROP_DIGITS: Final = 4
Label = Annotated[str | None, Query(description="The label to explain; the most probable one if absent.")]
RESPONSES: Final = {200: {"model": ExplainAnswer, "description": "The explanation."}} | documented(
    *problems.UPLOAD,
    errors.UnknownModel,
    errors.UnknownLabel,
    *problems.PICTURE,
    *problems.RUN,
)
ONE: Final = "Send one picture at a time to be explained."

router = APIRouter(prefix="/v1", tags=["predict"])


@router.post("/explain", summary="Explain an answer", responses=RESPONSES, openapi_extra={"requestBody": ONE_PICTURE})
async def explain(request: Request, model: ModelName = None, label: Label = None, timeout_ms: TimeoutMs = None) -> Response:
    """Show which pixels of one picture an answer rests on.

    The model reads the picture again and again, each time with another patch covered by paper: up to 121 images more, which
    count against the service's limits as if each had been sent.
    """
    services = services_of(request)
    served = services.registry.get(model)
    classifier = served.classifier
    asked = None if label is None else classifier.position_of(label)
    with services.images.ticket() as places, services.bodies.ticket() as body:
        places.take(1)  # a service that is full says so before it reads the body
        upload = await read_upload(request, services.settings, body, hint=ONE)
        started = time.monotonic()
        until = deadline(services.settings.request_timeout_ms, timeout_ms, started=started)
        async with WhileConnected(request):
            framed = await _framed(upload, classifier, services, until)
            occlusion = Occlusion.of(framed.frame.image)
            places.take(len(occlusion.places))
            answer = await served.batcher.submit(occlusion.images, until)
    content = _explained(framed, occlusion, answer.output.probabilities, classifier, asked)
    total_s = time.monotonic() - started
    seconds = Seconds(framed.decode_s, framed.preprocess_s, answer.queue_s, answer.inference_s, total_s)
    return timed_response(request, content, seconds, served, services)


async def _framed(upload: Upload, classifier: DigitClassifier, services: Services, until: float) -> Framed:
    await services.turns.take(until)
    limits = services.settings.picture_limits
    try:
        return await frame_file(upload.data, classifier, limits, services.decoders, is_csv=upload.is_csv)
    except errors.PictureError as exc:
        services.metrics.refused_pictures.labels(kind_of(exc).slug).inc()
        raise


def _explained(
    framed: Framed, occlusion: Occlusion, probabilities: Floats, classifier: DigitClassifier, asked: int | None
) -> dict[str, Any]:
    frame, whole = framed.frame, probabilities[0]
    position = int(whole.argmax()) if asked is None else asked
    drops = occlusion.drops(probabilities, position)
    return {
        "prediction": shown(classifier.interpret(whole, digits=frame.digits)),
        "label": classifier.manifest.labels[position],
        "probability": round(float(whole[position]), DROP_DIGITS),
        "drops": np.round(drops.astype(np.float64), DROP_DIGITS).tolist(),
        "overlay": data_uri(overlay(frame.image, drops)),
        "box": frame.box,
    }
