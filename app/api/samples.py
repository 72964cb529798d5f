"""``GET /v1/samples``: handwritten digits with their labels, for the page."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError

from app.api.problems import documented
from app.api.schemas import Sample, SampleList
from app.services import services_of

router = APIRouter(prefix="/v1", tags=["samples"])

Count = Annotated[int, Query(ge=1, le=50, description="How many.")]
Seed = Annotated[int | None, Query(ge=0, lt=2**32, description="The same seed gives the same samples; others without one.")]


@router.get("/samples", summary="Handwritten samples", responses=documented(RequestValidationError))
async def samples(request: Request, count: Count = 25, seed: Seed = None) -> SampleList:
    """Some handwritten digits with their labels, to try the models on."""
    source = services_of(request).samples
    shown = [Sample(label=label, image=_data_uri(png)) for label, png in source.pick(count, seed)]
    return SampleList(origin=source.origin, samples=shown)


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
