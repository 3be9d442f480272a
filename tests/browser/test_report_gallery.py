"""The gallery in a browser: folded, filtered, ordered, and with a large view."""

from __future__ import annotations

import json

import pytest
from map_records import keep_maps
from report_records import make_record

from harness.data.open import open_dataset
from harness.report.html.gallerysection import gallery_section
from harness.report.html.sections import make_sections
from harness.report.html.writing import write_report, write_single_file
from harness.report.uncertainty import Uncertainty
from harness.store.published import read_published
from harness.store.store import Store


@pytest.fixture(scope="module")
def material(tiny_mvtec, tmp_path_factory):
    """Folder, settings, gallery and store of the maps of two methods on one category of a tiny MVTec 3D-AD."""
    folder, dataset = tmp_path_factory.mktemp("gallery"), open_dataset("mvtec3d", tiny_mvtec)
    store = Store(folder / "results")
    scores = {"test/good/000": 0.1, "test/good/001": 0.7, "test/hole/000": 0.9, "test/hole/001": 0.2}
    found = [
        keep_maps(store, dataset, method, score=lambda ref, sign=sign: sign * scores.get(ref.id, 0.5))
        for method, sign in (("cfm", 1), ("btf", -1))
    ]
    found.append(make_record("cfm", "bump", dataset="toy", shots=5, preset="quick", weights="random"))
    sections = make_sections(found, read_published())
    return (
        folder,
        sections,
        lambda where: gallery_section(store, sections, where, tiny_mvtec),
        store,
        Uncertainty(store),
    )


@pytest.fixture(scope="module")
def pictures(material):
    return write_report(material[0] / "page", *material[1:])


def shares(page, method):
    return page.eval_on_selector_all(
        "article.sample", f"all => all.map(one => JSON.parse(one.dataset.shares)[{method!r}])"
    )


def test_pictures_are_folded_and_follow_the_filters(visit, pictures):
    seen = visit(pictures)
    page = seen.page
    assert not [url for url in seen.requests if url.endswith(".jpg")]
    page.locator("#gallery summary").click()
    image = page.locator("article.sample img").first
    image.scroll_into_view_if_needed()
    assert image.evaluate("one => one.decode().then(() => one.naturalWidth)") == 336
    shown = page.locator("article.sample").first.locator("figure:visible")
    assert shown.count() == 5
    page.fill("#filter-method", "btf")
    assert shown.count() == 4
    page.select_option("#filter-dataset", "toy")
    assert page.locator("#gallery-none").is_visible()
    assert not page.locator("article.sample").first.is_visible()
    assert seen.complaints == []


def test_samples_are_ordered_by_how_well_a_method_separates_them(visit, pictures):
    page = visit(pictures, address="gallery-order=worst&gallery-method=cfm").page
    worst = shares(page, "cfm")
    assert worst == sorted(worst)
    page.select_option("#gallery-order", "best")
    assert shares(page, "cfm") == worst[::-1] != worst
    page.go_back()
    assert shares(page, "cfm") == worst


@pytest.mark.parametrize(("width", "scheme"), [(1366, "light"), (360, "dark")])
def test_a_large_view_lays_maps_over_the_image(visit, pictures, axe_violations, width, scheme):
    seen = visit(pictures, width=width, scheme=scheme)
    page = seen.page
    page.locator("#gallery summary").click()
    page.locator("figure[data-method=btf] .enlarge").first.click()
    above, title = page.locator("#large-above"), page.locator("#large-title")
    assert above.is_visible()
    assert above.get_attribute("src") != page.locator("#large-below").get_attribute("src")
    assert axe_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#large-strength").fill("25")
    assert above.evaluate("one => one.style.opacity") == "0.25"
    first = title.inner_text()
    page.get_by_role("button", name="Next").click()
    assert title.inner_text() != first
    assert "btf" in page.locator("#large-map option:checked").inner_text()
    page.select_option("#large-map", label="none")
    assert not above.is_visible()
    page.keyboard.press("Escape")
    assert not title.is_visible()
    assert seen.complaints == []


def test_images_that_two_methods_disagree_on_open_their_pictures(visit, pictures):
    page = visit(pictures, address="dataset=mvtec3d").page
    button = page.locator("#compare-view").get_by_role("button", name="Pictures of bagel test/hole/000")
    button.click()
    assert "test/hole/000" in page.locator("#large-title").inner_text()


def test_a_record_page_has_its_pictures_and_its_json(visit, pictures, axe_violations):
    seen = visit(pictures, address="dataset=mvtec3d")
    page = seen.page
    page.locator("tr[data-label=cfm][data-source=measured]:visible td[data-col=i_auroc] a").click()
    shown = page.locator("article.sample").first.locator("figure")
    assert shown.count() == 4
    assert shown.last.locator("figcaption").inner_text().startswith("cfm, score")
    image = shown.last.locator("img")
    assert image.evaluate("one => one.decode().then(() => one.naturalWidth)") == 336
    page.locator("#raw summary").click()
    record = json.loads(page.locator("#raw pre").inner_text())
    assert record["cell"]["method"] == "cfm"
    assert seen.complaints == []
    assert axe_violations(page) == []


@pytest.mark.parametrize(("width", "scheme"), [(1366, "light"), (360, "dark")])
def test_one_file_holds_pictures_and_records(visit, material, axe_violations, width, scheme):
    page_file = write_single_file(material[0] / "single", *material[1:])
    assert [path.name for path in page_file.parent.iterdir()] == [page_file.name]
    seen = visit(page_file, width=width, scheme=scheme, address="dataset=mvtec3d&columns=i_auroc")
    page = seen.page
    page.locator("#gallery summary").click()
    image = page.locator("article.sample img").first
    assert image.evaluate("one => one.decode().then(() => one.naturalWidth)") == 336
    page.locator("tr[data-label=cfm][data-source=measured]:visible td[data-col=i_auroc] a").click()
    assert page.locator("h1:visible").inner_text() == "cfm on bagel"
    assert not page.locator("#board-view").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe_violations(page) == []
    page.locator(".record-page:visible").get_by_text("All of it as JSON").click()
    assert json.loads(page.locator(".record-page:visible section pre").last.inner_text())["cell"]["method"] == "cfm"
    page.locator(".record-page:visible").get_by_role("link", name="All results").click()
    assert page.locator("#board-view").is_visible()
    assert axe_violations(page) == []
    assert seen.complaints == []
    assert not [url for url in seen.requests if not url.startswith(("data:", page_file.resolve().as_uri()))]
