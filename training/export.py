"""Checkpoint → a model folder: the ONNX graph with everything constant inside it, golden cases, manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from app.digits import manifest as manifests
from app.digits.classifier import DigitClassifier
from app.digits.image import decode
from app.digits.manifest import Cost, GoldenCase, ModelManifest, Parity, Preprocessing, Source
from app.digits.manifest import Tensor as InputTensor
from app.digits.preprocessing import PREPROCESSINGS
from app.digits.session import INPUT, OUTPUTS, OrtSession
from training.data import Split
from training.errors import TrainingError
from training.runs import RunFolder, RunRecord, now
from training.strokes import GLYPHS, as_png, draw_digit
from training.tail import write_tail
from training.train import trained_network

OPSET = 20
PARITY_BATCHES = (1, 2, 7, 64)
# float32 convolutions summed in another order differ by about 1e-5; a wrong layer differs by 1e-1 and more.
PARITY_LIMIT = 1e-3
# CUDA's TF32 convolutions move a probability by up to 3e-3.
GOLDEN_TOLERANCE = 0.01
LICENCE = "MIT"


class InferenceGraph(nn.Module):
    """What is exported: uint8 pictures in; logits and calibrated probabilities out."""

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (N, 1, 28, 28) → float32 (N, C) logits before temperature, and probabilities after it."""
        logits = self.network(images.float() / 255)
        return logits, torch.softmax(logits / self.temperature, dim=1)


def export(run: RunFolder, validation: Split) -> Path:
    """Write a loadable model folder inside the run's folder, and check it against torch.

    Args:
        run: a calibrated run.
        validation: pictures for the parity check.

    Returns:
        The folder, named like the model.

    Raises:
        TrainingError: the run is not calibrated, or ONNX Runtime's answers are not torch's.
    """
    record = run.load_record()
    if record.temperature is None:
        raise TrainingError(f"{run.path} is not calibrated; run `python -m training calibrate {run.path}` first.")
    folder = run.path / record.name
    (folder / "golden").mkdir(parents=True, exist_ok=True)
    graph = InferenceGraph(trained_network(record, run), record.temperature).eval()
    write_graph(graph, folder / manifests.MODEL_FILE)
    if record.margins is not None:
        write_tail(folder / manifests.MODEL_FILE, record.temperature, record.margins)
    parity = check_parity(graph, folder / manifests.MODEL_FILE, validation.images)
    record = record.model_copy(update={"parity": parity})
    write_manifest(folder, _manifest(record, folder, graph.network))
    run.save_record(record)
    return folder


def check_parity(graph: nn.Module, model_file: Path, images: NDArray[np.uint8]) -> Parity:
    """Compare torch's and ONNX Runtime's logits at several batch sizes.

    Args:
        graph: the torch module.
        model_file: its ONNX file.
        images: uint8 (N, 28, 28).

    Raises:
        TrainingError: they differ by more than ``PARITY_LIMIT``.
    """
    session = OrtSession(model_file, provider="cpu")
    worst, start = 0.0, 0
    for size in PARITY_BATCHES:
        batch = images[np.arange(start, start + size) % len(images), None]  # from the first again where there are few
        with torch.inference_mode():
            expected = graph(torch.from_numpy(batch))[0].numpy()
        worst = max(worst, float(np.abs(session.run(batch).logits - expected).max()))
        start += size
    if not worst <= PARITY_LIMIT:
        raise TrainingError(f"ONNX Runtime's logits differ from torch's by {worst:.2g}; the exported graph is not the network.")
    return Parity(max_abs_logit_diff=worst, n=start)


def write_manifest(folder: Path, manifest: ModelManifest) -> None:
    """Write ``manifest.json`` for people to read too."""
    text = manifest.model_dump_json(indent=2, exclude_none=True)
    (folder / manifests.MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")


def write_graph(graph: nn.Module, path: Path) -> None:
    """Export an ``InferenceGraph`` in evaluation mode, for batches of any size."""
    example = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    program = torch.onnx.export(
        graph,
        (example,),
        input_names=[INPUT],
        output_names=list(OUTPUTS),
        dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    for node in program.model.graph:
        node.metadata_props.clear()  # torch notes the source lines of each node here, with this machine's paths
    program.save(str(path), external_data=False)


def _manifest(record: RunRecord, folder: Path, network: nn.Module) -> ModelManifest:
    golden_files = {f"golden/{digit}.png": as_png(draw_digit(digit)) for digit in GLYPHS}
    for name, data in golden_files.items():
        (folder / name).write_bytes(data)
    assert record.temperature is not None and record.parity is not None
    return ModelManifest(
        schema_version=manifests.SCHEMA_VERSION,
        name=record.name,
        version="1",
        created_at=now(),
        source=Source(git_commit=record.git_commit, recipe=record.name, seed=record.seed, data_sha256=record.data_sha256),
        files={name: manifests.sha256_of(folder / name) for name in (manifests.MODEL_FILE, *golden_files)},
        input=InputTensor(name=INPUT, dtype="uint8", shape=(None, 1, 28, 28)),
        outputs=OUTPUTS,
        labels=record.data.labels,
        preprocessing=record.data.preprocessing,
        temperature=record.temperature,
        margins=record.margins,
        parity=record.parity,
        golden=golden_cases(folder, golden_files, record.data.preprocessing),
        metrics={},
        cost=Cost(
            parameters=record.parameters,
            macs=count_macs(network),
            bytes=(folder / manifests.MODEL_FILE).stat().st_size,
        ),
        licence=LICENCE,
    )


def count_macs(network: nn.Module) -> int:
    """Multiply-adds of one picture (torch counts a multiply-add as two operations)."""
    counter = FlopCounterMode(display=False)
    with counter:  # with gradients: without them attention runs as one fused operation, which is not counted
        network(torch.zeros(1, 1, 28, 28))
    return int(counter.get_total_flops()) // 2


def golden_cases(folder: Path, files: Mapping[str, bytes], preprocessing: Preprocessing) -> tuple[GoldenCase, ...]:
    """What a folder's graph answers to pictures of its own.

    Args:
        folder: with ``model.onnx`` in it.
        files: the pictures' bytes by their names in the folder.
        preprocessing: how the service will frame them.
    """
    frame = PREPROCESSINGS[preprocessing.name, preprocessing.version]
    images = np.stack([frame(decode(data)).image for data in files.values()])
    probabilities = OrtSession(folder / manifests.MODEL_FILE, provider="cpu").run(images).probabilities
    return tuple(
        GoldenCase(file=name, probabilities=tuple(row.astype(float).round(6).tolist()), tolerance=GOLDEN_TOLERANCE)
        for name, row in zip(files, probabilities, strict=True)
    )


def load_checked(folder: Path) -> DigitClassifier:
    """Load a model folder on the CPU and pass its golden self-test, as the service does before it is ready."""
    classifier = DigitClassifier.load(folder, provider="cpu")
    classifier.self_test(folder)
    return classifier
