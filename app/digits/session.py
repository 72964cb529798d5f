"""What runs a model's graph: ``ModelSession`` is the protocol, ``OrtSession`` runs ONNX Runtime; the tests' fake computes."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from app.digits.errors import ModelBroken, ProviderUnavailable
from app.digits.threads import available_cpus

# Since 1.29 the Linux wheel starts a telemetry thread and writes under HOME unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort

log = logging.getLogger(__name__)

ProviderName = Literal["auto", "cpu", "cuda", "tensorrt", "openvino", "coreml"]
Images = NDArray[np.uint8]
Floats = NDArray[np.float32]

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
TENSORRT: Final = "TensorrtExecutionProvider"
LOOPS: Final = frozenset({"Loop", "Scan"})  # ONNX's operators that repeat others
INPUT: Final = "images"
OUTPUTS: Final = ("logits", "probabilities")


@dataclass(frozen=True, slots=True)
class Hardware:
    """One value of DIGITS_PROVIDER.

    Attributes:
        title: for people.
        providers: ONNX Runtime's, most wanted first; the later ones may take single nodes that the first cannot run.
        remedy: what to install where this ONNX Runtime has not got it.
    """

    title: str
    providers: tuple[str, ...]
    remedy: str


HARDWARE: Final[dict[ProviderName, Hardware]] = {
    "cpu": Hardware("The CPU", (CPU,), "install onnxruntime"),
    "cuda": Hardware("CUDA", (CUDA, CPU), "install onnxruntime-gpu"),
    "tensorrt": Hardware("TensorRT", (TENSORRT, CUDA, CPU), "install onnxruntime-gpu and TensorRT"),
    "openvino": Hardware("OpenVINO", ("OpenVINOExecutionProvider", CPU), "install onnxruntime-openvino"),
    "coreml": Hardware("CoreML", ("CoreMLExecutionProvider", CPU), "run on macOS, where onnxruntime has it"),
}
AUTO: Final[tuple[ProviderName, ...]] = ("cuda", "cpu")
# These prepare for each shape of input anew, so they should see few: the batcher pads.
SHAPE_BOUND: Final = frozenset(hardware.providers[0] for hardware in HARDWARE.values()) - {CPU}


class Output(NamedTuple):
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

    @property
    def is_bounded(self) -> bool:
        """Whether a run is sure to end, after as much work as the last one of as many images."""

    def run(self, images: Images) -> Output:
        """Run uint8 (N, 1, 28, 28), N at least 1.

        Raises:
            ModelBroken: the graph failed.
        """


class OrtSession:
    """One ONNX Runtime session on the asked-for hardware, or a clear error: never a silent fallback.

    Each session has threads of its own. One pool for all of them would need ``set_global_thread_pool_sizes``, whose threads
    spin and cannot be told not to from Python: 5.6 ms of CPU a run of the shipped model instead of 0.4 (2 cores, one run
    every 5 ms). Threads that do not spin cost nothing while their model is idle.

    Attributes:
        provider: the execution provider that really runs, in ONNX Runtime's words.
        intra_op_threads: how many CPU threads one run uses.
        is_bounded: whether the graph runs on the CPU alone, each node once: no driver to wait for, no loop.
    """

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
        self._session = _open(model_file, provider, self.intra_op_threads)
        self.provider: str = self._session.get_providers()[0]
        self.is_bounded = self.provider == CPU and LOOPS.isdisjoint(_operators(self._session))
        names = {node.name for node in self._session.get_outputs()}
        if not names.issuperset(OUTPUTS):
            raise ModelBroken(f"{model_file.name} has the outputs {sorted(names)}, not {list(OUTPUTS)}.")

    def run(self, images: Images) -> Output:
        try:
            logits, probabilities = self._session.run(list(OUTPUTS), {INPUT: images})
        except Exception as exc:  # onnxruntime raises its own kinds, which share no base but this
            raise ModelBroken(f"The model's graph failed: {_brief(str(exc) or type(exc).__name__)}") from exc
        return Output(np.asarray(logits), np.asarray(probabilities))


def _open(model_file: Path, asked: ProviderName, intra_op_threads: int) -> ort.InferenceSession:
    *preferred, last = AUTO if asked == "auto" else (asked,)
    for name in preferred:
        try:
            return _open_on(HARDWARE[name], model_file, intra_op_threads)
        except ProviderUnavailable as exc:
            log.info("hardware not used", extra={"hardware": name, "reason": str(exc)})
    return _open_on(HARDWARE[last], model_file, intra_op_threads)


def _open_on(hardware: Hardware, model_file: Path, intra_op_threads: int) -> ort.InferenceSession:
    wanted = hardware.providers[0]
    available = ort.get_available_providers()
    if wanted not in available:
        raise ProviderUnavailable(
            f"{hardware.title} was asked for, but this ONNX Runtime does not have it; {hardware.remedy}, or ask for cpu."
        )
    if CUDA in hardware.providers:
        _preload_cuda()
    providers = [provider for provider in hardware.providers if provider in available]
    try:
        session = ort.InferenceSession(str(model_file), _options(intra_op_threads), providers=providers, enable_fallback=0)
    except Exception as exc:  # onnxruntime raises its own kinds, which share no base but this
        reason = _brief(str(exc).replace(str(model_file), model_file.name) or type(exc).__name__)
        if wanted == CPU:
            raise ModelBroken(f"ONNX Runtime cannot load {model_file.name}: {reason}") from exc
        raise ProviderUnavailable(f"{hardware.title} was asked for, but ONNX Runtime cannot use it: {reason}") from exc
    check_runs_on(hardware, session)
    return session


def check_runs_on(hardware: Hardware, session: ort.InferenceSession) -> None:
    """Compare what was asked for with what ONNX Runtime made of it: it falls back without a word.

    Raises:
        ProviderUnavailable: another provider is in charge, or most of the graph's nodes were left to another one.
    """
    wanted, got = hardware.providers[0], session.get_providers()[0]
    if got != wanted:
        raise ProviderUnavailable(
            f"{hardware.title} was asked for, but it does not run on this machine: ONNX Runtime fell back to {got}; "
            "check the hardware, its driver and its libraries, or ask for cpu."
        )
    nodes = Counter[str]()
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] += len(part.get_nodes())
    if nodes[wanted] * 2 <= nodes.total():
        raise ProviderUnavailable(
            f"{hardware.title} was asked for, but runs only {nodes[wanted]} of the graph's {nodes.total()} nodes; ask for cpu."
        )


def _operators(session: ort.InferenceSession) -> set[str]:
    return {node.op_type for part in session.get_provider_graph_assignment_info() for node in part.get_nodes()}


@functools.cache
def _preload_cuda() -> None:
    """Find CUDA's libraries where pip put them; what is missing is printed, and the session's failure says it better."""
    with contextlib.redirect_stdout(io.StringIO()):
        ort.preload_dlls()


def _options(intra_op_threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3  # errors; they reach the caller as exceptions too
    # Spinning threads burn the CPU that the HTTP side needs, and a cgroup's quota with it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def _brief(message: str) -> str:
    return message.splitlines()[0][:200]
