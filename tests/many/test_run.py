from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from pyarrow import parquet

from app.api import problems
from app.main import create_app
from app.many.engines import local
from app.many.errors import CannotBegin, RunFailed, Unreadable
from app.many.rows import CODES, Row
from app.many.run import Tally
from app.many.work import Job, Part, Task
from app.settings import Settings
from tests.client import Api
from tests.many.conftest import BAD, GOOD, MAX_BYTES, PART, MakeRun

Start = Callable[..., Tally | None]
PICTURES = len(GOOD | BAD)
PARTS = -(-PICTURES // PART)


class Stops:
    """An engine that is stopped when it has finished ``parts``; those that it was asked for are in ``asked``."""

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.asked: list[int] = []

    def __call__(self, job: Job, tasks: Iterable[Task], workers: int) -> Iterator[Part]:
        for task in tasks:
            if len(self.asked) == self.parts:
                raise KeyboardInterrupt
            self.asked.append(task.index)
            yield from local(job, [task], 1)


def _rows(out: Path) -> list[Row]:
    if out.suffix == ".parquet":
        rows: list[Row] = parquet.read_table(out).to_pylist()
        return rows
    text = out.read_text()
    return list(csv.DictReader(io.StringIO(text))) if out.suffix == ".csv" else [json.loads(line) for line in text.splitlines()]


def test_rows_are_what_the_service_answers(folder: Path, tmp_path: Path, make_run: MakeRun, start: Start) -> None:
    out = tmp_path / "rows.jsonl"
    tally = start(make_run(out))
    assert tally is not None
    rows = {Path(str(row["path"])).name: row for row in _rows(out)}
    assert list(rows) == sorted(GOOD | BAD)
    assert (tally.pictures, tally.before, tally.refused) == (PICTURES, 0, len(BAD))
    with Api(create_app(Settings(max_upload_bytes=MAX_BYTES, provider="cpu", intra_op_threads=1))) as api:
        for name, row in rows.items():
            kind = "text/csv" if name.endswith(".csv") else "image/png"
            answer = api.post("/v1/predict", files={"files": (name, (folder / name).read_bytes(), kind)}, params={"top_k": 10})
            assert (row["model"], row["version"]) == ("cnn", api.services.registry.get(None).classifier.manifest.version)
            if row["error"]:
                problem = answer.json()
                assert problem["type"] == f"/problems/{row['error']}"
                assert problem["detail"] == row["detail"] or name == "huge.png"  # of which no more than the limit is read
                assert (row["label"], row["probability"], row["probability_0"]) == (None, None, None)
                continue
            (prediction,) = answer.json()["predictions"]
            assert {key: row[key] for key in ("label", "abstained", "reason")}.items() <= prediction.items()
            assert row["best_label"] == prediction["top_k"][0]["label"]
            for ranked in prediction["top_k"]:  # the wire has six digits; a batch may sum in another order than one picture
                assert row[f"probability_{ranked['label']}"] == pytest.approx(ranked["probability"], abs=2e-6)


def test_formats_say_the_same(tmp_path: Path, make_run: MakeRun, start: Start) -> None:
    for suffix in ("parquet", "csv", "jsonl"):
        start(make_run(tmp_path / f"rows.{suffix}"))
    from_parquet, from_csv, from_json = (_rows(tmp_path / f"rows.{suffix}") for suffix in ("parquet", "csv", "jsonl"))
    assert [list(rows[0]) for rows in (from_csv, from_json)] == [list(from_parquet[0])] * 2
    for exact, text, rounded in zip(from_parquet, from_csv, from_json, strict=True):
        for name, value in exact.items():
            assert rounded[name] == (round(value, 6) if isinstance(value, float) else value)
            assert text[name] == {None: "", True: "true", False: "false"}.get(rounded[name], str(rounded[name]))  # type: ignore[arg-type]
    about = json.loads(parquet.read_schema(tmp_path / "rows.parquet").metadata[b"digits"])
    assert (about["model"], len(about["sha256"])) == ("cnn", 64)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_resume_reads_only_what_is_missing(tmp_path: Path, make_run: MakeRun, start: Start, suffix: str) -> None:
    whole, out = tmp_path / f"whole.{suffix}", tmp_path / f"out.{suffix}"
    start(make_run(whole))
    for asked in ([0, 1], [2], [3, 4]):
        engine = Stops(len(asked))
        run = make_run(out, engine=engine)
        if asked[-1] < PARTS - 1:
            with pytest.raises(KeyboardInterrupt):
                start(run, resume=True)
            assert not out.exists()
        else:
            tally = start(run, resume=True)
            assert tally is not None
            assert (tally.pictures, tally.before) == (PICTURES, 3 * PART)
        assert engine.asked == asked
    assert _rows(out) == _rows(whole)
    assert not out.with_name(out.name + ".parts").exists()
    assert start(make_run(out, engine=Stops(0)), resume=True) is None


def test_resume_of_a_source_that_has_changed_doubles_and_moves_nothing(
    folder: Path, tmp_path: Path, make_run: MakeRun, start: Start
) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        start(make_run(out, engine=Stops(1)))
    (folder / "0.png").rename(folder / "00.png")
    (folder / "white.png").unlink()
    start(make_run(out), resume=True)
    rows = _rows(out)
    assert [Path(str(row["path"])).name for row in rows] == sorted(GOOD | BAD)
    assert (rows[0]["label"], rows[-1]["error"]) == ("0", "unreadable")


def test_part_that_was_not_written_whole_is_read_again(tmp_path: Path, make_run: MakeRun, start: Start) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        start(make_run(out, engine=Stops(1)))
    (tmp_path / "out.jsonl.parts/000001.jsonl.partial").write_text('{"path": ')
    engine = Stops(PARTS)
    start(make_run(out, engine=engine), resume=True)
    assert engine.asked == list(range(1, PARTS))
    assert len(_rows(out)) == PICTURES


def test_kill_while_the_result_is_joined_loses_nothing(tmp_path: Path, make_run: MakeRun, start: Start) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        start(make_run(out, engine=Stops(PARTS - 1)))
    out.write_text("the renamed result, its parts not yet gone")
    start(make_run(out), resume=True)
    assert len(_rows(out)) == PICTURES


def test_zip_gives_the_rows_of_its_files(folder: Path, tmp_path: Path, make_run: MakeRun, start: Start) -> None:
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for name in sorted(GOOD | BAD):
            archive.write(folder / name, name)
    start(make_run(tmp_path / "folder.jsonl"))
    start(make_run(tmp_path / "zip.jsonl", source=tmp_path / "pictures.zip"))
    of_folder, of_zip = _rows(tmp_path / "folder.jsonl"), _rows(tmp_path / "zip.jsonl")
    assert [row | {"path": Path(str(row["path"])).name} for row in of_folder] == of_zip


def test_run_beside_another_one_is_refused(tmp_path: Path, make_run: MakeRun, start: Start) -> None:
    out = tmp_path / "out.jsonl"

    def engine(job: Job, tasks: Iterable[Task], workers: int) -> Iterator[Part]:
        with pytest.raises(CannotBegin, match="Another run"):
            start(make_run(out), overwrite=True)
        return local(job, tasks, workers)

    assert start(make_run(out, engine=engine)) is not None


def test_what_is_there_is_kept_unless_told(folder: Path, tmp_path: Path, make_run: MakeRun, start: Start) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        start(make_run(out, engine=Stops(1)))
    with pytest.raises(CannotBegin, match="not finished; --resume"):
        start(make_run(out))
    with pytest.raises(CannotBegin, match=r"source was '.*pictures' and is '.*\*\.png'"):
        start(make_run(out, source=folder / "*.png"), resume=True)
    with pytest.raises(CannotBegin, match="take one"):
        start(make_run(out), resume=True, overwrite=True)
    start(make_run(out, source=folder / "?.png"), overwrite=True)
    assert len(_rows(out)) == 10
    with pytest.raises(CannotBegin, match="there already"):
        start(make_run(out))
    assert len(_rows(out)) == 10


def test_disk_that_is_full_is_one_sentence(tmp_path: Path, make_run: MakeRun, start: Start) -> None:
    out = tmp_path / "out.jsonl"

    def engine(job: Job, tasks: Iterable[Task], workers: int) -> Iterator[Part]:
        (tmp_path / "out.jsonl.parts/000000.jsonl.partial").mkdir()  # what cannot be written, also by root
        return local(job, tasks, workers)

    with pytest.raises(RunFailed, match=r"out\.jsonl cannot be written"):
        start(make_run(out, engine=engine))


def test_error_codes_are_the_slugs_of_the_problems() -> None:
    ours = {error: code for error, code in CODES.items() if error is not Unreadable}
    assert ours == {error: problems.TABLE[error].slug for error in problems.PICTURE}
