"""``harness predict``: apply a fitted method to one sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.options import FILE, device_option, unverified_option, weights_dir_option
from harness.cli.output import echo

__all__ = ["command"]


@click.command("predict")
@click.argument("method")
@click.option("--fitted", type=FILE, required=True, help="File written by 'harness run --save-fitted'.")
@click.option("--rgb", type=FILE, required=True, help="8-bit colour image.")
@click.option(
    "--xyz",
    type=FILE,
    required=True,
    help="Point of every pixel: TIFF, H x W x 3, float, metres, zeros where there is none; for a method fitted on own "
    "data a file as theirs.",
)
@click.option(
    "--out",
    type=FILE,
    default=Path("map.npy"),
    show_default=True,
    help="File of the anomaly map; a picture is written beside it.",
)
@click.option("--no-clean", is_flag=True, help="The cloud's background is removed already.")
@click.option("--camera", type=FILE, help="JSON file of a depth image's camera, where each image has its own.")
@weights_dir_option
@unverified_option
@device_option
def command(method: str, fitted: Path, rgb: Path, xyz: Path, out: Path, no_clean: bool, **options: Any) -> None:
    """Write the anomaly map of one sample as .npy (float32, 224 x 224) and as a picture, and print its score.

    \b
    harness run --methods cfm --save-fitted
    harness predict cfm --fitted results/fitted/FILE.safetensors --rgb a.png --xyz a.tiff --out map.npy
    """
    from harness.report.figures.files import write_figure
    from harness.report.pictures.show import draw_prediction
    from harness.running.predict import predict_files

    predicted = predict_files(method, fitted, rgb, xyz, out, clean=not no_clean, **options)
    picture = out.with_suffix(".png")
    figure = draw_prediction(predicted.cell, predicted.sample, predicted.anomaly_map, predicted.score)
    write_figure(figure, picture)
    echo(f"score {predicted.score:.6g}")
    echo(f"map {out}")
    echo(f"picture {picture}")
