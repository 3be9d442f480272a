"""A fitted M3DM: from the inputs of a sample to its score and map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from methods.parts.bank import Bank
from methods.parts.features import Extractors, Inputs
from methods.parts.m3dm.banks import Affine, BankRules
from methods.parts.m3dm.decision_layer import DecisionLayer
from methods.parts.m3dm.patches import Patches, extract_patches
from methods.parts.m3dm.scores import BankScores, score_banks
from methods.parts.m3dm.uff import UFF
from methods.parts.m3dm.uff_training import UFFSchedule
from methods.parts.module_state import load_arrays, module_bytes, to_arrays, under

__all__ = ["Fusion", "Model", "Plan"]

_UFF = "uff."
"""Prefix of the names of the fusion's arrays in a saved state."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """Source of the fusion of features; :class:`methods.m3dm.M3DM` documents the parameters."""

    source: Literal["off", "released", "train"]
    checkpoint: str
    sha256: str
    schedule: UFFSchedule


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is fitted.

    Parameters
    ----------
    kinds
        Kinds of patches that get a bank, in the order of the banks.
    fusion
        Source of the fusion.
    rules
        How banks are built from patches.
    weights
        Factor of each kind's scores and maps before the decision layer.
    decide
        Whether a decision layer is learned; else scores and maps are added as they are.
    nu
        Parameter nu of the decision layer.
    samples
        Largest number of training samples; None for all.
    """

    kinds: tuple[str, ...]
    fusion: Fusion
    rules: BankRules
    weights: Mapping[str, float]
    decide: bool
    nu: float
    samples: int | None

    @property
    def extracted(self) -> tuple[str, ...]:
        """Kinds that the networks must extract: fused patches are made of both."""
        return ("xyz", "rgb") if "fusion" in self.kinds else self.kinds


@dataclass(slots=True, eq=False)
class Model:
    """Extractors and all fitted parts: the fusion, a standardisation and a bank per kind, and the decision layer."""

    extractors: Extractors
    plan: Plan
    uff: UFF | None
    affines: dict[str, Affine]
    banks: dict[str, Bank]
    decision: DecisionLayer | None = None

    @torch.inference_mode()
    def patches(self, inputs: Inputs, *draw: int) -> Patches:
        """Return the standardised patches of a sample."""
        patches = extract_patches(self.extractors, inputs, self.plan.extracted, *draw)
        if self.uff is not None:
            patches["fusion"] = self.uff(patches["rgb"], patches["xyz"])
        return {kind: self.affines[kind](patches[kind]) for kind in self.plan.kinds}

    @torch.inference_mode()
    def score(self, patches: Patches) -> BankScores:
        """Score standardised patches against the banks."""
        return score_banks(self.banks, patches, self.plan.weights if self.plan.decide else None)

    def combine(self, scored: BankScores) -> tuple[float, NDArray[np.float32]]:
        """Return the image's score and its map (224, 224)."""
        if self.decision is None:
            return float(scored.scores.sum()), scored.maps.sum(0)
        return self.decision.score(scored.scores), self.decision.map(scored.maps)

    def nbytes(self) -> dict[str, int]:
        """Return the bytes held, under the names of the contract's ``state_bytes``."""
        decision = () if self.decision is None else (self.decision.image, self.decision.pixel)
        held = self.extractors.state_bytes()
        return {
            "weights": held["weights"] + module_bytes(self.uff),
            "bank": sum(bank.nbytes for bank in self.banks.values()),
            "other": held["other"] + sum(weights.nbytes for weights in decision),
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all fitted parts as named arrays."""
        state = {f"bank.{kind}": bank.vectors.cpu().numpy() for kind, bank in self.banks.items()}
        state |= {f"affine.{kind}": np.array([affine.mean, affine.scale]) for kind, affine in self.affines.items()}
        if self.decision is not None:
            state |= {"decision.image": self.decision.image, "decision.pixel": self.decision.pixel}
        if self.uff is not None:
            state |= {f"{_UFF}{name}": array for name, array in to_arrays(self.uff).items()}
        return state

    @classmethod
    def restored(cls, extractors: Extractors, plan: Plan, state: Mapping[str, NDArray[Any]], device: str) -> Model:
        """Undo :meth:`state`."""
        uff = None
        if "fusion" in plan.kinds:
            uff = UFF(*extractors.channels).to(device).eval().requires_grad_(False)
            load_arrays(uff, under(state, _UFF))
        return cls(
            extractors,
            plan,
            uff,
            {kind: Affine(*map(float, state[f"affine.{kind}"])) for kind in plan.kinds},
            {kind: Bank(state[f"bank.{kind}"], device) for kind in plan.kinds},
            DecisionLayer(state["decision.image"], state["decision.pixel"]) if plan.decide else None,
        )
