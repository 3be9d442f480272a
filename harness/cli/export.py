"""``harness export``: networks of a fitted method as ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.options import FILE, FOLDER, device_option, unverified_option, weights_dir_option
from harness.cli.output import echo

__all__ = ["command"]


@click.command("export")
@click.argument("fitted", type=FILE)
@click.option("--onnx", "folder", type=FOLDER, required=True, help="Folder of the files.")
@weights_dir_option
@unverified_option
@device_option
def command(fitted: Path, folder: Path, **options: Any) -> None:
    """Export a method's trained networks to ONNX, where the result is equivalent: the two mappings of the CFM family.

    FITTED is a file written by 'harness run --save-fitted'. Feature extractors, interpolation, distances and smoothing
    are not exported. Each file is compared with the method in ONNX Runtime, and the largest difference is printed.

    \b
    pip install 'ad3d-harness[onnx]'
    harness export results/fitted/FILE.safetensors --onnx mappings
    """
    from harness.running.export import export_networks
    from harness.running.predict import load_fitted

    for one in export_networks(load_fitted(fitted, clean=False, **options), folder):
        echo(
            f"{one.path}  differs by at most {one.difference:.2g} from the method, for outputs up to {one.largest:.2g}"
        )
