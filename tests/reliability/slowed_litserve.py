"""LitServe with its model slowed and any picture taken: ``python -m tests.reliability.slowed_litserve PORT MS_A_PICTURE``.

Runs in the environment of ``benchmarks/peers/litserve``. Beside that app it opens every format, and says 422 of what Pillow
cannot read: without these lines each such file is a 500.
"""

import sys
import time
from typing import Any

import litserve as ls
import numpy as np
from fastapi import HTTPException, Request
from numpy.typing import NDArray
from PIL import Image

from benchmarks.peers.litserve.app import DigitsAPI


class SlowedAPI(DigitsAPI):
    """One model, as our own slowed service has."""

    def __init__(self, ms_a_picture: float, **options: Any) -> None:
        super().__init__(**options)
        self.ms_a_picture = ms_a_picture

    def decode_request(self, request: Request) -> NDArray[np.uint8]:
        try:
            with Image.open(request["file"].file) as image:
                return np.asarray(image.convert("L").resize((28, 28)))[np.newaxis]
        except Exception as exc:
            raise HTTPException(422, "The file is no picture.") from exc

    def predict(self, x: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        time.sleep(self.ms_a_picture / 1000 * len(x))
        return super().predict(x)


if __name__ == "__main__":
    api = SlowedAPI(float(sys.argv[2]), max_batch_size=32, batch_timeout=0.0)
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
