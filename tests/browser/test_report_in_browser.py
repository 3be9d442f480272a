"""The report as a reader uses it: in a browser, by mouse and keyboard, wide and narrow, light and dark."""

import pytest
from report_records import make_record

from harness.report.html.sections import make_sections
from harness.report.html.writing import write_report
from harness.store.published import read_published

VIEWS = [(1366, "light"), (1366, "dark"), (360, "light"), (360, "dark")]


def labels(page, setting):
    return page.eval_on_selector_all(
        f"#{setting} tr[data-label]", "rows => rows.filter(row => !row.hidden).map(row => row.dataset.label)"
    )


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_the_front_page_is_accessible_quiet_and_fits(visit, report, axe_violations, width, scheme):
    seen = visit(report, width=width, scheme=scheme)
    page = seen.page
    page.locator(".unfold:visible").first.click()
    page.locator("#columns summary").click()
    assert seen.complaints == []
    assert seen.requests == [report.resolve().as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe_violations(page) == []


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_record_pages_are_accessible_quiet_and_fit(visit, report, records, axe_violations, width, scheme):
    for record in (records[0], next(one for one in records if one.status == "failed")):
        seen = visit(report.parent / "cells" / f"{record.cell.stem}.html", width=width, scheme=scheme)
        assert seen.complaints == []
        assert all(url.startswith(report.parent.resolve().as_uri()) for url in seen.requests)
        seen.page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        assert axe_violations(seen.page) == []


def test_sorting_keeps_rows_in_their_setting_and_devices_apart(visit, report):
    page = visit(report).page
    heading = page.locator("th[data-sort=aupro_1]")
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    values = page.eval_on_selector_all(
        "#setting-0 td[data-col=aupro_1]", "cells => cells.map(cell => Number(cell.dataset.value))"
    )
    assert len(values) == 3
    assert values == sorted(values, reverse=True)
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    fps = page.locator("th[data-sort=fps]")
    fps.locator("button").press("Enter")
    devices = page.eval_on_selector_all("#setting-2 tr[data-device]", "rows => rows.map(row => row.dataset.device)")
    runs = [device for index, device in enumerate(devices) if index == 0 or devices[index - 1] != device]
    assert len(runs) == len(set(devices)) == 3


def test_filters_narrow_every_view(visit, report):
    page = visit(report).page
    assert labels(page, "setting-0") == ["btf", "cfm", "cfm-t"]
    page.select_option("#filter-dataset", "mvtec3d")
    assert not page.locator("#setting-0").is_visible()
    assert "MVTec 3D-AD" in page.locator("#speed-setting").inner_text()
    assert "Toy" not in page.locator("#categories-setting").inner_text()
    page.select_option("#filter-source", "measured")
    assert "published" not in page.locator("#setting-2").inner_text()
    page.fill("#filter-method", "cfm-t")
    assert labels(page, "setting-2") == ["cfm-t"]
    assert "1 of " in page.locator("#shown").inner_text()
    page.get_by_role("button", name="Clear filters").click()
    page.locator("#setting-0:not([hidden])").wait_for(state="attached")
    page.select_option("#filter-device", "Test GPU in Test CPU")
    assert labels(page, "setting-2") == ["cfm-t"]


def test_columns_are_chosen_and_on_a_phone_few_that_papers_print(visit, report):
    page = visit(report, width=360, address="dataset=mvtec3d&shots=full").page
    assert page.locator("th[data-col=aupro_1_official]").is_visible()
    assert (
        page.locator("tr.published[data-label=cfm]:visible td[data-col=aupro_30_official]")
        .first.inner_text()[0]
        .isdigit()
    )
    assert not page.locator("th[data-col=decode_median_ms]").is_visible()
    assert not page.locator("th[data-col=aupro_1]").is_visible()
    page.locator("#columns summary").click()
    page.locator("[data-column=decode_median_ms]").check()
    assert page.locator("th[data-col=decode_median_ms]").is_visible()


def test_a_number_leads_to_its_record_and_back(visit, report):
    seen = visit(report)
    page = seen.page
    unfold = page.locator("#setting-0 .unfold").first
    unfold.press("Enter")
    assert unfold.get_attribute("aria-expanded") == "true"
    page.locator("tr.details a").first.click()
    assert page.locator("h1").inner_text() == "btf on bump"
    assert "harness run --methods btf" in page.locator("#command").inner_text()
    page.get_by_role("link", name="All results").click()
    page.locator("#categories-view td a").first.click()
    assert "on bump" in page.locator("h1").inner_text()
    assert seen.complaints == []


def test_markers_tell_names_and_values_by_hover_and_by_keyboard(visit, report):
    page = visit(report).page
    markers = page.locator("#speed-view svg a")
    assert markers.count() == 3
    markers.first.focus()
    told = page.locator("#tip").inner_text()
    assert "frames a second" in told
    assert "MB" in told
    page.keyboard.press("Escape")
    assert not page.locator("#tip").is_visible()
    markers.last.hover()
    assert "measured on Test CPU, 2 cores, 2 threads" in page.locator("#tip").inner_text()
    page.select_option("#speed-setting", "setting-2")
    assert page.locator("#speed-view .hollow").count() > 3
    assert "inference alone on Test CPU, 2 threads" in page.locator("#speed-view .legend").inner_text()
    assert "Not drawn, without a speed or this metric: cfm-t" in page.locator("#speed-view .hint").inner_text()
    assert page.locator("#shots-view path.curve").count() == 3


def test_no_line_joins_means_over_different_categories(visit, tmp_path):
    toy = {"dataset": "toy", "preset": "quick", "weights": "random"}
    cells = [(method, 5, "bump") for method in ("cfm", "cfm-t")] + [("cfm-t", 10, "bump")]
    cells += [("cfm", 10, category) for category in ("bump", "ridge")]
    found = [make_record(method, category, shots=shots, **toy) for method, shots, category in cells]
    page = visit(write_report(tmp_path, make_sections(found, read_published()))).page
    names = page.eval_on_selector_all("#shots-view a", "all => all.map(one => one.getAttribute('aria-label'))")
    assert len(names) == 2
    assert all(name.startswith("cfm-t") and name.endswith("mean over 1 of 2 categories") for name in names)


def test_names_in_the_plot_do_not_overlap(visit, report):
    page = visit(report).page
    page.select_option("#speed-setting", "setting-2")
    boxes = page.eval_on_selector_all(
        "#speed-view .name", "all => all.map(one => { const b = one.getBBox(); return [b.x, b.y, b.width, b.height]; })"
    )
    assert len(boxes) > 4
    for index, (x, y, wide, high) in enumerate(boxes):
        for other_x, other_y, other_wide, other_high in boxes[index + 1 :]:
            apart = x + wide <= other_x + 1 or other_x + other_wide <= x + 1
            assert apart or y + high <= other_y + 4 or other_y + other_high <= y + 4


def test_numbers_on_colours_are_readable(visit, report):
    page = visit(report).page
    for metric in page.eval_on_selector_all("#categories-metric option", "all => all.map(one => one.value)"):
        page.select_option("#categories-metric", metric)
        pairs = page.eval_on_selector_all(
            "#categories-view td a",
            "all => all.map(one => [getComputedStyle(one).color, getComputedStyle(one.parentNode).backgroundColor])",
        )
        assert pairs
        for ink, ground in pairs:
            assert contrast(ink, ground) >= 4.5


def contrast(*colours):
    lights = []
    for colour in colours:
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_the_theme_switch_is_remembered(visit, report):
    page = visit(report, scheme="light").page
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.locator("#theme").click()
    page.locator("#theme").click()
    assert page.locator("#theme").inner_text() == "Theme: dark"
    assert page.evaluate(ground) != light
    page.reload()
    assert page.evaluate(ground) != light


def test_labels_and_reasons_run_no_script(visit, report, records):
    seen = visit(report)
    dialogs = []
    seen.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for unfold in seen.page.locator("#setting-2 .unfold").all()[:4]:
        unfold.click()
    assert "<script>alert(1)</script>" in seen.page.locator("#missing").inner_text()
    assert "cfm-m[aggregate=<b>x</b>]" in seen.page.locator("#setting-2").inner_text()
    assert dialogs == []


def test_many_rows_open_fast_enough_to_use(visit, records, tmp_path):
    many = [
        make_record(
            "cfm", category, dataset="toy", preset="quick", weights="random", shots=10, parameters=epochs, given=epochs
        )
        for epochs in ({"epochs": number} for number in range(150))
        for category in ("bump", "ridge")
    ]
    index = write_report(tmp_path, make_sections(many, read_published()))
    seen = visit(index)
    assert "150 of " in seen.page.locator("#shown").inner_text()
    assert seen.complaints == []
