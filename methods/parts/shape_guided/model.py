"""The fitted model: codes of nominal patches, features of nominal cells, and the scores of a sample against both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.contract import Implementation, Prediction, Sample
from harness.geometry import square_pad
from methods.parts.bank import Bank
from methods.parts.inputs import SIZE, blackened_image, image_input
from methods.parts.module_state import load_arrays, module_bytes, to_arrays, under
from methods.parts.patch_maps import patch_map, pil_blur
from methods.parts.sampling import distances_for, sampler_for
from methods.parts.shape_guided.cells import CELLS, GRID, CellBank, cells_under
from methods.parts.shape_guided.network import LocalSurface
from methods.parts.shape_guided.patches import PICKS, Cutting, Patches, cut
from methods.parts.shape_guided.pursuit import reconstruct
from methods.parts.wide_resnet import wide_resnet_patches

__all__ = ["CELL_NEIGHBOURS", "CODE_NEIGHBOURS", "Described", "Extractor", "Inputs", "Modality", "Model", "Scored"]

Modality = Literal["both", "rgb", "xyz"]

CODE_NEIGHBOURS, CELL_NEIGHBOURS = 10, 5
"""Nominal vectors that a code, or the feature of a cell, is reconstructed from."""

_POINTS = 8192
"""Points in work at a time: 17 MB for each layer of the field."""

_CELLS = "cells."
_NETWORK = "network."
"""Prefixes of the names of arrays in a saved state."""


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """One sample on the device.

    Parameters
    ----------
    image : (3, 224, 224) float32, optional
        None where the image is not used.
    patches
        Of its cloud.
    """

    image: Tensor | None
    patches: Patches


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """Codes and features of a sample.

    Parameters
    ----------
    patches
        Of its cloud.
    codes : (G, 128) float32
        Of the patches; not negative.
    features : (784, 768) float32, optional
        Of the cells of its image; None where it is not used.
    """

    patches: Patches
    codes: Tensor
    features: Tensor | None

    def present(self) -> Tensor:
        """Return which cells lie under a patch, (784,) bool."""
        return cells_under(self.patches.pixels).any(0)


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Score of a sample from one modality, and its map (224, 224) float32 on the device."""

    score: float
    plane: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Extractor:
    """Both networks, and how clouds are cut.

    Parameters
    ----------
    surface
        Trained, on the device.
    image
        Layers 1 and 2 of WideResNet50-2, on the device; None where the image is not used.
    cutting
        Of clouds.
    device
        Of all tensors.
    """

    surface: LocalSurface
    image: nn.Module | None
    cutting: Cutting
    device: torch.device

    def prepare(self, sample: Sample, start: torch.Generator | None = None) -> Inputs:
        """Cut the cloud; blacken, pad, resize and normalise the image; ``start`` as in :func:`cut`."""
        image = None
        if self.image is not None:
            image = image_input(square_pad(blackened_image(sample, "dataset")), SIZE).to(self.device)
        return Inputs(image, cut(sample, self.cutting, self.device, start))

    @torch.inference_mode()
    def describe(self, inputs: Inputs) -> Described:
        """Return the codes of all patches and the features of all cells."""
        patches = inputs.patches
        codes = torch.cat([self.surface.encode(part) for part in self.parts(patches.points)])
        if self.image is None or inputs.image is None:
            return Described(patches, codes, None)
        return Described(patches, codes, wide_resnet_patches(self.image, inputs.image, GRID))

    def parts(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Split what there is of each patch, (G, ...), so that few points are in work at a time."""
        return torch.split(rows, max(1, _POINTS // self.cutting.points))


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What fit learned.

    Parameters
    ----------
    extractor
        Networks.
    modality
        Whose scores and maps are returned.
    codes
        Of all patches of all training clouds.
    cells
        Features of all training images; None where the image is not used.
    scale, shift
        From the image's map to that of the shape: a factor, and what is added.
    """

    extractor: Extractor
    modality: Modality
    codes: Bank
    cells: CellBank | None
    scale: float = 1.0
    shift: float = 0.0

    @torch.inference_mode()
    def predict(self, inputs: Inputs) -> Prediction:
        """Return the map, blurred in 8 bits, and the score; each modality's own map is an extra where both are used."""
        described = self.extractor.describe(inputs)
        parts = self.score(described)
        if len(parts) == 1:
            only = next(iter(parts.values()))
            return Prediction(pil_blur(only.plane).numpy(), only.score)
        shape, image = parts["xyz"], parts["rgb"]
        joined = torch.maximum((self.scale * image.plane + self.shift).clamp_min(0), shape.plane)
        extras = {f"map_{kind}": part.plane.cpu().numpy() for kind, part in parts.items()}
        return Prediction(pil_blur(joined).numpy(), shape.score * image.score, extras=extras)

    @torch.inference_mode()
    def score(self, described: Described, skip: int = 0) -> dict[str, Scored]:
        """Return score and map of each modality that is used, before they are joined.

        Parameters
        ----------
        skip
            Number of nearest nominal vectors that are left out: 1 for a training sample.
        """
        _, nearest = self.codes.search(described.codes, CODE_NEIGHBOURS + skip)
        nearest = nearest[:, skip:].to(described.codes.device)
        parts = {}
        if self.modality != "rgb":
            parts["xyz"] = self._shape(described, nearest)
        if self.modality != "xyz":
            parts["rgb"] = self._image(described, nearest, skip)
        return parts

    def _shape(self, described: Described, nearest: Tensor) -> Scored:
        """Distances of points to the surfaces of reconstructed codes: of a pixel's patches the smallest counts."""
        codes, extractor = described.codes, self.extractor
        nominal = reconstruct(codes, self.codes.at(nearest))
        pairs = zip(extractor.parts(nominal), extractor.parts(described.patches.points), strict=True)
        distances = torch.cat([extractor.surface.distances(*pair) for pair in pairs]).abs()
        plane = distances.new_full((SIZE * SIZE,), torch.inf)
        plane.scatter_reduce_(0, described.patches.pixels.flatten(), distances.flatten(), "amin")
        plane = torch.where(plane.isinf(), 0, plane).view(SIZE, SIZE)
        return Scored(float(torch.linalg.vector_norm(codes - nominal, dim=1).max()), plane)

    def _image(self, described: Described, nearest: Tensor, skip: int) -> Scored:
        """Distances of cells to reconstructions from those nominal cells that similar shapes have."""
        assert self.cells is not None
        assert described.features is not None
        present = described.present()
        features = described.features[present]
        nominal = self.cells.nearest(features, self.cells.rows_of(nearest), CELL_NEIGHBOURS, skip)
        distances = torch.linalg.vector_norm(features - reconstruct(features, nominal), dim=1)
        plane = distances.new_zeros(CELLS)
        plane[present] = distances
        return Scored(float(distances.max()), patch_map(plane, SIZE))

    def nbytes(self) -> dict[str, int]:
        """Return the bytes of the networks, of codes and cells, and of what farthest points take on CUDA."""
        extractor, cells = self.extractor, self.cells
        return {
            "weights": module_bytes(extractor.surface, extractor.image),
            "bank": self.codes.nbytes + (cells.nbytes if cells is not None else 0),
            "other": sampler_for(extractor.device).open_for(PICKS),
        }

    def implementations(self) -> dict[str, Implementation]:
        """Return what computes each part where there is a choice."""
        device = self.extractor.device
        chosen = {
            "farthest points": sampler_for(device).implementation,
            "neighbours": distances_for(device).implementation,
        }
        return {part: one for part, one in chosen.items() if one is not None} | self.codes.implementations()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what was learned as named arrays."""
        arrays = {_NETWORK + name: array for name, array in to_arrays(self.extractor.surface).items()}
        arrays |= {"codes": self.codes.vectors.cpu().numpy()}
        arrays |= {"alignment": torch.tensor([self.scale, self.shift], dtype=torch.float64).numpy()}
        if self.cells is not None:
            arrays |= {_CELLS + name: tensor.cpu().numpy() for name, tensor in self.cells.tensors().items()}
        return arrays

    @classmethod
    def restored(cls, extractor: Extractor, modality: Modality, state: Mapping[str, NDArray[Any]]) -> Model:
        """Return the model of a saved state; the extractor's own network is filled in place."""
        load_arrays(extractor.surface, under(state, _NETWORK))
        cells = {name: torch.from_numpy(array).to(extractor.device) for name, array in under(state, _CELLS).items()}
        scale, shift = state["alignment"].tolist()
        codes = Bank(state["codes"], str(extractor.device))
        return cls(extractor, modality, codes, CellBank(**cells) if cells else None, scale, shift)
