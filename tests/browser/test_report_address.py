"""What is chosen on the report stands in its address."""

from urllib.parse import parse_qs, urlparse


def query_of(page):
    return {name: value for name, (value,) in parse_qs(urlparse(page.url).query).items()}


def shown_labels(page):
    return page.eval_on_selector_all(
        "#board tr[data-label]:not([hidden])", "rows => rows.map(row => row.dataset.label)"
    )


def test_a_link_shows_what_was_chosen_and_back_undoes_it(visit, report):
    seen = visit(report)
    page = seen.page
    assert query_of(page) == {}
    everything = shown_labels(page)
    page.select_option("#filter-dataset", "toy")
    page.locator("th[data-sort=aupro_1] button").click()
    page.locator("#filter-method").press_sequentially("cfm")
    page.select_option("#categories-metric", "p_auroc")
    page.locator("#columns summary").click()
    page.locator("[data-column=fps]").uncheck()
    chosen = query_of(page)
    assert set(chosen) == {"dataset", "sort", "order", "method", "categories-metric", "columns"}
    assert (chosen["sort"], chosen["order"], chosen["method"]) == ("aupro_1", "descending", "cfm")
    shown = shown_labels(page)
    other = visit(report, address=page.url.partition("?")[2]).page
    assert shown_labels(other) == shown != everything
    assert other.locator("#categories-metric").input_value() == "p_auroc"
    assert not other.locator("th[data-col=fps]").is_visible()
    page.locator("#speed-view svg a").first.click()
    assert query_of(page) == chosen
    for _ in range(6):
        page.go_back()
    assert query_of(page) == {}
    assert shown_labels(page) == everything
    assert page.locator("[aria-sort]").count() == 0
    assert seen.complaints == []


def test_an_address_with_unknown_names_shows_everything(visit, report):
    seen = visit(report, address="dataset=none&sort=none&columns=none&categories-metric=none&other=1")
    assert shown_labels(seen.page) == shown_labels(visit(report).page)
    assert seen.complaints == []
