"""Who may import whom (ARCHITECTURE.md, "The rooms"), seen in a fresh interpreter."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

from app.settings import PROJECT

# Imports every module of the packages that it is given, and prints the top-level names that this loaded. Ray need not be here.
PROBE = """
import importlib, json, pkgutil, sys
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), name + "."):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as exc:
            if exc.name != "ray":
                raise
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules} | {
    ".".join(name.split(".")[:2]) for name in sys.modules if name.startswith("app.")
})))
"""
WEB = {"fastapi", "starlette", "uvicorn"}
TORCH = {"torch", "torchvision", "training"}


@pytest.mark.parametrize(
    ("room", "needed", "strangers"),
    [
        ("app.digits", "app.digits", WEB | TORCH | {"prometheus_client", "app.serving", "app.api", "app.main"}),
        ("app.serving", "app.serving", WEB | TORCH | {"app.api", "app.main"}),
        ("app.api", "app.api", TORCH | {"app.main"}),
        ("app.many", "app.many", WEB | TORCH | {"prometheus_client", "app.serving", "app.api", "app.main"}),
        ("app.cli", "typer", TORCH | WEB | {"pyarrow", "boto3"}),
        ("app.client", "httpx", TORCH | WEB | {"numpy", "onnxruntime", "PIL", "prometheus_client", "app.serving", "app.main"}),
        ("app", "app.main", TORCH),
        ("app.main", "app.main", TORCH | {"throttled", "rich"}),
        pytest.param(
            "training",
            "torch",
            WEB | {"app.api", "app.serving", "app.main"},
            marks=[
                pytest.mark.training,
                pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed"),
            ],
        ),
    ],
)
def test_room_imports_no_stranger(room: str, needed: str, strangers: set[str]) -> None:
    probe = subprocess.run([sys.executable, "-c", PROBE, room], cwd=PROJECT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(probe.stdout.splitlines()[-1]))
    assert needed in loaded  # the probe saw what it should
    assert not loaded & strangers
