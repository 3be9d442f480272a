"""Read the files of a dataset; an error names the file and what is wrong with it in one sentence.

A header is checked before anything is allocated for it, and whatever a decoder raises becomes a DataError.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from harness.data.masks import is_soft
from harness.errors import DataError

__all__ = [
    "GIVE_ANOTHER",
    "MaskImage",
    "Member",
    "Source",
    "read_depth",
    "read_mask",
    "read_points",
    "read_rgb",
    "read_text",
    "read_tiff",
    "read_xyz",
    "reading",
    "require_file",
    "require_finite",
    "require_size",
]

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its errors are raised, or don't matter

GIVE_ANOTHER = "give another file"

_LARGEST_SIDE = 2**13
"""Of an image or cloud, in pixels; one of this size takes 0.8 GB as float32 points."""

_LARGEST_TEXT = 10**6
"""Bytes."""

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
_AN_IMAGE = "a PNG, JPEG, BMP or TIFF image"
_HALF = 128
"""Of 8 bits: what a lossy format makes of 0 is below, what it makes of 255 is not."""

_BITS_PER_SAMPLE = 258
"""Tag of a TIFF file."""

_FULL_RANGE = 64
"""In 8 bits: an image of 16 bits without any value from here on may as well be one of 10, 12 or 14 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A file of an archive, in memory.

    Parameters
    ----------
    name
        Of archive and file, as messages name it.
    content
        Of the file.
    """

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name


Source = Path | Member
"""Where an image or a cloud is read from."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskImage:
    """A ground-truth mask.

    Parameters
    ----------
    values : (H, W) bool or unsigned integer
        The highest of all channels but alpha.
    doubts
        What is doubtful about it, in words that follow "3 of 6 masks", to a detail.
    """

    values: NDArray[Any]
    doubts: Mapping[str, str]

    @property
    def pixels(self) -> NDArray[np.bool_]:
        """True where a value is above zero, (H, W)."""
        marked: NDArray[np.bool_] = self.values != 0
        return marked


def read_rgb(path: Source, hint: str = GIVE_ANOTHER) -> NDArray[np.uint8]:
    """Read a colour image; grey is repeated, alpha is dropped, 16 bits become 8.

    Parameters
    ----------
    path
        A PNG, JPEG, BMP or TIFF file.
    hint
        What the user can do about a bad file: the end of the error's sentence.

    Returns
    -------
    (H, W, 3) uint8

    Raises
    ------
    DataError
        Where the file is missing, truncated or no image, or has 16 bits a channel of which the upper two are not used,
        so that its range is unknown.
    """
    with reading(path, _AN_IMAGE, hint):
        image = _open_image(path, hint)
        grey = image.mode.startswith("I")
        rgb = np.array(image.convert("RGB")) if not grey else _repeated(_as_uint16(image, path, hint))
    if (grey or image.info.get("bits") == 16) and rgb.max() < _FULL_RANGE:
        raise DataError(
            f"{path} has 16 bits a channel and no value in the upper three quarters of their range: it may be of a "
            f"camera of 8 to 14 bits and would be read as nearly black; save it with 8 bits, or {hint}."
        )
    return rgb


def read_mask(path: Source, hint: str = GIVE_ANOTHER) -> MaskImage:
    """Read a ground-truth mask: every value above zero is anomalous; alpha is ignored.

    A JPEG file does not hold the values that were saved: there all from 128 on are anomalous, and the doubts say so.

    Raises
    ------
    DataError
        Where the file is missing, truncated or no image.
    """
    with reading(path, _AN_IMAGE, hint):
        image = _open_image(path, hint)
        marked = image.mode in ("L", "RGB", "P") and "transparency" in image.info
        with_alpha = marked or image.mode in ("LA", "PA", "RGBA", "La", "RGBa")
        alpha = np.asarray(image.convert("RGBA"))[..., 3] if with_alpha else np.zeros(1, np.uint8)
        levels = np.asarray(image)
        if image.mode not in ("1", "L") and not image.mode.startswith("I"):
            levels = np.asarray(image.convert("RGB")).max(axis=2)
    lossy = image.info["lossy"]
    pixels = levels >= _HALF if lossy else levels != 0
    doubts = {}
    if lossy:
        doubts[f"are JPEG images, whose values are not exact; all from {_HALF} on count as anomalous"] = ""
    elif levels.dtype != np.bool_ and is_soft(levels[pixels], levels.max()):
        doubts["hold other values than 0 and one more, or class ids; all above 0 count as anomalous"] = ""
    if pixels.all():
        doubts["mark the whole image"] = ""
    if alpha.min() != alpha.max():
        doubts["are transparent in places, which is ignored"] = ""
    return MaskImage(pixels if lossy else levels, doubts)


def read_depth(path: Source, hint: str = GIVE_ANOTHER) -> NDArray[np.uint16]:
    """Read a 16-bit grey image as (H, W) uint16.

    Raises
    ------
    DataError
        Where the file is missing, truncated, or has another depth than 16 bits.
    """
    with reading(path, _AN_IMAGE, hint):
        return _as_uint16(_open_image(path, hint), path, hint)


def read_xyz(path: Source, hint: str = GIVE_ANOTHER) -> NDArray[np.float32]:
    """Read the points of every pixel from a TIFF file, as they are.

    Returns
    -------
    (H, W, 3) float32

    Raises
    ------
    DataError
        Where the file is missing, truncated, of another shape or type, or holds NaN or infinite values.
    """
    points = read_points(path, hint)
    require_finite(path, points, hint)
    return points


def read_points(path: Source, hint: str = GIVE_ANOTHER) -> NDArray[np.float32]:
    """Read three float values a pixel from a TIFF file, in any unit and with whatever marks what is missing.

    Returns
    -------
    (H, W, 3) float32

    Raises
    ------
    DataError
        Where the file is missing, truncated, or of another shape or type.
    """

    def require(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype.kind != "f":
            content = f"{dtype} of shape {'x'.join(map(str, shape))}"
            raise DataError(f"{path} holds {content} instead of float points of shape HxWx3: {hint}.")
        require_size(path, shape[1], shape[0], hint)

    with np.errstate(over="ignore"):
        points: NDArray[np.float32] = read_tiff(path, require, hint).astype(np.float32)
    return points


def read_tiff(path: Source, require: Callable[[tuple[int, ...], np.dtype[Any]], None], hint: str) -> NDArray[Any]:
    """Read the first array of a TIFF file as it is.

    Parameters
    ----------
    path
        A TIFF file.
    require
        Raises DataError for a shape and a type that are not wanted, before memory is taken for them.
    hint
        What the user can do about a bad file: the end of the error's sentence.

    Raises
    ------
    DataError
        Where the file is missing or damaged, too.
    """
    require_file(path, hint)
    with reading(path, "a TIFF image", hint), tifffile.TiffFile(_opened(path)) as opened:
        series = opened.series[0]
        shape, dtype = tuple(series.shape), np.dtype(series.dtype)
        require(shape, dtype)
        values: NDArray[Any] = series.asarray()
        if values.shape != shape or values.dtype != dtype:
            raise DataError(f"{path} holds other values than its header says: {hint}.")
        return values


def read_text(path: Path, hint: str) -> str:
    """Read a small text file in UTF-8; raise DataError where it is missing, too large or no text."""
    require_file(path, hint)
    with reading(path, "text", hint):
        if path.stat().st_size > _LARGEST_TEXT:
            raise DataError(f"{path} is larger than {_LARGEST_TEXT / 1e6:g} MB, which no description needs: {hint}.")
        return path.read_text(encoding="utf-8")


def require_finite(path: Source, points: NDArray[np.float32], hint: str) -> None:
    """Raise DataError where a coordinate (H, W, 3) is not finite."""
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points)).any(axis=2).sum())
        raise DataError(
            f"{path} holds NaN or infinite coordinates at {bad} pixels, where 0 marks a missing point: set "
            f"them to 0, or {hint}."
        )


@contextmanager
def reading(path: Source, what: str, hint: str) -> Iterator[None]:
    """Turn whatever a decoder raises into a DataError about its file."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        if "imagecodecs" in str(error):
            raise DataError(f"{path} is compressed in a way that needs a package: pip install imagecodecs.") from error
        raise DataError(f"{path} can't be read as {what} ({_reason(error)}): {hint}.") from error


def _open_image(path: Source, hint: str) -> Image.Image:
    """Return a decoded image; ``info`` says its ``bits`` a channel (of PNG and TIFF) and whether it is ``lossy``."""
    require_file(path, hint)
    content = path.content if isinstance(path, Member) else path.read_bytes()
    with Image.open(BytesIO(content), formats=_FORMATS) as unchecked:
        require_size(path, *unchecked.size, hint)
        unchecked.verify()
    image: Image.Image = Image.open(BytesIO(content), formats=_FORMATS)
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: a JPEG with previews behind it
    if frames > 1:
        raise DataError(f"{path} holds {frames} images instead of one: {hint}.")
    image.load()
    if image.mode == "F":
        raise DataError(f"{path} is an image of float values instead of 8 or 16 bits: {hint}.")
    form, tags = image.format, getattr(image, "tag_v2", {})
    lossy = form in ("JPEG", "MPO") or "jpeg" in str(image.info.get("compression"))
    if image.mode == "P" and isinstance(image.info.get("transparency"), bytes):
        image = image.convert("RGBA")
    bits = content[24] if form == "PNG" else max(tags.get(_BITS_PER_SAMPLE, (8,)))  # PNG: of the header chunk
    image.info |= {"bits": bits, "lossy": lossy}
    return image


def _opened(path: Source) -> Path | BytesIO:
    return BytesIO(path.content) if isinstance(path, Member) else path


def require_file(path: Source, hint: str) -> None:
    """Raise DataError for what is there and neither file nor folder: reading a pipe would wait for ever."""
    if isinstance(path, Member):
        return
    with reading(path, "a file", hint):
        mode = path.stat().st_mode if path.exists() else stat.S_IFREG
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise DataError(f"{path} is not an ordinary file: {hint}.")


def require_size(path: Source, width: int, height: int, hint: str) -> None:
    """Raise DataError for a size that no camera has: the header of a damaged file may ask for any amount of memory."""
    if min(width, height) < 1 or width * height > _LARGEST_SIDE**2:
        raise DataError(
            f"{path} has {width}x{height} pixels, where 1x1 to {_LARGEST_SIDE}x{_LARGEST_SIDE} are read: {hint}."
        )


def _repeated(grey: NDArray[np.uint16]) -> NDArray[np.uint8]:
    return np.repeat((grey >> 8).astype(np.uint8)[:, :, None], 3, axis=2)


def _as_uint16(image: Image.Image, path: Source, hint: str) -> NDArray[np.uint16]:
    if not image.mode.startswith("I"):
        raise DataError(f"{path} is an image of mode {image.mode} instead of 16-bit grey values: {hint}.")
    values = np.asarray(image)
    if values.size and not 0 <= values.min() <= values.max() < 2**16:
        raise DataError(f"{path} holds grey values beyond 16 bits, up to {values.max()}: {hint}.")
    return values.astype(np.uint16)


def _reason(error: BaseException) -> str:
    """Return an error's text without object addresses and on one line."""
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    if isinstance(error, UnidentifiedImageError):
        return "it is empty, truncated or of another format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return shorten(str(error), 200, placeholder=" ...") or type(error).__name__
