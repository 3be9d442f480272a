"""Fitting of Shape-Guided: the network, the banks, and the alignment of both maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from harness.contract import MethodError, Progress, Sample
from methods.parts.bank import Bank
from methods.parts.initialise import named_generator
from methods.parts.shape_guided.cells import BankCells, CellBank, cells_near, cells_under
from methods.parts.shape_guided.model import CODE_NEIGHBOURS, Described, Extractor, Modality, Model
from methods.parts.shape_guided.network import LocalSurface
from methods.parts.shape_guided.patches import Cutting, cut
from methods.parts.shape_guided.training import Schedule, train

__all__ = ["Plan", "alignment", "fit_model"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is fitted, and how; :class:`methods.shape_guided.ShapeGuided` documents the parameters."""

    modality: Modality
    cutting: Cutting
    width: int
    train_clouds: int
    train_cutting: Cutting
    schedule: Schedule
    bank_cells: BankCells
    align_samples: int


def fit_model(
    samples: Sequence[Sample], image: nn.Module | None, plan: Plan, *, seed: int, device: str, progress: Progress
) -> Model:
    """Fit all parts of a model on nominal samples.

    Parameters
    ----------
    image
        The image network, on the device; None where the image is not used.
    seed
        Seed of the network, of its training, and of the first centre of each cloud.

    Raises
    ------
    MethodError
        If a cloud is smaller than a patch, there are too few patches, or training fails.
    """
    where = torch.device(device)
    surface = LocalSurface(plan.width).randomise(seed).to(where)
    patches = _training_patches(samples, plan, seed, where, progress)
    train(surface, patches, plan.schedule, seed=seed, progress=progress)
    model, kept = _fill(samples, Extractor(surface, image, plan.cutting, where), plan, seed, progress)
    if plan.modality != "both":
        return model
    scale, shift = _align(model, kept, progress)
    return replace(model, scale=scale, shift=shift)


def _training_patches(
    samples: Sequence[Sample], plan: Plan, seed: int, device: torch.device, progress: Progress
) -> Tensor:
    chosen = torch.randperm(len(samples), generator=named_generator(seed, "clouds"))[: plan.train_clouds].tolist()
    patches = []
    for done, index in enumerate(chosen):
        progress("cut", done, len(chosen))
        start = named_generator(seed, "first centre", "train", index)
        patches.append(cut(samples[index], plan.train_cutting, device, start).points)
    progress("cut", len(chosen), len(chosen))
    return torch.cat(patches)


def _fill(
    samples: Sequence[Sample], extractor: Extractor, plan: Plan, seed: int, progress: Progress
) -> tuple[Model, list[Described]]:
    """Return the banks of all samples, and what the alignment needs of the first ones."""
    codes: list[Tensor] = []
    features: list[Tensor] = []
    present: list[Tensor] = []
    owned: list[Tensor] = []
    kept: list[Described] = []
    for index in range(len(samples)):
        progress("extract", index, len(samples))
        start = named_generator(seed, "first centre", index)
        described = extractor.describe(extractor.prepare(samples[index], start))
        codes.append(described.codes)
        if described.features is not None:
            cells = cells_under(described.patches.pixels)
            present.append(described.present())
            features.append(described.features[present[-1]])
            owned.append(cells_near(cells) if plan.bank_cells == "shifted" else cells)
        if len(kept) < plan.align_samples and plan.modality == "both":
            kept.append(described)
    progress("extract", len(samples), len(samples))
    bank = Bank(torch.cat(codes), str(extractor.device))
    bank.require(CODE_NEIGHBOURS + (plan.modality == "both"))
    cells_of_all = CellBank.of(features, present, owned) if features else None
    return Model(extractor, plan.modality, bank, cells_of_all), kept


def _align(model: Model, kept: Sequence[Described], progress: Progress) -> tuple[float, float]:
    """Score training samples, each without its own best match, and align the maps of both modalities."""
    values: dict[str, list[Tensor]] = {"rgb": [], "xyz": []}
    for done, described in enumerate(kept):
        progress("align", done, len(kept))
        for kind, scored in model.score(described, skip=1).items():
            values[kind].append(scored.plane[scored.plane != 0])
    progress("align", len(kept), len(kept))
    return alignment(torch.cat(values["rgb"]), torch.cat(values["xyz"]))


def alignment(image: Tensor, shape: Tensor) -> tuple[float, float]:
    """Return factor and shift that bring three deviations about the mean of one set of values onto those of another.

    Parameters
    ----------
    image, shape : (n,) float

    Raises
    ------
    MethodError
        If the image's values are all the same.
    """
    (image_mean, image_deviation), (shape_mean, shape_deviation) = (
        (float(values.double().mean()), float(values.double().std(correction=0))) for values in (image, shape)
    )
    if not image_deviation > 0:
        raise MethodError(
            "The maps of the training images are the same everywhere, so they can't be aligned with those of shape: "
            "use 'shape-guided[modality=xyz]', if the images have no texture."
        )
    scale = shape_deviation / image_deviation
    return scale, shape_mean - scale * image_mean
