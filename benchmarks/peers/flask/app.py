"""Flask, behind gunicorn."""

from __future__ import annotations

from typing import Any

from flask import Flask, request

from benchmarks.peers.work import Model, decode

app = Flask(__name__)
model = Model()


@app.post("/predict")
def predict() -> dict[str, Any]:
    """One picture as multipart ``file``."""
    return model.read([decode(request.files["file"].read())])[0]


@app.post("/predict-many")
def predict_many() -> list[dict[str, Any]]:
    """Many pictures as multipart ``files``."""
    return model.read([decode(file.read()) for file in request.files.getlist("files")])
