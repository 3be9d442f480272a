"""Pictures in the report, from maps that a run kept."""

import numpy as np
import pytest
from count_records import keep_details
from PIL import Image
from report_records import make_record

from harness.data.open import open_dataset
from harness.report.html.gallerysection import gallery_section
from harness.report.html.page import front_page
from harness.report.html.sections import make_sections
from harness.store.details import read_details
from harness.store.maps import ANOMALY_MAP, ImageMaps, save_maps
from harness.store.published import read_published
from harness.store.store import Store


@pytest.fixture(scope="module")
def toy():
    return open_dataset("toy", None)


def record_of(store, dataset, category="bump"):
    digest = dataset.digest(category)
    record = make_record(
        category=category, dataset="toy", shots=10, preset="quick", weights="random", data_digest=digest
    )
    refs = dataset.refs(category, "test")
    images = tuple(
        {"id": ref.id, "defect": ref.defect, "label": int(ref.defect != "good"), "score": 0.25} for ref in refs
    )
    return keep_details(store, record, images)


def draw(store, records, folder, data=None):
    sections = make_sections(records, read_published())
    pages = {record.cell.id: f"cells/{record.cell.stem}.html" for record in records}
    return front_page(sections, pages, gallery_section(store, sections, folder, data))


def test_kept_maps_become_pictures_with_words(toy, tmp_path):
    store = Store(tmp_path / "results")
    record = record_of(store, toy)
    maps = {ANOMALY_MAP: np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(32, 32)}
    images = [ImageMaps(image.id, image.score, maps) for image in read_details(store, record).images]
    save_maps(store.maps_path(record.cell), record.cell, images)
    page = draw(store, [record], tmp_path / "report")
    pictures = sorted((tmp_path / "report" / "gallery").rglob("*.jpg"))
    assert len(pictures) == 4 * page.count("<article ") >= 4 * 4
    for path in pictures:
        assert f'src="{path.relative_to(tmp_path / "report").as_posix()}"' in page
        assert Image.open(path).size == (336, 336)
    assert page.count('loading="lazy"') == len(pictures)
    assert page.count("<img ") == page.count('alt="') == len(pictures) + 2
    assert "cfm, score 0.25" in page


def test_without_maps_the_command_that_makes_them_is_told(toy, tmp_path):
    store = Store(tmp_path / "results")
    page = draw(store, [record_of(store, toy)], tmp_path / "report")
    assert "--categories bump" in page
    assert f"--save-maps --results {tmp_path / 'results'}" in page
    assert not (tmp_path / "report").exists()


def test_a_dataset_that_is_not_at_hand_is_a_sentence(tmp_path):
    store, record = Store(tmp_path / "results"), make_record()
    save_maps(
        store.maps_path(record.cell), record.cell, [ImageMaps("test/good/0", 0.0, {ANOMALY_MAP: np.zeros((4, 4))})]
    )
    page = draw(store, [record], tmp_path / "report")
    assert "No pictures: MVTec 3D-AD needs its files" in page


def test_nothing_measured_has_no_gallery(tmp_path):
    assert gallery_section(Store(tmp_path), make_sections([], read_published()), tmp_path, None) == ()
