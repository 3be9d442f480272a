"""Back to the Feature (BTF): a memory bank of colour and shape features.

Horwitz, Hoshen: "Back to the Feature: Classical 3D Features are (Almost) All You Need for 3D Anomaly Detection",
CVPR Workshops 2023. Each of 28 x 28 patches is described by a frozen WideResNet50-2 and by point histograms; its
anomaly score is its distance from the descriptions of nominal patches. Nothing is trained.

Differences from the authors' code, so that every method is compared under one protocol: the published rows used views
resized to 224 x 224, whatever their aspect ratio, or files that a script had overwritten. Here image and cloud are
padded with zeros to a centred square first, clouds are cleaned, and the image is blackened where the dataset's
published preprocessing does so (``rgb_background``). Searches and the coreset's picks are exact; see
:mod:`methods.parts.bank` and :mod:`methods.parts.coreset`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from harness.contract import Meta
from methods.parameters import require_range
from methods.parts.base import WithWeights
from methods.parts.patch_bank_method import PatchBankMethod
from methods.weights import WIDE_RESNET50_2

if TYPE_CHECKING:
    from torch import Tensor

    from methods.parts.patch_features import Extractor

__all__ = ["BTF"]


@dataclass(kw_only=True, eq=False)
class BTF(WithWeights, PatchBankMethod):
    """An anomaly is a patch far from all nominal patches that the bank keeps.

    Parameters
    ----------
    features
        ``rgb``: WideResNet50-2, layers 2 and 3; ``depth``: the same network on z three times; ``raw``, ``hog``,
        ``sift``: of the depth image; ``fpfh``: point histograms; ``rgb+fpfh`` is what the paper calls BTF.
    coreset
        Share of the nominal patches that the bank keeps, above 0; 1 keeps all.
    coreset_eps
        Distortion of the random projection that the coreset is chosen on.
    coreset_dtype
        Dtype of the projection: ``float16`` in the authors' code, which also rounds distances to it.
    score
        ``reweighted``: the largest distance of a patch, reduced where nominal patches near it are rare; ``max``: the
        largest distance itself.
    blur
        ``pil``: the map is quantised to 256 levels before it is blurred, as in the authors' code; ``gaussian``: sigma
        4; ``none``.
    rgb_background
        The image's background. ``dataset``: black where the preprocessing that the authors publish for the dataset
        makes it black, as on MVTec 3D-AD all that cleaning removes; kept on Eyecandies, whose images theirs copies
        unchanged. ``black``: black where cleaning removed points, on every dataset; ``keep``.
    raw_layout
        ``code``: patches of ``raw`` are runs of 64 pixels in raster order; ``patches``: squares of 8 x 8.
    normal_radius, normal_neighbours
        Radius in metres, and largest number of points, of the neighbourhoods that normals are estimated from.
    fpfh_radius, fpfh_neighbours
        The same for the histograms. Radii exceed most objects, so the numbers of points decide.
    """

    meta: ClassVar[Meta] = Meta(
        name="btf",
        title="BTF",
        family="btf",
        paper="Horwitz and Hoshen, CVPR Workshops 2023",
        weights=(WIDE_RESNET50_2,),
        extras=("btf",),
        presets={"quick": {}},
    )

    features: Literal["rgb", "depth", "raw", "hog", "sift", "fpfh", "rgb+fpfh"] = "rgb+fpfh"
    coreset: float = 0.1
    coreset_eps: float = 0.9
    coreset_dtype: Literal["float16", "float32"] = "float16"
    score: Literal["reweighted", "max"] = "reweighted"
    blur: Literal["pil", "gaussian", "none"] = "pil"
    rgb_background: Literal["dataset", "black", "keep"] = "dataset"
    raw_layout: Literal["code", "patches"] = "code"
    normal_radius: float = 0.1
    normal_neighbours: int = 30
    fpfh_radius: float = 0.25
    fpfh_neighbours: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "normal_radius", "fpfh_radius", above=0)
        require_range(self, "normal_neighbours", "fpfh_neighbours", at_least=1)

    def modalities(self) -> tuple[str, ...]:
        """Return what its features are made of: only point histograms need metres; cleaning blackens the image."""
        if self.features == "rgb":
            return ("rgb",) if self.rgb_background == "keep" else ("rgb", "depth")
        uses = {"rgb": "rgb", "fpfh": "xyz"}
        return tuple(uses.get(part, "depth") for part in self.features.split("+"))

    def _build(self, seed: int, device: str) -> Extractor:
        from methods.parts.fpfh import FPFHSettings
        from methods.parts.patch_features import Extractor, FeatureSettings

        settings = FeatureSettings(
            self.features,
            self.rgb_background,
            self.raw_layout,
            FPFHSettings(self.normal_radius, self.normal_neighbours, self.fpfh_radius, self.fpfh_neighbours),
        )
        weights = self._files.get(WIDE_RESNET50_2.name)
        return Extractor(settings, weights=weights, seed=seed, device=device)

    def _smoothed(self, image: Tensor) -> Tensor:
        from methods.parts.patch_maps import pil_blur
        from methods.parts.smoothing import smooth

        return pil_blur(image) if self.blur == "pil" else smooth(image, self.blur)

    def _projection_dtype(self) -> Literal["float16", "float32"]:
        return self.coreset_dtype
