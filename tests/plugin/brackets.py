"""A dataset in one file: an archive of numpy for each sample, ``<category>/<split>/<defect>-<number>.npz``."""

import zlib
from pathlib import Path

import numpy as np

from harness.contract import Sample
from harness.data.background import Background
from harness.dataset_contract import DatasetInfo, SampleRef
from harness.errors import DataError, UsageError


class Brackets:
    info = DatasetInfo(name="brackets", title="Brackets", licence="Apache-2.0", default_preset="quick")

    background = Background(rule="depth", farthest=0.51)
    """What lies on the table, 0.51 m below the camera."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def find(cls, data: Path) -> Path | None:
        return data if any(data.glob("*/train/*.npz")) else None

    @property
    def categories(self):
        return tuple(sorted(path.name for path in self.root.iterdir() if (path / "train").is_dir()))

    unofficial = ()

    def refs(self, category, split):
        if category not in self.categories:
            raise UsageError(f"There is no category '{category}' in {self.root}: choose from {self.categories}.")
        stems = sorted(path.stem for path in (self.root / category / split).glob("*.npz"))
        return tuple(SampleRef(category, f"{split}/{stem}", split, stem.partition("-")[0]) for stem in stems)

    def decode(self, ref):
        path = self._path(ref)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                rgb, xyz, mask = (arrays[name] for name in ("rgb", "xyz", "mask"))
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{path} can't be read ({error}): replace it.") from error
        nothing = np.zeros(mask.shape, np.bool_)
        return Sample(ref.id, ref.category, ref.defect, rgb, xyz, nothing, mask, ref.defect != "good")

    def clean(self, sample, *, remember=True):
        return self.background.clean(sample)[0]

    def load(self, ref):
        return self.clean(self.decode(ref))

    def modalities(self, category):
        return ("rgb", "depth", "xyz")

    def digest(self, category):
        paths = sorted((self.root / category).rglob("*.npz"))
        names = [(path.relative_to(self.root).as_posix(), path.stat().st_size) for path in paths]
        return f"{zlib.crc32(repr(names).encode()):08x}"

    def content_digest(self, refs):
        return f"{zlib.crc32(b''.join(self._path(ref).read_bytes() for ref in refs)):08x}"

    def notes(self, category):
        return ()

    def _path(self, ref):
        return self.root / ref.category / f"{ref.id}.npz"
