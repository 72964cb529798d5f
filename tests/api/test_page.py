from __future__ import annotations

import re

import pytest

from app.api.docs import WEB
from tests.client import Api, assert_problem
from tests.conftest import MakeApi

FILES = sorted(path.name for path in (WEB / "page").iterdir() if path.name != "index.html")


def test_page_is_strict_about_what_it_loads(api: Api) -> None:
    answer = api.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script>|<style| style=| on\w+=|//", answer.text.replace("<!doctype html>", ""))


def test_page_loads_files_that_exist_and_each_module_is_preloaded_or_asked_for_later(api: Api) -> None:
    loads = set(re.findall(r'(?:href|src)="(assets/[^"]+)"', api.get("/").text))
    assert all(api.get(f"/{path}").status_code == 200 for path in loads)
    imported = {name for file in FILES for name in re.findall(r'from "\./([\w.]+)"', (WEB / "page" / file).read_text())}
    assert imported <= set(FILES)
    first = _closure("main.js")
    assert first - {"main.js"} == {path.rpartition("/")[2] for path in loads if path.endswith(".js")} - {"main.js"}


def _closure(file: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
    """A module and those that it imports at once."""
    if file in seen:
        return seen
    seen |= {file}
    for name in re.findall(r'from "\./([\w.]+)"', (WEB / "page" / file).read_text()):
        seen |= _closure(name, seen)
    return seen


@pytest.mark.parametrize("file", FILES)
def test_page_file_is_kept_until_it_changes_and_makes_no_markup_of_text(api: Api, file: str) -> None:
    answer = api.get(f"/assets/page/{file}")
    assert answer.headers["cache-control"] == "no-cache"
    again = api.get(f"/assets/page/{file}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|https?://(?!www\.w3\.org/2000/svg)", answer.text
    )


def test_page_files_are_compressed_on_the_wire(api: Api) -> None:
    answer = api.get("/assets/page/page.css", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"


def test_page_disabled_leaves_docs_alone(make_api: MakeApi) -> None:
    api = make_api(page_enabled=False)
    assert_problem(api.get("/"), 404, "not-found")
    assert api.get("/docs").status_code == 200


def test_page_stays_when_docs_are_disabled(make_api: MakeApi) -> None:
    assert make_api(docs_enabled=False).get("/").status_code == 200
