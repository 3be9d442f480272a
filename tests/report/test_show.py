"""Which maps and samples a figure shows, what its panels show, and the gallery of a report."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from map_records import FEATURES, keep_maps
from PIL import Image
from samples import make_sample

from harness.data.open import open_dataset
from harness.dataset_contract import Dataset
from harness.errors import PrerequisiteError, UsageError
from harness.report.pictures.choose import Choice, choose
from harness.report.pictures.gallery import draw_gallery
from harness.report.pictures.panels import BACKGROUND, outline, relief, sample_panels, value_range
from harness.report.pictures.runs import MapsMissingError, ShowRequest
from harness.report.pictures.show import draw_features, draw_methods, draw_prediction
from harness.store.maps import ANOMALY_MAP
from harness.store.query import RecordQuery
from harness.store.store import Store


@pytest.fixture
def dataset(tiny_mvtec: Path) -> Dataset:
    return open_dataset("mvtec3d", tiny_mvtec)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


def chosen(store: Store, dataset: Dataset, *methods: str, categories=(), shots=(), **request) -> Choice:
    return choose(store, ShowRequest(RecordQuery("mvtec3d", methods, categories, shots), **request), dataset.root)


def rows(choice: Choice) -> list[str]:
    return [f"{ref.category}/{ref.id}" for ref in choice.samples]


def test_by_default_one_sample_of_each_defect_from_categories_in_turn(store, dataset) -> None:
    for category in ("bagel", "carrot"):
        keep_maps(store, dataset, category=category)
    assert rows(chosen(store, dataset)) == ["bagel/test/hole/000"]
    assert rows(chosen(store, dataset, defects=("good", "hole"))) == ["bagel/test/good/000", "carrot/test/hole/000"]
    named = chosen(store, dataset, categories=("carrot", "bagel"))
    assert rows(named) == ["carrot/test/hole/000", "bagel/test/hole/000"]


def test_samples_by_name_in_the_order_of_their_names(store, dataset) -> None:
    for category in ("bagel", "carrot"):
        keep_maps(store, dataset, category=category)
    choice = chosen(store, dataset, samples=("carrot/test/hole/002", "test/good/001"))
    assert rows(choice) == ["carrot/test/hole/002", "bagel/test/good/001", "carrot/test/good/001"]


def test_worst_and_best_are_those_that_the_score_separates_worst_and_best(store, dataset) -> None:
    scores = {"test/good/000": 0.1, "test/good/001": 0.7, "test/good/002": 0.3}
    scores |= {"test/hole/000": 0.9, "test/hole/001": 0.2, "test/hole/002": 0.8}
    keep_maps(store, dataset, score=lambda ref: scores[ref.id])
    ranked = rows(chosen(store, dataset, worst=6))
    assert ranked[0] == "bagel/test/hole/001"  # below two of three good ones
    assert ranked[1] == "bagel/test/good/001"  # above one of three defective ones, the others above none or one
    assert rows(chosen(store, dataset, best=6)) == ranked[::-1]
    assert set(rows(chosen(store, dataset, best=2))) == {"bagel/test/hole/000", "bagel/test/good/000"}
    assert rows(chosen(store, dataset, worst=1, defects=("good",))) == ["bagel/test/good/001"]


def test_methods_stand_in_the_order_of_the_request_and_share_a_protocol(store, dataset) -> None:
    for method in ("cfm", "m3dm", "btf"):
        keep_maps(store, dataset, method)
    keep_maps(store, dataset, "cfm", shots=10, created="2026-02-01T00:00:00+00:00")
    both = chosen(store, dataset, "m3dm", "cfm")
    assert [one.label for one in both.methods] == ["m3dm", "cfm"]
    assert "all training samples" in both.title
    assert both.others == ()
    alone = chosen(store, dataset, "cfm")
    assert "10 training samples" in alone.title
    assert len(alone.others) == 1
    assert "all training samples" in chosen(store, dataset, "cfm", shots=("full",)).title
    assert len(chosen(store, dataset).methods) == 3


def test_what_is_missing_is_said_with_the_command_that_makes_it(store, dataset) -> None:
    with pytest.raises(MapsMissingError, match=r"Nothing is measured by cfm .*'harness run --methods cfm --dataset"):
        chosen(store, dataset, "cfm")
    keep_maps(store, dataset, maps=False)
    with pytest.raises(MapsMissingError, match=r"maps of cfm .* not kept: .* --shots full .*--save-maps"):
        chosen(store, dataset, "cfm")
    keep_maps(store, dataset, "btf")
    with pytest.raises(MapsMissingError, match=r"maps of cfm on .*--methods cfm --dataset mvtec3d --shots full"):
        chosen(store, dataset, "btf", "cfm")
    with pytest.raises(MapsMissingError, match=r"btf on carrot .*--categories carrot"):
        chosen(store, dataset, "btf", categories=("carrot",))
    keep_maps(store, dataset, "cfm", "carrot")
    with pytest.raises(MapsMissingError, match="--save-maps"):
        chosen(store, dataset, "btf", "cfm")
    keep_maps(store, dataset, "m3dm", shots=10)
    with pytest.raises(MapsMissingError, match="have no maps under one protocol"):
        chosen(store, dataset, "btf", "m3dm")


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"query": RecordQuery("mvtec")}, "no dataset 'mvtec': did you mean 'mvtec3d'"),
        ({"query": RecordQuery("mvtec3d", ("m3dn",))}, "no method 'm3dn': did you mean 'm3dm'"),
        ({"query": RecordQuery("mvtec3d", categories=("bagle",))}, "no category 'bagle': did you mean 'bagel'"),
        ({"samples": ("test/hole/00",)}, "no test sample 'test/hole/00': did you mean"),
        ({"defects": ("hloe",)}, "no defect 'hloe' .*did you mean 'hole'"),
        ({"worst": 1, "best": 1}, "give one of them"),
        ({"samples": ("test/hole/000",), "defects": ("hole",)}, "leave out --defects"),
    ],
)
def test_a_wrong_request_is_a_sentence(store, dataset, request_, said: str) -> None:
    keep_maps(store, dataset)
    with pytest.raises(UsageError, match=said):
        choose(store, ShowRequest(**{"query": RecordQuery("mvtec3d"), **request_}), dataset.root)


def test_maps_of_other_files_are_not_shown_beside_these(store, dataset) -> None:
    keep_maps(store, dataset, data_digest="another")
    with pytest.raises(PrerequisiteError, match="made of other files"):
        chosen(store, dataset)


def images_of(figure) -> list:
    return [axes.images[0] for axes in figure.axes if axes.images]


def limits_of(figure, colours: str = "inferno") -> list:
    """Colour limits of the panels with a colour map, row by row, without the bars of colour."""
    panels = [image for image in images_of(figure) if image.get_array().shape[0] > 1 and image.get_array().ndim == 2]
    return [panel.get_clim() for panel in panels if panel.cmap.name == colours]


def test_one_scale_a_method_or_one_an_image(store, dataset) -> None:
    for method in ("cfm", "btf"):
        keep_maps(store, dataset, method)
    choice = chosen(store, dataset, "cfm", "btf", samples=("test/hole/000", "test/good/000"))
    shared = limits_of(draw_methods(choice))[::2]
    highest = {ref.id: choice.methods[0].maps["bagel"].read(ref.id)[ANOMALY_MAP].max() for ref in choice.samples}
    assert shared[0] == shared[1]
    assert shared[0][1] == pytest.approx(max(highest.values()))
    alone = limits_of(draw_methods(choice, "image"))[::2]
    assert [limits[1] for limits in alone] == pytest.approx(list(highest.values()))


def test_a_sheet_prints_names_scores_and_what_its_colours_mean(store, dataset) -> None:
    keep_maps(store, dataset, "cfm", given={"epochs": 50}, score=lambda ref: 12345.678)
    figure = draw_methods(chosen(store, dataset))
    said = [text.get_text() for text in figure.texts]
    assert "bagel\nhole\n000" in said
    assert "CFM\nepochs=50" in said
    assert any("One colour scale a method" in text for text in said)
    assert "12346" in [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("draw", [draw_methods, draw_features])
def test_no_text_lies_on_a_panel_or_outside_the_figure(store, dataset, draw) -> None:
    for method in ("cfm", "cfm-m", "cfm-s"):
        keep_maps(store, dataset, method, names=FEATURES, given={"a_long_parameter": "value", "b": 3})
    figure = draw(chosen(store, dataset, defects=("good", "hole")))
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.texts if text.get_text()]
    page, panels = figure.bbox, [axis.bbox for axis in figure.axes]
    for box in boxes:
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0
        assert box.y1 <= page.y1
        assert not any(box.overlaps(panel) for panel in panels)
    assert not any(one.overlaps(other) for n, one in enumerate(boxes) for other in boxes[:n])


def test_features_of_cfm_share_a_scale_in_pairs(store, dataset) -> None:
    keep_maps(store, dataset, "cfm", names=FEATURES)
    keep_maps(store, dataset, "btf")
    choice = chosen(store, dataset, figure=6)
    assert [method.label for method in choice.methods] == ["cfm"]
    limits = limits_of(draw_features(choice), "viridis")
    assert len(limits) == 4
    assert limits[0] == limits[1]
    assert limits[2] == limits[3]


def test_a_method_without_features_has_no_figure_6(store, dataset) -> None:
    keep_maps(store, dataset, "btf")
    with pytest.raises(UsageError, match="maps of btf have no 'e2d'"):
        draw_features(chosen(store, dataset, "btf"))


def test_relief_is_light_on_the_side_of_the_light_and_grey_where_nothing_is() -> None:
    rows_, columns = np.mgrid[:100, :100].astype(np.float32) - 50
    bump = 0.5 - 0.02 * np.exp(-(rows_**2 + columns**2) / 300)
    xyz = np.stack([columns * 1e-3, rows_ * 1e-3, bump], -1).astype(np.float32)
    xyz[rows_**2 + columns**2 > 45**2] = 0
    drawn = relief(replace(make_sample(height=100, width=100), xyz=xyz), 100).astype(float).sum(-1)
    assert (drawn[:3, :3] == 3 * BACKGROUND).all()
    assert drawn[38:46, 38:46].mean() > 1.2 * drawn[54:62, 54:62].mean()
    for flipped in (xyz * [-1, 1, 1], xyz * [1, -1, 1]):  # handedness of the sensor's axes changes nothing
        other = relief(replace(make_sample(height=100, width=100), xyz=flipped.astype(np.float32)), 100)
        np.testing.assert_allclose(other.astype(float).sum(-1), drawn, atol=3)


def test_a_sample_without_points_or_mask_is_drawn() -> None:
    sample = make_sample(height=40, width=60)
    empty = replace(sample, xyz=np.zeros_like(sample.xyz), mask=None)
    assert (relief(empty, 64) == BACKGROUND).all()
    panels = sample_panels(empty, 64, 32)
    assert {name: panel.values.shape for name, panel in panels.items()} == {
        "rgb": (64, 64, 3),
        "cloud": (64, 64, 3),
        "truth": (32, 32),
    }
    assert not panels["truth"].values.any()


def test_a_range_is_of_finite_values_and_never_empty() -> None:
    assert value_range([np.array([np.nan, 2.0]), np.array([np.inf, 5.0])]) == (2, 5)
    assert value_range([np.full(3, 4.0)]) == (4, 5)
    assert value_range([np.full(3, np.nan)]) == (0, 1)


def test_a_prediction_is_drawn_as_a_row_of_a_sheet(store, dataset) -> None:
    cell = keep_maps(store, dataset, "cfm", given={"epochs": 50}).cell
    values = np.linspace(0, 2, 56 * 56).reshape(56, 56)
    figure = draw_prediction(cell, make_sample(height=40, width=60), values, 0.125)
    assert limits_of(figure) == [(0, 2)]
    assert "CFM\nepochs=50" in [text.get_text() for text in figure.texts]
    assert "0.125" in [text.get_text() for axes in figure.axes for text in axes.texts]


def test_an_outline_is_the_border_of_its_mask() -> None:
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    border = outline(mask)
    assert border.sum() == 16
    assert not border[3:6, 3:6].any()
    assert not (border & ~mask).any()


def test_a_gallery_has_pictures_of_some_samples_of_each_category(store, dataset, tmp_path: Path) -> None:
    cfm = keep_maps(store, dataset, "cfm", score=lambda ref: int(ref.id[-1]) + 0.5)
    btf = keep_maps(store, dataset, "btf", maps=False)
    other = keep_maps(store, dataset, "m3dm", "carrot", data_digest="another")
    entries = draw_gallery(store, [cfm, btf, other], dataset, tmp_path / "gallery", samples_per_category=3)
    bagel = [one for one in entries if one["category"] == "bagel"]
    assert [one["sample"] for one in bagel][:3] == ["test/hole/000", "test/hole/001", "test/good/000"]
    assert [one["label"] for one in bagel][:3] == [1, 1, 0]
    assert bagel[1]["scores"] == {"cfm": 1.5, "btf": 1.0}
    assert set(bagel[0]["files"]) == {"rgb", "cloud", "truth", "cfm"}
    carrot = [one for one in entries if one["category"] == "carrot"]
    assert set(carrot[0]["files"]) == {"rgb", "cloud", "truth"}
    files = [name for one in entries for name in one["files"].values()]
    assert len(set(files)) == len(files)
    assert {path.name for path in (tmp_path / "gallery").iterdir()} == set(files)
    for name in files:
        with Image.open(tmp_path / "gallery" / name) as drawn:
            assert drawn.size == (336, 336)
    drawn = np.asarray(Image.open(tmp_path / "gallery" / bagel[0]["files"]["cfm"]), dtype=int)
    assert (np.abs(drawn - (0, 229, 255)).max(-1) < 64).any()


def test_a_gallery_has_the_samples_that_methods_separate_worst_and_best(store, dataset, tmp_path: Path) -> None:
    values = {"test/hole/002": 0.0, "test/hole/000": 1.0, "test/hole/001": 1.0}
    record = keep_maps(store, dataset, "cfm", score=lambda ref: values.get(ref.id, 0.5))
    entries = draw_gallery(store, [record], dataset, tmp_path, samples_per_category=1)
    shares = {one["sample"]: one["shares"]["cfm"] for one in entries if one["category"] == "bagel"}
    assert {name: shares[name] for name in values} == values


def test_a_gallery_has_the_samples_that_methods_disagree_on(store, dataset, tmp_path: Path) -> None:
    scores = {"test/hole/001": 0.0, "test/good/000": 0.5, "test/good/001": 0.5, "test/good/002": 0.5}
    cfm = keep_maps(store, dataset, "cfm", score=lambda ref: scores.get(ref.id, 1.0))
    btf = keep_maps(store, dataset, "btf", score=lambda ref: 1.0 - scores.get(ref.id, 0.8))
    entries = draw_gallery(store, [cfm, btf], dataset, tmp_path, samples_per_category=1)
    shares = {one["sample"]: one["shares"] for one in entries if one["category"] == "bagel"}
    assert shares["test/hole/001"] == {"cfm": 0.0, "btf": 1.0}


def test_samples_whose_names_differ_in_unsafe_characters_have_their_own_pictures(
    store, dataset, tmp_path: Path
) -> None:
    root, defects = tmp_path / "mvtec3d", ("孔", "裂", "cut a", "cut_a")
    shutil.copytree(dataset.root / "bagel/test/good", root / "bagel/test/good")
    for defect in defects:
        shutil.copytree(dataset.root / "bagel/test/hole", root / "bagel/test" / defect)
    own = open_dataset("mvtec3d", root)
    entries = draw_gallery(store, [keep_maps(store, own)], own, tmp_path / "gallery", samples_per_category=5)
    assert {one["defect"] for one in entries} == {"good", *defects}
    files = [name for one in entries for name in one["files"].values()]
    assert {path.name for path in (tmp_path / "gallery").iterdir()} == set(files)
    assert len(set(files)) == len(files) == 4 * len(entries)
    assert all(name.isascii() for name in files)


def test_a_gallery_of_nothing_is_empty(store, dataset, tmp_path: Path) -> None:
    assert draw_gallery(store, [], dataset, tmp_path / "gallery") == []
