"""What all rooms' tests share: no settings from outside, a fake model's folder, and the app on top of it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from app.digits.classifier import DigitClassifier
from app.main import create_app
from app.settings import PROJECT, Settings
from tests.client import Api
from tests.fakes import FakeSession, load_fake, make_model_folder

# The same examples in every run: a red build means a change, not luck. Other work on the machine is no failure either.
hypothesis.settings.register_profile(
    "digits",
    deadline=None,
    derandomize=True,
    max_examples=40,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("digits")
# ``--hypothesis-profile long``: other examples in each run, and many.
hypothesis.settings.register_profile("long", hypothesis.settings.get_profile("digits"), derandomize=False, max_examples=20_000)

MakeApi = Callable[..., Api]
MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture(autouse=True, scope="session")
def _no_outer_settings() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name in os.environ:
            if name.startswith("DIGITS_") and name != "DIGITS_DATA_DIR":
                environment.delenv(name)
        yield


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> list[str]:
    """Lines for the end of the run's report."""
    return pytestconfig.stash.setdefault(MEASURED, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured, also where the tests are quiet."""
    for line in config.stash.get(MEASURED, []):
        terminalreporter.write_line(f"measured: {line}")


@pytest.fixture
def anyio_backend() -> str:
    """What coroutine tests run on, and the service too."""
    return "asyncio"


@pytest.fixture
def session() -> FakeSession:
    """The session of the apps that ``make_api`` makes."""
    return FakeSession()


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """Holds the fake model ``cnn``."""
    make_model_folder(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def make_api(models_dir: Path, session: FakeSession) -> Iterator[MakeApi]:
    """Makes running apps with settings of one's own."""
    with ExitStack() as apps:

        def make(**settings: Any) -> Api:
            load = functools.partial(load_fake, session=session)
            app = create_app(Settings(**({"models_dir": models_dir} | settings)), load=load)
            return apps.enter_context(Api(app))

        yield make
        session.gate.set()


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One app for all tests that leave it as they found it, with the fake models ``cnn`` and ``other``."""
    models_dir = tmp_path_factory.mktemp("models")
    for name in ("cnn", "other"):
        make_model_folder(models_dir, name)
    with Api(create_app(Settings(models_dir=models_dir), load=load_fake)) as running:
        running.wait_until(lambda: len(running.services.registry.served) == 2)
        yield running


@pytest.fixture(scope="session")
def shipped() -> DigitClassifier:
    """The default model as it is shipped."""
    return DigitClassifier.load(PROJECT / "models/cnn", provider="cpu", intra_op_threads=1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Ray on this machine, with four processors by its own count: what it runs must find room on a small machine, too."""
    ray = pytest.importorskip("ray", reason="Ray is not installed (make test-ray)")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {"USAGE_STATS_ENABLED": "0", "AUTH_MODE": "disabled", "worker_niceness": "0"}.items():
            environment.setenv(f"RAY_{name}", value)
        ray.init(num_cpus=4, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False)
        yield ray
        ray.shutdown()
