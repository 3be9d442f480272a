"""Damaged images, clouds, masks, descriptions and cached arrays: one sentence about one file, and the rest is read."""

from __future__ import annotations

import lzma
import struct
import warnings
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save

from harness.data.clean import cached_clean_masks, clean_masks
from harness.data.eyecandies import Eyecandies
from harness.data.images import read_depth, read_mask, read_rgb, read_xyz
from harness.data.verify import verify_dataset
from harness.errors import DataError
from harness.files.array_cache import ArrayCache

MANY = settings(
    max_examples=500,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
RANDOM = np.random.default_rng(0)
COLOURS = RANDOM.integers(0, 256, (14, 11, 3), np.uint8)
GREY = RANDOM.integers(0, 2**16, (14, 11)).astype(np.uint16)
MASK = np.pad(np.full((3, 4), 255, np.uint8), [(4, 7), (2, 5)])
POINTS = RANDOM.normal(0.4, 0.002, (14, 11, 3)).astype(np.float32)


def png(array: np.ndarray, mode: str | None = None) -> bytes:
    stream = BytesIO()
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(stream, "PNG")
    return stream.getvalue()


def tiff(**options: object) -> bytes:
    stream = BytesIO()
    tifffile.imwrite(stream, POINTS, photometric="rgb", **options)
    return stream.getvalue()


PNGS = {"rgb": png(COLOURS), "grey": png(GREY), "mask": png(MASK, "LA")}
TIFFS = {
    "plain": tiff(),
    "lzma": tiff(compression="lzma", rowsperstrip=4, metadata=None),
    "big": tiff(compression="zlib", bigtiff=True, tile=(16, 16), byteorder=">"),
}


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Return a content with some of its numbers overwritten, or cut off, or with something behind its end."""
    changed = bytearray(content)
    near_header = st.integers(0, min(300, len(content) - 1))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(near_header | st.integers(0, len(content) - 1))
        number = draw(
            st.sampled_from([0, 1, 2, 3, 8, 255, 2**15, 2**16 - 1, 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1)
        )
        width = draw(st.sampled_from([1, 2, 4]))
        order = draw(st.sampled_from(["little", "big"]))
        changed[place : place + width] = (number % 256**width).to_bytes(width, order)
    end = draw(st.just(len(changed)) | st.integers(0, len(changed)))
    return bytes(changed[:end]) + draw(st.just(b"") | st.binary(max_size=9))


def with_right_checksums(content: bytes) -> bytes:
    """Return a PNG file whose chunks have the checksums of their content, so that the decoder sees the content."""
    place, parts = 8, [content[:8]]
    while place + 12 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        body = content[place + 4 : place + 8 + length]
        parts.append(content[place : place + 4] + body + struct.pack(">I", zlib.crc32(body)))
        place += 12 + length
    return b"".join(parts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "damaged"


def read_or_told(path: Path, content: bytes) -> None:
    """Read a file in every way: each gives an array of the documented type, or an error that names the file."""
    path.write_bytes(content)
    for reader, dtype in ((read_rgb, np.uint8), (read_depth, np.uint16), (read_xyz, np.float32), (read_mask, np.bool_)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = reader(path)
        except DataError as error:
            told = str(error)
        else:
            array = getattr(found, "pixels", found)
            assert array.dtype == dtype
            assert array.size
            continue
        assert str(path) in told
        assert "\n" not in told
        assert len(told) < 1000


@pytest.mark.parametrize("kind", PNGS)
def test_png(path: Path, kind: str) -> None:
    @MANY
    @given(damaged(PNGS[kind]), st.booleans())
    def check(content: bytes, mended: bool) -> None:
        read_or_told(path, with_right_checksums(content) if mended else content)

    check()


@pytest.mark.parametrize("kind", TIFFS)
def test_tiff(path: Path, kind: str) -> None:
    @MANY
    @given(damaged(TIFFS[kind]))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        with suppress(DataError):
            points = read_xyz(path)
            assert points.dtype == np.float32
            assert points.shape[2] == 3
            assert np.isfinite(points).all()

    check()


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two training samples and a test sample of the paired layout."""
    for folder, stem in (("train/good", "000"), ("train/good", "001"), ("test/hole", "000")):
        for kind, suffix, content in (
            ("rgb", "png", PNGS["rgb"]),
            ("xyz", "tiff", TIFFS["lzma"]),
            ("gt", "png", PNGS["mask"]),
        ):
            target = tmp_path / "bagel" / folder / kind
            target.mkdir(parents=True, exist_ok=True)
            if kind != "gt" or folder.startswith("test"):
                (target / f"{stem}.{suffix}").write_bytes(content)
    return tmp_path


def test_verifying_goes_on_after_a_damaged_file(dataset: Path) -> None:
    places = {
        "test/hole/rgb/000.png": PNGS["rgb"],
        "train/good/xyz/001.tiff": TIFFS["lzma"],
        "test/hole/gt/000.png": PNGS["mask"],
    }

    @MANY
    @given(st.sampled_from(sorted(places)).flatmap(lambda name: st.tuples(st.just(name), damaged(places[name]))))
    @example(("train/good/xyz/001.tiff", b""))
    def check(change: tuple[str, bytes]) -> None:
        name, content = change
        (dataset / "bagel" / name).write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                report = verify_dataset(dataset, "mvtec3d")
        finally:
            (dataset / "bagel" / name).write_bytes(places[name])
        assert report.decoded == 3
        sample = str(Path(name).parent.parent)
        assert all(sample in problem.message for problem in report.problems)

    check()


def test_descriptions_of_a_camera(tmp_path: Path) -> None:
    texts = {
        "000_info_depth.yaml": b"normalization:\n  min: 0.4\n  max: 0.6\n",
        "000_pose.txt": b"1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n",
    }
    data = tmp_path / "Confetto" / "train" / "data"
    data.mkdir(parents=True)
    (data / "000_image_4.png").write_bytes(PNGS["rgb"])
    (data / "000_depth.png").write_bytes(PNGS["grey"])
    for name, text in texts.items():
        (data / name).write_bytes(text)
    words = [
        b"[" * 600,
        b"&a [*a]",
        b"2001-99-99",
        b"1e999",
        b"9" * 5000,
        b"!!python/object:os.system x",
        b"nan",
        b"~",
        b": ",
    ]
    pieces = st.sampled_from(words) | st.binary(max_size=5)

    @MANY
    @given(st.sampled_from(sorted(texts)), st.data())
    def check(name: str, drawn: st.DataObject) -> None:
        place = drawn.draw(st.integers(0, len(texts[name])))
        end = drawn.draw(st.integers(place, len(texts[name])))
        (data / name).write_bytes(texts[name][:place] + drawn.draw(pieces) + texts[name][end:])
        reader = Eyecandies(tmp_path)
        (ref,) = reader.refs("Confetto", "train")
        with suppress(DataError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert np.isfinite(reader.decode(ref).xyz).all()
        (data / name).write_bytes(texts[name])

    check()


def test_cached_arrays(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path, limit=10**6)
    kept = {"a": POINTS[..., 0].copy(), "b": GREY}
    assert cache.put("key", kept, {})
    (entry,) = tmp_path.glob("*.safetensors")
    whole = entry.read_bytes()

    @MANY
    @given(damaged(whole))
    @example(save(kept, {"checksums": "[1]"}))
    @example(save(kept, {"checksums": "3"}))
    @example(save(kept, {"checksums": "[" * 100_000}))
    def check(content: bytes) -> None:
        entry.write_bytes(content)
        found = cache.get("key", ["a", "b"])
        if found is not None:
            for name, array in kept.items():
                assert found[name].dtype == array.dtype
                assert np.array_equal(found[name], array)
        else:
            assert cache.put("key", kept, {})
            assert cache.get("key", ["a", "b"]) is not None

    check()


def test_cached_cleaning(tmp_path: Path) -> None:
    points = np.pad(POINTS, [(12, 12), (12, 12), (0, 0)])  # without a plane in its frame, which takes long to find
    expected = clean_masks(points)
    cached_clean_masks(points, tmp_path)
    (entry,) = tmp_path.glob("*.npz")
    whole = entry.read_bytes()

    @MANY
    @given(damaged(whole))
    @example(b"")
    @example(lzma.compress(whole))
    def check(content: bytes) -> None:
        entry.write_bytes(content)
        found = cached_clean_masks(points, tmp_path)
        assert np.array_equal(found.keep, expected.keep)
        assert np.array_equal(found.plane, expected.plane)

    check()
