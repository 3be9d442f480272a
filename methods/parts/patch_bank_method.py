"""A method that keeps nominal patches in a bank and compares patches with them: PatchCore, and BTF after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from harness.contract import Implementation, Meta, Prediction, Progress, Sample
from methods.parameters import require_choices, require_range
from methods.parts.base import not_fitted

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from methods.parts.bank import Bank
    from methods.parts.patch_bank import Rule

__all__ = ["Describer", "PatchBankMethod"]


class Describer(Protocol):
    """Features of patches."""

    def prepare(self, sample: Sample) -> Any:
        """Return the inputs of :meth:`patches`, on the device."""

    def patches(self, inputs: Any) -> Tensor:
        """Return the features of all patches, (g * g, d) float32 or float64, in raster order."""

    def nbytes(self) -> int:
        """Return the bytes of its network's parameters and buffers."""


class PatchBankMethod:
    """An anomaly is a patch far from all nominal patches that the bank keeps.

    Subclasses are dataclasses, which declare the parameters ``coreset``, ``coreset_eps`` and ``score`` among their own,
    in the order in which they list them; they say what describes patches and how maps are smoothed.
    """

    meta: ClassVar[Meta]

    coreset: float
    coreset_eps: float
    score: Rule

    _describer: Describer | None = None
    _bank: Bank | None = None

    def __post_init__(self) -> None:
        require_choices(self)
        require_range(self, "coreset", above=0, at_most=1)
        require_range(self, "coreset_eps", above=0, below=1)

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Describe all nominal patches and keep those of a greedy coreset."""
        from methods.parts.bank import Bank
        from methods.parts.patch_bank import coreset_of, patches_of_all

        describer = self._build(seed, device)
        vectors = patches_of_all(samples, lambda sample: describer.patches(describer.prepare(sample)), progress)
        kept = coreset_of(
            vectors,
            self.coreset,
            seed=seed,
            eps=self.coreset_eps,
            dtype=self._projection_dtype(),
            progress=progress,
            device=device,
        )
        bank = Bank(kept, device)
        bank.require(3 if self.score == "reweighted" else 1)
        self._describer, self._bank = describer, bank

    def prepare(self, sample: Sample) -> Any:
        """Pad, resize, normalise and transfer one sample."""
        return self._fitted()[0].prepare(sample)

    def infer(self, inputs: Any) -> Prediction:
        """Return the smoothed map of distances to the bank, and the score of the farthest patch."""
        from methods.parts.inputs import SIZE
        from methods.parts.patch_bank import distances_and_score
        from methods.parts.patch_maps import patch_map

        describer, bank = self._fitted()
        patches = describer.patches(inputs)
        distances, score = distances_and_score(bank, patches, self.score)
        anomaly_map = self._smoothed(patch_map(distances, SIZE))
        return Prediction(anomaly_map=anomaly_map.float().numpy(), score=score)

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes of the network, if there is one, and of the bank."""
        describer, bank = self._fitted()
        return {"weights": describer.nbytes(), "bank": bank.nbytes, "other": 0}

    def implementations(self) -> Mapping[str, Implementation]:
        """Return what searches the bank."""
        return self._fitted()[1].implementations()

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the vectors of the bank."""
        return {"bank": self._fitted()[1].vectors.cpu().numpy()}

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Load a bank."""
        from methods.parts.bank import Bank

        self._describer, self._bank = self._build(seed, device), Bank(state["bank"], device)

    def _build(self, seed: int, device: str) -> Describer:
        """Return what describes the patches of a sample."""
        raise NotImplementedError

    def _smoothed(self, image: Tensor) -> Tensor:
        """Return the map of distances, (S, S) float, smoothed and in host memory."""
        raise NotImplementedError

    def _projection_dtype(self) -> Literal["float16", "float32"]:
        """Return the dtype of the projection that the coreset is chosen on."""
        return "float32"

    def _fitted(self) -> tuple[Describer, Bank]:
        if self._describer is None or self._bank is None:
            raise not_fitted(self.meta.name)
        return self._describer, self._bank
