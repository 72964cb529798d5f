"""Loads a service and counts what became of each request; runs in a container of the image, on what is in there.

``python load.py HOST:PORT KIND…``: a client for each KIND, ``small`` (a drawing on a new connection each time), ``kept`` (the
same on one connection while the server lets it), ``pixels`` (a picture at the pixel limit) or ``bytes`` (a body at the byte
limit). A line says that they have begun, and after SIGTERM another one what they saw.
"""

from __future__ import annotations

import http.client
import io
import json
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from pathlib import Path

from PIL import Image

FORM = {"content-type": "multipart/form-data; boundary=B"}


def form(*files: bytes) -> bytes:
    parts = b"".join(
        b'--B\r\ncontent-disposition: form-data; name="files"; filename="x"\r\n\r\n%s\r\n' % data for data in files
    )
    return parts + b"--B--\r\n"


def encoded(size: tuple[int, int], mode: str, file_format: str) -> bytes:
    out = io.BytesIO()
    image = Image.new(mode, size, "white")
    image.paste("black", (size[0] // 2, size[1] // 4, size[0] // 2 + size[0] // 20, size[1] * 3 // 4))
    image.save(out, file_format)
    return out.getvalue()


def body_of(kind: str) -> bytes:
    if kind == "pixels":
        return form(encoded((5000, 5000), "RGB", "JPEG"))
    if kind == "bytes":
        return form(*[encoded((3400, 3000), "L", "BMP")] * 3)
    return form(next(Path("models").glob("*/golden/*.png")).read_bytes())


class Client(threading.Thread):
    """Sends one body again and again.

    Attributes:
        counts: statuses by kind; ``unreachable`` where nobody took the connection.
        unanswered: ids of requests that were sent and had no answer.
    """

    def __init__(self, address: str, ended: threading.Event, kind: str, body: bytes) -> None:
        super().__init__()
        self.counts = Counter[str]()
        self.unanswered: list[str] = []
        self._ended, self._kind, self._body = ended, kind, body
        self._connection = http.client.HTTPConnection(address, timeout=20)

    def run(self) -> None:
        while not self._ended.is_set():
            request_id = uuid.uuid4().hex
            try:
                self.counts[f"{self._kind} {self._ask(request_id)}"] += 1
            except (OSError, http.client.HTTPException):
                self.unanswered.append(request_id)
                self._connection.close()

    def _ask(self, request_id: str) -> str:
        try:
            if self._connection.sock is None:
                self._connection.connect()
        except OSError:
            time.sleep(0.05)
            return "unreachable"
        self._connection.request("POST", "/v1/predict", self._body, FORM | {"x-request-id": request_id})
        answer = self._connection.getresponse()
        answer.read()
        if self._kind != "kept":
            self._connection.close()
        return str(answer.status) if "json" in answer.headers["content-type"] else f"{answer.status} of the proxy"


def main(address: str, *kinds: str) -> None:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: ended.set())
    bodies = {kind: body_of(kind) for kind in kinds}
    clients = [Client(address, ended, kind, bodies[kind]) for kind in kinds]
    for client in clients:
        client.start()
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    for client in clients:
        client.join()
    counts = sum((client.counts for client in clients), Counter[str]())
    sys.stdout.write(json.dumps([counts, [each for client in clients for each in client.unanswered]]))


if __name__ == "__main__":
    main(*sys.argv[1:])
