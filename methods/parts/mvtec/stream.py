"""The augmented training set: every sample rotated by several angles, encoded once and kept in a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.contract import MethodError, Progress, Sample
from methods.parts.mvtec.representation import Representation

__all__ = ["LARGEST_ANGLE", "AugmentedSet", "augmented"]

LARGEST_ANGLE = 5.0
"""Angles are uniform between plus and minus this, degrees."""


def augmented(
    representation: Representation, samples: Sequence[Sample], *, rotations: int, seed: int, progress: Progress
) -> Iterator[Tensor]:
    """Yield the values (C, *shape) of every sample at every one of its seeded angles; each sample is read once."""
    angles = np.random.default_rng([seed, 1]).uniform(-LARGEST_ANGLE, LARGEST_ANGLE, (len(samples), rotations))
    for position in range(len(samples)):
        progress("augment", position, len(samples))
        yield from representation.rotated(samples[position], angles[position].tolist(), seed=seed)
    progress("augment", len(samples), len(samples))


class AugmentedSet:
    """All rotated samples, to be read in any order as often as needed.

    Host memory holds one sample at a time and 8 bytes for each rotated one; the rest is in an unnamed file in the
    system's temporary folder, which is gone with the object. Use it as a context manager.

    Parameters
    ----------
    representation
        A fitted one.
    samples
        Nominal training samples.
    rotations
        Angles of each sample.
    seed
        Seed of the angles and planes.
    progress
        Callback for progress bars.

    Raises
    ------
    MethodError
        Where the file can't be written.
    """

    def __init__(
        self,
        representation: Representation,
        samples: Sequence[Sample],
        *,
        rotations: int,
        seed: int,
        progress: Progress,
    ) -> None:
        self._representation = representation
        self._file = tempfile.TemporaryFile(prefix="harness-")  # noqa: SIM115
        self._ends = np.zeros(len(samples) * rotations + 1, np.int64)
        items = augmented(representation, samples, rotations=rotations, seed=seed, progress=progress)
        try:
            for position, values in enumerate(items):
                packed = representation.pack(values)
                self._file.write(packed.data)
                self._ends[position + 1] = self._ends[position] + packed.nbytes
            self._file.flush()
        except OSError as error:
            self._file.close()
            raise MethodError(
                f"The augmented training set can't be written to the folder for temporary files "
                f"{tempfile.gettempdir()} ({error.strerror}): free space there, or name another one in TMPDIR."
            ) from None
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __enter__(self) -> AugmentedSet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def nbytes(self) -> int:
        """Bytes of the file."""
        return int(self._ends[-1])

    def batch(self, indices: Sequence[int] | NDArray[np.integer] | Tensor) -> Tensor:
        """Return the values (B, C, *shape) float32, in host memory, of rotated samples by their numbers."""
        return torch.stack([self._read(int(index)) for index in indices])

    def _read(self, index: int) -> Tensor:
        start, end = (int(place) for place in self._ends[[index, index + 1]])
        self._file.seek(start)
        return self._representation.unpack(np.frombuffer(self._file.read(end - start), np.uint8))
