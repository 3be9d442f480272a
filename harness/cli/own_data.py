"""``harness data describe`` and ``harness data show``: own data before they are run."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.completion import complete
from harness.cli.options import FOLDER, UserPath
from harness.cli.output import echo, warn
from harness.errors import DataError, PrerequisiteError, UsageError

__all__ = ["describe", "show"]


@click.command("describe", short_help="Write a dataset.toml for a folder of own data.")
@click.argument("folder", type=FOLDER)
@click.option("--print", "printed", is_flag=True, help="Print what would be written; write nothing.")
@click.option("--force", is_flag=True, help="Replace a description that is there.")
def describe(folder: Path, printed: bool, force: bool) -> None:
    """Look at FOLDER's files and write a commented dataset.toml, with each guess marked.

    Where no folder tells training from test, samples.csv is written next to it: the list of the samples, a third of the
    good ones for the test.

    \b
    harness data describe ~/parts
    harness data show ~/parts
    """
    from rich.status import Status

    from harness.data.own.describe import draft_description
    from harness.files.atomic import write_atomically
    from harness.report.console import stderr

    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: name the one with the images and clouds in it.")
    with Status("looking", console=stderr) as status:
        draft = draft_description(folder, status.update)
    if printed:
        echo("\n".join(draft.files.values()).rstrip())
    else:
        there = [folder / name for name in draft.files if (folder / name).exists()]
        if there and not force:
            raise UsageError(f"{there[0]} is there already: change it, or replace it with --force.")
        for name, text in draft.files.items():
            try:
                write_atomically(folder / name, text.encode())
            except OSError as error:
                raise PrerequisiteError(f"{folder / name} can't be written ({error.strerror}): use --print.") from error
            echo(f"wrote {folder / name}")
    for sentence in draft.open:
        warn(sentence)
    if not printed:
        echo(f"Look through the lines marked 'guess', then: harness data show {folder}; harness data verify {folder}")


@click.command("show", short_help="Picture one sample: image, depths, and what cleaning keeps.")
@click.argument("folder", type=FOLDER)
@click.option(
    "--dataset", "-d", shell_complete=complete, help="Name of the dataset; recognized by its content by default."
)
@click.option("--category", "-c", shell_complete=complete, help="The category.  [default: the first]")
@click.option("--id", "id_", help="Id of the sample, as train/good/007.  [default: the first defective one]")
@click.option("--to", type=UserPath(), default=Path("sample.png"), show_default=True, help="PNG, SVG or PDF file.")
def show(folder: Path, dataset: str | None, category: str | None, id_: str | None, to: Path) -> None:
    """Read one sample of FOLDER, remove its background, and draw both, with the size of what stays in millimetres.

    \b
    harness data show ~/parts
    harness data show ~/parts -c left --id test/scratch/003 --to scratch.png
    """
    from harness.data.folder import SPLITS
    from harness.data.open import open_found
    from harness.dataset_contract import GOOD
    from harness.registry import nearest_names
    from harness.report.figures.files import figure_format, write_figure
    from harness.report.pictures.sample import draw_sample

    figure_format(to)
    data = open_found(folder, dataset)
    if not data.categories:
        raise DataError(f"{folder} has no category with a sample: see 'harness data verify {folder}'.")
    chosen = category or data.categories[0]
    refs = [ref for split in SPLITS for ref in data.refs(chosen, split)]
    if not refs:
        raise DataError(f"Category '{chosen}' in {folder} has no sample: see 'harness data verify {folder}'.")
    by_id = {ref.id: ref for ref in refs}
    if id_ is not None and id_ not in by_id:
        raise UsageError(f"There is no sample '{id_}' in {chosen}: {nearest_names(id_, by_id)}")
    defective = [ref for ref in refs if ref.defect != GOOD]
    ref = by_id[id_] if id_ is not None else (defective or refs)[0]
    raw = data.decode(ref)
    write_figure(draw_sample(raw, data.clean(raw), metres="xyz" in data.modalities(raw.category)), to)
    echo(f"figure {to}: {chosen}, {ref.id}")
