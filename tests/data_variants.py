"""One small dataset as people, programs and cameras write it, and what is meant by each variant."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from harness.contract import Sample
from harness.errors import DataError, HarnessError, UsageError

Change = Callable[[Path], object]
SIDE = 96
HOLE = "test/hole"


@dataclass(frozen=True)
class Refused:
    """An error, and words that its sentence has to hold; units are looked at by ``verify`` and before a run alone."""

    words: tuple[str, ...]
    error: type[HarnessError] = DataError
    on_reading: bool = True


@dataclass(frozen=True)
class Read:
    """Samples as written, each changed by a function; a word of the notes and problems of ``verify``; tolerances."""

    means: Callable[[Sample], Sample] = lambda sample: sample
    note: str = ""
    problem: str = ""
    colours: float = 0
    metres: float = 0


@dataclass(frozen=True)
class Variant:
    change: Change
    own: Read | Refused
    published: Read | Refused


def refused(*words: str, error: type[HarnessError] = DataError) -> Refused:
    return Refused(words, error)


SAME = Read()


def images(kind: str, change: Callable[[Image.Image], Image.Image], suffix: str = ".png", **options: object) -> Change:
    """Change the images of a kind: their mode, values or format."""

    def apply(category: Path) -> None:
        for path in sorted(category.rglob(f"{kind}/*")):
            with Image.open(path) as opened:
                changed = change(opened)
            path.unlink()
            changed.save(path.with_suffix(suffix), **options)

    return apply


def clouds(change: Callable[[np.ndarray], np.ndarray], **options: object) -> Change:
    """Change the points, or how TIFF keeps them."""

    def apply(category: Path) -> None:
        for path in sorted(category.rglob("xyz/*")):
            tifffile.imwrite(path, change(tifffile.imread(path)), **{"photometric": "rgb", **options})

    return apply


def holes(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Change the values of the masks of the defective samples alone."""
    return lambda category: images("gt", lambda mask: Image.fromarray(change(np.asarray(mask))))(category / HOLE)


def masked(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Sample], Sample]:
    return lambda sample: replace(sample, mask=change(sample.mask)) if sample.anomalous else sample


def palette(colours: list[int]) -> Change:
    def change(mask: Image.Image) -> Image.Image:
        indexed = Image.fromarray((np.asarray(mask) > 0).astype(np.uint8), mode="P")
        indexed.putpalette(colours)
        return indexed

    return lambda category: images("gt", change)(category / HOLE)


def through_jpeg(mask: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    Image.fromarray(np.roll(np.asarray(mask), 3, (0, 1))).save(stream, "JPEG", quality=75)
    return Image.open(stream)


def lzw(category: Path) -> None:
    if find_spec("imagecodecs"):
        return clouds(lambda xyz: xyz, compression="lzw")(category)
    clouds(lambda xyz: xyz)(category)
    for path in sorted(category.rglob("xyz/*")):
        with tifffile.TiffFile(path, mode="r+b") as opened:
            opened.pages[0].tags["Compression"].overwrite(5)
    return None


def as_ply(category: Path) -> None:
    for path in sorted(category.rglob("xyz/*")):
        points = tifffile.imread(path).reshape(-1, 3)
        head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n"
        head += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n"
        path.with_suffix(".ply").write_bytes(head.encode() + points.tobytes())
        path.unlink()


def as_npy(category: Path) -> None:
    for path in sorted(category.rglob("xyz/*")):
        np.save(path.with_suffix(".npy"), tifffile.imread(path))
        path.unlink()


def without_points(xyz: np.ndarray) -> np.ndarray:
    xyz[40:50, 40:50] = np.nan
    return xyz


def hollow(sample: Sample) -> Sample:
    xyz = sample.xyz.copy()
    xyz[40:50, 40:50] = 0
    return replace(sample, xyz=xyz)


def grey(sample: Sample) -> Sample:
    luma = np.asarray(Image.fromarray(sample.rgb).convert("L"))
    return replace(sample, rgb=np.repeat(luma[..., None], 3, -1))


def renamed(name: Callable[[str], str], *kinds: str) -> Change:
    """Rename files, or the folders of the kinds that are given."""

    def apply(category: Path) -> None:
        for path in sorted(category.rglob("*"), reverse=True):
            if path.is_dir() and path.name in kinds if kinds else path.is_file():
                path.rename(path.with_name(name(path.name)))

    return apply


def junk(category: Path) -> None:
    """What Windows, macOS and notebooks leave in folders."""
    for folder in [category.parent, category, *(path for path in category.rglob("*") if path.is_dir())]:
        (folder / ".DS_Store").write_bytes(b"\0")
        (folder / "Thumbs.db").write_bytes(b"\0")
        (folder / "desktop.ini").write_text("[x]")
        if folder.name in ("rgb", "gt", "xyz"):
            (folder / ("._000.tiff" if folder.name == "xyz" else "._000.png")).write_bytes(b"\0\5\26\7")
    copies = category / "test/good/rgb/.ipynb_checkpoints"
    copies.mkdir()
    Image.new("RGB", (8, 8)).save(copies / "000-checkpoint.png")
    for place in (category.parent / "__MACOSX" / category.name / "test/good/rgb", category / "test/__MACOSX/rgb"):
        place.mkdir(parents=True)
        (place / "._000.png").write_bytes(b"\0\5\26\7")


def linked(category: Path) -> None:
    category.rename(category.parent.parent / "elsewhere")
    category.symlink_to(category.parent.parent / "elsewhere")


def cropped(category: Path) -> None:
    for path in (category / HOLE).glob("*/000.*"):
        if path.suffix == ".tiff":
            tifffile.imwrite(path, tifffile.imread(path)[:70], photometric="rgb")
        else:
            Image.fromarray(np.asarray(Image.open(path))[:70]).save(path)


def first_hole_cropped(sample: Sample) -> Sample:
    if sample.id != "test/hole/000":
        return sample
    return replace(sample, rgb=sample.rgb[:70], xyz=sample.xyz[:70], mask=sample.mask[:70])


def doubled(kind: str, suffix: str) -> Change:
    def apply(category: Path) -> None:
        path = next((category / "train/good" / kind).glob("000.*"))
        shutil.copy(path, path.with_suffix(suffix))

    return apply


def empty_cloud(category: Path) -> None:
    tifffile.imwrite(category / "train/good/xyz/000.tiff", np.zeros((SIDE, SIDE, 3), np.float32), photometric="rgb")


one_pixel = np.zeros((SIDE, SIDE), bool)
one_pixel[31, 47] = True
WHOLE = Read(masked(np.ones_like), note="mark the whole image")
OTHER = "can't be read"
CONVERT = (OTHER, "convert")

VARIANTS = {
    "base": Variant(lambda category: None, SAME, SAME),
    **{
        f"mask {name}": Variant(change, SAME, SAME)
        for name, change in {
            "of ones": holes(lambda mask: mask // 255),
            "of another value": holes(lambda mask: mask // 255 * 237),
            "in colours": images("gt", lambda mask: mask.convert("RGB")),
            "with alpha": images("gt", lambda mask: mask.convert("RGBA")),
            "grey with alpha": images("gt", lambda mask: mask.convert("LA")),
            "of one bit": images("gt", lambda mask: mask.convert("1")),
            "of 16 bits": holes(lambda mask: mask.astype(np.uint16) * 257),
            "with a palette": palette([0, 0, 0, 128, 0, 0]),
        }.items()
    },
    "mask with a palette that is white first": Variant(palette([255, 255, 255, 255, 0, 0]), WHOLE, WHOLE),
    "mask of the whole image": Variant(holes(lambda mask: mask * 0 + 255), WHOLE, WHOLE),
    "mask of one pixel": Variant(
        holes(lambda mask: one_pixel * np.uint8(255)),
        Read(masked(lambda mask: one_pixel)),
        Read(masked(lambda mask: one_pixel)),
    ),
    "mask of another size": Variant(
        images("gt", lambda mask: mask.resize((40, 40))),
        refused("gt/000.png", "40x40", "96x96"),
        refused("gt/000.png", "40x40", "96x96"),
    ),
    "mask as jpg": Variant(
        images("gt", Image.Image.copy, ".jpg", quality=95), Read(note="JPEG"), refused("gt/000.jpg", *CONVERT)
    ),
    "image with alpha": Variant(images("rgb", lambda image: image.convert("RGBA")), SAME, SAME),
    "image in grey": Variant(images("rgb", lambda image: image.convert("L")), Read(grey), Read(grey)),
    "image in grey of 16 bits": Variant(
        images("rgb", lambda image: Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)),
        Read(grey),
        Read(grey),
    ),
    "image of 12 bits in 16": Variant(
        images("rgb", lambda image: Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 16)),
        refused("rgb/000.png", "16 bits", "save it with 8 bits"),
        refused("rgb/000.png", "16 bits", "save it with 8 bits"),
    ),
    "image as jpg": Variant(
        images("rgb", Image.Image.copy, ".jpg", quality=98), Read(colours=4), refused("rgb/000.jpg", *CONVERT)
    ),
    "image as bmp": Variant(images("rgb", Image.Image.copy, ".bmp"), SAME, refused("rgb/000.bmp", *CONVERT)),
    "image as tiff": Variant(images("rgb", Image.Image.copy, ".tiff"), SAME, refused("rgb/000.tiff", *CONVERT)),
    "mask as bmp": Variant(images("gt", Image.Image.copy, ".bmp"), SAME, refused("gt/000.bmp", *CONVERT)),
    "cloud in pages": Variant(
        clouds(lambda xyz: np.ascontiguousarray(xyz.transpose(2, 0, 1)), photometric="minisblack"),
        SAME,
        refused("xyz/000.tiff", "3x96x96"),
    ),
    "cloud of float64": Variant(clouds(lambda xyz: xyz.astype(np.float64)), SAME, SAME),
    "cloud of float16": Variant(clouds(lambda xyz: xyz.astype(np.float16)), Read(metres=3e-4), Read(metres=3e-4)),
    "cloud of the other byte order": Variant(clouds(lambda xyz: xyz, byteorder=">"), SAME, SAME),
    "cloud compressed": Variant(clouds(lambda xyz: xyz, compression="zlib"), SAME, SAME),
    "cloud in tiles": Variant(clouds(lambda xyz: xyz, bigtiff=True, tile=(16, 16)), SAME, SAME),
    "cloud compressed by lzw": Variant(
        lzw, *[SAME if find_spec("imagecodecs") else refused("xyz/000.tiff", "pip install imagecodecs")] * 2
    ),
    "cloud in planes": Variant(
        clouds(lambda xyz: np.ascontiguousarray(xyz.transpose(2, 0, 1)), planarconfig="separate"),
        SAME,
        refused("xyz/000.tiff", "3x96x96"),
    ),
    "cloud in millimetres": Variant(
        clouds(lambda xyz: xyz * np.float32(1000)),
        Refused(("xyz/000.tiff", "`unit`"), on_reading=False),
        Refused(("xyz/000.tiff", "metres"), on_reading=False),
    ),
    "cloud with NaN where nothing is": Variant(clouds(without_points), Read(hollow), refused("xyz/000.tiff", "NaN")),
    "depth of 16 bits": Variant(
        clouds(lambda xyz: (xyz[..., 2] * 1000).astype(np.uint16), photometric="minisblack"),
        refused("xyz/000.tiff", "uint16", "kind", "dataset.toml"),
        refused("xyz/000.tiff", "uint16"),
    ),
    "depth of floats": Variant(
        clouds(lambda xyz: xyz[..., 2], photometric="minisblack"),
        refused("xyz/000.tiff", "float32", "kind", "dataset.toml"),
        refused("xyz/000.tiff", "float32"),
    ),
    "cloud as ply": Variant(as_ply, refused("xyz/000.ply", "harness data describe"), refused("xyz/000.ply", *CONVERT)),
    "cloud as npy": Variant(as_npy, SAME, refused("xyz/000.npy", *CONVERT)),
    "cloud of another size": Variant(
        clouds(lambda xyz: xyz[::2, ::2]),
        refused("xyz/000.tiff", "48x48", "camera's tool"),
        refused("xyz/000.tiff", "48x48"),
    ),
    "cloud without a point": Variant(
        empty_cloud, refused("xyz/000.tiff", "no valid point"), refused("xyz/000.tiff", "no valid point")
    ),
    "suffixes in capitals": Variant(
        renamed(lambda name: name.replace(".png", ".PNG").replace(".tiff", ".TIFF")), SAME, SAME
    ),
    "folders in capitals": Variant(
        renamed(str.upper, "rgb", "xyz", "gt"),
        refused("harness data describe", error=UsageError),
        refused("bagel", error=UsageError),
    ),
    "category in capitals": Variant(
        lambda category: category.rename(category.with_name("Bagel")), SAME, refused("--dataset", error=UsageError)
    ),
    "good as OK": Variant(renamed(lambda name: "OK", "good"), SAME, refused("test/OK/gt/000.png")),
    "files of other programs": Variant(junk, SAME, SAME),
    "a link to the folder": Variant(linked, SAME, SAME),
    "a link to itself": Variant(lambda category: (category / "again").symlink_to(category), SAME, SAME),
    "a broken link": Variant(
        lambda category: (category / "train/good/rgb/900.png").symlink_to("/nowhere/900.png"),
        refused("rgb/900.png", "complete"),
        refused("rgb/900.png", "complete"),
    ),
    "names of a camera": Variant(renamed(lambda name: f"2024-11-03_14.25.{name[:3]}_cam1{name[3:]}"), SAME, SAME),
    "names in another script": Variant(
        lambda category: (category / HOLE).rename(category / "test/Loch - größer 零件"), SAME, SAME
    ),
    "two clouds of a name": Variant(
        doubled("xyz", ".tif"), refused("000.tif ", "000.tiff", "rename"), refused("000.tif ", "000.tiff", "rename")
    ),
    "two images of a name": Variant(
        doubled("rgb", ".PNG"), refused("000.PNG", "000.png", "rename"), refused("000.PNG", "000.png", "rename")
    ),
    "an empty folder of a defect": Variant(
        lambda category: (category / "test/dent/rgb").mkdir(parents=True), SAME, SAME
    ),
    "images of several sizes": Variant(cropped, Read(first_hole_cropped), Read(first_hole_cropped)),
    "mask with the noise of a jpg": Variant(
        lambda category: images("gt", through_jpeg)(category / HOLE),
        Read(masked(lambda mask: None), note="other values"),
        Read(masked(lambda mask: None), note="other values"),
    ),
    "no masks": Variant(
        lambda category: shutil.rmtree(category / HOLE / "gt"),
        Read(masked(lambda mask: None), note="3 of 3 anomalous samples have no mask"),
        Read(masked(lambda mask: None), note="3 of 3 anomalous samples have no mask", problem="gt"),
    ),
}
