"""Marks that lead to rows and tell what they stand for: by mouse, by touch, and on paper."""

import re


def test_a_row_that_a_mark_leads_to_lies_below_the_head_of_the_table(visit, report):
    page = visit(report).page
    page.emulate_media(reduced_motion="reduce")
    page.select_option("#speed-setting", label="MVTec 3D-AD, all training samples, preset paper, pretrained weights")
    for mark in page.locator("#speed-view svg a").all():
        mark.locator(".mark").dispatch_event("click")
        target = mark.get_attribute("href")
        assert page.evaluate("document.activeElement.id") == target[1:]
        row, head = page.locator(target).bounding_box(), page.locator("#board thead").bounding_box()
        assert head["y"] + head["height"] <= row["y"] <= 800 - row["height"]


def test_a_touch_tells_and_the_next_one_follows(visit, report):
    page = visit(report, width=360, touch=True).page
    mark, tip = page.locator("#speed-view svg a").first, page.locator("#tip")
    mark.scroll_into_view_if_needed()
    mark.locator(".target").tap(force=True)
    assert "frames a second" in tip.inner_text()
    assert "#row" not in page.url
    page.locator("#speed-heading").tap()
    assert not tip.is_visible()
    for _ in range(2):
        mark.locator(".target").tap(force=True)
    page.wait_for_url(f"**{mark.get_attribute('href')}")
    dash = page.locator("#board td[title]:visible").first
    dash.tap()
    assert tip.inner_text() == dash.get_attribute("title")


def test_marks_can_be_hit_within_24_pixels(visit, report):
    for width in (360, 1366):
        page = visit(report, width=width).page
        page.select_option("#shots-metric", "aupro_1_official")
        missed = page.eval_on_selector_all(
            "#shots-view svg a",
            """links => links.filter(link => {
              link.scrollIntoView({ block: "center", behavior: "instant" });
              const box = link.querySelector(".mark").getBoundingClientRect();
              const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
              const found = [[-11.5, 0], [11.5, 0], [0, -11.5], [0, 11.5]].map(
                ([dx, dy]) => document.elementFromPoint(x + dx, y + dy).closest("a"));
              return !found.every(one => one && links.includes(one));
            }).length""",
        )
        assert missed == 0
        assert page.locator("#shots-view svg a").count() > 4


def test_a_report_takes_three_pages_of_paper(visit, report):
    page = visit(report, address="source=all").page
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) <= 3
