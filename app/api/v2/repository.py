"""The models of the folder: list them, and load and unload them at run time."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter, Request

from app.api import problems
from app.api.keys import holder
from app.api.problems import documented
from app.api.uploads import read_body
from app.api.v2.errors import PREFIX, described
from app.api.v2.protocol import IndexRequest, ManageRequest, ModelReady, ModelState, schema_of
from app.api.v2.wire import Form, check_encoding, parse
from app.digits.errors import ModelError, ModelMissing, NotReady, ProviderUnavailable, QueueFull, UnknownModel
from app.services import services_of

BODY: Final = (
    problems.MalformedInference,
    problems.SlowBody,
    problems.BodyTooLarge,
    problems.UnsupportedContentType,
    QueueFull,
)
MANAGED: Final = documented(
    *BODY, problems.Forbidden, UnknownModel, NotReady, problems.SeveralWorkers, problems.ModelRefused, form=described
)

router = APIRouter(prefix=f"{PREFIX}/repository")


def _optional_body(form: type[IndexRequest] | type[ManageRequest]) -> dict[str, object]:
    return {"requestBody": {"content": {"application/json": {"schema": schema_of(form)}}}}


@router.post(
    "/index", summary="List models", responses=documented(*BODY, form=described), openapi_extra=_optional_body(IndexRequest)
)
async def index(request: Request) -> list[ModelState]:
    """Every model of the folder, loaded or not."""
    asked = await _read(request, IndexRequest)
    entries = await asyncio.to_thread(services_of(request).registry.index)  # it reads the folder
    return [
        ModelState(name=entry.name, version=entry.version or "", state=entry.state, reason=entry.reason or "")
        for entry in entries
        if entry.state == "READY" or not asked.ready
    ]


@router.post("/models/{name}/load", summary="Load", responses=MANAGED, openapi_extra=_optional_body(ManageRequest))
async def load(request: Request, name: str) -> ModelReady:
    """Load a model of the folder, or load it anew; one that cannot be served leaves what was served before.

    Needs a key of `DIGITS_ADMIN_KEYS`.
    """
    _may_manage(request)
    if (await _read(request, ManageRequest)).parameters:
        raise problems.MalformedInference("A model is loaded as its folder has it; parameters are not supported.")
    try:
        await asyncio.to_thread(services_of(request).registry.load, name)
    except ModelMissing as exc:
        raise UnknownModel(str(exc)) from exc
    except (ModelError, ProviderUnavailable) as exc:
        raise problems.ModelRefused(str(exc)) from exc
    return ModelReady(name=name, ready=True)


@router.post("/models/{name}/unload", summary="Unload", responses=MANAGED, openapi_extra=_optional_body(ManageRequest))
async def unload(request: Request, name: str) -> ModelReady:
    """Serve a model no longer; what is queued for it is answered. Needs a key of `DIGITS_ADMIN_KEYS`."""
    _may_manage(request)
    await _read(request, ManageRequest)
    await asyncio.to_thread(services_of(request).registry.unload, name)
    return ModelReady(name=name, ready=False)


def _may_manage(request: Request) -> None:
    """Raise Forbidden unless the request carries a key that may load and unload models, SeveralWorkers where it cannot."""
    settings = services_of(request).settings
    hashes = settings.admin_keys
    if not hashes:
        raise problems.Forbidden("Models are loaded and unloaded only where DIGITS_ADMIN_KEYS is set.")
    if holder(request.scope["headers"], hashes) is None:
        raise problems.Forbidden("Send a key of DIGITS_ADMIN_KEYS as 'Authorization: Bearer' or 'X-API-Key'.")
    if settings.workers > 1:
        raise problems.SeveralWorkers("This reaches one worker of several; replace the folder and send SIGHUP to the parent.")


async def _read(request: Request, form: type[Form]) -> Form:
    check_encoding(request)
    services = services_of(request)
    with services.bodies.ticket() as room:
        body = await read_body(request, services.settings, room)
        return parse(form, body or b"{}")
