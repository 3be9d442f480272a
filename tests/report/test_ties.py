import re
from dataclasses import replace

import pytest
from report_records import complete, make_record

from harness.data.registry import DATASETS
from harness.metrics import METRICS
from harness.report.groups import group_records
from harness.report.intervals import Difference
from harness.report.legend import legend
from harness.report.own_tables import accuracy_grid, defect_grid
from harness.report.render.data import as_csv, as_json
from harness.report.render.latex import as_latex
from harness.report.render.page import as_html
from harness.report.render.text import as_markdown
from harness.report.tables import TableRequest, measured_grids
from harness.report.ties import mark_ties
from harness.store.published import MEAN, read_published
from harness.store.quantities import quantity

MVTEC = DATASETS["mvtec3d"].categories


RECORDS = [
    *complete("cfm", shift=0.02),
    *complete("btf", shift=0.01),
    *complete("ast", shift=-0.2),
    make_record("m3dm", shift=0.03),
]


def close(best, other):
    """Tell methods apart by 0.05 in the means over categories."""
    means = [
        sum(number.method.ok[category].metrics[number.metric] for category in number.categories)
        / len(number.categories)
        for number in (best, other)
    ]
    return abs(means[0] - means[1]) < 0.05


class Answers:
    """Answers in place of a bootstrap: ties of two numbers by a function, and no interval of a mean."""

    def __init__(self, tied, fewest=50, needed=None):
        self.tied, self.fewest, self.needed = tied, fewest, needed or {}

    def prepare(self, numbers):
        self.prepared = list(numbers)

    def of(self, number):
        return None

    def few_images(self, numbers):
        return self.fewest

    def against_best(self, best, others):
        answers = [self.tied(best, other) for other in others]
        needed = self.needed.get(best.metric)
        return [
            None if tied is None else Difference(-0.1, -0.2, 0.0 if tied else -0.05, 0.025, 300, needed)
            for tied in answers
        ]


def marks(grid, column=-1):
    values = {row.keys["method"]: row.values[column] for row in grid.rows if row.keys["source"] == "measured"}
    return {method: (value.place, value.tied) for method, value in values.items()}


def accuracy(judge):
    (group,) = group_records(RECORDS)
    return mark_ties(accuracy_grid(group, None), judge and Answers(judge))


def test_those_that_cannot_be_told_from_the_best_share_one_mark():
    assert marks(accuracy(close)) == {
        "ast": (0, False),
        "btf": (0, True),
        "cfm": (0, True),
        "m3dm": (0, False),
    }


@pytest.mark.parametrize("answer", [False, None])
def test_places_stay_as_printed_where_nothing_is_tied_or_nothing_can_be_told(answer):
    told = accuracy(lambda *arguments: answer)
    assert told.rows == accuracy(None).rows
    assert "tied is not equal" not in told.caption
    assert marks(told)["cfm"] == (1, False)
    assert marks(told)["btf"] == (2, False)


def test_the_legend_tells_where_bold_is_untested():
    sentence = "Bold is untested where cells left no counts"
    for answer, expected in ((None, True), (False, False), (True, False)):
        grid = accuracy(lambda *arguments, answer=answer: answer)
        assert (sentence in " ".join(legend([grid]))) is expected
    assert sentence not in " ".join(legend([accuracy(None)])), "nobody was asked"


def test_only_the_best_is_compared_and_only_with_methods_of_the_same_categories():
    asked = []

    def judge(best, other):
        asked.append((best.method.label, other.method.label, other.categories, best.metric))
        return False

    accuracy(judge)
    assert {pair[:2] for pair in asked} == {("cfm", "btf"), ("cfm", "ast")}
    assert {pair[2] for pair in asked} == {MVTEC}


def test_the_judge_is_asked_about_a_category_and_about_the_mean():
    asked = set()

    def judge(best, other):
        asked.add((best.categories, best.metric))
        return True

    grids = measured_grids(RECORDS, read_published(), TableRequest(tables=("2",)), Answers(judge))
    assert asked == {((name,), "aupro_1_official") for name in MVTEC} | {(MVTEC, "aupro_1_official")}
    (grid,) = grids
    published = [value for row in grid.rows if row.keys["source"] == "published" for value in row.values]
    assert not any(value.tied for value in published), "published rows compete by what is printed"
    assert {value.place for value in published} == {0, 1, 2}


def test_the_judge_is_asked_about_methods_with_as_many_training_samples():
    records = [r for shots in (5, "full") for method in ("cfm", "btf") for r in complete(method, shots=shots)]
    shots = set()

    def judge(best, other):
        shots.add((best.method.cell.shots, other.method.cell.shots))
        return True

    grids = measured_grids(records, read_published(), TableRequest(tables=("4",)), Answers(judge))
    assert shots == {(5, 5), ("full", "full")}
    assert [marks(grids[0], column)["cfm"][1] for column in range(4)] == [True, False, False, True]


def test_each_defect_is_judged_by_itself_where_it_is_found():
    changed = [replace(record, by_defect={"crack": record.by_defect["crack"]}) for record in RECORDS[:-1]]
    changed[0::10] = RECORDS[0:-1:10]
    (group,) = group_records([*changed, RECORDS[-1]])
    asked = set()

    def judge(best, other):
        asked.add((best.categories, best.defect))
        return best.defect != "hole"

    grid = mark_ties(defect_grid(group, quantity("i_auroc")), Answers(judge))
    assert [column.keys["defect"] for column in grid.columns] == ["crack", "hole", "all"]
    assert asked == {(MVTEC, "crack"), (MVTEC[:1], "hole"), (MVTEC, "")}
    assert [marks(grid, column)["cfm"] for column in range(3)] == [(0, True), (2, False), (0, True)]
    assert [marks(grid, column)["m3dm"] for column in range(3)] == [(0, False), (1, False), (0, False)]


def test_every_format_shows_the_mark_and_the_legend_explains_it():
    grid = accuracy(close)
    assert "0.970≈" in as_markdown([grid])
    assert r"0.970$^{\approx}$" in as_latex([grid])
    assert re.search('0.970<span title="tied with the best, not equal: [^"]*0.025">≈</span>', as_html([grid]))
    assert ",yes,0.025,," in as_csv([grid])
    assert '"tied": true' in as_json([grid])
    assert '"detectable": 0.025' in as_json([grid])
    for text in (as_markdown([grid]), as_latex([grid]), as_html([grid]), as_json([grid])):
        assert "I-AUROC 0.025, P-AUROC 0.025" in re.sub(r"\s+", " ", text), "no format shows a tie without it"
    told = " ".join(legend([grid]))
    assert "95% interval of their difference" in told
    assert "≈" not in " ".join(legend([accuracy(None)]))


def test_ties_of_a_row_share_a_footnote_on_the_images_they_need():
    (group,) = group_records(RECORDS)
    needed = {"i_auroc": 1300, "p_auroc": 2_400_000}
    grid = mark_ties(accuracy_grid(group, None), Answers(close, needed=needed))
    ours = {row.keys["method"]: row.values for row in grid.rows}
    (note,) = {value.note for value in ours["btf"] if value.images_needed is not None}
    assert note.endswith(": I-AUROC: about 1,300; P-AUROC: more than 100,000")
    assert any(value.tied for value in ours["btf"][2:])
    assert not any(value.note for value in ours["btf"][2:]), "no footnote says that it can't be said"
    assert [value.images_needed for value in ours["btf"]][:3] == [1300, 2_400_000, None]
    assert not any("test images" in value.note for value in (*ours["cfm"], *ours["ast"])), "the best, one that is worse"
    for text in (as_markdown([grid]), as_html([grid]), as_latex([grid])):
        assert "about 1,300; P-AUROC: more than 100,000" in re.sub(r"\s+", " ", text)
    assert "were the difference as measured, about 1,300 test images would show it" in as_html([grid])
    assert '"images_needed": 2400000' in as_json([grid])
    assert ",yes,0.025,1300," in as_csv([grid])


def test_a_footnote_names_no_column_where_all_say_the_same():
    (group,) = group_records(RECORDS)
    grid = mark_ties(accuracy_grid(group, None), Answers(close, needed=dict.fromkeys(METRICS, 40)))
    (note,) = {value.note for row in grid.rows for value in row.values if "test images" in value.note}
    assert note.endswith(": about 40")


def test_a_mean_with_a_note_that_lacks_categories_is_never_tied():
    records = [replace(record) for record in RECORDS if record.cell.category != "foam" or record.cell.method != "cfm"]
    grids = measured_grids(records, read_published(), TableRequest(tables=("2",)), Answers(lambda *arguments: True))
    (grid,) = grids
    assert [column.keys["category"] for column in grid.columns][-1] == MEAN
    assert marks(grid)["cfm"] == (0, False)
    assert marks(grid)["btf"] == (0, True)


@pytest.mark.parametrize(("fewest", "told"), [(0, False), (4, True), (10, False)])
def test_a_table_says_where_few_images_stand_behind_it(fewest, told):
    (group,) = group_records(RECORDS)
    caption = mark_ties(accuracy_grid(group, None), Answers(close, fewest)).caption
    assert ("down to 4 images of a kind" in caption) is told


def test_work_is_prepared_for_exactly_what_is_compared():
    answers = Answers(close)
    measured_grids(RECORDS, read_published(), TableRequest(tables=("accuracy", "timing")), answers)
    assert {number.method.label for number in answers.prepared} == {"cfm", "btf", "ast", "m3dm"}
    assert {number.defect for number in answers.prepared} == {""}


def test_a_difference_that_no_metric_can_have_is_not_said_to_be_detectable():
    class TooFew(Answers):
        def against_best(self, best, others):
            return [Difference(0.0, -2.0, 2.0, 1.3) for _ in others]

    grid = mark_ties(accuracy(None), TooFew(lambda *arguments: True))
    assert "1.3" not in grid.caption
    assert "too few images show any so often in I-AUROC" in grid.caption
