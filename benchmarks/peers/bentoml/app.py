"""BentoML: two workers, each of which batches what queued. It decodes with Pillow itself, in the part's own format only."""

# Not `from __future__ import annotations`: BentoML looks at the types of the arguments.

from typing import Any

import bentoml
import numpy as np
from PIL.Image import Image

from benchmarks.peers.work import MAX_BATCH, Model


@bentoml.service(workers=2, logging={"access": {"enabled": False}})
class Digits:
    """Pictures as multipart ``files``; one or many."""

    def __init__(self) -> None:
        self._model = Model()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH)
    async def predict(self, files: list[Image]) -> list[dict[str, Any]]:
        return self._model.read([np.asarray(file.convert("L"))[np.newaxis] for file in files])
