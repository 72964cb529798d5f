"""Fakes that compute: a session with an answer for every picture, and model folders that it can be loaded from."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any, Final

import numpy as np

from app.digits import manifest as manifests
from app.digits.classifier import DigitClassifier
from app.digits.image import decode
from app.digits.preprocessing import mnist_frame
from app.digits.session import Floats, Images, Output
from tests import pictures

LABELS: Final = tuple("0123456789")
# Each label's logit is the picture's overlap with a fixed pattern: other pictures get other answers, the same the same.
_PATTERNS: Final = np.random.default_rng(7).normal(scale=0.2, size=(28 * 28, len(LABELS)))

# Even labels, nine in ten answers with 0.99 and more, the ink of ``test_drift``'s traffic, native frames.
REFERENCE: Final[dict[str, Any]] = {
    "n": 5000,
    "label": [0.1] * len(LABELS),
    "probability": {"edges": [0.5, 0.9, 0.99], "shares": [0.0, 0.1, 0.0, 0.9]},
    "abstained": 0.0,
    "ink": {"edges": [0.1, 0.16], "shares": [0.25, 0.5, 0.25]},
    "framing": {"native": 1.0},
}


class FakeSession:
    """A ``ModelSession`` that multiplies matrices.

    Attributes:
        provider: what it says that it runs on.
        sizes: images of each run so far.
        gate: runs wait while it is clear.
        entered: set when a run has begun.
        fault: raised by runs if set.
    """

    intra_op_threads = 1
    is_bounded = False

    def __init__(self, provider: str = "FakeProvider") -> None:
        self.provider = provider
        self.sizes: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.fault: Exception | None = None

    def run(self, images: Images) -> Output:
        self.sizes.append(len(images))
        self.entered.set()
        assert self.gate.wait(timeout=10), "a test left the gate closed"
        if self.fault is not None:
            raise self.fault
        logits = images.reshape(len(images), -1) / 255.0 @ _PATTERNS
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return Output(logits.astype(np.float32), (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32))


def probabilities_of(grey: pictures.Grey) -> Floats:
    """What ``FakeSession`` answers to a picture: float32 (C,)."""
    probabilities: Floats = FakeSession().run(mnist_frame(grey).image[None]).probabilities[0]
    return probabilities


def load_fake(folder: Path, *, session: FakeSession | None = None) -> DigitClassifier:
    """``DigitClassifier.load`` with every check of the folder, and a session that computes in place of ONNX Runtime."""
    manifest = manifests.read(folder)
    manifests.verify(folder, manifest)
    return DigitClassifier(manifest, session or FakeSession())


def make_model_folder(models_dir: Path, name: str = "cnn", **changes: Any) -> Path:
    """A model folder whose golden answers are ``FakeSession``'s; ``changes`` replace fields of the manifest."""
    folder = models_dir / name
    (folder / "golden").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(f"weights of {name}".encode())
    (folder / "golden/7.png").write_bytes(pictures.png())
    digests = {path: _sha256(folder / path) for path in ("model.onnx", "golden/7.png")}
    content = {
        "schema_version": 1,
        "name": name,
        "version": "1",
        "created_at": "2026-01-01T00:00:00+00:00",
        "source": {"git_commit": "unknown", "recipe": "fake", "seed": 0, "data_sha256": "0" * 64},
        "files": digests,
        "input": {"name": "images", "dtype": "uint8", "shape": [None, 1, 28, 28]},
        "outputs": ["logits", "probabilities"],
        "labels": LABELS,
        "preprocessing": {"name": "mnist-frame", "version": "2"},
        "temperature": 1.0,
        "parity": {"max_abs_logit_diff": 0.0, "n": 1},
        "golden": [golden_case()],
        "metrics": {"test": {"n": 10, "accuracy": 0.5, "interval": [0.24, 0.76], "nll": 1.0, "ece": 0.1}},
        "cost": {"parameters": 7840, "macs": 7840, "bytes": 16},
        "licence": "MIT",
    }
    write_manifest(folder, content | changes)
    return folder


def golden_case(*, shift: float = 0.0) -> dict[str, Any]:
    """The golden picture's case; ``shift`` makes its probabilities wrong."""
    probabilities = probabilities_of(decode(pictures.png())).tolist()
    return {"file": "golden/7.png", "probabilities": [abs(value - shift) for value in probabilities], "tolerance": 0.001}


def read_manifest(folder: Path) -> dict[str, Any]:
    """``manifest.json`` as it stands."""
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Write ``manifest.json``."""
    (folder / "manifest.json").write_text(json.dumps(content))


def change_one_byte(path: Path) -> None:
    """Alter a file as a bad disk or a stranger would."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
