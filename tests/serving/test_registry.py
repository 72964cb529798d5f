from __future__ import annotations

import asyncio
import gc
import itertools
import shutil
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.digits.classifier import DigitClassifier
from app.digits.errors import (
    DigitsError,
    ModelAltered,
    ModelError,
    ModelMissing,
    NotReady,
    ProviderUnavailable,
    SelfTestFailed,
    ShuttingDown,
    UnknownModel,
)
from app.digits.session import CUDA
from app.serving.registry import IndexEntry, Loader, Registry, ServedModel, batch_sizes
from tests.fakes import (
    FakeSession,
    change_one_byte,
    golden_case,
    load_fake,
    make_model_folder,
    read_manifest,
    write_manifest,
)


@contextmanager
def _registry(models_dir: Path, *names: str, load: Loader = load_fake, **options: Any) -> Iterator[Registry]:
    with closing(Registry(models_dir, names=names, default="cnn", load=load, **{"max_batch_images": 8} | options)) as registry:
        yield registry


def _ship(folder: Path, version: str, **changes: Any) -> None:
    """Another version takes the folder's place, as `python -m training ship` writes it."""
    write_manifest(folder, read_manifest(folder) | {"version": version} | changes)


def _versions(registry: Registry) -> dict[str, str]:
    return {model.name: model.identity["version"] for model in registry.served}


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


def test_get_default_that_is_not_loaded_is_not_ready_and_says_why(tmp_path: Path) -> None:
    def load(folder: Path) -> DigitClassifier:
        raise ProviderUnavailable("CUDA was asked for, but there is none.")

    make_model_folder(tmp_path)
    with _registry(tmp_path, load=load) as registry:
        registry.load_default()  # hardware that is not there does not end the service
        for name in (None, "cnn"):
            with pytest.raises(NotReady, match=r"'cnn' is not loaded\. CUDA was asked for"):
                registry.get(name)
        with pytest.raises(UnknownModel):
            registry.get("other")


def test_load_new_version_takes_the_place_of_the_old(models_dir: Path) -> None:
    swaps: list[tuple[str | None, str | None]] = []

    def told(old: dict[str, str] | None, new: dict[str, str] | None) -> None:
        swaps.append((old["version"] if old else None, new["version"] if new else None))

    with _registry(models_dir, on_swap=told) as registry:
        registry.load_default()
        _ship(models_dir / "cnn", "2")
        registry.load("cnn")
        assert _versions(registry) == {"cnn": "2"}
        registry.unload("cnn")
    assert swaps == [(None, "1"), ("1", "2"), ("2", None)]


@pytest.mark.parametrize("how", ["load", "reload"])
@pytest.mark.parametrize("fault", ["altered", "golden", "torn", "unserved hardware"])
def test_load_bad_new_version_leaves_the_old_one_serving(models_dir: Path, how: str, fault: str) -> None:
    hardware = [True]

    def load(folder: Path) -> DigitClassifier:
        if not hardware[0]:
            raise ProviderUnavailable("The GPU went away.")
        return load_fake(folder)

    folder = models_dir / "cnn"
    with _registry(models_dir, load=load) as registry:
        registry.load_default()
        old = registry.get()
        match fault:
            case "altered":
                change_one_byte(folder / "model.onnx")
            case "golden":
                _ship(folder, "2", golden=[golden_case(shift=0.01)])
            case "torn":
                (folder / "manifest.json").write_text("{")
            case "unserved hardware":
                _ship(folder, "2")
                hardware[0] = False
        if how == "load":
            with pytest.raises(DigitsError):
                registry.load("cnn")
        else:
            registry.reload()
        assert registry.get() is old
        assert registry.ready
        (entry,) = registry.index()
        assert (entry.version, entry.state, entry.reason) == ("1", "READY", registry.failed["cnn"])


def test_load_good_version_after_a_bad_one_clears_the_reason(models_dir: Path) -> None:
    folder = models_dir / "cnn"
    with _registry(models_dir) as registry:
        registry.load_default()
        _ship(folder, "2", golden=[golden_case(shift=0.01)])
        registry.reload()
        assert registry.failed
        _ship(folder, "3", golden=[golden_case()])
        registry.reload()
        assert (registry.failed, _versions(registry)) == ({}, {"cnn": "3"})


@pytest.mark.parametrize("name", ["absent", "../models/cnn", "", "UPPER", "x" * 1000])
def test_load_no_such_folder_is_refused(models_dir: Path, name: str) -> None:
    with _registry(models_dir) as registry:
        with pytest.raises((ModelMissing, UnknownModel)) as caught:
            registry.load(name)
        assert len(str(caught.value)) < 250
        assert set(registry.failed) <= {"absent"}


def test_load_after_close_is_refused(models_dir: Path) -> None:
    with _registry(models_dir) as registry:
        registry.close()
        with pytest.raises(ShuttingDown):
            registry.load("cnn")


def test_unload_default_makes_not_ready_and_the_index_tells(models_dir: Path) -> None:
    with _registry(models_dir) as registry:
        registry.load_default()
        registry.unload("cnn")
        assert not registry.ready
        assert registry.index() == [IndexEntry("cnn", None, "UNAVAILABLE", "It is not loaded.")]
        with pytest.raises(UnknownModel):
            registry.unload("cnn")


def test_reload_loads_new_and_changed_and_unloads_what_is_gone(models_dir: Path) -> None:
    for name in ("changed", "gone", "same"):
        make_model_folder(models_dir, name)
    with _registry(models_dir) as registry:
        registry.load_default()
        registry.load_others()
        same = registry.get("same")
        _ship(models_dir / "changed", "2")
        shutil.rmtree(models_dir / "gone")
        make_model_folder(models_dir, "new")
        change_one_byte(make_model_folder(models_dir, "bad") / "model.onnx")
        registry.reload()
        assert _versions(registry) == {"cnn": "1", "changed": "2", "new": "1", "same": "1"}
        assert registry.get("same") is same
        states = {entry.name: entry.state for entry in registry.index()}
        assert states == dict.fromkeys(("cnn", "changed", "new", "same"), "READY") | dict.fromkeys(
            ("bad", "gone"), "UNAVAILABLE"
        )
        registry.reload()  # what is gone is no longer missed
        assert set(registry.failed) == {"bad"}


def test_reload_default_is_gone_is_not_ready_until_it_is_back(models_dir: Path) -> None:
    with _registry(models_dir) as registry:
        registry.load_default()
        (models_dir / "cnn").rename(models_dir / ".away")
        registry.reload()
        assert "gone" in str(registry.not_ready_reason)
        registry.reload()
        assert not registry.ready
        (models_dir / ".away").rename(models_dir / "cnn")
        registry.reload()
        assert registry.ready


@pytest.mark.parametrize(("provider", "shapes"), [(CUDA, {1, 2, 4, 6}), ("CPUExecutionProvider", {3})])
@pytest.mark.anyio
async def test_load_warms_up_every_shape_that_will_run(models_dir: Path, provider: str, shapes: set[int]) -> None:
    session = FakeSession(provider)
    with _registry(models_dir, load=lambda folder: load_fake(folder, session=session), max_batch_images=6) as registry:
        registry.load_default()
        warmed = len(session.sizes)
        assert set(session.sizes) >= {1, 2, 4, 6}
        await registry.get().batcher.submit(np.zeros((3, 1, 28, 28), np.uint8), deadline=float("inf"))
        assert set(session.sizes[warmed:]) <= shapes


def test_stalled_run_is_named_also_after_a_swap(models_dir: Path) -> None:
    sessions = [FakeSession(), FakeSession()]
    fresh = itertools.count()
    with _registry(models_dir, load=lambda folder: load_fake(folder, session=sessions[next(fresh)])) as registry:
        registry.load_default()
        old = registry.get()
        sessions[0].gate.clear()
        sessions[0].entered.clear()
        waiting = threading.Thread(target=_submit_one, args=[old])
        waiting.start()
        assert sessions[0].entered.wait(5)
        registry.load("cnn")
        assert registry.stalled(after_s=0) == ["cnn"]
        assert registry.stalled(after_s=60) == []
        sessions[0].gate.set()
        waiting.join()
        assert registry.stalled(after_s=0) == []


def test_replaced_model_is_let_go(models_dir: Path) -> None:
    with _registry(models_dir) as registry:
        registry.load_default()
        old = weakref.ref(registry.get().classifier)
        _submit_one(registry.get())
        registry.load("cnn")
        _wait_until_gone(old)


def test_batch_sizes_are_powers_of_two_and_the_most() -> None:
    assert [batch_sizes(most) for most in (1, 2, 6, 8)] == [(1,), (1, 2), (1, 2, 4, 6), (1, 2, 4, 8)]


def _submit_one(model: ServedModel) -> None:
    asyncio.run(model.batcher.submit(np.zeros((1, 1, 28, 28), np.uint8), deadline=time.monotonic() + 10))


def _wait_until_gone(reference: weakref.ref[Any]) -> None:
    until = time.monotonic() + 5
    while reference() is not None:
        assert time.monotonic() < until, "it is still held"
        gc.collect()
        time.sleep(0.005)


def test_close_run_that_hangs_is_left_behind(models_dir: Path) -> None:
    session = FakeSession()
    with _registry(models_dir, load=lambda folder: load_fake(folder, session=session), close_timeout_s=0.05) as registry:
        registry.load_default()
        session.gate.clear()
        session.entered.clear()
        waiting = threading.Thread(target=_submit_one, args=[registry.get()])
        waiting.start()
        assert session.entered.wait(5)
        started = time.monotonic()
        registry.close()
        assert time.monotonic() - started < 1
        session.gate.set()
        waiting.join()


def test_load_that_hangs_keeps_nobody_waiting_for_ever(models_dir: Path) -> None:
    make_model_folder(models_dir, "stuck")
    go_on, entered = threading.Event(), threading.Event()

    def load(folder: Path) -> DigitClassifier:
        if folder.name == "stuck":
            entered.set()
            assert go_on.wait(10)
        return load_fake(folder)

    with _registry(models_dir, load=load, load_timeout_s=0.1) as registry:
        registry.load_default()
        hanging = threading.Thread(target=registry.load, args=("stuck",))
        hanging.start()
        assert entered.wait(10)
        try:
            for late in (registry.load, registry.unload):
                with pytest.raises(NotReady, match="has been loading for more than"):
                    late("cnn")
            registry.reload()  # nobody asked for it who could be told: it is logged
            assert _versions(registry) == {"cnn": "1"}
        finally:
            go_on.set()
            hanging.join()
        registry.load("cnn")
