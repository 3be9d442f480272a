"""Numbers of other publications: each has a source, and means and repeated tables agree where they are printed."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean

from harness import registry
from harness.data.registry import DATASETS
from harness.store.literature import SOURCES, read_literature
from harness.store.published import MEAN, read_published
from harness.store.quantities import PRINTED_ONLY, QUANTITIES

LITERATURE = read_literature()
ROUNDED = 0.001
UNEQUAL = {
    ("chu2023", "shape-guided[modality=xyz]", "full", "mvtec3d", "i_auroc"): (0.9147, 0.916),
    ("long2025", "3d-adnas", "50", "eyecandies", "p_auroc"): (0.9156, 0.912),
    ("long2025", "3d-adnas[modality=depth]", "full", "eyecandies", "p_auroc"): (0.7661, 0.765),
}
"""Mean of the printed categories, and the printed mean, where these differ by more than 0.001."""


def test_every_source_has_numbers_and_a_footnote_and_none_is_the_papers() -> None:
    assert {row.source for row in LITERATURE.rows} == set(SOURCES)
    assert all(source.citation and source.note and source.id == id for id, source in SOURCES.items())
    assert not {row.source for row in read_published().rows} & set(SOURCES)


def test_values_are_shares_of_official_metrics_or_of_formulas_of_their_own_and_no_exact_aupro() -> None:
    others = {metric.id for metric in PRINTED_ONLY}
    official = {"i_auroc", "p_auroc", "aupro_30_official", "aupro_1_official"}
    assert {row.metric for row in LITERATURE.rows} == official | others
    assert not others & set(QUANTITIES)
    assert all(0 < row.value <= 1 for row in LITERATURE.rows)
    assert {row.dataset for row in LITERATURE.rows} == {"mvtec3d", "eyecandies"}


def test_rows_name_the_parameters_that_their_authors_set() -> None:
    """Else the harness's own defaults would be shown below numbers of other settings as the same method."""
    labels = {(row.source, row.dataset, row.method) for row in LITERATURE.rows}
    trd = {method for source, _, method in labels if source == "liu2024" and method.startswith("trd")}
    assert trd == {"trd[norm_split=validation,sobel=paper]", "trd[norm_split=validation,third=depth]"}
    cfr = {(dataset, method) for source, dataset, method in labels if source == "guo2026" and method.startswith("cfr")}
    assert cfr == {("mvtec3d", "cfr"), ("eyecandies", "cfr[theta=0.2]")}


def test_what_was_not_read_in_the_original_is_called_secondary() -> None:
    for source in SOURCES.values():
        assert source.id.endswith("-secondary") == source.note.startswith("secondary: someone else's transcription")


def test_methods_that_are_here_go_by_the_labels_of_their_cells() -> None:
    """So that what is measured stands beside what is printed, by :func:`harness.report.compare.same_parameters`."""
    ours = [label for label in LITERATURE.methods if registry.base_name(label) in registry.method_names()]
    assert {"btf[features=rgb]", "m3dm[banks=xyz]", "ast[modality=depth]", "patchcore-rgb"} <= set(ours)
    for label in ours:
        (spec,) = registry.parse([label])
        assert str(spec) == label


def test_a_number_of_a_test_set_that_is_scored_as_a_whole_is_of_no_training_samples() -> None:
    assert {row.method for row in LITERATURE.rows if row.shots == 0} == {"musc-v2"}
    assert "transductive" in SOURCES["li2026"].note


def test_printed_means_are_those_of_the_printed_categories_but_for_known_ones() -> None:
    values: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for row in LITERATURE.rows:
        values[row.source, row.method, str(row.shots), row.dataset, row.metric][row.category] = row.value
    unequal = {}
    for key, by_category in values.items():
        printed = by_category.pop(MEAN)
        assert set(by_category) in (set(), set(DATASETS[key[3]].categories)), key
        if by_category and abs(fmean(by_category.values()) - printed) > ROUNDED:
            unequal[key] = (round(fmean(by_category.values()), 4), printed)
    assert unequal == UNEQUAL


def test_the_baselines_of_the_paper_are_those_of_its_source() -> None:
    ours = {
        (row.method, row.category, row.metric): row.text
        for row in read_published().rows
        if row.table == "1" and row.method.partition("-")[0] in ("voxel", "depth")
    }
    theirs = {
        (row.method, row.category, row.metric): row.text for row in LITERATURE.rows if row.source == "bergmann2022"
    }
    assert len(ours) == 131, "one mean is cut off"
    assert {key: theirs[key] for key in ours} == ours
