from __future__ import annotations

import asyncio
from pathlib import Path

import onnxruntime as ort
import pytest

from app import __version__
from app.api.schemas import Health
from app.digits.errors import ModelAltered, ModelError, ModelMissing
from app.digits.session import CUDA
from app.main import create_app
from app.settings import Settings
from tests import pictures
from tests.client import Api, assert_problem, multipart
from tests.conftest import MakeApi
from tests.fakes import FakeSession, change_one_byte, load_fake, make_model_folder, read_manifest, write_manifest
from training.strokes import as_png


def _health(api: Api) -> Health:
    return Health.model_validate_json(api.get("/health").content, extra="forbid")


@pytest.mark.parametrize("probe", ["/livez", "/readyz"])
def test_probe_running_service_is_ok(api: Api, probe: str) -> None:
    response = api.get(probe)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_readyz_before_the_model_is_loaded_is_not_ready(models_dir: Path) -> None:
    app = create_app(Settings(models_dir=models_dir), load=load_fake)
    api = Api(app)  # not entered: the lifespan has not begun
    response = api.get("/readyz")
    assert_problem(response, 503, "not-ready")
    assert response.headers["retry-after"] == "1"
    assert api.get("/livez").status_code == 200
    assert _health(api).status == "not ready"
    with api:
        assert api.get("/readyz").status_code == 200


def test_probes_busy_session_answer_all_the_same(make_api: MakeApi, session: FakeSession) -> None:
    api = make_api()
    session.gate.clear()

    async def probe_while_busy() -> list[int]:
        busy = asyncio.create_task(api.http.post("/v1/predict", files=multipart(pictures.png())))
        await asyncio.to_thread(api.wait_until, lambda: api.services.images.taken == 1)
        statuses = [(await api.http.get(path)).status_code for path in ("/livez", "/readyz", "/health", "/metrics")]
        assert (await api.http.get("/health")).json()["queued_images"] == 1
        session.gate.set()
        return [*statuses, (await busy).status_code]

    assert api.run(probe_while_busy()) == [200] * 5


def test_livez_run_that_hangs_fails_and_names_the_model_while_callers_get_their_504(
    make_api: MakeApi, session: FakeSession
) -> None:
    api = make_api(run_timeout_s=0.1, request_timeout_ms=50)
    session.gate.clear()
    assert_problem(api.predict(pictures.png()), 504, "deadline-exceeded")
    api.wait_until(lambda: api.get("/livez").status_code == 503)
    assert "'cnn'" in assert_problem(api.get("/livez"), 503, "model-stalled").detail
    assert_problem(api.predict(pictures.png()), 504, "deadline-exceeded")
    session.gate.set()
    api.wait_until(lambda: api.get("/livez").status_code == 200)
    assert api.predict(pictures.png()).status_code == 200


@pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="this ONNX Runtime has CUDA")
def test_readyz_hardware_that_is_not_there_says_so_and_nothing_is_predicted() -> None:
    with Api(create_app(Settings(provider="cuda", models=("cnn",)))) as api:
        reason = "CUDA was asked for, but this ONNX Runtime does not have it; install onnxruntime-gpu"
        assert reason in assert_problem(api.get("/readyz"), 503, "not-ready").detail
        assert reason in assert_problem(api.predict(pictures.png()), 503, "not-ready").detail
        assert reason in _health(api).failed_models["cnn"]
        assert api.get("/livez").status_code == 200


def test_readyz_default_model_goes_and_comes_back(make_api: MakeApi, models_dir: Path) -> None:
    api = make_api()
    (models_dir / "cnn").rename(models_dir / ".away")
    api.services.registry.reload()
    assert "folder is gone" in assert_problem(api.get("/readyz"), 503, "not-ready").detail
    (models_dir / ".away").rename(models_dir / "cnn")
    api.services.registry.reload()
    assert api.get("/readyz").status_code == 200


def test_metrics_model_info_follows_loads_and_unloads(make_api: MakeApi, models_dir: Path) -> None:
    api = make_api()
    registry = api.services.registry

    def info(version: str) -> float:
        labels = {"version": version, "sha256": sha256, "provider": "FakeProvider"}
        return api.metric("digits_model_info", model="cnn", **labels)

    sha256 = registry.get().identity["sha256"]
    assert (info("1"), info("2")) == (1, 0)
    write_manifest(models_dir / "cnn", read_manifest(models_dir / "cnn") | {"version": "2"})
    registry.load("cnn")
    assert (info("1"), info("2")) == (0, 1)
    registry.unload("cnn")
    assert (info("1"), info("2")) == (0, 0)


def test_health_tells_what_is_loaded_and_what_failed(make_api: MakeApi, models_dir: Path) -> None:
    change_one_byte(make_model_folder(models_dir, "bad") / "model.onnx")
    api = make_api(max_queued_images=99)
    api.wait_until(lambda: bool(api.services.registry.failed))
    health = _health(api)
    assert (health.status, health.version, health.max_queued_images) == ("ready", __version__, 99)
    assert [(model.name, model.provider, model.intra_op_threads) for model in health.models] == [("cnn", "FakeProvider", 1)]
    assert "altered" in health.failed_models["bad"]
    assert api.get("/readyz").status_code == 200


@pytest.mark.parametrize(("name", "error"), [("cnn", ModelAltered), ("absent", ModelMissing)])
def test_lifespan_bad_default_model_ends_the_start(models_dir: Path, name: str, error: type[ModelError]) -> None:
    change_one_byte(models_dir / "cnn/model.onnx")
    api = Api(create_app(Settings(models_dir=models_dir, default_model=name), load=load_fake))
    with pytest.raises(error), api:
        pytest.fail("it started")


def test_metrics_requests_are_counted_by_route_and_status(api: Api) -> None:
    def count(status: str) -> float:
        return api.metric("digits_requests_total", route="/v1/predict", method="POST", status=status)

    good, bad = count("200"), count("415")
    api.predict(pictures.png())
    api.predict(b"text")
    assert (count("200") - good, count("415") - bad) == (1, 1)


def test_metrics_predictions_refusals_stages_and_batches_are_counted(api: Api) -> None:
    label = api.predict(pictures.png()).json()["predictions"][0]["label"]
    names = {
        "digits_predictions_total": {"model": "cnn", "label": label},
        "digits_refused_pictures_total": {"problem": "blank"},
        "digits_batch_images_sum": {"model": "cnn"},
        "digits_stage_seconds_count": {"stage": "inference"},
    }
    before = {name: api.metric(name, **labels) for name, labels in names.items()}
    api.predict(pictures.png(), pictures.png(), as_png(pictures.WHITE))
    moved = {name: api.metric(name, **labels) - before[name] for name, labels in names.items()}
    assert list(moved.values()) == [2, 1, 2, 1]


def test_metrics_requests_answered_with_a_problem_are_counted_by_it(api: Api) -> None:
    names = ("unsupported-format", "not-found")
    before = [api.metric("digits_refused_requests_total", problem=name) for name in names]
    api.predict(b"text")
    api.get("/nothing")
    assert [api.metric("digits_refused_requests_total", problem=name) for name in names] == [count + 1 for count in before]


def test_metrics_probabilities_are_counted(api: Api) -> None:
    before = {name: api.metric(f"digits_probability_{name}", model="cnn") for name in ("count", "sum")}
    probability = api.predict(pictures.png()).json()["predictions"][0]["probability"]
    assert api.metric("digits_probability_count", model="cnn") == before["count"] + 1
    assert api.metric("digits_probability_sum", model="cnn") == pytest.approx(before["sum"] + probability, abs=1e-5)


def test_metrics_files_of_pages_are_one_route(api: Api) -> None:
    labels = {"route": "/assets", "method": "GET"}
    before = api.metric("digits_requests_total", **labels, status="200")
    api.get("/assets/docs.js")
    api.get("/assets/swagger-ui/swagger-ui.css")
    assert api.metric("digits_requests_total", **labels, status="200") == before + 2
    api.get("/assets/nothing")
    assert api.metric("digits_requests_total", **labels, status="404")


def test_metrics_hostile_method_and_path_make_no_label(api: Api) -> None:
    for name in ("one", "two"):
        api.request(f"X-{name}", f"/v1/{name}")
    text = api.get("/metrics").text
    assert 'method="other",route="unmatched",status="404"' in text
    assert "X-one" not in text
    assert "/v1/one" not in text


def test_metrics_model_info_names_the_loaded_model(api: Api) -> None:
    identity = api.services.registry.get("other").identity
    labels = {"model": identity["name"]} | {key: identity[key] for key in ("version", "sha256", "provider")}
    api.wait_until(lambda: api.metric("digits_model_info", **labels) == 1)
