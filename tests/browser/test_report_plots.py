"""The plots of the report in a browser: curves, latency, fronts, intervals, and numbers that lead to records."""

from __future__ import annotations

import pytest
from count_records import counted_record
from report_records import full_record, make_record

from harness.report.html.sections import make_sections
from harness.report.html.writing import write_report
from harness.report.uncertainty import Uncertainty
from harness.store.published import read_published
from harness.store.store import Store

TOY = {"dataset": "toy", "preset": "quick", "weights": "random"}


@pytest.fixture(scope="module")
def plots(tmp_path_factory):
    """Two methods with counts and raw times on all toy categories, one with splits 0-2, MVTec 3D-AD with a front."""
    folder = tmp_path_factory.mktemp("plots")
    store = Store(folder / "results")
    found = []
    for seed, (method, category) in enumerate((m, c) for m in ("cfm", "cfm-t") for c in ("bump", "ridge")):
        times = full_record(seed, method, category).latency
        found.append(counted_record(store, method, category, seed, **TOY, shots=10, latency=times))
    for split, shots in ((split, shots) for split in ("0", "1", "2") for shots in (3, 5, 10)):
        shift = 0.01 * int(split) + 0.001 * shots
        found += [
            make_record("cfm", name, **TOY, shots=shots, split=split, shift=shift - 0.1) for name in ("bump", "ridge")
        ]
    found.append(make_record("cfm", "bagel"))
    found.append(make_record("cfm-t", "bagel", shift=-0.02, latency={"device": {"median_ms": 4.0}}))
    found.append(make_record("btf", "bagel", shift=-0.03, latency={"device": {"median_ms": 60.0}}))
    return write_report(
        folder / "page", make_sections(found, read_published()), store=store, intervals=Uncertainty(store)
    )


def choose(page, chooser, words):
    options = page.eval_on_selector_all(f"{chooser} option", "all => all.map(one => [one.value, one.textContent])")
    page.select_option(chooser, next(value for value, text in options if words in text))


@pytest.mark.parametrize(("width", "scheme"), [(1366, "light"), (360, "dark")])
def test_the_plots_are_accessible_quiet_and_fit(visit, plots, axe_violations, width, scheme):
    seen = visit(plots, width=width, scheme=scheme)
    assert seen.page.locator("#curves-view path.curve").count() > 0
    assert seen.page.locator("#latency-view path.box").count() > 0
    assert seen.complaints == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe_violations(seen.page) == []


def test_curves_tell_their_values_at_the_limits_by_keyboard_and_by_hover(visit, plots):
    page = visit(plots).page
    choose(page, "#curves-setting", "split first")
    assert page.locator("#curves-view svg[role=group]").count() == 2
    marks = page.locator("#curves-view svg a")
    assert marks.count() == 2 * (2 + 1)
    marks.first.focus()
    told = page.locator("#tip").inner_text()
    assert "cfm\nPRO" in told
    assert "at 1% false positives" in told
    assert "AUPRO@1%" in told
    choose(page, "#curves-kind", "ROC")
    marks.last.hover()
    assert "True positive rate" in page.locator("#tip").inner_text()
    page.locator("#curves-view .hit").first.dispatch_event("pointerenter")
    assert page.locator("#tip").inner_text() == "cfm\nROC curve of pixels"
    page.fill("#filter-method", "cfm-t")
    assert page.locator("#curves-view svg a").count() == 3


def test_boxes_of_latency_tell_their_quantiles(visit, plots):
    page = visit(plots).page
    boxes = page.locator("#latency-view svg a")
    assert boxes.count() == 2
    boxes.first.focus()
    told = page.locator("#tip").inner_text()
    assert "inference alone" in told
    assert "all 200 calls" in told
    choose(page, "#latency-window", "End to end")
    boxes.first.hover()
    assert "end to end" in page.locator("#tip").inner_text()


def test_the_scatter_opens_on_official_aupro_with_a_front_of_each_device(visit, plots):
    page = visit(plots).page
    assert page.locator("#speed-metric").input_value() == "aupro_30_official"
    choose(page, "#speed-setting", "MVTec 3D-AD")
    assert page.locator("#speed-view path.front:not(.hollow)").count() == 1
    assert page.locator("#speed-view path.front.hollow").count() == 1
    corners = page.locator("#speed-view path.front:not(.hollow)").get_attribute("d").count("L")
    assert corners == 1


def test_means_over_random_splits_have_bars(visit, plots):
    page = visit(plots).page
    assert "mean over random splits" in page.locator("#shots-setting option:checked").inner_text()
    assert page.locator("#shots-view path.interval").count() == 3
    page.locator("#shots-view svg a").first.focus()
    assert "mean over 3 random splits, 95% interval" in page.locator("#tip").inner_text()
    page.select_option("#filter-split", "1")
    assert page.locator("#shots-view path.interval").count() == 0


def test_a_number_unfolds_its_records_or_leads_to_the_only_one(visit, plots):
    page = visit(plots).page
    row = page.locator("#board tr.several").first
    row.locator("td[data-col=aupro_1]").click()
    assert row.locator(".unfold").get_attribute("aria-expanded") == "true"
    assert page.locator("tr.details:visible").count() == 1
    row.locator("td[data-col=aupro_1]").click()
    assert page.locator("tr.details:visible").count() == 0
    page.locator("tr[data-label=btf][data-source=measured] td[data-col=aupro_1] a").click()
    assert page.locator("h1").inner_text() == "btf on bagel"


def test_columns_that_few_need_are_hidden(visit, plots):
    page = visit(plots).page
    for name in ("device_median_ms", "peak_fit_reserved_mb", "peak_inference_reserved_mb", "device_delta_mb"):
        assert page.locator(f"th[data-col={name}]").count() == 1
        assert not page.locator(f"th[data-col={name}]").is_visible()


def test_marks_have_the_colours_of_the_figures(visit, plots):
    page = visit(plots).page
    choose(page, "#curves-setting", "split first")
    strokes = page.eval_on_selector_all(
        "#curves-view path.curve", "all => all.map(one => getComputedStyle(one).stroke)"
    )
    assert "rgb(8, 48, 107)" in strokes


def test_two_methods_are_compared_either_way(visit, plots):
    page = visit(plots, address="dataset=toy&shots=10&split=first&compare-first=cfm-t&compare-metric=aupro_1").page
    numbers = page.locator("#compare-view tbody tr").first.locator("td.number")
    value, low, high = (float(text.replace("\u2212", "-")) for text in numbers.all_inner_texts())
    assert low < value < high
    parts = page.locator("#compare-view tbody th").all_inner_texts()
    assert parts == ["mean over categories", "bump", "ridge", "crack (0 images)", "hole (16 images)"]
    assert page.locator("#compare-view caption").inner_text().startswith("AUPRO@1% exact: cfm-t less cfm")
    page.select_option("#compare-first", "cfm")
    page.select_option("#compare-second", "cfm-t")
    turned = [float(text.replace("\u2212", "-")) for text in numbers.all_inner_texts()]
    assert turned == [-value, -high, -low]
    assert "compare-second=cfm-t" in page.url
    page.fill("#filter-method", "cfm-t")
    assert "No setting" in page.locator("#compare-view").inner_text()
