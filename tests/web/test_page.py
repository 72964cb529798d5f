"""The page in a real browser: every way in, every answer, and a service that is busy, gone or wants a key."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, Route, expect, sync_playwright

from app.settings import PROJECT
from tests import pictures
from tests.fakes import read_manifest, write_manifest
from tests.server import Server
from tests.web.browser import CHROMIUM, FLAGS, MISSING, Witness, camera, draw
from training.strokes import draw_digit

KEY = "a key of the tests"
FIRST_VIEW_BYTES = 60_000

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason=MISSING)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("page") / "log") as server:
        yield server


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    seen = tmp_path_factory.mktemp("camera") / "seven.y4m"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *camera(seen, photograph("7"))])
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A tab that must not complain."""
    with browser.new_context() as context:
        page = context.new_page()
        witness = Witness(page)
        yield page
        page.unroute_all(behavior="ignoreErrors")  # what a test held back need not arrive any more
        assert witness.complaints == []
        assert {request.split("/")[2] for request in witness.requested} <= {page.url.split("/")[2]}


@pytest.fixture
def page(tab: Page, server: Server) -> Page:
    """The page, open."""
    tab.goto(server.url)
    return tab


def choose(page: Page, *files: FilePayload) -> None:
    page.locator("#files").set_input_files(files)


def file(name: str, data: bytes, media_type: str = "image/png") -> FilePayload:
    return {"name": name, "mimeType": media_type, "buffer": data}


def photograph(digit: str) -> bytes:
    """A JPEG of dark ink on unevenly lit paper."""
    ink = draw_digit(digit, size=400, thickness=0.06).astype(np.float64) / 255
    light = np.linspace(150, 230, ink.shape[1])[None, :]
    out = io.BytesIO()
    Image.fromarray((40 + (light - 40) * ink).astype(np.uint8)).convert("RGB").save(out, "JPEG", quality=85)
    return out.getvalue()


def test_page_draw_a_seven_is_read_and_undone(page: Page) -> None:
    draw(page)
    expect(page.locator("#digit")).to_have_text("7")
    expect(page.locator("#probability")).to_contain_text("%")
    expect(page.locator(".bars li")).to_have_count(10)
    expect(page.locator("#seen img")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.get_by_role("heading", name="The answer appears here")).to_be_visible()
    expect(page.locator("#clear")).to_be_disabled()


def test_page_pixel_values_and_the_reason_are_shown_on_request(page: Page) -> None:
    draw(page)
    page.get_by_role("button", name="Pixel values").click()
    expect(page.locator(".values td")).to_have_count(28 * 28)
    page.keyboard.press("Escape")
    page.locator(".bars .best button").click()
    expect(page.locator(".why img")).to_have_attribute("alt", "The pixels that the model saw; red where 7 rests on them")
    expect(page.locator(".why figcaption")).to_contain_text("no one spot decides")


def test_page_tells_what_the_colours_of_the_reason_mean(page: Page) -> None:
    choose(page, file("nine.png", pictures.png("9")))
    page.locator(".bars .best button").click()
    expect(page.locator(".why figcaption")).to_contain_text("the redder, the less probable")


@pytest.mark.parametrize(
    ("picture", "digit"),
    [
        (file("three.png", pictures.png("3")), "3"),
        (file("photo.jpg", photograph("2"), "image/jpeg"), "2"),
        (file("seven.csv", pictures.csv(), "text/csv"), "7"),
        (file("seven.tiff", pictures.LOSSLESS["tiff"], "image/tiff"), "7"),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else value,
)
def test_page_chosen_file_is_read(page: Page, picture: FilePayload, digit: str) -> None:
    choose(page, picture)
    expect(page.locator("#digit")).to_have_text(digit)


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_page_pasted_or_dropped_picture_is_read(page: Page, way: str) -> None:
    page.evaluate(
        """([way, data]) => {
            const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "<img src=x onerror=alert(1)>.png", {type: "image/png"}));
            const event = way === "paste"
                ? new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true})
                : new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true});
            document.body.dispatchEvent(event);
        }""",
        [way, base64.b64encode(pictures.png("4")).decode()],
    )
    expect(page.locator("#digit")).to_have_text("4")
    expect(page.get_by_text("<img src=x")).to_be_visible()


def test_page_photograph_is_taken_and_read(page: Page) -> None:
    page.get_by_role("button", name="Camera").click()
    dialog = page.get_by_role("dialog", name="Camera")
    dialog.get_by_role("button", name="Take the picture").click()
    expect(page.locator("#digit")).to_have_text("7")
    expect(dialog).to_have_count(0)


def test_page_thirty_files_each_have_their_result(page: Page) -> None:
    digits = [file(f"{index}.png", pictures.png(str(index % 10), slant=index / 100)) for index in range(29)]
    choose(page, *digits, file("notes.txt", b"no picture", "text/plain"))
    expect(page.locator(".results li")).to_have_count(30)
    expect(page.locator("#results > p")).to_contain_text("1 refused.")
    expect(page.locator(".results li").last).to_contain_text("Not a known picture format")
    page.locator(".results button").nth(3).click()
    expect(page.locator("#digit")).to_have_text("3")


@pytest.mark.parametrize(
    ("reason", "words"),
    [("not_a_digit", "does not look like"), ("ambiguous", "either of two"), ("several_digits", "several digits")],
)
def test_page_abstention_is_told_with_its_reason(page: Page, reason: str, words: str) -> None:
    expect(page.locator(".score")).to_contain_text("right")

    def abstain(route: Route) -> None:
        content = route.fetch().json()
        content["predictions"][0] |= {"label": None, "abstained": True, "reason": reason}
        route.fulfill(json=content)

    page.route("**/v1/predict*", abstain)
    draw(page)
    expect(page.locator("#digit")).to_have_text("?")
    expect(page.locator("#reason")).to_contain_text(words)
    expect(page.locator("#answer")).to_contain_text("The best guess would be 7")


def test_page_oversize_file_is_refused_in_the_services_words(page: Page, tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(bytes(11 * 2**20))
    page.locator("#files").set_input_files(tmp_path / "large.png")
    expect(page.get_by_role("alert")).to_contain_text("The file is too large")
    expect(page.get_by_role("alert")).to_contain_text("10,485,760")


def test_page_samples_are_judged_and_replaced(page: Page) -> None:
    expect(page.locator(".score")).to_contain_text("of 25 right")
    assert page.locator(".grid .right").count() >= 15
    before = page.locator(".grid img").first.get_attribute("src")
    page.get_by_role("button", name="Another 25").click()
    expect(page.locator(".grid img").first).not_to_have_attribute("src", before or "")
    expect(page.locator(".score")).to_contain_text("of 25 right")
    page.locator(".grid button").first.click()
    expect(page.locator(".truth")).to_contain_text("It was written as")


def test_page_service_stopped_and_started_again_answers_what_was_asked(tab: Page, tmp_path: Path) -> None:
    with Server(tmp_path / "first") as first:
        tab.goto(first.url)
        expect(tab.locator(".score")).to_contain_text("right")
        port = first.url.rpartition(":")[2]
        first.stop()
    draw(tab)
    expect(tab.locator("#notice")).to_contain_text("does not answer")
    with Server(tmp_path / "second", port=port):
        expect(tab.locator("#digit")).to_have_text("7", timeout=10_000)
        expect(tab.locator("#notice")).to_contain_text("answers again")


def test_page_service_with_keys_asks_for_one_and_goes_on(tab: Page, tmp_path: Path) -> None:
    with Server(tmp_path / "log", api_keys=hashlib.sha256(KEY.encode()).hexdigest()) as guarded:
        tab.goto(guarded.url)
        tab.get_by_label("API key").fill("another key")
        tab.get_by_role("button", name="Use it").click()
        expect(tab.locator("#notice")).to_contain_text("does not know this key")
        tab.get_by_label("API key").fill(KEY)
        tab.get_by_role("button", name="Use it").click()
        expect(tab.locator(".score")).to_contain_text("right")
        assert tab.evaluate("[sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""]


def test_page_busy_service_is_asked_again_when_it_said(page: Page) -> None:
    expect(page.locator(".score")).to_contain_text("right")
    refusal = {"title": "The service is overloaded", "detail": "256 images wait.", "status": 503}
    answers = iter([True])

    def busy_once(route: Route) -> None:
        if next(answers, False):
            route.fulfill(status=503, headers={"Retry-After": "1"}, json=refusal)
        else:
            route.continue_()

    page.route("**/v1/predict*", busy_once)
    choose(page, file("5.png", pictures.png("5")))
    expect(page.locator("#notice")).to_contain_text("overloaded. Trying again in 1 second")
    expect(page.locator("#digit")).to_have_text("5")


def test_page_slow_service_shows_progress(page: Page) -> None:
    expect(page.locator(".score")).to_contain_text("right")
    held: list[Route] = []
    page.route("**/v1/predict*", lambda route: held.append(route))
    choose(page, file("5.png", pictures.png("5")))
    expect(page.locator("#waiting")).to_be_visible()
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "true")
    held[0].continue_()
    expect(page.locator("#digit")).to_have_text("5")
    expect(page.locator("#waiting")).to_be_hidden()


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The shipped model, and a copy of it that goes by another name."""
    models = tmp_path_factory.mktemp("zoo")
    for name in ("cnn", "vit"):
        shutil.copytree(PROJECT / "models/cnn", models / name)
    manifest = read_manifest(models / "vit")
    write_manifest(models / "vit", manifest | {"name": "vit"})
    with Server(models / "log", models_dir=str(models)) as server:
        server.wait_until(lambda: len(server.get("/v1/models").json()["models"]) == 2)
        yield server


def test_page_comparison_shows_each_model_and_how_they_agree(tab: Page, zoo: Server) -> None:
    tab.goto(f"{zoo.url}/#compare")
    expect(tab.locator(".score")).to_contain_text("right")
    draw(tab)
    expect(tab.locator(".corner .digit")).to_have_text(["7", "7"])
    expect(tab.locator(".corner .patches")).to_have_count(1)
    expect(tab.locator(".session")).to_contain_text("All agree on 1 of 1 picture.")
    tab.get_by_role("button", name="Compare on the 25 samples").click()
    expect(tab.locator(".session")).to_contain_text("All agree on 26 of 26 pictures.")
    expect(tab.locator(".session tbody td").nth(1)).to_contain_text("of 25")


def test_page_comparison_waits_for_samples_that_are_slow(tab: Page, zoo: Server) -> None:
    held: list[Route] = []
    tab.route("**/v1/samples*", lambda route: held.append(route))
    with tab.expect_request("**/v1/samples*"):
        tab.goto(f"{zoo.url}/#compare")
    tab.get_by_role("button", name="Compare on the 25 samples").click()
    held[0].continue_()
    expect(tab.locator(".session")).to_contain_text("All agree on 25 of 25 pictures.")


def test_page_comparison_tells_where_models_disagree(tab: Page, zoo: Server) -> None:
    def differ(route: Route) -> None:
        content = route.fetch().json()
        content["predictions"][0]["top_k"][0]["label"] = "1"
        route.fulfill(json=content)

    tab.goto(f"{zoo.url}/#compare")
    tab.route("**/v1/predict?model=vit*", differ)
    expect(tab.locator(".score")).to_contain_text("right")
    draw(tab)
    expect(tab.locator(".disputes")).to_have_text("cnn 7 · vit 1")
    expect(tab.get_by_role("article", name="vit")).to_contain_text("differs")


def test_page_models_are_listed_and_timed(tab: Page, zoo: Server) -> None:
    tab.goto(f"{zoo.url}/#models")
    expect(tab.locator("#models tbody tr")).to_have_count(2)
    test = read_manifest(PROJECT / "models/cnn")["metrics"]["test"]
    low, high = test["interval"]
    words = f"{test['accuracy']:.2%}".replace("%", f" % ({low * 100:.2f} – {high * 100:.2f})")
    expect(tab.locator("#models tbody tr").first).to_contain_text(words)
    tab.get_by_role("button", name="Measure the time here").click()
    expect(tab.locator("#models tbody tr").nth(1).locator("td").nth(4)).to_contain_text("ms")


def test_page_card_is_shown_with_its_tables_and_figures(tab: Page, zoo: Server) -> None:
    table = "| split | n |\n|---|---|\n| test | 10000 |"
    text = f"# cnn\n\nReads **digits**, see [the log](LOG.md).\n\n{table}\n\n![Curves](figures/curves.png)\n"
    tab.route("**/v1/models/cnn/card", lambda route: route.fulfill(body=text, content_type="text/markdown"))
    figure = pictures.png("7")
    tab.route("**/v1/models/cnn/figures/curves.png", lambda route: route.fulfill(body=figure, content_type="image/png"))
    tab.goto(f"{zoo.url}/#models")
    tab.get_by_role("button", name="Card of cnn").click()
    card = tab.get_by_role("dialog")
    expect(card.get_by_text("Reads digits, see the log.")).to_be_visible()
    expect(card.get_by_role("cell", name="10000")).to_be_visible()
    expect(card.get_by_role("img", name="Curves")).to_have_js_property("naturalWidth", 56)


def test_page_code_for_developers_repeats_what_was_done(page: Page, server: Server, tmp_path: Path) -> None:
    picture = tmp_path / 'it\'s; a "seven".png'
    picture.write_bytes(pictures.png("7"))
    choose(page, file(picture.name, picture.read_bytes()))
    expect(page.locator("#digit")).to_have_text("7")
    page.get_by_role("link", name="For developers").click()
    expect(page.locator("#developers code")).to_have_count(3)
    curl, python, script = page.locator("#developers code").all_inner_texts()
    for command in (["bash", "-c", f"{curl} --silent --noproxy '*'"], [sys.executable, "-c", python]):
        environment = os.environ | {"NO_PROXY": "127.0.0.1"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        assert "'label':'7'" in done.stdout.replace('"', "'").replace(": ", ":")
    assert f"{server.url}/v1/predict?model=cnn" in script


def number(digits: str) -> bytes:
    """A picture of digits in a row, with room between them."""
    row = np.hstack([draw_digit(digit, size=160, thickness=0.08) for digit in digits])
    return pictures.encoded(Image.fromarray(np.pad(row, 40, constant_values=255)), "PNG")


def test_page_number_is_read_corrected_and_saved_for_training(page: Page, tmp_path: Path) -> None:
    page.get_by_role("link", name="Read a number").click()
    page.locator("#number-file").set_input_files([file("420.png", number("420"))])
    expect(page.locator("#text")).to_have_text("420")
    expect(page.locator(".box")).to_have_count(3)
    page.locator(".box").nth(1).hover()
    expect(page.locator(".box").nth(1).locator(".tip")).to_contain_text("2 · 9")
    page.locator(".box").nth(1).click()
    page.get_by_role("dialog").get_by_role("button", name="7").click()
    expect(page.locator("#text")).to_have_text("470")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save 1 correction for training").click()
    with zipfile.ZipFile(saved.value.path()) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["corrections/7/0.png"]
        assert Image.open(archive.open("corrections/7/0.png")).height > 100


def test_page_number_is_written_on_the_strip(page: Page) -> None:
    page.get_by_role("link", name="Read a number").click()
    draw(page, ((0.2, 0.2), (0.2, 0.8)), "#strip")
    draw(page, ((0.5, 0.2), (0.5, 0.8)), "#strip")
    expect(page.locator("#text")).to_have_text("11")


def test_page_first_view_is_small_and_kept_by_the_browser(page: Page) -> None:
    expect(page.locator(".score")).to_contain_text("right")
    size = "performance.getEntries().reduce((sum, entry) => sum + (entry.transferSize ?? 0), 0)"
    static = "performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/assets/'))"
    assert page.evaluate(size) < FIRST_VIEW_BYTES
    page.reload()
    expect(page.locator(".score")).to_contain_text("right")
    assert page.evaluate(f"{static}.every((entry) => entry.responseStatus === 304 || entry.transferSize < 500)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_has_no_violation_that_axe_finds(browser: Browser, zoo: Server, scheme: str) -> None:
    with browser.new_context(color_scheme=scheme, viewport={"width": 400, "height": 900}) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(zoo.url)
        draw(page)
        expect(page.locator("#digit")).to_have_text("7")
        expect(page.locator(".score")).to_contain_text("right")
        _check(page)
        for view, sign in (("compare", ".corner"), ("models", "tbody"), ("developers", "code"), ("read", "#strip")):
            page.goto(f"{zoo.url}/#{view}")
            page.locator(f"#{view} {sign}, #{view}{sign}").first.wait_for()
            if view == "read":
                page.locator("#number-file").set_input_files([file("420.png", number("420"))])
                expect(page.locator("#text")).to_have_text("420")
            _check(page)


def _check(page: Page) -> None:
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("width", [360, 2000])
def test_page_fits_narrow_and_wide_windows(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    draw(page)
    expect(page.locator("#digit")).to_have_text("7")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
