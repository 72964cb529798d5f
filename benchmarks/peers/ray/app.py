"""Ray Serve: two replicas behind HAProxy; requests that queued run together.

python -m benchmarks.peers.ray.app PORT
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from ray import serve
from starlette.datastructures import UploadFile
from starlette.requests import Request

from benchmarks.peers.work import MAX_BATCH, Model, answer, decode

REPLICAS = 2
MAX_ONGOING = 64


class Digits:
    """Pictures as multipart ``files``; one or many."""

    def __init__(self) -> None:
        self._model = Model()

    async def __call__(self, request: Request) -> list[dict[str, Any]]:
        async with request.form() as form:
            files = [await file.read() for file in form.getlist("files") if isinstance(file, UploadFile)]
        if len(files) == 1:
            return [answer(await self._read_one(decode(files[0])))]
        return self._model.read([decode(file) for file in files])

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=0.0)
    async def _read_one(self, frames: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        return list(self._model.probabilities(frames))


if __name__ == "__main__":
    ray.init(num_cpus=REPLICAS, include_dashboard=False, log_to_driver=False)
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": "127.0.0.1", "port": int(sys.argv[1])},
        logging_config={"enable_access_log": False},
    )
    deployment = serve.deployment(
        Digits, num_replicas=REPLICAS, max_ongoing_requests=MAX_ONGOING, ray_actor_options={"num_cpus": 1}
    )
    serve.run(deployment.bind(), route_prefix="/predict")
    threading.Event().wait()
