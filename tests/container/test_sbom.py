"""The bill of materials of the image."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from app.digits.manifest import sha256_of
from app.settings import PROJECT
from tests.container.test_requirements import locked

validation = pytest.importorskip("cyclonedx.validation.json", reason="cyclonedx is not installed (make deploy-check)")
schema = pytest.importorskip("cyclonedx.schema")

pytestmark = pytest.mark.engine


def test_sbom_is_valid_repeatable_and_names_packages_and_models(image: str, measured: list[str]) -> None:
    first, second = (_sbom_of(image) for _ in range(2))
    assert first == second
    assert validation.JsonStrictValidator(schema.SchemaVersion.V1_6).validate_str(first) is None
    components = json.loads(first)["components"]
    measured.append(f"SBOM: {len(components)} components")
    found = {component["bom-ref"]: component for component in components}
    pypi = {tuple(ref.removeprefix("pkg:pypi/").split("@")) for ref in found if ref.startswith("pkg:pypi/")}
    assert pypi <= {(name.lower(), version) for name, version in locked("service")} | _of_the_base(pypi)
    assert {"fastapi", "onnxruntime", "numpy", "pillow"} <= {name for name, _ in pypi}
    assert any(ref.startswith("pkg:deb/debian/libc6@") for ref in found)
    model = next(component for component in components if component["type"] == "machine-learning-model")
    assert model["hashes"] == [{"alg": "SHA-256", "content": sha256_of(PROJECT / f"models/{model['name']}/model.onnx")}]


def _of_the_base(found: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    return {each for each in found if each[0] in {"pip", "setuptools", "wheel"}}


def _sbom_of(image: str) -> str:
    command = [sys.executable, str(PROJECT / "docker/sbom.py"), image]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
