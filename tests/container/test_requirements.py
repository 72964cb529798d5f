"""The locked requirements of the images: of the same versions, and each with its hashes."""

from __future__ import annotations

import re
from typing import Final

import pytest

from app.settings import PROJECT

LOCKED: Final = re.compile(r"^([\w.-]+)==([^\s;]+)[^\n]*\\\n(?: +--hash=sha256:[0-9a-f]{64})", re.MULTILINE)
NAMED: Final = re.compile(r"^[\w.-]+==", re.MULTILINE)


def locked(name: str) -> set[tuple[str, str]]:
    return set(LOCKED.findall((PROJECT / f"requirements/{name}.txt").read_text()))


@pytest.mark.parametrize("name", ["service", "gpu", "training", "deploy"])
def test_requirements_have_hashes_each(name: str) -> None:
    text = (PROJECT / f"requirements/{name}.txt").read_text()
    assert len(LOCKED.findall(text)) == len(NAMED.findall(text)) > 0


def test_gpu_image_has_another_onnxruntime_and_else_the_same() -> None:
    service, gpu = dict(locked("service")), dict(locked("gpu"))
    added = {name: gpu.pop(name) for name in [*gpu] if name.startswith("nvidia-") or name == "onnxruntime-gpu"}
    assert added["onnxruntime-gpu"] == service.pop("onnxruntime")
    assert len(added) > 1
    assert gpu == service
