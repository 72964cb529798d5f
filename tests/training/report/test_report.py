import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.digits import manifest as manifests
from app.digits.image import decode
from training.__main__ import app
from training.errors import TrainingError
from training.evaluate import evaluate
from training.report import card
from training.report.bench import Bench
from training.report.card import finish_card
from training.report.compare import compare, sentence, write_comparison
from training.report.extract import extract
from training.report.material import Material
from training.report.numbers import numbers_of, rounded
from training.report.report import ModelPart, page_of, write_report
from training.report.study import Study
from training.runs import RunFolder


def test_report_is_one_file_whose_numbers_are_those_of_evaluate(of_shapes: Study, tmp_path: Path) -> None:
    page = write_report([of_shapes], tmp_path, command="python -m training report <model>").read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"index.html", "report.json"}
    assert not re.search(r"<script|<link|<iframe|@import|src=|url\((?!#)", page)
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    links = re.findall(r'href="([^"]*)"|url\(([^)]*)\)', page)
    targets = {target for pair in links for target in pair if target and not target.startswith("data:image/png")}
    assert targets <= {f"#{one}" for one in ids}
    assert "report &lt;model&gt;" in page
    assert "wave &lt;s&gt;" in page
    _assert_numbers(page, json.loads((tmp_path / "report.json").read_text())["models"][0], of_shapes)


def test_page_of_digits_tells_what_is_no_digit(of_digits: Study) -> None:
    numbers = numbers_of(of_digits)
    page = page_of([ModelPart(numbers, {})], of_digits.data, {}, made="now", command="test", commit="none")
    assert numbers.robustness.rejection is not None
    assert f"{numbers.robustness.rejection.sets['drawn'].auroc:.4f}" in page
    _assert_numbers(page, rounded(numbers.model_dump(mode="json")), of_digits)


def _assert_numbers(page: str, numbers: dict[str, Any], study: Study) -> None:
    expected = evaluate(study.classifier, study.split("test")).model_dump(mode="json")
    assert numbers["splits"]["test"] == numbers["splits"]["test"] | expected
    assert f"{expected['accuracy']:.2%}" in page


def test_report_of_a_model_on_other_labels_is_refused(shapes: Path, drawn: Material) -> None:
    with pytest.raises(TrainingError, match="knows the labels hook, ring, wave <s>; drawn has 0, 1"):
        Study(shapes, Bench(drawn, pictures=1))


def test_compare_finds_what_one_alone_gets_right(of_shapes: Study, tmp_path: Path) -> None:
    found = write_comparison(of_shapes, of_shapes, tmp_path, command="test")
    assert (found.verdict.only_first, found.verdict.only_second, found.verdict.p_value) == (0, 0, 1)
    assert "no more than chance explains" in sentence(found)
    assert json.loads((tmp_path / "compare.json").read_text())["n"] == len(of_shapes.split("test"))
    assert "On no picture is one right and the other wrong." in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_compare_on_different_pictures_is_refused(of_shapes: Study, of_digits: Study) -> None:
    with pytest.raises(TrainingError, match="same pictures"):
        compare(of_shapes, of_digits)


def test_extract_writes_pictures_that_are_named_by_class(drawn: Material, tmp_path: Path) -> None:
    test = drawn.splits["test"]
    written = extract(test, drawn.labels, tmp_path, per_class=2)
    assert len(written) == len(set(written)) == 20
    for path in written:
        label, position = path.stem.split("-")
        assert drawn.labels[test.labels[int(position)]] == label
        np.testing.assert_array_equal(decode(path.read_bytes()), test.images[int(position)])


def test_extract_command_makes_safe_names_of_any_labels(of_shapes: Study, tmp_path: Path) -> None:
    folder = RunFolder(of_shapes.folder).load_record().data.name
    result = CliRunner().invoke(app, ["extract", str(tmp_path), "--data", folder, "--per-class", "1"])
    assert result.exit_code == 0, result.output
    assert sorted(path.stem.split("-")[0] for path in tmp_path.iterdir()) == ["hook", "ring", "wave__s_"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(("figure", "nope"), "no figure named 'nope'"), (("report", "no-such-model"), "has no manifest.json")],
)
def test_report_commands_tell_what_is_wrong(arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in str(CliRunner().invoke(app, arguments).exception)


def test_card_command_writes_what_it_measured_and_no_picture_of_the_data(of_digits: Study, tmp_path: Path) -> None:
    folder = tmp_path / of_digits.folder.name
    shutil.copytree(of_digits.folder, folder)
    study = Study(folder, of_digits.bench)
    finish_card(study)
    manifest = manifests.read(folder)
    assert manifest.robustness == of_digits.robustness
    assert manifest.robustness is not None
    before = study.manifest
    assert manifest.abstention and before.abstention
    measured = before.abstention.model_copy(update={"nondigits": manifest.abstention.nondigits})
    assert manifest.model_copy(update={"robustness": None}) == before.model_copy(
        update={"robustness": None, "abstention": measured}
    )
    assert manifest.abstention.nondigits != before.abstention.nondigits  # they were cut out of other digits
    text = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"{manifest.robustness.mean:.1%}" in text
    linked = re.findall(r"\]\((figures/[^)]*)\)", text)
    assert linked
    assert all((folder / one).is_file() for one in linked)
    assert {path.stem for path in (folder / "figures").iterdir()} <= set(card.FIGURES)
