from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from app.api.schemas import SampleList
from tests.client import Api, assert_problem


def _listed(api: Api, query: str) -> SampleList:
    return SampleList.model_validate_json(api.get(f"/v1/samples?{query}").content, extra="forbid")


def test_samples_are_labelled_square_pictures_that_the_service_reads(api: Api) -> None:
    listed = _listed(api, "seed=3")
    assert len(listed.samples) == 25
    assert "load_digits" in listed.origin
    files = [base64.b64decode(sample.image.partition(",")[2]) for sample in listed.samples]
    assert {Image.open(io.BytesIO(file)).size for file in files} == {(12, 12)}
    assert {result["status"] for result in api.predict(*files).json()["predictions"]} == {"ok"}


def test_samples_same_seed_gives_the_same_and_others_differ(api: Api) -> None:
    first, again, other = (_listed(api, f"count=9&seed={seed}") for seed in (1, 1, 2))
    assert first == again != other
    assert _listed(api, "count=9") != _listed(api, "count=9")


@pytest.mark.parametrize("query", ["count=0", "count=51", "seed=-1", "count=many"])
def test_samples_bad_parameter_is_refused(api: Api, query: str) -> None:
    assert_problem(api.get(f"/v1/samples?{query}"), 422, "invalid-parameter")


def test_samples_shipped_are_as_their_source_has_them(api: Api) -> None:
    samples = api.services.samples
    assert samples.images.shape == (1797, 12, 12)
    assert np.bincount(samples.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
