"""The least that answers a picture: bare ASGI, Pillow, the model on the event loop; no limit, no metric, no log.

``python -m benchmarks.floors.minimal PORT``
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort
import uvicorn
from numpy.typing import NDArray
from PIL import Image
from starlette.types import Receive, Scope, Send

PROCESSES: Final = int(os.environ.get("PROCESSES", "1"))
MODEL: Final = Path("models/cnn/model.onnx")
MOST: Final = int(os.environ.get("MOST", "32"))


class App:
    """Pictures of one turn of the loop are run together."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])
        self._waiting: list[tuple[NDArray[np.uint8], asyncio.Future[list[float]]]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        start = body.index(b"\r\n\r\n") + 4
        end = body.rindex(b"\r\n--", start)
        picture = np.asarray(Image.open(io.BytesIO(body[start:end]), formats=["PNG"]))
        future: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._run)
        self._waiting.append((picture[None], future))
        row = await future
        top = sorted(range(10), key=row.__getitem__, reverse=True)[:3]
        answer = json.dumps(
            {"predictions": [{"label": str(top[0]), "top_k": [{"label": str(i), "probability": row[i]} for i in top]}]}
        )
        content = answer.encode()
        length = str(len(content)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _run(self) -> None:
        now, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        (rows,) = self._session.run(["probabilities"], {"images": np.stack([picture for picture, _ in now])})
        for row, (_, future) in zip(rows.tolist(), now, strict=True):
            if not future.done():
                future.set_result(row)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._run)


if __name__ == "__main__":
    uvicorn.run(App(), port=int(sys.argv[1]), log_level="warning", access_log=False, lifespan="off")
