"""``GET /v1/models`` and below it: what is loaded, and each model's card and figures for people."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from app.api.problems import UnknownFile, documented
from app.api.schemas import ListedModel, ManifestSummary, ModelInfo, ModelList
from app.digits import errors
from app.services import services_of
from app.serving.registry import ServedModel

CARD: Final = "MODEL_CARD.md"
FIGURE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\.(svg|png)")
MEDIA_TYPES: Final = {"svg": "image/svg+xml", "png": "image/png"}
# An SVG that is opened by itself styles itself and embeds its pictures; it runs nothing.
FIGURE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", summary="List models", responses=documented())
async def list_models(request: Request) -> ModelList:
    """All loaded models with what people compare them by, the default first."""
    registry = services_of(request).registry
    return ModelList(default=registry.default, models=[_listed(model, registry.default) for model in registry.served])


@router.get("/{name}", summary="One model", responses=documented(errors.UnknownModel, errors.NotReady))
async def one_model(request: Request, name: str) -> ModelInfo:
    """One loaded model: its manifest, and the hardware that really runs it."""
    registry = services_of(request).registry
    return _info(registry.get(name), registry.default)


@router.get(
    "/{name}/card",
    summary="A model's card",
    response_class=Response,
    responses=documented(errors.UnknownModel, errors.NotReady, UnknownFile)
    | {200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}},
)
def card(request: Request, name: str) -> Response:
    """The model card as Markdown; its pictures are the figures below."""
    path = _folder(request, name) / CARD
    if not path.is_file():
        raise UnknownFile(f"Model {name!r} has no card.")
    return FileResponse(path, media_type="text/markdown; charset=utf-8")


@router.get(
    "/{name}/figures/{file}",
    summary="A figure of a model's card",
    response_class=Response,
    responses=documented(errors.UnknownModel, errors.NotReady, UnknownFile)
    | {200: {"content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES.values()}}},
)
def figure(request: Request, name: str, file: str) -> Response:
    """One picture that the card shows, SVG or PNG."""
    folder = _folder(request, name) / "figures"
    if not (known := FIGURE.fullmatch(file)) or not (folder / file).is_file():
        raise UnknownFile(f"Model {name!r} has no figure {file[:64]!r}.")
    return FileResponse(folder / file, media_type=MEDIA_TYPES[known[1]], headers={"Content-Security-Policy": FIGURE_POLICY})


def _folder(request: Request, name: str) -> Path:
    """Of a loaded model: its name is known, so that it leads nowhere else."""
    services = services_of(request)
    return services.settings.models_dir / services.registry.get(name).name


def _listed(model: ServedModel, default: str) -> ListedModel:
    manifest = model.classifier.manifest
    return ListedModel(
        name=manifest.name,
        default=manifest.name == default,
        provider=model.classifier.session.provider,
        sha256=manifest.sha256,
        manifest=ManifestSummary.model_validate(manifest),
    )


def _info(model: ServedModel, default: str) -> ModelInfo:
    manifest, session = model.classifier.manifest, model.classifier.session
    return ModelInfo(
        name=manifest.name,
        default=manifest.name == default,
        provider=session.provider,
        intra_op_threads=session.intra_op_threads,
        sha256=manifest.sha256,
        manifest=manifest,
    )
