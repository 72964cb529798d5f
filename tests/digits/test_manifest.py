from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.digits import manifest as manifests
from app.digits.errors import ManifestInvalid, ModelAltered, ModelError, ModelMissing
from app.settings import PROJECT
from tests.fakes import REFERENCE, change_one_byte, golden_case, make_model_folder, read_manifest, write_manifest


def test_read_valid_folder_gives_its_manifest(models_dir: Path) -> None:
    folder = models_dir / "cnn"
    manifest = manifests.read(folder)
    manifests.verify(folder, manifest)
    assert manifest.name == "cnn"
    assert manifest.sha256 == manifests.sha256_of(folder / "model.onnx")


def test_read_shipped_model_is_valid() -> None:
    folder = PROJECT / "models/cnn"
    manifests.verify(folder, manifests.read(folder))


def test_read_manifest_with_a_reference_gives_it_back(tmp_path: Path) -> None:
    reference = manifests.read(make_model_folder(tmp_path, reference=REFERENCE)).reference
    assert reference is not None
    assert reference.model_dump(mode="json") == REFERENCE


def _without(field: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = read_manifest(folder)
        del content[field]
        write_manifest(folder, content)

    return damage


def _with(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: write_manifest(folder, read_manifest(folder) | changes)


def _with_file(path: str, digest: str = "0" * 64) -> Callable[[Path], None]:
    return lambda folder: _with(files=read_manifest(folder)["files"] | {path: digest})(folder)


def _unlisted(path: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        files = read_manifest(folder)["files"]
        del files[path]
        _with(files=files)(folder)

    return damage


def _holding(content: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / "manifest.json").write_bytes(content)

    return damage


def _reference_edges(*edges: float) -> Callable[[Path], None]:
    return _with(reference=REFERENCE | {"ink": REFERENCE["ink"] | {"edges": edges}})


DAMAGES: dict[str, tuple[Callable[[Path], None], type[ModelError], str]] = {
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), ModelMissing, "has no manifest.json"),
    "missing model": (lambda folder: (folder / "model.onnx").unlink(), ModelMissing, "model.onnx.* is missing"),
    "missing golden": (lambda folder: (folder / "golden/7.png").unlink(), ModelMissing, "golden/7.png.* is missing"),
    "altered model": (lambda folder: change_one_byte(folder / "model.onnx"), ModelAltered, "model.onnx.* was altered"),
    "altered golden": (lambda folder: change_one_byte(folder / "golden/7.png"), ModelAltered, "golden/7.png.* was altered"),
    "newer schema": (_with(schema_version=2, unheard_of=1), ManifestInvalid, "schema 2.*upgrade the service"),
    "older schema": (_with(schema_version=0), ManifestInvalid, "schema_version"),
    "no schema": (_without("schema_version"), ManifestInvalid, "schema_version"),
    "unknown field": (_with(temprature=1.0), ManifestInvalid, "temprature"),
    "missing field": (_without("labels"), ManifestInvalid, "labels"),
    "absolute path": (_with_file("/etc/passwd"), ManifestInvalid, "inside the model's folder"),
    "escaping path": (_with_file("../secret"), ManifestInvalid, "inside the model's folder"),
    "windows path": (_with_file("..\\secret"), ManifestInvalid, "inside the model's folder"),
    "bad digest": (_with_file("more", "xyz"), ManifestInvalid, "files"),
    "other name": (_with(name="other"), ManifestInvalid, "rename the folder"),
    "hostile name": (_with(name="../cnn"), ManifestInvalid, "name"),
    "unlisted golden": (_unlisted("golden/7.png"), ManifestInvalid, "no SHA-256 for golden/7.png"),
    "unlisted model": (_unlisted("model.onnx"), ManifestInvalid, "no SHA-256 for model.onnx"),
    "golden of other labels": (_with(labels=["0", "1"]), ManifestInvalid, "one probability for each label"),
    "no golden": (_with(golden=[]), ManifestInvalid, "golden"),
    "useless tolerance": (_with(golden=[golden_case() | {"tolerance": 1.0}]), ManifestInvalid, "tolerance"),
    "other split": (_with(metrics={"tset": {}}), ManifestInvalid, "tset"),
    "reference of two labels": (_with(reference=REFERENCE | {"label": [0.5, 0.5]}), ManifestInvalid, "one share for each"),
    "reference of no whole": (_with(reference=REFERENCE | {"label": [0.2] * 10}), ManifestInvalid, "sum to 1"),
    "edges out of order": (_reference_edges(0.16, 0.1), ManifestInvalid, "ascending edges"),
    "edge too many": (_reference_edges(0.1, 0.16, 0.2), ManifestInvalid, "one share more than edges"),
    "no JSON": (_holding(b"{"), ManifestInvalid, "cannot be read as JSON"),
    "no text": (_holding(b"\xff\xfe{"), ManifestInvalid, "read as JSON"),
    "no object": (_holding(b"[]"), ManifestInvalid, "top level"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_manifest_bad_folder_is_one_clear_sentence(tmp_path: Path, name: str) -> None:
    damage, error, message = DAMAGES[name]
    folder = make_model_folder(tmp_path)
    damage(folder)
    with pytest.raises(error, match=message) as caught:
        manifests.verify(folder, manifests.read(folder))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_read_missing_folder_is_model_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="'cnn'"):
        manifests.read(tmp_path / "cnn")
