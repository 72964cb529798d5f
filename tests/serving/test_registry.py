from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from app.digits.errors import ModelAltered, ModelError, ModelMissing, SelfTestFailed, UnknownModel
from app.serving.registry import Registry
from tests.fakes import change_one_byte, golden_case, load_fake, make_model_folder


@contextmanager
def _registry(models_dir: Path, *names: str) -> Iterator[Registry]:
    with closing(Registry(models_dir, names=names, default="cnn", load=load_fake, max_batch_images=8)) as registry:
        yield registry


def test_load_default_makes_ready(models_dir: Path) -> None:
    with _registry(models_dir) as registry:
        assert not registry.ready
        registry.load_default()
        assert registry.ready
        assert registry.get() is registry.get("cnn")


def test_load_default_twice_loads_once(models_dir: Path) -> None:
    with _registry(models_dir) as registry:
        registry.load_default()
        first = registry.get()
        registry.load_default()
        assert registry.get() is first


def test_load_default_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with _registry(tmp_path) as registry, pytest.raises(ModelMissing, match="DIGITS_MODELS_DIR"):
        registry.load_default()


@pytest.mark.parametrize("broken", ["altered", "wrong golden"])
def test_load_default_bad_model_is_never_served(tmp_path: Path, broken: str) -> None:
    folder = make_model_folder(tmp_path, golden=[golden_case(shift=0.01 if broken == "wrong golden" else 0)])
    if broken == "altered":
        change_one_byte(folder / "model.onnx")
    error: type[ModelError] = ModelAltered if broken == "altered" else SelfTestFailed
    with _registry(tmp_path) as registry:
        with pytest.raises(error):
            registry.load_default()
        assert not registry.ready


def test_load_others_good_and_bad_are_told_apart(models_dir: Path) -> None:
    make_model_folder(models_dir, "good")
    change_one_byte(make_model_folder(models_dir, "bad") / "model.onnx")
    make_model_folder(models_dir, "wrong", golden=[golden_case(shift=0.01)])
    make_model_folder(models_dir, "half.partial").rename(models_dir / ".half")
    with _registry(models_dir) as registry:
        registry.load_default()
        registry.load_others()
        assert [model.name for model in registry.served] == ["cnn", "good"]
        assert set(registry.failed) == {"bad", "wrong"}
        assert "altered" in registry.failed["bad"]


def test_load_others_named_models_only(models_dir: Path) -> None:
    for name in ("one", "two"):
        make_model_folder(models_dir, name)
    with _registry(models_dir, "cnn", "two", "three") as registry:
        registry.load_default()
        registry.load_others()
        assert [model.name for model in registry.served] == ["cnn", "two"]
        assert "no model folder 'three'" in registry.failed["three"]


def test_served_default_comes_first(models_dir: Path) -> None:
    make_model_folder(models_dir, "a")
    with _registry(models_dir) as registry:
        registry.load_default()
        registry.load_others()
        assert [model.name for model in registry.served] == ["cnn", "a"]


@pytest.mark.parametrize("name", ["none", "", "../cnn", "x" * 1000])
def test_get_unknown_name_raises_with_the_loaded_ones(models_dir: Path, name: str) -> None:
    with _registry(models_dir) as registry:
        registry.load_default()
        with pytest.raises(UnknownModel, match="there are: cnn") as caught:
            registry.get(name)
        assert len(str(caught.value)) < 200


def test_identity_is_manifest_and_hardware(models_dir: Path) -> None:
    with _registry(models_dir) as registry:
        registry.load_default()
        model = registry.get()
        sha256 = model.classifier.manifest.files["model.onnx"]
        assert model.identity == {"name": "cnn", "version": "1", "sha256": sha256, "provider": "FakeProvider"}


@pytest.mark.anyio
async def test_on_batch_is_told_model_and_size(models_dir: Path) -> None:
    told: list[tuple[str, int]] = []
    registry = Registry(models_dir, default="cnn", load=load_fake, on_batch=lambda model, images: told.append((model, images)))
    registry.load_default()
    await registry.get().batcher.submit(np.zeros((3, 1, 28, 28), np.uint8), deadline=float("inf"))
    registry.close()
    assert told == [("cnn", 3)]
