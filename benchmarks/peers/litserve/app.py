"""LitServe: a process for HTTP and one for the model, twice; requests that queued run together.

python -m benchmarks.peers.litserve.app PORT
"""

# Not `from __future__ import annotations`: LitServe looks at the type of `request`, not at its name.

import sys
from typing import Any

import litserve as ls
import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from benchmarks.peers.work import Model, answer, decode

WORKERS = 2
MAX_BATCH = 32
BATCH_WAIT_S = 0.001  # without it the workers poll their queue without a pause


class DigitsAPI(ls.LitAPI):
    """One picture a request, as multipart ``file``: LitServe batches requests, and a request is one item."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        self.model = Model()

    def decode_request(self, request: Request) -> NDArray[np.uint8]:
        return decode(request["file"].file.read())

    def batch(self, inputs: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        return inputs

    def predict(self, x: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return self.model.probabilities(x)

    def unbatch(self, output: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return list(output)

    def encode_response(self, output: NDArray[np.float32]) -> dict[str, Any]:
        return answer(output)


if __name__ == "__main__":
    api = DigitsAPI(max_batch_size=MAX_BATCH, batch_timeout=BATCH_WAIT_S)
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=WORKERS, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=WORKERS,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
