"""The pipeline of one model: picture → frame → probabilities → prediction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from app.digits import manifest as manifests
from app.digits.abstention import Reason, reason_to_abstain
from app.digits.errors import InvalidTopK, ManifestInvalid, ModelBroken, SelfTestFailed, UnknownLabel
from app.digits.image import Grey, Limits, decode
from app.digits.manifest import ModelManifest
from app.digits.preprocessing import PREPROCESSINGS, Frame
from app.digits.session import Floats, Images, ModelSession, OrtSession, Output, ProviderName

DEFAULT_TOP_K = 3


class RankedLabel(NamedTuple):
    """A label and its calibrated probability, 0–1."""

    label: str
    probability: float


class Prediction(NamedTuple):
    """The answer for one picture.

    Attributes:
        label: the most probable label; None where the model abstains.
        probability: of the most probable label, abstained or not.
        top_k: the ranking, most probable first; equal probabilities in the labels' order.
        abstained: whether the model declines to answer.
        reason: why it declines; None otherwise.
    """

    label: str | None
    probability: float
    top_k: tuple[RankedLabel, ...]
    abstained: bool = False
    reason: Reason | None = None


class DigitClassifier:
    """One loaded model. Training evaluates through it and the service answers through it: there is no other door."""

    def __init__(self, manifest: ModelManifest, session: ModelSession) -> None:
        """Join a manifest with the session that runs its graph.

        Raises:
            ManifestInvalid: the manifest names a preprocessing that this version does not have.
        """
        key = (manifest.preprocessing.name, manifest.preprocessing.version)
        if key not in PREPROCESSINGS:
            raise ManifestInvalid(
                f"Model {manifest.name!r} wants preprocessing {key[0]!r} version {key[1]!r}, which this service does not "
                "have; upgrade the service, or ship the model again with this version."
            )
        self.manifest = manifest
        self.session = session
        self._frame = PREPROCESSINGS[key]
        # An attribute of a pydantic model takes several times as long to read, and these are read for each picture.
        self._labels, self._abstention = manifest.labels, manifest.abstention

    @classmethod
    def load(cls, folder: Path, *, provider: ProviderName = "auto", intra_op_threads: int | None = None) -> Self:
        """Load a model folder after checking its manifest and every file's SHA-256; ``self_test`` is the caller's next step.

        Raises:
            ModelError: see ``app.digits.errors``.
            ProviderUnavailable: the asked-for hardware does not run the model.
        """
        manifest = manifests.read(folder)
        manifests.verify(folder, manifest)
        model_file = folder / manifests.MODEL_FILE
        return cls(manifest, OrtSession(model_file, provider=provider, intra_op_threads=intra_op_threads))

    def frame(self, grey: Grey) -> Frame:
        """Grey uint8 (H, W) → what the model sees; raises BlankPicture where nothing is drawn."""
        return self._frame(grey)

    def infer(self, images: Images) -> Output:
        """Run uint8 (N, 1, 28, 28).

        Raises:
            ModelBroken: the graph failed, or answered another shape or numbers that are not finite.
        """
        output = self.session.run(images)
        expected = (len(images), len(self._labels))
        if output.probabilities.shape != expected or output.logits.shape != expected:
            shapes = f"{output.logits.shape} and {output.probabilities.shape}"
            raise ModelBroken(f"The model answered the shapes {shapes} instead of {expected}.")
        if not np.isfinite(output.probabilities).all():
            raise ModelBroken("The model answered probabilities that are not finite.")
        return output

    def check_top_k(self, top_k: int) -> None:
        """Raise InvalidTopK unless 1 ≤ ``top_k`` ≤ number of labels."""
        most = len(self._labels)
        if not 1 <= top_k <= most:
            raise InvalidTopK(f"top_k is {top_k}; this model ranks 1 to {most} labels.")

    def position_of(self, label: str) -> int:
        """A label's position among the model's; raises UnknownLabel."""
        try:
            return self.manifest.labels.index(label)
        except ValueError as exc:
            known = ", ".join(self.manifest.labels)
            raise UnknownLabel(f"label is {label[:64]!r}; this model's labels are: {known}.") from exc

    def interpret(self, probabilities: Floats, top_k: int = DEFAULT_TOP_K, *, digits: int = 1) -> Prediction:
        """One row of probabilities (C,) → prediction; ``digits`` is how many digits framing saw (``Frame.digits``)."""
        labels, values = self._labels, probabilities.tolist()
        # Ten items: plain Python sorts them in a fifth of numpy's time (PEERS.md). Sorting is stable, so ties keep order.
        order = sorted(range(len(values)), key=values.__getitem__, reverse=True)
        ranking = tuple([RankedLabel(labels[i], values[i]) for i in order[:top_k]])
        best = ranking[0]
        reason = reason_to_abstain(self._abstention, best.probability, values[order[1]], digits)
        return Prediction(None if reason else best.label, best.probability, ranking, reason is not None, reason)

    def classify(self, files: Sequence[bytes], *, top_k: int = DEFAULT_TOP_K, limits: Limits = Limits()) -> list[Prediction]:
        """Picture files → predictions, in order, as one batch.

        Raises:
            PictureError: a file cannot be read.
            InvalidTopK: see ``check_top_k``.
        """
        self.check_top_k(top_k)
        if not files:
            return []
        frames = [self.frame(decode(data, limits)) for data in files]
        rows = self.infer(np.stack([frame.image for frame in frames])).probabilities
        return [self.interpret(row, top_k, digits=frame.digits) for row, frame in zip(rows, frames, strict=True)]

    def self_test(self, folder: Path) -> None:
        """Answer the manifest's golden pictures and compare.

        Raises:
            SelfTestFailed: a probability differs by more than the case's tolerance.
        """
        for case in self.manifest.golden:
            image = self.frame(decode((folder / case.file).read_bytes())).image
            answer = self.infer(image[None]).probabilities[0]
            off = float(np.abs(answer - np.asarray(case.probabilities, np.float32)).max())
            if off > case.tolerance:
                raise SelfTestFailed(
                    f"Model {self.manifest.name!r} answers {case.file} off by {off:.2g}, more than {case.tolerance:.2g}; "
                    "its weights, the preprocessing or this ONNX Runtime are not those it was shipped with."
                )
