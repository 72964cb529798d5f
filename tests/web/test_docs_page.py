"""``/docs`` in a real browser: it starts, a picture can be tried, and nothing leaves the origin or breaks the policy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.server import Server
from tests.web.browser import CHROMIUM, FLAGS, MISSING

SAMPLES = Path(__file__).parents[2] / "samples"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("docs") / "log") as server:
        yield server


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page()
        browser.close()


def test_docs_start_without_leaving_the_origin_or_breaking_the_policy(server: Server, page: Page) -> None:
    complaints: list[str] = []
    requested: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{server.url}/docs")
    expect(page.locator("#operations-predict-predict_v1_predict_post")).to_be_visible()
    assert complaints == []
    assert [url for url in requested if not url.startswith((server.url, "data:"))] == []


def test_docs_try_a_picture_shows_its_answer(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/docs")
    operation = page.locator("#operations-predict-predict_v1_predict_post")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.locator("input[type=file]").set_input_files(SAMPLES / "7.png")
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer).to_contain_text("7.png")
