"""The wire's forms, for OpenAPI and for clients. Tests hold the real answers against them.

``app.client`` imports this file where no server is installed: it needs pydantic and nothing of the web.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.digits.abstention import Reason
from app.digits.manifest import Cost, Metrics, ModelManifest, Preprocessing, Seeds, Source


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    type: str = Field(examples=["/problems/unsupported-format"], description="Names the kind of problem; stable.")
    title: str = Field(examples=["Not a known picture format"], description="The kind of problem, for people.")
    status: int = Field(examples=[415], description="The HTTP status; inside a batch, what this picture alone would get.")
    detail: str = Field(examples=["The content is no picture of a known format."], description="This occurrence, for people.")
    request_id: str | None = Field(None, description="Names the request in the service's logs.")


class ModelIdentity(BaseModel):
    """Which model answered."""

    name: str = Field(examples=["cnn"])
    version: str = Field(examples=["1"])
    sha256: str = Field(description="SHA-256 of the model's graph.")
    provider: str = Field(examples=["CPUExecutionProvider"], description="The hardware that really ran it.")


class RunningModel(ModelIdentity):
    """A loaded model, and what it runs on."""

    intra_op_threads: int = Field(description="CPU threads of one run: what affinity and the cgroup's quota allow.")


class RankedLabel(BaseModel):
    """One place of the ranking."""

    label: str = Field(examples=["7"])
    probability: float = Field(ge=0, le=1, description="Calibrated: of all answers given with 0.9, about 90 % are right.")


class Preview(BaseModel):
    """What the model saw of a picture."""

    image: str = Field(
        description="A data URI: the 28×28 PNG that the model saw, ink white on black.",
        examples=["data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBI…"],
    )
    box: tuple[int, int, int, int] = Field(
        description="x, y, width, height of the ink in the upright original, in pixels.", examples=[(34, 14, 45, 48)]
    )
    steps: list[str] = Field(
        description="What was done, in order; `native` alone: the picture was such a frame, and no pixel was changed.",
        examples=[["dark ink on light paper", "light evened out", "cropped", "thin strokes widened", "scaled", "centred"]],
    )


class PictureAnswer(BaseModel):
    """A picture that was read."""

    index: int = Field(ge=0, description="Position among the request's files.")
    filename: str | None = Field(description="As it was sent; null for a raw body.")
    status: Literal["ok"]
    label: str | None = Field(description="The most probable label; null where the model abstains.")
    probability: float = Field(ge=0, le=1, description="Of the most probable label.")
    abstained: bool = Field(description="Whether the model declines to answer.")
    reason: Reason | None = Field(
        description=(
            "Why the model abstains; null otherwise. `not_a_digit`: like none of its labels; `ambiguous`: like two of them; "
            "`several_digits`: send the picture to `/v1/read`."
        )
    )
    top_k: list[RankedLabel] = Field(description="The ranking, most probable first; also when the model abstains.")
    preview: Preview | None = Field(None, description="With `preview=true` only.")


class PictureProblem(BaseModel):
    """A picture of a batch that could not be read; the others are not disturbed."""

    index: int = Field(ge=0, description="Position among the request's files.")
    filename: str | None = Field(description="As it was sent; null for a raw body.")
    status: Literal["error"]
    problem: Problem


class Timings(BaseModel):
    """Where the request's time went, in milliseconds."""

    decode: float = Field(ge=0)
    preprocess: float = Field(ge=0)
    queue: float = Field(ge=0, description="Waiting for the session.")
    inference: float = Field(ge=0, description="The runs that this request's pictures were part of.")
    total: float = Field(ge=0, description="From the complete body to the answer.")


class PredictAnswer(BaseModel):
    """One result for each picture, in the order of the files."""

    model: ModelIdentity
    request_id: str
    predictions: list[PictureAnswer | PictureProblem]
    timings_ms: Timings


class Explained(BaseModel):
    """What the model answers to the whole picture."""

    label: str | None = Field(description="The most probable label; null where the model abstains.")
    probability: float = Field(ge=0, le=1, description="Of the most probable label.")
    abstained: bool
    reason: Reason | None
    top_k: list[RankedLabel]


class ExplainAnswer(BaseModel):
    """Which pixels decided."""

    model: ModelIdentity
    request_id: str
    prediction: Explained
    label: str = Field(examples=["7"], description="The label that is explained.")
    probability: float = Field(ge=0, le=1, description="Of that label, with nothing covered.")
    drops: list[list[float]] = Field(
        description=(
            "28 rows of 28, -1 to 1: what the label's probability loses, on average, as a patch over that pixel is covered "
            "with paper; negative where it gains."
        )
    )
    overlay: str = Field(description="A data URI: the frame that the model saw as a PNG, red where the label rests on it.")
    box: tuple[int, int, int, int] = Field(description="x, y, width, height of the ink in the upright original, in pixels.")
    timings_ms: Timings


Box = tuple[int, int, int, int]
BOX = Field(description="x, y, width and height in pixels of the upright original.", examples=[[34, 14, 45, 48]])


class ReadDigit(BaseModel):
    """One digit of a picture."""

    label: str = Field(description="The most probable label.", examples=["9"])
    probability: float = Field(ge=0, le=1, description="Of that label; calibrated on single digits.")
    box: Box = BOX
    top_k: list[RankedLabel] = Field(description="The ranking, most probable first.")


class ReadLine(BaseModel):
    """One line of a picture."""

    text: str = Field(examples=["90210"])
    box: Box = BOX
    digits: list[ReadDigit] = Field(description="From left to right.")


class ReadAnswer(BaseModel):
    """What a picture says."""

    model: ModelIdentity
    request_id: str
    text: str = Field(examples=["90210"], description="The lines, joined by line feeds.")
    lines: list[ReadLine] = Field(description="From the top.")
    digits: list[ReadDigit] = Field(description="Those of all lines, in reading order.")
    probability: float = Field(
        ge=0,
        le=1,
        description="That the whole text is right if its digits were found rightly: the product of their probabilities.",
    )
    timings_ms: Timings


class _LoadedModel(BaseModel):
    name: str
    default: bool = Field(description="Whether it answers when a request names no model.")
    provider: str = Field(description="The hardware that really runs it.")
    sha256: str = Field(description="SHA-256 of the model's graph.")


class ModelInfo(_LoadedModel):
    """A loaded model."""

    intra_op_threads: int = Field(description="CPU threads of one run.")
    manifest: ModelManifest


class ManifestSummary(BaseModel):
    """What people compare models by; the whole manifest is at `/v1/models/{name}`."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    version: str
    created_at: str
    source: Source
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    metrics: dict[Literal["train", "validation", "test"], Metrics]
    seeds: Seeds | None
    cost: Cost


class ListedModel(_LoadedModel):
    """A loaded model, in short."""

    manifest: ManifestSummary


class ModelList(BaseModel):
    """All loaded models, the default first."""

    default: str
    models: list[ListedModel]


class Sample(BaseModel):
    """A handwritten digit."""

    label: str = Field(examples=["7"], description="What was written.")
    image: str = Field(description="A data URI: a PNG, ink white on black.", examples=["data:image/png;base64,iVBORw0KGgo…"])


class SampleList(BaseModel):
    """Some handwritten digits."""

    origin: str = Field(description="Where they come from.")
    samples: list[Sample]


class Probe(BaseModel):
    """A probe's answer."""

    status: Literal["ok"]


class Health(BaseModel):
    """The human summary."""

    status: Literal["ready", "not ready", "draining"]
    version: str = Field(description="Of the service.")
    pid: int = Field(description="The process that answers; what follows is told of it alone.")
    workers: int = Field(description="Processes that share the port.")
    uptime_s: float
    models: list[RunningModel] = Field(description="What answers.")
    failed_models: dict[str, str] = Field(description="What could not be loaded, and why; an older version may answer.")
    queued_images: int
    max_queued_images: int
