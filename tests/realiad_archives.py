"""Made archives of Real-IAD D3."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from samples import make_sample

from harness.data.realiad import RealIADD3
from harness.data.units import decode_in_metres
from harness.errors import DataError

SIDE = 64
MM = '[cloud]\nunit = "mm"\n'
SPLITS = {"train": ("OK",) * 4, "validation": ("OK", "scratch"), "test": ("OK", "OK", "scratch", "pit")}


def encoded(array: np.ndarray, kind: str) -> bytes:
    stream = io.BytesIO()
    if kind == "tiff":
        tifffile.imwrite(stream, array, photometric="rgb")
    else:
        Image.fromarray(array).save(stream, kind)
    return stream.getvalue()


@dataclass
class Made:
    """A category's archive and list before they are written; a test changes both."""

    stem: str = "knob-cap"
    prefix: str = "knob-cap/"
    height: int = SIDE
    width: int = SIDE
    cloud_scale: int = 1
    files: dict[str, bytes] = field(default_factory=dict)
    lists: dict[str, list[dict[str, object]]] = field(default_factory=dict)

    def fill(self) -> Made:
        number = 0
        for split, classes in SPLITS.items():
            for anomaly in classes:
                number += 1
                self.lists.setdefault(split, []).append(
                    self._add(f"{anomaly}/S{number:04d}/knob_{number:04d}", anomaly)
                )
        return self

    def _add(self, stem: str, anomaly: str) -> dict[str, object]:
        sample = make_sample(len(self.files), height=self.height, width=self.width, radius=24)
        rgb, mask = sample.rgb.copy(), np.zeros((self.height, self.width), np.uint8)
        if anomaly != "OK":
            rgb[28:36, 28:36], mask[28:36, 28:36] = (0, 255, 0), 255
        xyz = np.where(sample.xyz == 0, np.float32(np.nan), sample.xyz * np.float32(1000))
        xyz = xyz[:: self.cloud_scale, :: self.cloud_scale]
        entry: dict[str, object] = {"anomaly_class": anomaly, "ps_path": f"{stem}_ps.jpg", "category": self.stem}
        kinds = {
            "image_path": ("jpg", rgb, "jpeg"),
            "xyz_path": ("tiff", xyz, "tiff"),
            "mask_path": ("png", mask, "png"),
        }
        for key, (suffix, array, kind) in kinds.items():
            if key != "mask_path" or anomaly != "OK":
                entry[key] = f"{stem}.{suffix}"
                self.files[f"{self.prefix}{stem}.{suffix}"] = encoded(array, kind)
        return entry if anomaly != "OK" else entry | {"mask_path": ""}

    def write(self, root: Path, declaration: str | None = MM, *, zipped: bool = False) -> Path:
        (root / "realiad_d3_raw").mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(root / "realiad_d3_raw" / f"{self.stem}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.files.items():
                archive.writestr(name, content)
        content = json.dumps({"meta": {"prefix": self.prefix}, **self.lists})
        if zipped:
            with zipfile.ZipFile(root / "realiad_d3_jsons.zip", "w") as archive:
                archive.writestr(f"__MACOSX/realiad_d3_jsons/._{self.stem}.json", b"\0\5\26\7")
                archive.writestr(f"realiad_d3_jsons/{self.stem}.json", content)
        else:
            (root / "realiad_d3_jsons").mkdir(exist_ok=True)
            (root / "realiad_d3_jsons" / f"{self.stem}.json").write_text(content)
        if declaration is not None:
            (root / "realiad_d3.toml").write_text(declaration)
        return root


def refusal(root: Path, split: str = "test") -> str:
    with pytest.raises(DataError) as caught:
        decode_all(RealIADD3(root), split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def decode_all(dataset: RealIADD3, split: str) -> list[tuple[int, ...]]:
    return [decode_in_metres(dataset, ref, "").xyz.shape for ref in dataset.refs("knob_cap", split)]
