"""Write a ``dataset.toml`` for a folder of unknown data: what was found as comments, what is guessed marked so."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harness.data.clouds.cloud import read_stored
from harness.data.images import read_rgb
from harness.data.own.description import DESCRIPTION, CloudKind
from harness.data.own.discover import NOMINAL, Group, discover, intrinsics_files, splits_of
from harness.data.own.patterns import match_files
from harness.data.own.table import COLUMNS, SAMPLES
from harness.data.units import scale_of
from harness.dataset_contract import GOOD
from harness.errors import DataError

__all__ = ["Draft", "draft_description"]

_CLOUDS = ("xyz", "pcd", "ply", "depth")
_HINT = "name another kind"
_LOOKED_AT = 3
_FIELDS = ("category", "split", "defect", "id")
_UNITS = {"m": 1.0, "mm": 1e-3, "um": 1e-6}
_STEPS, _EXTENTS = (1e-5, 3e-3), (5e-3, 3.0)
"""Between what neighbouring pixels and the farthest points of a camera's image of a part usually lie, metres."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A description of what was found, to be looked through.

    Parameters
    ----------
    files
        Content by name: ``dataset.toml``, and ``samples.csv`` where no folder tells training from test.
    open
        Sentences about what could not be found out and must be filled in.
    """

    files: dict[str, str]
    open: tuple[str, ...]


def draft_description(root: Path, progress: Callable[[str], None] = lambda step: None) -> Draft:
    """Describe a folder by the names of its files and the content of a few of them.

    Parameters
    ----------
    root
        Folder of images and clouds.
    progress
        Called with what is looked at.

    Raises
    ------
    DataError
        Where no images and clouds of the same names are found.
    """
    progress("names of files")
    groups = discover(root)
    images = [group for group in groups if group.kind == "rgb"]
    clouds = [group for group in groups if group.kind in _CLOUDS]
    if not images or not clouds:
        kinds = ", ".join(f"{len(group.paths)} {group.kind} ({group.pattern})" for group in groups) or "nothing"
        raise DataError(
            f"{root} does not hold both images and clouds (found: {kinds}): put both there, clouds as tiff, npy, npz, "
            "pcd or ply files, or as depth images."
        )
    rgb = _alike(images)
    cloud = _alike(sorted(clouds, key=lambda group: (-len(group.paths), _CLOUDS.index(group.kind))))
    return _Writer(root, groups, rgb, cloud, progress).draft()


def _alike(groups: Sequence[Group]) -> list[Group]:
    """Return the first group and those that differ from it in the suffix alone."""
    stem = groups[0].pattern.rpartition(".")[0]
    return [group for group in groups if group.kind == groups[0].kind and group.pattern.rpartition(".")[0] == stem]


class _Writer:
    """Collects the lines of a description."""

    def __init__(
        self,
        root: Path,
        groups: Sequence[Group],
        rgb: Sequence[Group],
        cloud: Sequence[Group],
        progress: Callable[[str], None],
    ) -> None:
        self._root, self._rgb, self._cloud, self._progress = root, rgb, cloud, progress
        self._masks = [group for group in groups if group.kind == "mask"]
        self._objects = [group for group in groups if group.kind == "object"]
        self._splits = splits_of(rgb)
        self._open: list[str] = []

    def draft(self) -> Draft:
        files = {}
        if "split" not in self._rgb[0].fields:
            files[SAMPLES] = self._list()
        lines = [
            "# What is in this folder. Lines marked 'guess' were not written in any file: look at them.",
            "",
            "[dataset]",
            '# name = "..."                   # in tables; by default the name of the folder',
            "# max_side = 1024                # make larger images smaller when they are read",
            "",
            *self._files_lines(SAMPLES in files),
            "",
            *self._cloud_lines(),
            "",
            *self._background_lines(),
        ]
        return Draft({DESCRIPTION: "\n".join(lines) + "\n", **files}, tuple(self._open))

    def _files_lines(self, listed: bool) -> list[str]:
        count = sum(len(group.paths) for group in self._rgb)
        lines = ["[files]", f"# {count} images, {sum(len(group.paths) for group in self._cloud)} clouds"]
        if listed:
            lines.append(f'list = "{SAMPLES}"              # guess: which samples train and which test')
        else:
            lines += [f"rgb = {_texts(self._rgb)}", f"cloud = {_texts(self._cloud)}"]
            lines.append(f"mask = {_texts(self._masks)}" if self._masks else "mask = []   # none found")
        nominal = sorted({name for name in self._defects() if name.lower() in NOMINAL})
        lines.append(f"nominal = {json.dumps(nominal or ['good'])}")
        if self._splits:
            inner = ", ".join(f"{split} = {json.dumps(word)}" for split, word in self._splits.items())
            lines.append(f"splits = {{ {inner} }}")
        return lines

    def _defects(self) -> list[str]:
        matches = match_files(self._root, [p for g in self._rgb for p in g.paths], [g.pattern for g in self._rgb])
        return [match.values.get("defect", "") for match in matches]

    def _cloud_lines(self) -> list[str]:
        kind = self._cloud[0].kind
        lines = ["[cloud]", f'kind = "{kind}"']
        values, zeros, bad = self._values()
        if kind == "depth":
            low, high = (float(np.min(values)), float(np.max(values))) if values.size else (0.0, 0.0)
            lines.append(f"# values {low:.4g} to {high:.4g}; {_shares(zeros, bad)}")
            unit = "mm" if high > 50 else "m"
            lines.append(f'unit = "{unit}"                      # guess, by the size of the values')
            lines += self._camera_lines()
        else:
            measured = values if len(values) else np.zeros((1, 3))
            ends = zip("xyz", measured.min(0), measured.max(0), strict=True)
            spans = ", ".join(f"{name} {low:.4g} to {high:.4g}" for name, low, high in ends)
            lines.append(f"# {spans}; z is {_shares(zeros, bad)}")
            lines.append(f'unit = "{self._unit}"                      # guess, by the distance of neighbouring pixels')
        lines.append('missing = ["nan", "inf", 0]      # values of z where nothing was measured')
        if kind != "depth":
            lines.append('axes = "right down forward"      # guess: where x, y and z point, seen from the camera')
        return lines

    def _values(self) -> tuple[NDArray[Any], float, float]:
        """Return measured values (N,) or (N, 3) of a few files, and the shares of zeros and of NaN and inf."""
        collected, zeros, bad, total = [], 0, 0, 0
        self._unit = "mm"
        votes = []
        paths = [path for group in self._cloud for path in group.paths]
        for path in paths[:: max(1, len(paths) // _LOOKED_AT)][:_LOOKED_AT]:
            self._progress(path)
            raw = self._read(path)
            z = raw if raw.ndim == 2 else raw[..., 2]
            broken = ~np.isfinite(raw) if raw.ndim == 2 else ~np.isfinite(raw).all(-1)
            zeros, bad, total = zeros + int((z == 0).sum()), bad + int(broken.sum()), total + z.size
            usable = ~broken & (z != 0)
            collected.append(raw[usable])
            if raw.ndim == 3:
                votes.append(_unit_of(raw.astype(np.float64), usable))
        self._unit = max(set(votes), key=votes.count) if votes else "mm"
        return np.concatenate(collected), zeros / max(1, total), bad / max(1, total)

    def _read(self, path: str) -> NDArray[Any]:
        kind, file = self._cloud[0].kind, self._root / path
        size = (0, 0)
        if kind == "ply":
            height, width = read_rgb(self._root / self._rgb[0].paths[0], _HINT).shape[:2]
            size = (height, width)
        return read_stored(file, cast("CloudKind", kind), size, _HINT)

    def _camera_lines(self) -> list[str]:
        files = intrinsics_files(self._root)
        if len(files) == 1:
            return [f"camera = {{ file = {json.dumps(files[0])} }}"]
        if len(files) > 1:
            ids = {PurePosixPath(path).stem for group in self._cloud for path in group.paths}
            stem = PurePosixPath(files[0]).stem
            if stem in ids:
                return [f"camera = {{ file = {json.dumps(str(PurePosixPath(files[0]).with_stem('{id}')))} }}"]
        self._open.append("A depth image needs its camera: fill in fx, fy, cx and cy in pixels under [cloud].")
        return ["# camera = { fx = ..., fy = ..., cx = ..., cy = ... }   # FILL IN: pixels, or { file = '...json' }"]

    def _background_lines(self) -> list[str]:
        lines = ["[background]", "# plane: the table through the frame of the image, then all but the largest cluster"]
        if self._objects:
            return [*lines, 'rule = "mask"', f"mask = {_texts(self._objects)}"]
        return [
            *lines,
            'rule = "plane"                  # or none, depth (with nearest, farthest), mask (with its pattern)',
            "border = 10                     # pixels of the frame that show the table",
            'thickness = "5 mm"              # nearer to the plane is table',
            'cluster = "6 mm"                # neighbours in one cluster; about 10 pixel distances are usual',
            'keep = "largest"                # or all, for several parts in one image',
        ]

    def _list(self) -> str:
        """Return a list of the samples with a guess of what trains: two thirds of the nominal ones, by their names."""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        clouds, masks = self._by_fields(self._cloud), self._by_fields(self._masks)
        rows = []
        for key, path in self._by_fields(self._rgb).items():
            values = dict(key)
            if key not in clouds:
                self._open.append(f"{self._root / path} has no cloud of its name and is not in {SAMPLES}.")
                continue
            defect = values.get("defect", GOOD)
            row = {"category": values.get("category", ""), "id": values["id"], "defect": defect, "rgb": path}
            rows.append({**row, "cloud": clouds[key], "mask": masks.get(key, "")})
        nominal = [row for row in rows if row["defect"].lower() in NOMINAL]
        order = sorted(nominal, key=lambda row: sha256(f"{row['category']}/{row['id']}".encode()).hexdigest())
        tested = {id(row) for row in order[: len(order) // 3]}
        for row in rows:
            train = row["defect"].lower() in NOMINAL and id(row) not in tested
            writer.writerow({**row, "split": "train" if train else "test"})
        if not any(self._splits.values()) and len(nominal) in (0, len(rows)):
            self._open.append(f"No folder tells defective samples from good ones: complete 'defect' in {SAMPLES}.")
        return stream.getvalue()

    def _by_fields(self, groups: Sequence[Group]) -> dict[tuple[tuple[str, str], ...], str]:
        files = {}
        for group in groups:
            for match in match_files(self._root, group.paths, [group.pattern]):
                key = tuple((field, match.values[field]) for field in _FIELDS if field in match.values)
                files[key] = match.path.relative_to(self._root).as_posix()
        return files


def _texts(groups: Sequence[Group]) -> str:
    patterns = [group.pattern for group in groups]
    return json.dumps(patterns[0] if len(patterns) == 1 else patterns)


def _shares(zeros: float, bad: float) -> str:
    return f"0 at {zeros:.1%} of the pixels, NaN or infinite at {bad:.1%}"


def _unit_of(points: NDArray[np.float64], usable: NDArray[np.bool_]) -> str:
    """Return the unit in which neighbouring pixels and the extent of a cloud (H, W, 3) are those of a part."""
    scale = scale_of(points, usable)
    fitting = [
        unit
        for unit, metres in _UNITS.items()
        if _STEPS[0] <= scale.step * metres <= _STEPS[1] and _EXTENTS[0] <= scale.diagonal * metres <= _EXTENTS[1]
    ]
    return fitting[0] if fitting else "mm"
