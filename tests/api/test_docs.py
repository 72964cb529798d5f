from __future__ import annotations

from html.parser import HTMLParser

import pytest

from tests.client import Api, assert_problem
from tests.conftest import MakeApi


class _Page(HTMLParser):
    """Gathers what a page loads and what it carries inline."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        for name, value in attrs:
            if name in {"src", "href"} and value:
                self.loads.append(value)
            if name.startswith("on") or name == "style":
                self.inline.append(f"{name}={value}")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in {"script", "style"} and data.strip():
            self.inline.append(data)


def test_docs_page_loads_only_its_own_origins_files(api: Api) -> None:
    page = _Page(api.get("/docs").text)
    assert page.inline == []
    assert any(path.endswith(".js") for path in page.loads)
    for path in page.loads:
        assert "//" not in path
        assert api.get(f"/{path}").status_code == 200


def test_docs_files_have_their_media_types(api: Api) -> None:
    assert api.get("/docs").headers["content-type"].startswith("text/html")
    assert "javascript" in api.get("/assets/docs.js").headers["content-type"]
    assert api.get("/assets/swagger-ui/swagger-ui.css").headers["content-type"].startswith("text/css")


def test_docs_script_reads_our_schema_and_tells_nobody(api: Api) -> None:
    script = api.get("/assets/docs.js").text
    assert '"openapi.json"' in script
    assert "validatorUrl: null" in script
    assert "://" not in script


@pytest.mark.parametrize("path", ["/docs", "/assets/docs.js", "/v1/models", "/nothing"])
def test_every_answer_has_a_strict_content_security_policy(api: Api, path: str) -> None:
    headers = api.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/assets/../main.py", "/assets/%2e%2e/main.py", "/assets/..%2fmain.py"])
def test_assets_escaping_path_is_not_found(api: Api, path: str) -> None:
    assert_problem(api.get(path), 404, "not-found")


def test_docs_disabled_serves_neither_page_nor_schema(make_api: MakeApi) -> None:
    api = make_api(docs_enabled=False)
    for path in ("/docs", "/openapi.json", "/assets/docs.js"):
        assert_problem(api.get(path), 404, "not-found")
