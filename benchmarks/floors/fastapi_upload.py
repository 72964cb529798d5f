"""FastAPI with ``UploadFile`` and a response model, as its tutorial has it, answering a constant."""

from __future__ import annotations

from fastapi import FastAPI, UploadFile
from pydantic import BaseModel


class Answer(BaseModel):
    """What a tutorial's service answers."""

    label: str
    probability: float


app = FastAPI()


@app.post("/v1/predict")
async def predict(files: UploadFile) -> Answer:
    """Read the file and forget it."""
    await files.read()
    return Answer(label="7", probability=0.99)
