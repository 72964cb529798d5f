"""``manifest.json``: the one file of a model folder that the server trusts, and what it vouches for."""

from __future__ import annotations

import hashlib
import json
import math
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.digits.errors import ManifestInvalid, ModelAltered, ModelMissing

SCHEMA_VERSION: Final = 1
MANIFEST_FILE: Final = "manifest.json"
MODEL_FILE: Final = "model.onnx"
MODEL_NAME: Final = r"^[a-z0-9][a-z0-9._-]{0,63}$"


def _stay_inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path:
        raise ValueError("a file of the manifest must lie inside the model's folder")
    return path


def _sum_to_one(shares: tuple[float, ...]) -> tuple[float, ...]:
    if not math.isclose(sum(shares), 1, abs_tol=1e-3):  # each is rounded
        raise ValueError("shares must sum to 1")
    return shares


InnerPath = Annotated[str, AfterValidator(_stay_inside)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Shares = Annotated[tuple[Share, ...], Field(min_length=2), AfterValidator(_sum_to_one)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Part):
    """Where the weights come from."""

    git_commit: str
    recipe: str
    seed: int
    data_sha256: Sha256


class Tensor(_Part):
    """One input of the graph; None in the shape is the free batch dimension."""

    name: str
    dtype: Literal["uint8"]
    shape: tuple[int | None, ...]


class Preprocessing(_Part):
    """Which function of ``app.digits.preprocessing`` makes the model's input."""

    name: str
    version: str


class Parity(_Part):
    """Greatest difference of any logit between torch and ONNX Runtime over ``n`` pictures."""

    max_abs_logit_diff: float
    n: int


class Margins(_Part):
    """How the graph makes probabilities where one temperature does not: the softmax of -(margin / unit) ** power.

    A logit's margin is how far it lies under the best one, so the ranking stays.
    """

    unit: float = Field(gt=0)
    power: float = Field(gt=0)


class GoldenCase(_Part):
    """A picture that our own code drew, and the probabilities (C,) that the model gave when it was shipped."""

    file: InnerPath
    probabilities: tuple[Share, ...]
    tolerance: float = Field(gt=0, lt=1)


class Metrics(_Part):
    """What ``python -m training evaluate`` measured on one split, from PNG bytes through ``DigitClassifier``.

    ``interval`` is Wilson's 95 % interval of the accuracy; ``ece`` the top-label expected calibration error over 15
    equal-mass bins.
    """

    n: int
    accuracy: Share
    interval: tuple[Share, Share]
    nll: float
    ece: Share


class Cost(_Part):
    """What the graph weighs: trained parameters, multiply-adds of one picture, bytes of ``model.onnx``."""

    parameters: int
    macs: int
    bytes: int


class Seeds(_Part):
    """The recipe's test accuracy over ``n`` seeds, none of them picked by it; ``std`` is the sample deviation."""

    n: int
    mean: Share
    std: Share


class Histogram(_Part):
    """Shares of pictures between ascending edges; the first bin has no lower edge, the last no upper one."""

    edges: tuple[float, ...] = Field(min_length=1)
    shares: Shares

    @model_validator(mode="after")
    def _check_edges(self) -> Self:
        if len(self.shares) != len(self.edges) + 1 or any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError("a histogram has ascending edges, and one share more than edges")
        return self


class Reference(_Part):
    """What the ``n`` validation pictures and the model's answers to them look like: what drift is measured against.

    ``label`` follows the manifest's labels; ``framing`` has the steps of ``app.digits.preprocessing``, joined by commas.
    """

    n: int = Field(gt=0)
    label: Shares
    probability: Histogram
    abstained: Share
    ink: Histogram
    framing: dict[str, Share] = Field(min_length=1)


class Thresholds(_Part):
    """Calibrated probabilities that 99 % of the validation pictures reach.

    ``probability`` is the best label's: below it the model abstains. ``two_labels`` is the sum of the two best: a picture that
    reaches it all the same is torn between two labels, and anything else is none of them.
    """

    probability: Share
    two_labels: Share


class Abstention(_Part):
    """When the model declines to answer (see ``app.digits.abstention``), and how often it does.

    ``validation`` is the share of validation pictures that it declines; ``nondigits`` the shares of made-up pictures that are
    no digit, by kind (see ``training.nondigits``).
    """

    method: Literal["probability"]
    thresholds: Thresholds
    validation: Share
    nondigits: dict[str, Share] = Field({}, description="Only where the labels are digits.")


class Accuracy(_Part):
    """The share of ``n`` pictures that is read right, with Wilson's 95 % interval; a picture that framing refuses is wrong."""

    n: int
    accuracy: Share
    interval: tuple[Share, Share]


class UnknownSet(_Part):
    """``n`` pictures without a digit: how well their probability tells them from digits, and the share that is rejected."""

    n: int
    auroc: Share
    rejected: Share
    interval: tuple[Share, Share]


class Rejection(_Part):
    """Doubt about what is no digit, by the greatest probability.

    ``threshold`` is the one below which 1 % of the validation pictures lie; ``false_rejection`` the share of the test split's
    ``digits`` below it.
    """

    threshold: Share
    digits: int
    false_rejection: Share
    sets: dict[str, UnknownSet]


class Robustness(_Part):
    """Accuracy under corruptions (see ``training.report.corruptions``) of ``n`` test pictures, at strengths 1 to 5.

    ``mean`` is over all kinds and strengths, its 95 % ``interval`` over the pictures; ``sets`` are pictures of other hands.
    """

    n: int
    corruptions: dict[str, tuple[Share, Share, Share, Share, Share]]
    mean: Share
    interval: tuple[Share, Share]
    sets: dict[str, Accuracy] = Field({}, description="Only where they were at hand.")
    rejection: Rejection | None = None


class ModelManifest(_Part):
    """The validated content of ``manifest.json``. Unknown fields are refused, so a typo cannot pass for a setting."""

    schema_version: Literal[1]
    name: str = Field(pattern=MODEL_NAME)
    version: str = Field(pattern=r"^[1-9][0-9]*$")
    created_at: str
    source: Source
    files: dict[InnerPath, Sha256]
    input: Tensor
    outputs: tuple[str, ...]
    labels: tuple[str, ...] = Field(min_length=2)
    preprocessing: Preprocessing
    temperature: float = Field(gt=0, description="For people: the graph applies it itself, or ``margins`` in its place.")
    margins: Margins | None = None
    parity: Parity
    golden: tuple[GoldenCase, ...] = Field(min_length=1)
    metrics: dict[Literal["train", "validation", "test"], Metrics]
    cost: Cost
    licence: str
    seeds: Seeds | None = None
    reference: Reference | None = None
    abstention: Abstention | None = None
    robustness: Robustness | None = None

    @property
    def sha256(self) -> str:
        """The graph's SHA-256: the model's identity in every answer."""
        return self.files[MODEL_FILE]


def read(folder: Path) -> ModelManifest:
    """Read and validate a folder's manifest; ``verify`` then checks the files.

    Raises:
        ModelMissing: there is no manifest.
        ManifestInvalid: it is not JSON, of another schema version, or breaks the schema.
    """
    try:
        content = json.loads((folder / MANIFEST_FILE).read_bytes())
    except FileNotFoundError as exc:
        raise ModelMissing(f"The model folder {folder.name!r} has no {MANIFEST_FILE}; {_REMEDY}") from exc
    except (OSError, ValueError) as exc:
        raise ManifestInvalid(f"{MANIFEST_FILE} of model {folder.name!r} cannot be read as JSON; {_REMEDY}") from exc
    _check_schema_version(folder, content)
    try:
        manifest = ModelManifest.model_validate(content)
    except ValidationError as exc:
        raise ManifestInvalid(f"{MANIFEST_FILE} of model {folder.name!r} is invalid at {_first_error(exc)}; {_REMEDY}") from exc
    _check_consistency(folder, manifest)
    return manifest


def verify(folder: Path, manifest: ModelManifest) -> None:
    """Check every listed file against its SHA-256.

    Raises:
        ModelMissing: a listed file is not there.
        ModelAltered: a file has other content than when the model was shipped.
    """
    for path, expected in manifest.files.items():
        try:
            actual = sha256_of(folder / path)
        except OSError as exc:
            raise ModelMissing(f"{path} of model {folder.name!r} is missing; {_REMEDY}") from exc
        if actual != expected:
            raise ModelAltered(f"{path} of model {folder.name!r} was altered (its SHA-256 is not the manifest's); {_REMEDY}")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_REMEDY: Final = "restore the folder from the release, or ship it again with `python -m training ship`."


def _check_schema_version(folder: Path, content: object) -> None:
    found = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(found, int) and found > SCHEMA_VERSION:
        raise ManifestInvalid(
            f"Model {folder.name!r} has manifest schema {found}, and this service reads up to {SCHEMA_VERSION}; "
            "upgrade the service, or ship the model again with this version."
        )


def _check_consistency(folder: Path, manifest: ModelManifest) -> None:
    if manifest.name != folder.name:
        raise ManifestInvalid(f"The folder {folder.name!r} holds a model named {manifest.name!r}; rename the folder to match.")
    unlisted = {MODEL_FILE, *(case.file for case in manifest.golden)} - manifest.files.keys()
    if unlisted:
        raise ManifestInvalid(f"The manifest of {folder.name!r} lists no SHA-256 for {', '.join(sorted(unlisted))}; {_REMEDY}")
    if any(len(case.probabilities) != len(manifest.labels) for case in manifest.golden):
        raise ManifestInvalid(f"A golden case of {folder.name!r} has not one probability for each label; {_REMEDY}")
    if manifest.reference is not None and len(manifest.reference.label) != len(manifest.labels):
        raise ManifestInvalid(f"The reference of {folder.name!r} has not one share for each label; {_REMEDY}")


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or "the top level"
    return f"{place!r} ({first['msg']})"
