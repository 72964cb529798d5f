"""The image on a real engine, run as docker-compose.yml runs it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from app import __version__
from app.digits import manifest as manifests
from app.digits.classifier import DigitClassifier
from tests.container.engine import BUILD_NETWORK, PROJECT, Container, Docker, wait_until_healthy, wait_until_ready

pytestmark = pytest.mark.engine

MODEL = PROJECT / "models/cnn"
PICTURES = sorted((PROJECT / "samples").glob("*.png"))
MOST_BYTES_ABOVE_BASE = 220 * 10**6
ROUNDED = 2e-6  # the wire has six digits; the sums may be made in another order with another number of threads

# Runs inside; what it prints is what the tests below look at.
LOOK_INSIDE = """
import importlib.util, json, os, pathlib, shutil

def write(path):
    try:
        pathlib.Path(path).write_text("x")
    except OSError as exc:
        return exc.strerror
    return "written"

status = dict(line.split(":\\t", 1) for line in open("/proc/1/status").read().splitlines())
print(json.dumps({
    "uids": status["Uid"].split(),
    "capabilities": int(status["CapEff"], 16),
    "no_new_privileges": status["NoNewPrivs"],
    "writes": {path: write(path) for path in ("/x", "/srv/digits/app/x.py", "/opt/venv/x", "/tmp/x")},
    "packages": [name for name in ("torch", "torchvision", "training", "pytest") if importlib.util.find_spec(name)],
    "programs": [name for name in ("cc", "gcc", "g++", "clang", "make", "ld") if shutil.which(name)],
}))
"""
# Fetches /docs and all that it refers to; run where there is no network but the loopback.
FETCH_DOCS = """
import html.parser, json, time, urllib.parse, urllib.request

class References(html.parser.HTMLParser):
    found = []
    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "href")]

def fetch(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.status, answer.read().decode(errors="replace")

docs = "http://127.0.0.1:8000/docs"
references = References()
references.feed(fetch(docs)[1])
urls = [urllib.parse.urljoin(docs, reference) for reference in references.found + ["openapi.json"]]
print(json.dumps({url: [fetch(url)[0], len(fetch(url)[1])] for url in urls}))
"""

# Prints what is where, but for times: one line a file. What the engine mounts is not the image's.
LIST_FILES = """
import hashlib, os

for folder, folders, files in os.walk("/"):
    if folder == "/":
        folders[:] = sorted(set(folders) - {"proc", "sys", "dev"})
    for name in sorted(folders + files):
        path = os.path.join(folder, name)
        if path in ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf"):
            continue
        found = os.lstat(path)
        content = os.readlink(path) if os.path.islink(path) else ""
        if os.path.isfile(path) and not os.path.islink(path):
            content = hashlib.sha256(open(path, "rb").read()).hexdigest()
        print(path, oct(found.st_mode), found.st_uid, found.st_gid, content)
"""


class RunImage(Protocol):
    """Starts a container of the image, to be removed after the test."""

    def __call__(self, *options: str) -> str: ...


@pytest.fixture
def run_image(docker: Docker, image: str) -> Iterator[RunImage]:
    names: list[str] = []

    def run(*options: str) -> str:
        names.append(docker("run", "--detach", "--read-only", *options, image))
        return names[-1]

    yield run
    for name in names:
        docker("rm", "--force", name)


@pytest.fixture(scope="module")
def inside(docker: Docker, service: Container) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("exec", service.name, "python", "-c", LOOK_INSIDE))
    return found


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_service_answers_as_the_same_model_outside(service: Container, classifier: DigitClassifier, picture: Path) -> None:
    [expected] = classifier.classify([picture.read_bytes()])
    answer = httpx.post(f"{service.url}/v1/predict", files={"files": picture.read_bytes()}, trust_env=False).json()
    assert answer["model"]["sha256"] == classifier.manifest.sha256, "the image holds another model: build it again"
    [prediction] = answer["predictions"]
    assert prediction["label"] == expected.label
    assert prediction["probability"] == pytest.approx(expected.probability, abs=ROUNDED)


@pytest.fixture(scope="module")
def classifier() -> DigitClassifier:
    return DigitClassifier.load(MODEL, provider="cpu")


def test_labels_tell_version_commit_and_models(docker: Docker, image: str) -> None:
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", image))
    models = [manifests.read(path.parent) for path in (PROJECT / "models").glob("*/manifest.json")]
    served = {f"{model.name}={model.version}" for model in models if model.name != "cnn-teacher"}
    assert set(labels["digits.models"].split(",")) == served
    assert labels["org.opencontainers.image.version"] == __version__
    assert re.fullmatch("[0-9a-f]{40}", labels["org.opencontainers.image.revision"])


def test_compose_file_has_the_profiles_of_the_guide(docker: Docker) -> None:
    profiles = docker("compose", "--project-directory", str(PROJECT), "config", "--profiles").split()
    guide = (PROJECT / "docker/README.md").read_text()
    assert sorted(profiles) == sorted(set(re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE)))


def test_docs_without_a_way_out_are_served_whole(docker: Docker, run_image: RunImage) -> None:
    name = run_image("--network", "none")
    wait_until_healthy(docker, name)
    fetched: dict[str, list[int]] = json.loads(docker("exec", name, "python", "-c", FETCH_DOCS))
    assert {status for status, _ in fetched.values()} == {200}
    assert all(url.startswith("http://127.0.0.1:8000/") for url in fetched)
    assert any(url.endswith("swagger-ui-bundle.js") for url in fetched)


def test_process_is_nobody_in_particular(inside: dict[str, Any]) -> None:
    assert "0" not in inside["uids"]
    assert inside["capabilities"] == 0
    assert inside["no_new_privileges"] == "1"


def test_root_file_system_is_read_only_but_tmp(inside: dict[str, Any]) -> None:
    assert inside["writes"].pop("/tmp/x") == "written"  # noqa: S108 - the container's
    assert set(inside["writes"].values()) == {os.strerror(30)}  # EROFS


def test_image_holds_no_torch_no_compiler_and_no_cache(docker: Docker, image: str, inside: dict[str, Any]) -> None:
    assert inside["packages"] == []
    assert inside["programs"] == []
    caches = ("sh", "-c", "find / -xdev -type d -path '*/.cache/*' -o -xdev -name '*.whl' -not -path '*/ensurepip/*'")
    assert docker("run", "--rm", "--user", "0", "--network", "none", image, *caches) == ""


def test_limits_of_the_compose_file_hold(docker: Docker, service: Container) -> None:
    file = json.loads(docker("compose", "--project-directory", str(PROJECT), "config", "--format", "json"))
    limits = file["services"]["digits"]["deploy"]["resources"]["limits"]
    host = json.loads(docker("inspect", "--format", "{{json .HostConfig}}", service.name))
    assert host["Memory"] == int(limits["memory"]) == 512 * 2**20
    assert host["PidsLimit"] == limits["pids"] > 0
    assert host["NanoCpus"] == float(limits["cpus"]) * 1e9 > 0


def test_image_is_small(docker: Docker, image: str, measured: list[str]) -> None:
    total = int(docker("image", "inspect", "--format", "{{.Size}}", image))
    layers = docker("history", "--human=false", "--no-trunc", "--format", "{{.Size}}\t{{.CreatedBy}}", image).splitlines()
    # History runs from the newest layer down; ours end where the base's begin, below our first instruction, ENV PATH.
    first = next(i for i, layer in enumerate(layers) if "ENV PATH=/opt/venv/bin" in layer)
    ours = sum(int(layer.partition("\t")[0]) for layer in layers[: first + 1])
    measured.append(f"{total / 1e6:.0f} MB, {ours / 1e6:.0f} MB of it above the base")
    assert ours <= MOST_BYTES_ABOVE_BASE


def test_image_built_again_holds_the_same_files(docker: Docker, image: str, measured: list[str]) -> None:
    """Of the same sources and the same base; only their times differ."""
    docker("build", "--no-cache", "--network", BUILD_NETWORK, "--tag", "digits-again:test", str(PROJECT))
    command = ("--user", "0", "--network", "none", "--entrypoint", "python")
    first, again = (
        set(docker("run", "--rm", *command, tag, "-c", LIST_FILES).splitlines()) for tag in (image, "digits-again:test")
    )
    measured.append(f"built again: {len(first):,} files, {len(first ^ again)} differ")
    assert first ^ again == set(), "or the image is of other sources: build it again"


@pytest.mark.parametrize("options", [(), ("--init",)], ids=["as process 1", "under an init"])
def test_sigterm_ends_it_with_exit_code_0(
    docker: Docker, run_image: RunImage, measured: list[str], options: tuple[str, ...]
) -> None:
    started = time.monotonic()
    name = run_image("--publish", "127.0.0.1::8000", *options)
    wait_until_ready(f"http://{docker('port', name, '8000/tcp')}")
    ready_s = time.monotonic() - started
    stopping = time.monotonic()
    docker("stop", name)
    measured.append(f"first 200 of /readyz {ready_s:.2f} s after `docker run`, stopped in {time.monotonic() - stopping:.2f} s")
    assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "0"
