"""``GET /v1/models`` and ``GET /v1/models/{name}``: what is loaded."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.api.problems import documented
from app.api.schemas import ModelInfo, ModelList
from app.digits import errors
from app.services import services_of
from app.serving.registry import ServedModel

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", summary="List models", responses=documented())
async def list_models(request: Request) -> ModelList:
    """All loaded models with their manifests, the default first."""
    registry = services_of(request).registry
    return ModelList(default=registry.default, models=[_info(model, registry.default) for model in registry.served])


@router.get("/{name}", summary="One model", responses=documented(errors.UnknownModel, errors.NotReady))
async def one_model(request: Request, name: str) -> ModelInfo:
    """One loaded model: its manifest, and the hardware that really runs it."""
    registry = services_of(request).registry
    return _info(registry.get(name), registry.default)


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
