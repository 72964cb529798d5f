from __future__ import annotations

import pytest

from app.settings import PROJECT

pytest.importorskip("torch")

from benchmarks import networks


def test_reference_is_the_network_that_it_is_said_to_be() -> None:
    assert sum(weight.numel() for weight in networks.reference().parameters()) == 288_170


def test_each_shipped_model_has_its_row_beside_the_reference() -> None:
    answering = networks.sessions(PROJECT / "models")
    assert next(iter(answering)) == networks.REFERENCE
    assert "cnn" in answering
    assert networks.render(answering, rounds=1).row_count == len(answering)
