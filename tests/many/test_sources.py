from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from app.many.errors import CannotBegin, Unreadable
from app.many.sources import open_source

TREE = ("b.png", "a.png", "a/2.png", "a/1.jpg", "a/deep/er/3.png", ".hidden.png", ".cache/4.png", "a/deep/notes.txt")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``TREE`` under ``pictures`` in the working folder; each file holds its name."""
    monkeypatch.chdir(tmp_path)
    for name in TREE:
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def _zipped(folder: Path, *names: str) -> str:
    with zipfile.ZipFile(folder / "pictures.zip", "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return str(folder / "pictures.zip")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("pictures", ["a.png", "b.png", "a/1.jpg", "a/2.png", "a/deep/notes.txt", "a/deep/er/3.png"]),
        ("pictures/*.png", ["a.png", "b.png"]),
        ("pictures/**/*.png", ["a.png", "b.png", "a/2.png", "a/deep/er/3.png"]),
        ("pictures/*/[12].*", ["a/1.jpg", "a/2.png"]),
        ("pict*s/a/**/er/*", ["a/deep/er/3.png"]),
        ("pictures/a/d??p/*", ["a/deep/notes.txt"]),
        ("pictures/a/**", ["a/1.jpg", "a/2.png", "a/deep/notes.txt", "a/deep/er/3.png"]),
    ],
)
def test_names_are_sorted_and_hidden_ones_left_out(tree: Path, typed: str, expected: list[str]) -> None:
    source = open_source(typed)
    assert list(source.names()) == [f"pictures/{name}" for name in expected]
    assert list(source.read(list(source.names()), 100)) == [name.encode() for name in expected]


def test_names_of_a_link_to_a_folder_above_end(tree: Path) -> None:
    (tree / "pictures/a/loop").symlink_to(tree / "pictures")
    assert len(list(open_source("pictures").names())) == 6
    assert list(open_source("pictures/a/loop/*.png").names()) == ["pictures/a/loop/a.png", "pictures/a/loop/b.png"]


def test_names_of_a_zip_keep_its_order(tmp_path: Path) -> None:
    source = open_source(_zipped(tmp_path, "b.png", "a/", "a/1.png", "__MACOSX/b.png", ".hidden", "a/.hidden"))
    assert list(source.names()) == ["b.png", "a/1.png"]
    assert list(source.read(["a/1.png", "b.png"], 3)) == [b"a/1", b"b.p"]


def test_read_what_is_not_there_is_told_and_the_next_is_read(tree: Path) -> None:
    for source, here in ((open_source("pictures"), "pictures/a.png"), (open_source(_zipped(tree, "a.png")), "a.png")):
        missing, read = source.read(["pictures/gone.png", here], 100)
        assert isinstance(missing, Unreadable)
        assert read == b"a.png"


def test_read_damaged_zip_entry_is_told(tmp_path: Path) -> None:
    path = Path(_zipped(tmp_path, "a.png", "b.png"))
    path.write_bytes(path.read_bytes().replace(b"a.png", b"a.pnG", 2).replace(b"a.pnG", b"a.png", 1))
    damaged, read = open_source(str(path)).read(["a.png", "b.png"], 100)
    assert isinstance(damaged, Unreadable)
    assert read == b"b.png"


@pytest.mark.parametrize(
    ("typed", "message"),
    [("absent", "no absent"), ("pictures/a.png", "digits classify"), ("absent/*.png", "absent cannot be listed")],
)
def test_source_that_is_none_is_said(tree: Path, typed: str, message: str) -> None:
    with pytest.raises(CannotBegin, match=message):
        list(open_source(typed).names())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folder_that_may_not_be_listed_is_said(tree: Path) -> None:
    (tree / "pictures/a/deep").chmod(0)
    with pytest.raises(CannotBegin, match=r"deep cannot be listed: Permission denied"):
        list(open_source("pictures").names())
