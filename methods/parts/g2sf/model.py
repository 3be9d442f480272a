"""A fitted G2SF: from the inputs of a sample to its score and map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.contract import Progress, Sample
from methods.parts.bank import Bank
from methods.parts.features import Extractors, Inputs
from methods.parts.g2sf.network import LSPN
from methods.parts.g2sf.rows import PairedBanks, Rows, reached_patches
from methods.parts.g2sf.synthesis import Synthesis
from methods.parts.g2sf.training import Schedule, train
from methods.parts.initialise import named_generator
from methods.parts.inputs import SIZE
from methods.parts.m3dm.banks import Affine, BankRules, build_banks, choose_affines, standardise
from methods.parts.m3dm.fitting import extract_pools
from methods.parts.m3dm.patches import Patches, blacken, extract_patches
from methods.parts.m3dm.uff import image_token_of
from methods.parts.module_state import load_arrays, module_bytes, to_arrays
from methods.parts.patch_maps import patch_map, pil_blur

__all__ = ["CANDIDATES", "Model", "Plan", "fit_model"]

CANDIDATES = 6
"""Neighbours of a patch in each bank, of which the pair with the lowest score counts."""

_KINDS = ("xyz", "rgb")
_NETWORK = "network."
"""Prefix of the names of the network's arrays in a saved state."""

_ROW_PASS = 1
"""Number of the pass over synthetic samples, which seeds DropPath's draws; that of the banks is 0."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is fitted.

    Parameters
    ----------
    rules
        How banks are built.
    images
        Number of synthetic samples.
    rows
        Largest number of their patches that are trained on.
    schedule
        Of the training.
    """

    rules: BankRules
    images: int
    rows: int
    schedule: Schedule


@dataclass(slots=True, eq=False)
class Model:
    """Extractors, the standardisation of image patches, both banks, the network, and the unit of distances."""

    extractors: Extractors
    affine: Affine
    banks: PairedBanks
    network: LSPN
    means: Tensor

    def patches(self, inputs: Inputs) -> Patches:
        """Return the patches of a sample, those of the image standardised."""
        return _patches(self.extractors, self.affine, inputs, inputs.draw)

    @torch.inference_mode()
    def candidate_scores(self, patches: Patches) -> Tensor:
        """Return the scores of all cloud patches against their pairs of neighbours, (3136, 6), on the device.

        Local scales are 1 where the cloud does not reach.
        """
        token_of = image_token_of("spatial")
        rgb, xyz = patches["rgb"], patches["xyz"]
        (near, pairs), reached = self._found(rgb, xyz, token_of), reached_patches(patches)
        scales = torch.ones(*near.shape, device=near.device)
        both = torch.cat([rgb[token_of.to(rgb.device)[reached]], xyz[reached]], 1)
        for place, chosen in enumerate(pairs[reached.cpu()].unbind(1)):
            vectors = self.banks.vectors(chosen)
            scales[reached, place] = self.network(both - vectors, vectors)
        return (scales * self.network.shares() * near).sum(-1)

    def _found(self, rgb: Tensor, xyz: Tensor, token_of: Tensor) -> tuple[Tensor, Tensor]:
        """Return distances, in their units and on the device, and indices of the neighbours: both (3136, 6, 2)."""
        distances, indices = self.banks.neighbours(rgb[token_of.to(rgb.device)], xyz, CANDIDATES)
        return distances.to(self.means) / self.means, indices

    def predict(self, inputs: Inputs) -> tuple[float, NDArray[np.float32]]:
        """Return the score of a sample, that of its worst patch, and its blurred map (224, 224)."""
        scores = self.candidate_scores(self.patches(inputs)).amin(1).cpu()
        return float(scores.max()), pil_blur(patch_map(scores, SIZE)).numpy()

    def nbytes(self) -> dict[str, int]:
        """Return the bytes held, under the names of the contract's ``state_bytes``."""
        held = self.extractors.state_bytes()
        return {
            "weights": held["weights"] + module_bytes(self.network),
            "bank": self.banks.rgb.nbytes + self.banks.xyz.nbytes,
            "other": held["other"] + self.means.numel() * self.means.element_size(),
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all fitted parts as named arrays."""
        network = {_NETWORK + name: array for name, array in to_arrays(self.network).items()}
        return network | {
            "bank.rgb": self.banks.rgb.vectors.cpu().numpy(),
            "bank.xyz": self.banks.xyz.vectors.cpu().numpy(),
            "affine.rgb": np.array([self.affine.mean, self.affine.scale]),
            "means": self.means.cpu().numpy(),
        }

    @classmethod
    def restored(cls, extractors: Extractors, state: Mapping[str, NDArray[Any]], device: str) -> Model:
        """Undo :meth:`state`."""
        network = LSPN(sum(extractors.channels))
        load_arrays(network, {name.removeprefix(_NETWORK): state[name] for name in state if name.startswith(_NETWORK)})
        return cls(
            extractors,
            Affine(*map(float, state["affine.rgb"])),
            PairedBanks(Bank(state["bank.rgb"], device), Bank(state["bank.xyz"], device), device),
            network.to(device).requires_grad_(False),
            torch.from_numpy(state["means"]).to(device),
        )


def fit_model(
    samples: Sequence[Sample],
    extractors: Extractors,
    plan: Plan,
    *,
    seed: int,
    device: str,
    progress: Progress,
) -> Model:
    """Fill the banks, make synthetic samples, and train the network on their patches.

    Parameters
    ----------
    seed
        Of projections, anomalies and training.

    Raises
    ------
    MethodError
        If a cloud, a bank or the number of rows is too small, or the loss is NaN.
    """
    pools = extract_pools(
        samples, extractors, lambda sample: extractors.prepare(blacken(sample, "dataset")), _KINDS, progress
    )
    affine = choose_affines(pools, ("rgb",), "per_bank", progress)["rgb"]
    standardise(pools, {"rgb": affine}, progress)
    found = build_banks(pools, _KINDS, plan.rules, seed=seed, device=device, progress=progress)
    del pools
    banks = PairedBanks(found["rgb"], found["xyz"], device)
    rows = Rows(plan.rows, plan.images, extractors.channels)
    synthesis = Synthesis(samples, seed)
    for number in range(plan.images):
        progress("synthesise", number, plan.images)
        made = synthesis.make(number)
        patches = _patches(extractors, affine, extractors.prepare(made.as_sample()), _ROW_PASS, number)
        rows.add(patches, banks, made.mask, named_generator(seed, "g2sf", "patches", number))
    progress("synthesise", plan.images, plan.images)
    network, means = train(rows, banks, extractors.channels, plan.schedule, seed=seed, device=device, progress=progress)
    return Model(extractors, affine, banks, network, means)


@torch.inference_mode()
def _patches(extractors: Extractors, affine: Affine, inputs: Inputs, *draw: int) -> Patches:
    patches = extract_patches(extractors, inputs, _KINDS, *draw)
    return patches | {"rgb": affine(patches["rgb"])}
