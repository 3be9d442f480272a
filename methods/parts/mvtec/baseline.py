"""What the baselines of the MVTec 3D-AD paper share: parameters, a representation, and reconstruction by a network.

Annotations are evaluated here, for those of a constructor are read from the module of a subclass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.contract import Meta, Prediction, Progress, Sample
from methods.parameters import require_choices, require_power_of_two, require_range
from methods.parts.base import not_fitted
from methods.parts.reporting import lower_learning_rate

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from methods.parts.mvtec.representation import Encoded, Representation
    from methods.parts.mvtec.stream import AugmentedSet

__all__ = ["Baseline", "OnDepth", "OnVoxels", "Reconstruction"]

_NETWORK = "network."
"""Prefix of the names of a network's arrays in a saved state."""


@dataclass(kw_only=True, eq=False)
class Baseline:
    """A model of a representation; subclasses say of which, and which model.

    Parameters
    ----------
    rotations
        Angles of each training sample.
    """

    meta: ClassVar[Meta]

    rgb: Literal["on", "off"] = "on"
    rotations: int = 20

    _representation: "Representation | None" = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_choices(self)
        require_range(self, "rotations", at_least=1)

    def modalities(self) -> tuple[str, ...]:
        """Return the points, and the image where it uses colours."""
        return ("rgb", "xyz") if self.rgb == "on" else ("xyz",)

    def prepare(self, sample: Sample) -> "Encoded":
        """Represent one sample and transfer it."""
        if self._representation is None:
            raise not_fitted(self.meta.name)
        return self._representation.encode(sample)

    def _represent(self, device: str) -> "Representation":
        raise NotImplementedError


@dataclass(kw_only=True, eq=False)
class OnVoxels(Baseline):
    """A baseline on a grid of voxels.

    Parameters
    ----------
    rgb
        ``on``: a voxel holds the mean colour of its points; ``off``: whether it has any.
    grid
        Voxels along a side of the cube about the training clouds, a power of two.
    rays
        Side of the image of rays that scores are projected with, before it is resized to the image.
    """

    grid: int = 64
    rays: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "grid", "rays", at_least=2)

    def _represent(self, device: str) -> "Representation":
        from methods.parts.mvtec.voxels import VoxelGrid

        return VoxelGrid(grid=self.grid, rgb=self.rgb == "on", rays=self.rays, device=device)


@dataclass(kw_only=True, eq=False)
class OnDepth(Baseline):
    """A baseline on depth images.

    Parameters
    ----------
    rgb
        ``on``: three channels of colour follow the distance; ``off``: the distance alone.
    size
        Side of the square that images are resized to, a power of two.
    """

    size: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "size", at_least=0)

    def _represent(self, device: str) -> "Representation":
        from methods.parts.mvtec.depth import DepthImage

        return DepthImage(size=self.size, rgb=self.rgb == "on", device=device)


@dataclass(kw_only=True, eq=False)
class Reconstruction(Baseline):
    """Rebuilds a representation by a network, whose sides are powers of two."""

    width: int = 32
    latent: int = 512
    epochs: int = 50
    batch: int = 16
    lr: float = 1e-4

    losses_: dict[str, list[float]] = field(default_factory=dict, init=False, repr=False)
    _network: "nn.Module | None" = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "width", "latent", "epochs", "batch", at_least=1)
        require_range(self, "lr", above=0)
        side, least = ("grid", 8) if isinstance(self, OnVoxels) else ("size", 16)
        require_power_of_two(self, side, at_least=least)

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Represent all rotated training samples once, and train the network on them."""
        from methods.parts.mvtec.stream import AugmentedSet

        representation = self._represent(device)
        representation.fit(samples, seed=seed, progress=progress)
        self.losses_ = {}
        with AugmentedSet(representation, samples, rotations=self.rotations, seed=seed, progress=progress) as items:
            self._network = self._trained(representation, items, seed=seed, device=device, progress=progress)
        self._representation = representation

    def infer(self, inputs: "Encoded") -> Prediction:
        """Return the map of reconstruction errors, averaged over channels, and the largest as the score."""
        import torch

        representation, network = self._fitted()
        with torch.inference_mode():
            values = self._scaled(inputs.values)
            errors = (values - network(values[None])[0]).abs().mean(0)
            anomaly_map = representation.to_map(errors, inputs)
        return Prediction(anomaly_map, float(anomaly_map.max()))

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes of the network, and those of the representation as other."""
        from methods.parts.module_state import module_bytes

        representation, network = self._fitted()
        return {"weights": module_bytes(network), "bank": 0, "other": representation.nbytes}

    def state(self) -> "Mapping[str, NDArray[Any]]":
        """Return the trained network, and what the representation learned."""
        from methods.parts.module_state import to_arrays

        representation, network = self._fitted()
        arrays = {_NETWORK + name: array for name, array in to_arrays(network).items()}
        return {**arrays, **representation.state()}

    def restore(self, state: "Mapping[str, NDArray[Any]]", *, seed: int, device: str) -> None:
        """Load them."""
        from methods.parts.module_state import load_arrays, under

        representation = self._represent(device)
        representation.restore({name: array for name, array in state.items() if not name.startswith(_NETWORK)})
        network = self._build(representation, seed)
        load_arrays(network, under(state, _NETWORK))
        self._representation, self._network = representation, network.to(device).eval().requires_grad_(False)

    def _build(self, representation: "Representation", seed: int) -> "nn.Module":
        """Return the network with its first weights, on the CPU; it returns the reconstruction of what it gets."""
        raise NotImplementedError

    def _trained(
        self, representation: "Representation", items: "AugmentedSet", *, seed: int, device: str, progress: Progress
    ) -> "nn.Module":
        """Return the trained network, frozen, on the device."""
        raise NotImplementedError

    def _scaled(self, values: "Tensor") -> "Tensor":
        """Return the values of a representation in the range of the network."""
        return values

    def _fitted(self) -> "tuple[Representation, nn.Module]":
        if self._representation is None or self._network is None:
            raise not_fitted(self.meta.name)
        return self._representation, self._network

    def _remedy(self) -> str:
        return lower_learning_rate(self.meta.name, self.lr)
