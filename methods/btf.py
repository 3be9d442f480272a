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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.contract import Implementation, Meta, Prediction, Progress, Sample
from methods.parameters import require_choices, require_range
from methods.parts.base import WithWeights, not_fitted
from methods.weights import WIDE_RESNET50_2

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.parts.bank import Bank
    from methods.parts.patch_features import Extractor, Inputs

__all__ = ["BTF"]


@dataclass(kw_only=True, eq=False)
class BTF(WithWeights):
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

    _extractor: Extractor | None = field(default=None, init=False, repr=False)
    _bank: Bank | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_choices(self)
        require_range(self, "coreset", above=0, at_most=1)
        require_range(self, "coreset_eps", above=0, below=1)
        require_range(self, "normal_radius", "fpfh_radius", above=0)
        require_range(self, "normal_neighbours", "fpfh_neighbours", at_least=1)

    def modalities(self) -> tuple[str, ...]:
        """Return what its features are made of: only point histograms need metres; cleaning blackens the image."""
        if self.features == "rgb":
            return ("rgb",) if self.rgb_background == "keep" else ("rgb", "depth")
        uses = {"rgb": "rgb", "fpfh": "xyz"}
        return tuple(uses.get(part, "depth") for part in self.features.split("+"))

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Describe all nominal patches and keep those of a greedy coreset."""
        from methods.parts.bank import Bank
        from methods.parts.patch_bank import coreset_of, patches_of_all

        extractor = self._build(seed, device)
        vectors = patches_of_all(samples, lambda sample: extractor.patches(extractor.prepare(sample)), progress)
        kept = coreset_of(
            vectors,
            self.coreset,
            seed=seed,
            eps=self.coreset_eps,
            dtype=self.coreset_dtype,
            progress=progress,
            device=device,
        )
        bank = Bank(kept, device)
        bank.require(3 if self.score == "reweighted" else 1)
        self._extractor, self._bank = extractor, bank

    def prepare(self, sample: Sample) -> Inputs:
        """Pad, resize, normalise and transfer one sample."""
        return self._fitted()[0].prepare(sample)

    def infer(self, inputs: Inputs) -> Prediction:
        """Return the blurred map of distances to the bank, and the score of the farthest patch."""
        from methods.parts.inputs import SIZE
        from methods.parts.patch_bank import distances_and_score
        from methods.parts.patch_maps import patch_map, pil_blur
        from methods.parts.smoothing import smooth

        extractor, bank = self._fitted()
        patches = extractor.patches(inputs)
        distances, score = distances_and_score(bank, patches, self.score)
        image = patch_map(distances, SIZE)
        blurred = pil_blur(image) if self.blur == "pil" else smooth(image, self.blur).float()
        return Prediction(anomaly_map=blurred.numpy(), score=score)

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes of the network, if the features need one, and of the bank."""
        extractor, bank = self._fitted()
        return {"weights": extractor.nbytes(), "bank": bank.nbytes, "other": 0}

    def implementations(self) -> Mapping[str, Implementation]:
        """Return what searches the bank."""
        return self._fitted()[1].implementations()

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the vectors of the bank."""
        return {"bank": self._fitted()[1].vectors.cpu().numpy()}

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Load a bank."""
        from methods.parts.bank import Bank

        self._extractor, self._bank = self._build(seed, device), Bank(state["bank"], device)

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

    def _fitted(self) -> tuple[Extractor, Bank]:
        if self._extractor is None or self._bank is None:
            raise not_fitted(self.meta.name)
        return self._extractor, self._bank
