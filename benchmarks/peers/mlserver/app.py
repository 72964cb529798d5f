"""MLServer: its own JSON form of the Open Inference Protocol, as it takes no binary; a PNG travels as base64."""

from __future__ import annotations

import numpy as np
from mlserver import MLModel
from mlserver.codecs import Base64Codec, NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.peers.work import Model, decode, ranked


class DigitsModel(MLModel):
    """PNG files in, labels and probabilities of the three most probable out."""

    async def load(self) -> bool:
        self._model = Model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        pictures = Base64Codec.decode_input(payload.inputs[0])
        top = [ranked(row) for row in self._model.probabilities([decode(png) for png in pictures])]
        labels = StringCodec.encode_output("labels", [label for row in top for label, _ in row])
        labels.shape = [len(top), len(top[0])]
        probabilities = NumpyCodec.encode_output("probabilities", np.array([[share for _, share in row] for row in top]))
        return InferenceResponse(model_name=self.name, outputs=[labels, probabilities])
