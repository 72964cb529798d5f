"""What the server is, what it has loaded, and whether it takes requests."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request

from app import __version__
from app.api.health import check_alive, check_ready
from app.api.problems import documented
from app.api.v2.errors import PREFIX, described
from app.api.v2.protocol import (
    ENCODED_IMAGES,
    FRAME,
    IMAGES,
    OUTPUTS,
    InputMetadata,
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
    TensorMetadata,
)
from app.digits.errors import ModelStalled, NotReady, ShuttingDown, UnknownModel
from app.services import services_of
from app.serving.registry import ServedModel

EXTENSIONS: Final = ["binary_tensor_data", "classification", "model_repository", "parameters", "schedule_policy"]
PLATFORM: Final = "onnxruntime_onnx"  # as Triton calls ONNX Runtime
ALWAYS: Final = documented(form=described)
OF_A_MODEL: Final = documented(UnknownModel, NotReady, form=described)

router = APIRouter(prefix=PREFIX)


@router.get("", summary="The server", responses=ALWAYS)
async def server() -> ServerMetadata:
    """Its name, its version, and which extensions of the protocol it has."""
    return ServerMetadata(name="digits", version=__version__, extensions=EXTENSIONS)


@router.get("/health/live", summary="Restart me?", responses=documented(ModelStalled, form=described))
async def live(request: Request) -> Live:
    """As `/livez`."""
    check_alive(services_of(request))
    return Live()


@router.get("/health/ready", summary="Send traffic?", responses=documented(NotReady, ShuttingDown, form=described))
async def ready(request: Request) -> Ready:
    """As `/readyz`."""
    check_ready(services_of(request))
    return Ready()


@router.get("/models/{name}", summary="One model", responses=OF_A_MODEL)
async def model_metadata(request: Request, name: str) -> ModelMetadata:
    """Its tensors. Send either `images`, framed already (FP32 0–1 is taken too), or `encoded_images`: picture files."""
    return _metadata(find(request, name))


@router.get("/models/{name}/versions/{version}", summary="One version of a model", responses=OF_A_MODEL)
async def version_metadata(request: Request, name: str, version: str) -> ModelMetadata:
    """The same, if that version is the one that is loaded."""
    return _metadata(find(request, name, version))


@router.get("/models/{name}/ready", summary="Does a model take requests?", responses=OF_A_MODEL)
async def model_ready(request: Request, name: str) -> ModelReady:
    """Answers 200 for a model that is loaded."""
    return ModelReady(name=find(request, name).name, ready=True)


@router.get("/models/{name}/versions/{version}/ready", summary="Does a version take requests?", responses=OF_A_MODEL)
async def version_ready(request: Request, name: str, version: str) -> ModelReady:
    """Answers 200 for the version that is loaded."""
    return ModelReady(name=find(request, name, version).name, ready=True)


def _metadata(model: ServedModel) -> ModelMetadata:
    manifest = model.classifier.manifest
    return ModelMetadata(
        name=manifest.name,
        versions=[manifest.version],
        platform=PLATFORM,
        inputs=[
            InputMetadata(name=IMAGES, datatype="UINT8", shape=[-1, *FRAME]),
            InputMetadata(name=ENCODED_IMAGES, datatype="BYTES", shape=[-1]),
        ],
        outputs=[TensorMetadata(name=output, datatype="FP32", shape=[-1, len(manifest.labels)]) for output in OUTPUTS],
    )


def find(request: Request, name: str, version: str | None = None) -> ServedModel:
    """A loaded model; of its versions, only one is loaded at a time.

    Raises:
        UnknownModel: it is not loaded, or in another version.
    """
    model = services_of(request).registry.get(name)
    loaded = model.identity["version"]
    if version not in (None, loaded):
        raise UnknownModel(f"Model {name!r} is loaded in version {loaded}, not {version[:20]!r}.")
    return model
