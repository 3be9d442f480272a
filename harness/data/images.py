"""Read the files of a dataset; an error names the file and what is wrong with it in one sentence."""

from __future__ import annotations

import lzma
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from harness.errors import DataError

__all__ = ["GIVE_ANOTHER", "read_depth", "read_mask", "read_rgb", "read_xyz"]

GIVE_ANOTHER = "give another file"

_PNG_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
_TIFF_ERRORS = (OSError, ValueError, EOFError, IndexError, KeyError, struct.error, zlib.error, lzma.LZMAError)


def read_rgb(path: Path, hint: str = GIVE_ANOTHER) -> NDArray[np.uint8]:
    """Read a colour image; grey is repeated, alpha is dropped, 16 bits become 8.

    Parameters
    ----------
    path
        A PNG file.
    hint
        What the user can do about a bad file: the end of the error's sentence.

    Returns
    -------
    (H, W, 3) uint8

    Raises
    ------
    DataError
        Where the file is missing, truncated or no image.
    """
    image = _open_image(path, hint)
    if image.mode.startswith("I"):
        grey = (_as_uint16(image, path, hint) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    return np.array(image.convert("RGB"))


def read_mask(path: Path, hint: str = GIVE_ANOTHER) -> NDArray[np.bool_]:
    """Read a ground-truth mask as (H, W) bool: every value above zero is anomalous; alpha is ignored.

    Raises
    ------
    DataError
        Where the file is missing, truncated or no image.
    """
    image = _open_image(path, hint)
    if image.mode in ("1", "L") or image.mode.startswith("I"):
        return np.asarray(image).astype(np.bool_)
    mask: NDArray[np.bool_] = np.asarray(image.convert("RGB")).max(axis=2).astype(np.bool_)
    return mask


def read_depth(path: Path, hint: str = GIVE_ANOTHER) -> NDArray[np.uint16]:
    """Read a 16-bit grey image as (H, W) uint16.

    Raises
    ------
    DataError
        Where the file is missing, truncated, or has another depth than 16 bits.
    """
    return _as_uint16(_open_image(path, hint), path, hint)


def read_xyz(path: Path, hint: str = GIVE_ANOTHER) -> NDArray[np.float32]:
    """Read the points of every pixel from a TIFF file, as they are.

    Returns
    -------
    (H, W, 3) float32

    Raises
    ------
    DataError
        Where the file is missing, truncated, of another shape or type, or holds NaN or infinite values.
    """
    try:
        xyz = np.asarray(tifffile.imread(path))
    except _TIFF_ERRORS as error:
        if "imagecodecs" in str(error):
            raise DataError(f"{path} is compressed in a way that needs a package: pip install imagecodecs.") from error
        raise DataError(f"{path} can't be read as a TIFF image ({_reason(error)}): {hint}.") from error
    if xyz.ndim != 3 or xyz.shape[2] != 3 or xyz.size == 0 or not np.issubdtype(xyz.dtype, np.floating):
        content = f"{xyz.dtype} of shape {'x'.join(map(str, xyz.shape))}"
        raise DataError(f"{path} holds {content} instead of float points of shape HxWx3: {hint}.")
    with np.errstate(over="ignore"):
        points = xyz.astype(np.float32)
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points)).any(axis=2).sum())
        raise DataError(
            f"{path} holds NaN or infinite coordinates at {bad} pixels, where 0 marks a missing point: {hint}."
        )
    return points


def _open_image(path: Path, hint: str) -> Image.Image:
    try:
        content = path.read_bytes()
        with Image.open(BytesIO(content)) as unchecked:
            unchecked.verify()
        image = Image.open(BytesIO(content))
        image.load()
    except _PNG_ERRORS as error:
        raise DataError(f"{path} can't be read as a PNG image ({_reason(error)}): {hint}.") from error
    return image


def _as_uint16(image: Image.Image, path: Path, hint: str) -> NDArray[np.uint16]:
    if not image.mode.startswith("I"):
        raise DataError(f"{path} is an image of mode {image.mode} instead of 16-bit grey values: {hint}.")
    return np.asarray(image).astype(np.uint16)


def _reason(error: BaseException) -> str:
    """Return an error's text without object addresses and on one line."""
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    if isinstance(error, UnidentifiedImageError):
        return "it is empty, truncated or of another format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
