"""Own data as cameras write them: images and clouds of several formats in millimetres, and their descriptions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from samples import make_sample

from harness.contract import Sample
from harness.geometry import valid_points

PINHOLE = {"fx": 450.0, "fy": 455.0, "cx": 31.5, "cy": 23.5}
"""Of made depth images, 64 x 48 pixels."""


def part(seed: int = 0, defect: str = "good", parts: int = 1) -> Sample:
    """A table 0.4 m below the camera with one or two boxes of 15 mm on it, through an exact pinhole."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:48, :64]
    z = np.full((48, 64), 0.4) + draw.normal(0, 2e-5, (48, 64))
    boxes = [(slice(14, 34), slice(16, 30)), (slice(14, 34), slice(40, 50))][:parts]
    for box in boxes:
        z[box] -= 0.015
    rgb = np.full((48, 64, 3), 60, np.uint8)
    mask = np.zeros((48, 64), bool)
    if defect != "good":
        mask[18:24, 18:24] = True
        rgb[mask] = (250, 30, 30)
    z[3, 3] = 0
    x, y = (columns - PINHOLE["cx"]) / PINHOLE["fx"] * z, (rows - PINHOLE["cy"]) / PINHOLE["fy"] * z
    xyz = np.stack([x, y, z], -1).astype(np.float32)
    return replace(make_sample(0, height=48, width=64), rgb=rgb, xyz=xyz, mask=mask, defect=defect, plane=mask & False)


SAMPLES = [
    *(("train", "good", index) for index in range(4)),
    *(("test", "good", index) for index in range(4, 6)),
    *(("test", "scratch", index) for index in range(6, 9)),
]


def write(root: Path, kind: str, place: str = "{split}/{defect}", image: str = "png", mask: bool = True) -> None:
    """Write samples as a camera does: clouds of one kind in millimetres, images of one format."""
    for split, defect, index in SAMPLES:
        sample, folder = part(index, defect), root / place.format(split=split, defect=defect)
        for name in ("img", "cloud", "masks"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample.rgb).save(folder / "img" / f"{index}.{image}", quality=98)
        millimetres = np.where(valid_points(sample.xyz)[..., None], sample.xyz * 1000, np.nan).astype(np.float32)
        stem = folder / "cloud" / f"{index}"
        if kind == "depth":
            depth = np.where(valid_points(sample.xyz), np.rint(sample.xyz[..., 2] * 1e4), 0).astype(np.uint16)
            Image.fromarray(depth).save(f"{stem}.png")
        elif kind == "pcd":
            head = "VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 64\nHEIGHT 48\n"
            head += "VIEWPOINT 0 0 0 1 0 0 0\nPOINTS 3072\nDATA binary\n"
            Path(f"{stem}.pcd").write_bytes(head.encode() + millimetres.tobytes())
        elif kind == "ply":
            head = "ply\nformat binary_little_endian 1.0\nelement vertex 3072\n"
            head += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n"
            Path(f"{stem}.ply").write_bytes(head.encode() + millimetres.tobytes())
        elif kind == "npz":
            np.savez(f"{stem}.npz", points=millimetres)
        else:
            tifffile.imwrite(f"{stem}.tiff", millimetres, photometric="rgb")
        if mask and defect != "good":
            Image.fromarray((sample.mask * 255).astype(np.uint8)).save(folder / "masks" / f"{index}.png")


def describe(root: Path, table: str = 'unit = "mm"', more: str = "", **files: object) -> None:
    """Write a description of what :func:`write` wrote."""
    patterns = {"rgb": "{split}/{defect}/img/{id}.png", "cloud": "{split}/{defect}/cloud/{id}.tiff"}
    patterns |= {"mask": "{split}/{defect}/masks/{id}.png"} | files
    lines = [f"{name} = {json.dumps(value)}" for name, value in patterns.items()]
    text = "\n".join(["[files]", *lines, "[cloud]", table, more])
    (root / "dataset.toml").write_text(text)


CLOUDS = {
    "xyz": 'unit = "mm"',
    "npz": 'unit = "mm"',
    "pcd": 'unit = "mm"\nkind = "pcd"',
    "ply": 'unit = "mm"\nkind = "ply"',
    "depth": f'unit = 0.0001\nkind = "depth"\ncamera = {{ {", ".join(f"{k} = {v}" for k, v in PINHOLE.items())} }}',
}
SUFFIXES = {"xyz": "tiff", "npz": "npz", "pcd": "pcd", "ply": "ply", "depth": "png"}
