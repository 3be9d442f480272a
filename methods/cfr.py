"""Crossmodal Feature Replacer (CFR), a few-shot method on CFM's features.

Guo et al.: "Remove the Ambiguity: Few-shot Multimodal Anomaly Detection Using Crossmodal Feature Replacer", ICML 2026
(PMLR 306). Features of each modality are predicted from those of the other, by mappings that are trained to undo each
other as well. A geometry may go with several appearances, whose mean a mapping predicts: where a predicted image
feature is far from every nominal one, it is replaced by one that attention retrieves from nominal pairs of features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.contract import Meta, Prediction, Progress, Sample
from methods.parameters import require_choices, require_range
from methods.parts.base import not_fitted
from methods.parts.on_features import OnFeatures
from methods.weights import DINO_VIT_B8, POINT_MAE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.parts.cfr.replacer import Replacer
    from methods.parts.features import Extractors, Inputs, Tokens

__all__ = ["CFR"]

_QUICK: dict[str, bool | int | float | str] = {
    "epochs": 20,
    "pixels": 256,
    "retriever_epochs": 10,
    "retriever_pixels": 512,
    "retriever_lr": 1e-3,
    "candidates": 0.02,
    "centres": 512,
    "group_size": 32,
    "bn_stats": "batch",
}

_BANK = "bank."
"""Prefix of the names of the banks' arrays in a saved state."""


@dataclass(kw_only=True, eq=False)
class CFR(OnFeatures):
    """Map features of each modality to the other, and replace predictions that no nominal pixel resembles.

    Parameters
    ----------
    epochs, lr
        Passes over the training samples and learning rate of Adam, of the mappings.
    batch, pixels
        Images per training step of the mappings, and pixels drawn from them for one step; 0 for all.
    retriever_epochs, retriever_lr
        Passes over the training samples and learning rate of Adam, of the retriever.
    retriever_pixels
        Most pixels drawn from an image for one step of the retriever.
    keys, key_rows
        Pairs of the bank that a pixel attends to, those with the most similar keys, among at most so many pairs, drawn
        at random from a larger bank for each step and for each test sample.
    theta
        Cosine distance of a predicted image feature to the nearest one of the bank from which on it is replaced: 0.4 in
        the authors' script for MVTec 3D-AD, 0.2 in that for Eyecandies and by default in their code. 2 replaces none.
    few_shots, candidates
        With more training samples than ``few_shots``, the banks are chosen from this random share of the pixels of each
        image; otherwise from all pixels.
    coreset
        Share of these pixels that each bank keeps.
    centres, group_size
        Groups of the cloud, and points per group.
    bn_stats
        Statistics of the point encoder's BatchNorm. ``code``: those of the cloud while the mappings are trained and at
        test time, those of pre-training while banks are filled and the retriever is trained, as in the authors' code;
        ``batch``: those of the cloud throughout; ``running``: those of pre-training throughout.
    drop_path
        ``on``: DropPath of the point transformer is active while the mappings are trained and at test time, as in the
        authors' code.
    smoothing
        ``box5``: one 5 x 5 mean filter, zero-padded (the authors' code); ``box``: the eight filters of CFM.
    """

    layers = 12
    meta: ClassVar[Meta] = Meta(
        name="cfr",
        title="CFR",
        family="cfm",
        paper="Guo et al., ICML 2026",
        weights=(DINO_VIT_B8, POINT_MAE),
        presets={"quick": _QUICK},
    )

    epochs: int = 100
    lr: float = 1e-3
    batch: int = 1
    pixels: int = 0
    retriever_epochs: int = 100
    retriever_lr: float = 1e-4
    retriever_pixels: int = 20_000
    keys: int = 3
    key_rows: int = 20_000
    theta: float = 0.4
    few_shots: int = 5
    candidates: float = 0.1
    coreset: float = 0.1
    centres: int = 1024
    group_size: int = 128
    bn_stats: Literal["code", "batch", "running"] = "code"
    drop_path: Literal["off", "on"] = "off"
    smoothing: Literal["box5", "box"] = "box5"

    retriever_losses_: list[float] = field(default_factory=list, init=False, repr=False)
    _extractors: Extractors | None = field(default=None, init=False, repr=False)
    _replacer: Replacer | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_choices(self)
        require_range(self, "epochs", "batch", "retriever_epochs", "retriever_pixels", "keys", "key_rows", at_least=1)
        require_range(self, "centres", "group_size", at_least=1)
        require_range(self, "pixels", "few_shots", at_least=0)
        require_range(self, "lr", "retriever_lr", above=0)
        require_range(self, "theta", at_least=0, at_most=2)
        require_range(self, "candidates", "coreset", above=0, at_most=1)

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Train the mappings, fill both banks, and train the retriever on them."""
        from methods.parts.cfm.training import Schedule, train
        from methods.parts.cfm.training_features import training_features

        extractors, replacer = self._build(seed, device)
        cache, self._cache = self._cache, None
        tokens_of = training_features(extractors, samples, cache, progress)
        self.losses_ = train(
            replacer.mapping,
            tokens_of,
            len(samples),
            Schedule(self.epochs, self.lr, self.batch, self.pixels, self.meta.name),
            seed=seed,
            progress=progress,
            autocast=extractors.autocast,
        )
        if self.bn_stats == "code" or self.drop_path == "on":
            calm = extractors.without_draws("running" if self.bn_stats == "code" else self.bn_stats)
            del tokens_of  # two sets of features are not in memory at a time
            tokens_of = training_features(calm, samples, cache, progress)
        self._fill(replacer, tokens_of, len(samples), seed=seed, device=device, progress=progress)
        extractors.capture()
        self._extractors, self._replacer = extractors, replacer

    def _fill(
        self,
        replacer: Replacer,
        tokens_of: Callable[[int, int], Tokens],
        count: int,
        *,
        seed: int,
        device: str,
        progress: Progress,
    ) -> None:
        """Fill both banks, and train the retriever."""
        from methods.parts.cfr.banks import BankRules, fill_banks
        from methods.parts.cfr.retriever import RetrieverSchedule, train_retriever

        rules = BankRules(self.few_shots, self.candidates, self.coreset)
        banks = replacer.banks = fill_banks(tokens_of, count, rules, seed=seed, device=device, progress=progress)
        schedule = RetrieverSchedule(
            self.retriever_epochs, self.retriever_lr, self.retriever_pixels, self.keys, self.key_rows
        )
        self.retriever_losses_ = train_retriever(
            replacer.retriever, banks, tokens_of, count, schedule, seed=seed, progress=progress
        )

    def infer(self, inputs: Inputs) -> Prediction:
        """Return the anomaly map, the map for P-AUROC, and the score, as CFM; and where predictions were replaced."""
        import torch

        from methods.parts.cfr.replacer import Rules

        extractors, replacer = self._fitted()
        rules = Rules(self.theta, self.keys, self.key_rows, self.smoothing)
        with torch.inference_mode():
            maps, replaced = replacer.maps(extractors.tokens(inputs), rules, draw=inputs.draw)
            prediction = maps.to_prediction()
        return replace(prediction, extras={**prediction.extras, "replaced": replaced.cpu().numpy()})

    def explain(self, inputs: Inputs) -> Mapping[str, NDArray[np.float32]]:
        """Return channel means of the real and the predicted features, before any is replaced."""
        import torch

        from methods.parts.cfm.explain import feature_means

        extractors, replacer = self._fitted()
        with torch.inference_mode():
            means = feature_means(replacer.mapping, extractors.tokens(inputs))
        return {name: values.cpu().numpy() for name, values in means.items()}

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes of extractors, mappings and retriever, and of both banks."""
        return {**super().state_bytes(), "bank": self._fitted()[1].filled.nbytes}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the trained networks and both banks."""
        banks = self._fitted()[1].filled.state()
        return {**super().state(), **{f"{_BANK}{name}": array for name, array in banks.items()}}

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Load trained networks and banks."""
        from methods.parts.cfr.banks import Banks
        from methods.parts.module_state import load_arrays, under

        extractors, replacer = self._build(seed, device)
        load_arrays(replacer, {name: array for name, array in state.items() if not name.startswith(_BANK)})
        replacer.banks = Banks.restored(under(state, _BANK), device)
        extractors.capture()
        self._extractors, self._replacer = extractors, replacer

    def _build(self, seed: int, device: str) -> tuple[Extractors, Replacer]:
        from methods.parts.cfr.replacer import Replacer
        from methods.parts.features import Extractors

        extractors = Extractors(
            layers=self.layers,
            centres=self.centres,
            group_size=self.group_size,
            statistics="batch" if self.bn_stats == "code" else self.bn_stats,
            precision="fp32",
            drop_path=self.drop_path == "on",
            vit_weights=self._files.get(DINO_VIT_B8.name),
            point_weights=self._files.get(POINT_MAE.name),
            seed=seed,
            device=device,
        )
        replacer = Replacer(*extractors.channels)
        replacer.randomise(seed)
        return extractors, replacer.to(device)

    def _fitted(self) -> tuple[Extractors, Replacer]:
        if self._extractors is None or self._replacer is None:
            raise not_fitted(self.meta.name)
        return self._extractors, self._replacer
