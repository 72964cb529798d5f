"""Plain FastAPI: ``UploadFile`` in an ``async`` route, and a response model."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, UploadFile
from pydantic import BaseModel

from benchmarks.peers.work import Model, decode


class Ranked(BaseModel):
    """One label."""

    label: str
    probability: float


class Answer(BaseModel):
    """What one picture shows."""

    label: str
    top_k: list[Ranked]


app = FastAPI()
model = Model()


@app.post("/predict", response_model=Answer)
async def predict(file: UploadFile) -> dict[str, Any]:
    """One picture as multipart ``file``."""
    return model.read([decode(await file.read())])[0]


@app.post("/predict-many", response_model=list[Answer])
async def predict_many(files: list[UploadFile]) -> list[dict[str, Any]]:
    """Many pictures as multipart ``files``."""
    return model.read([decode(await file.read()) for file in files])
