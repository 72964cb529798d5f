"""What runs a model's graph: ``ModelSession`` is the protocol, ``OrtSession`` runs ONNX Runtime; the tests' fake computes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from app.digits.errors import ModelBroken, ProviderUnavailable
from app.digits.threads import available_cpus

# Since 1.29 the Linux wheel starts a telemetry thread and writes under HOME unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort

ProviderName = Literal["auto", "cpu", "cuda"]
Images = NDArray[np.uint8]
Floats = NDArray[np.float32]

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
INPUT: Final = "images"
OUTPUTS: Final = ("logits", "probabilities")


@dataclass(frozen=True, slots=True)
class Output:
    """What a session answers for N images and C labels.

    Attributes:
        logits: float32 (N, C), before temperature.
        probabilities: float32 (N, C), after it; each row sums to 1.
    """

    logits: Floats
    probabilities: Floats


class ModelSession(Protocol):
    """Runs one graph. ``run`` is called from one thread at a time and may block it."""

    @property
    def provider(self) -> str:
        """The execution provider that really runs, in ONNX Runtime's words."""

    @property
    def intra_op_threads(self) -> int:
        """How many CPU threads one run uses."""

    def run(self, images: Images) -> Output:
        """Run uint8 (N, 1, 28, 28), N at least 1.

        Raises:
            ModelBroken: the graph failed.
        """


class OrtSession:
    """One ONNX Runtime session on the asked-for hardware, or a clear error: never a silent fallback."""

    def __init__(self, model_file: Path, *, provider: ProviderName = "auto", intra_op_threads: int | None = None) -> None:
        """Load a graph.

        Args:
            model_file: the ONNX file.
            provider: ``auto`` takes CUDA where it runs, else the CPU.
            intra_op_threads: CPU threads a run; None takes what affinity and the cgroup's quota allow.

        Raises:
            ProviderUnavailable: the hardware cannot run the graph.
            ModelBroken: the file is no graph that this ONNX Runtime loads, or has other outputs than ours.
        """
        self.intra_op_threads = intra_op_threads or available_cpus()
        wanted = _providers(provider)
        try:
            self._session = ort.InferenceSession(
                str(model_file), _options(self.intra_op_threads), providers=wanted, enable_fallback=0
            )
        except Exception as exc:  # onnxruntime raises its own kinds, which share no base but this
            raise ModelBroken(f"ONNX Runtime cannot load {model_file.name}: {_brief(exc)}") from exc
        self.provider: str = self._session.get_providers()[0]
        if self.provider != wanted[0]:
            raise ProviderUnavailable(f"{wanted[0]} was asked for, but ONNX Runtime fell back to {self.provider}.")
        names = {node.name for node in self._session.get_outputs()}
        if not names.issuperset(OUTPUTS):
            raise ModelBroken(f"{model_file.name} has the outputs {sorted(names)}, not {list(OUTPUTS)}.")

    def run(self, images: Images) -> Output:
        try:
            logits, probabilities = self._session.run(list(OUTPUTS), {INPUT: images})
        except Exception as exc:  # as above
            raise ModelBroken(f"The model's graph failed: {_brief(exc)}") from exc
        return Output(np.asarray(logits), np.asarray(probabilities))


def _providers(asked: ProviderName) -> list[str]:
    cuda_built_in = CUDA in ort.get_available_providers()
    if asked == "cuda" and not cuda_built_in:
        raise ProviderUnavailable(
            "CUDA was asked for, but this ONNX Runtime has no CUDA provider; install onnxruntime-gpu, or ask for cpu."
        )
    if asked == "cpu" or not cuda_built_in:
        return [CPU]
    return [CUDA, CPU]


def _options(intra_op_threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3  # errors; they reach the caller as exceptions too
    # Spinning threads burn the CPU that the HTTP side needs, and a cgroup's quota with it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _brief(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
