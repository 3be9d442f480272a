from itertools import combinations
from math import pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_records import make_record

from harness.data.registry import DATASETS
from harness.errors import UsageError
from harness.report.figures.placement import distances
from harness.report.figures.speed import draw_speed
from harness.report.figures.speed_data import front_of, measured_speeds, pareto_front, published_speeds
from harness.report.groups import group_records
from harness.store.published import read_published
from harness.store.query import RecordQuery

MVTEC = DATASETS["mvtec3d"].categories
METRIC = "aupro_30_official"
PUBLISHED = read_published()
H200 = {"device": "cuda:0", "device_name": "NVIDIA H200", "cpu": "Xeon"}
A100 = {"device": "cuda:0", "device_name": "NVIDIA A100-SXM4-80GB", "cpu": "AMD EPYC 7763 64-Core Processor"}


def records(method, ms, mb, *, shift=0.0, categories=MVTEC, environment=H200, **changes):
    latency = {"device": {"median_ms": ms}, "end_to_end": {"median_ms": ms}}
    return [
        make_record(
            method, name, shift=shift, latency=latency, memory={"paper_mb": mb}, environment=environment, **changes
        )
        for name in categories
    ]


CROWD = [
    *records("cfm", 18, 452),
    *records("cfm-m", 17, 310, shift=0.001),
    *records("cfm-s", 16.5, 169, shift=0.0015, environment=A100),
    *records("cfm-t", 9, 48, shift=-0.01),
    *records("btf", 120, 377, shift=-0.012),
    *records("m3dm", 700, 900, shift=-0.005),
    *records("ast", 30, 467, shift=-0.03, categories=MVTEC[:9]),
    *records("cfm[epochs=50]", 18.1, 452, shift=-0.001),
]


def data_of(records, published=PUBLISHED, metric=METRIC, **query):
    (group,) = group_records(records, RecordQuery(**query))
    return measured_speeds(group, published, metric)


def published_data(metric=METRIC):
    return published_speeds(PUBLISHED, RecordQuery(), metric)


def artists(figure, prefix):
    prefix = prefix.replace(" ", "_")
    (axes, _) = figure.axes
    named = {artist.get_gid(): artist for artist in axes.get_children() if artist.get_gid()}
    return {gid.removeprefix(prefix): artist for gid, artist in named.items() if gid.startswith(prefix)}


def drawn_points(figure, series):
    return {
        label: tuple(map(float, marker.get_offsets()[0])) for label, marker in artists(figure, f"{series}/").items()
    }


def published_rows(metric):
    values = {}
    for row in PUBLISHED.rows:
        if row.table == "5" and row.metric in ("fps", "memory_mb", metric):
            values.setdefault(row.method, {})[row.metric] = row.value
    return values


@pytest.mark.parametrize("metric", ["i_auroc", "p_auroc", "aupro_30_official", "aupro_1_official"])
def test_the_published_figure_shows_exactly_the_published_numbers(metric):
    figure = draw_speed(published_data(metric))
    rows = published_rows(metric)
    assert drawn_points(figure, "as published") == {name: (row["fps"], row[metric]) for name, row in rows.items()}
    areas = {name: marker.get_sizes()[0] * pi / 4 for name, marker in artists(figure, "as published/").items()}
    per_mb = areas["m3dm"] / rows["m3dm"]["memory_mb"]
    assert len(rows) == 7
    for name, row in rows.items():
        assert areas[name] == pytest.approx(per_mb * row["memory_mb"])


def test_published_markers_are_hollow_and_measured_ones_filled():
    figure = draw_speed(data_of(CROWD))
    assert all(not len(marker.get_facecolors()) for marker in artists(figure, "as published/").values())
    assert all(len(marker.get_facecolors()) for marker in artists(figure, "measured on").values())


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=14))
def test_the_front_is_what_no_point_dominates(points):
    def dominated(point):
        return any(other != point and other[0] >= point[0] and other[1] >= point[1] for other in points)

    front = pareto_front(points)
    assert sorted(front) == [index for index, point in enumerate(points) if not dominated(point)]
    assert [points[index][0] for index in front] == sorted(points[index][0] for index in front)


def test_the_published_front_in_the_figure():
    figure = draw_speed(published_data())
    (line,) = artists(figure, "front/").values()
    assert list(map(tuple, line.get_xydata())) == [(24.527, 0.972), (42.818, 0.961)]


def test_speeds_of_several_devices_and_the_published_ones_share_no_series():
    data = data_of(CROWD)
    names = ["as published", "measured on NVIDIA H200 in Xeon", f"measured on {A100['device_name']} in {A100['cpu']}"]
    assert sorted(series.label for series in data.parts) == sorted(names)
    by_name = {series.label: [point.label for point in series.points] for series in data.parts}
    assert by_name[names[2]] == ["cfm-s"]
    figure = draw_speed(data)
    on_fronts = {gid: {tuple(xy) for xy in line.get_xydata()} for gid, line in artists(figure, "front/").items()}
    assert set(on_fronts) == {name.replace(" ", "_") for name in names[:2]}
    for name, points in on_fronts.items():
        assert points <= set(drawn_points(figure, name).values())
    symbols = {len(marker.get_paths()[0].vertices) for marker in artists(figure, "measured on").values()}
    assert len(symbols) == 2
    words = " ".join(text.get_text() for text in figure.axes[1].texts)
    assert all(name in words for name in names)


def test_one_method_on_several_devices_has_no_point_and_a_note():
    measured = [
        *records("cfm", 18, 452, categories=MVTEC[:5]),
        *records("cfm", 30, 452, categories=MVTEC[5:], environment=A100),
        *records("btf", 30, 452),
    ]
    data = data_of(measured, None)
    assert [point.label for series in data.parts for point in series.points] == ["btf"]
    assert any(note.startswith("cfm is left out: measured on several devices") for note in data.notes)


def test_contended_and_missing_times_are_left_out_with_a_note():
    busy = {**H200, "contended": True, "contention": "2 other processes used the GPU"}
    measured = [*records("cfm", 18, 452), *records("btf", 30, 400, environment=busy), *records("ast", None, 400)]
    data = data_of(measured, None)
    assert [point.label for series in data.parts for point in series.points] == ["cfm"]
    assert len(data.notes) == 2
    assert any("btf is left out" in note and "2 other processes" in note for note in data.notes)
    assert any("ast is left out" in note for note in data.notes)


def test_a_method_with_unknown_memory_is_still_shown():
    figure = draw_speed(data_of([*records("cfm", 18, 452), *records("btf", 30, None)], None))
    assert set(artists(figure, "measured on NVIDIA H200 in Xeon/")) == {"cfm", "btf"}


def test_points_over_other_categories_do_not_compete():
    data = data_of([*records("cfm", 18, 452), *records("btf", 1, 100, shift=0.02, categories=MVTEC[:3])], None)
    (series,) = data.parts
    assert [point.label for point in series.points] == ["cfm", "btf (3 of 10)"]
    assert [point.label for point in front_of(series)] == ["cfm"]


@pytest.mark.parametrize("changes", [{"preset": "quick"}, {"weights": "random"}, {"shots": 10}])
def test_published_points_stand_beside_comparable_ones_only(changes):
    assert [series.published for series in data_of(records("cfm", 18, 452)).parts] == [True, False]
    assert [series.published for series in data_of(records("cfm", 18, 452, **changes)).parts] == [False]


def test_nothing_is_published_for_an_exact_metric():
    with pytest.raises(UsageError, match="is published for"):
        published_data("aupro_30")


def test_the_axis_is_logarithmic_where_speeds_differ_much():
    close = [*records("cfm", 18, 452), *records("btf", 20, 400)]
    far = [*records("cfm", 18, 452), *records("btf", 2000, 400)]
    assert draw_speed(data_of(close, None)).axes[0].get_xscale() == "linear"
    assert draw_speed(data_of(far, None)).axes[0].get_xscale() == "log"


def box_of(artist, figure):
    return artist.get_window_extent(figure.canvas.get_renderer()).extents


def apart(boxes):
    return all((np.maximum(a[:2], b[:2]) >= np.minimum(a[2:], b[2:])).any() for a, b in combinations(boxes, 2))


def inside(box, whole):
    return (box[:2] >= whole[:2]).all() and (box[2:] <= whole[2:]).all()


@pytest.mark.parametrize("width", ["column", "page"])
@pytest.mark.parametrize(
    "measured", [None, CROWD, [*CROWD, *records("cfm[mapping=intra,epochs=50,aggregate=2d]", 19, 460, shift=-0.004)]]
)
def test_labels_overlap_neither_each_other_nor_markers_nor_the_frame(width, measured):
    data = published_data() if measured is None else data_of(measured)
    figure = draw_speed(data, width)
    figure.canvas.draw()
    labels = [box_of(text, figure) for text in artists(figure, "label/").values()]
    assert len(labels) == sum(len(series.points) for series in data.parts)
    assert apart(labels)
    axes = figure.axes[0]
    for series in data.parts:
        for marker in artists(figure, f"{series.label}/").values():
            centre = axes.transData.transform(marker.get_offsets()[0])
            radius = marker.get_sizes()[0] ** 0.5 / 2 / 72 * figure.dpi
            assert (distances(np.array(labels), centre) >= radius).all()
            assert inside(np.array([*centre - radius, *centre + radius]), box_of(axes.patch, figure))
    assert all(inside(label, box_of(axes.patch, figure)) for label in labels)


@pytest.mark.parametrize("measured", [None, CROWD])
def test_nothing_is_cut_off_and_no_text_of_the_legend_overlaps(measured):
    data = published_data() if measured is None else data_of(measured)
    for width, inches in (("column", 3.3), ("page", 6.9)):
        figure = draw_speed(data, width)
        assert figure.get_size_inches()[0] == inches
        figure.canvas.draw()
        whole = box_of(figure, figure)
        around = [*figure.texts, figure.axes[0].xaxis.label, figure.axes[0].yaxis.label]
        legend = [box_of(text, figure) for text in figure.axes[1].texts]
        shown = [box_of(text, figure) for text in (*around, *figure.axes[0].get_xticklabels())]
        assert all(inside(box, whole) for box in (*legend, *shown))
        assert apart(legend)


@pytest.mark.parametrize("asked", [{"categories": ("bagel",)}, {"metric": "aupro_30"}])
def test_a_note_says_why_nothing_published_stands_beside(asked):
    data = data_of(records("cfm", 18, 452), **asked)
    assert [series.published for series in data.parts] == [False]
    assert any("frame rates are for mvtec3d, all training samples" in note for note in data.notes)


def test_the_axis_names_the_rate_and_the_legend_how_it_was_timed():
    figure = draw_speed(data_of(records("cfm", 18, 452)))
    assert figure.axes[0].get_xlabel() == "Frame rate (frames a second)"
    words = " ".join(text.get_text() for text in figure.axes[1].texts)
    assert "as published: speed as its authors timed it" in words
    assert "measured on NVIDIA H200 in Xeon: inference alone" in words
