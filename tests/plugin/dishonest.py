"""Methods that break the contract, each in one way."""

import os
import random
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from colour_distance import ColourDistance

from harness.contract import Meta, MethodError, UnsupportedError, WeightFile

META = Meta(name="dishonest", title="Dishonest", family="example")

Way = Literal[
    "none",
    "fit-raises",
    "fit-refuses",
    "fit-exits",
    "fit-dies",
    "unsupported",
    "tells-nothing",
    "tells-nonsense",
    "lacks-a-key",
    "numpy-bytes",
    "hoards",
    "boasts",
    "tuple",
    "double",
    "oblong",
    "nan",
    "constant",
    "numpy-score",
    "pixel-map-of-a-list",
    "flat-extra",
    "counts",
    "shares-a-buffer",
    "nan-if-empty",
    "crash-if-empty",
    "crash-if-black",
    "squares-only",
    "refuses-oblong",
    "one-size",
    "unseeded",
    "unpicklable",
    "keeps-views",
    "peeks",
    "opens-a-mask",
    "scribbles-in-fit",
    "scribbles-in-prepare",
    "prints",
    "prints-below",
    "errstate",
    "dtype",
    "threads",
    "no-grad",
    "chdir",
]


class Dishonest(ColourDistance):
    meta = META

    def __init__(self, *, how: Way = "none", where: str = "") -> None:
        super().__init__(size=16)
        self.how, self.where = how, where
        self.calls = 0
        self.buffer = np.zeros((16, 16), np.float32)

    def fit(self, samples, *, seed, device, progress):
        first = samples[0]
        getattr(self, "_in_fit_" + self.how.replace("-", "_"), lambda sample: None)(first)
        super().fit(samples, seed=seed, device=device, progress=self._progress(progress))
        self.largest = max(first.rgb.shape)
        if self.how == "keeps-views":
            self.reference = first.rgb[:4]
        if self.how == "unseeded":
            self.mean_ = self.mean_ + np.random.default_rng().random(3)

    def prepare(self, sample):
        before = getattr(self, "_before_prepare_" + self.how.replace("-", "_"), lambda sample: None)
        before(sample)
        return super().prepare(sample)

    def infer(self, inputs):
        self.calls += 1
        prediction = super().infer(inputs)
        after = getattr(self, "_after_infer_" + self.how.replace("-", "_"), lambda prediction, inside: prediction)
        return after(prediction, inputs[1])

    def state_bytes(self):
        told = super().state_bytes()
        match self.how:
            case "lacks-a-key":
                del told["other"]
            case "numpy-bytes":
                told["bank"] = np.int64(told["bank"])
            case "boasts":
                told["bank"] += 80_000_000
        return told

    def _progress(self, progress):
        if self.how == "tells-nothing":
            return lambda stage, done, total: None
        if self.how == "tells-nonsense":
            return lambda stage, done, total: progress(stage, done + total, total)
        return progress

    def _in_fit_fit_raises(self, sample):
        raise KeyError("bank")

    def _in_fit_fit_refuses(self, sample):
        raise MethodError("five samples are too few")

    def _in_fit_fit_exits(self, sample):
        sys.exit(0)

    def _in_fit_fit_dies(self, sample):
        print("goodbye", file=sys.stderr, flush=True)
        os._exit(0)

    def _in_fit_unsupported(self, sample):
        raise UnsupportedError("Dishonest needs two suns: pip install suns.")

    def _in_fit_hoards(self, sample):
        self.hoard = np.ones(1_000_000)

    def _in_fit_unpicklable(self, sample):
        self.function = lambda: None

    def _in_fit_peeks(self, sample):
        self.told = sample.mask is not None

    def _in_fit_opens_a_mask(self, sample):
        self.told = len(Path(self.where).read_bytes())

    def _in_fit_scribbles_in_fit(self, sample):
        sample.xyz[0, 0] = 7

    def _in_fit_prints(self, sample):
        print("epoch 1 of 1")

    def _in_fit_prints_below(self, sample):
        os.write(1, b"made by compiled code\n")

    def _in_fit_errstate(self, sample):
        np.seterr(over="raise")

    def _in_fit_dtype(self, sample):
        import torch

        torch.set_default_dtype(torch.float64)

    def _in_fit_threads(self, sample):
        import torch

        torch.set_num_threads(torch.get_num_threads() + 1)

    def _before_prepare_no_grad(self, sample):
        import torch

        torch.set_grad_enabled(False)

    def _before_prepare_chdir(self, sample):
        os.chdir("/")

    def _before_prepare_scribbles_in_prepare(self, sample):
        if hasattr(self, "mean_"):
            sample.rgb[...] //= 2

    def _before_prepare_crash_if_empty(self, sample):
        np.linalg.inv(sample.xyz.reshape(-1, 3).T @ sample.xyz.reshape(-1, 3))

    def _before_prepare_crash_if_black(self, sample):
        1 // int(sample.rgb.max())

    def _before_prepare_squares_only(self, sample):
        np.linalg.inv(sample.rgb[..., 0] + np.eye(len(sample.rgb)))

    def _before_prepare_refuses_oblong(self, sample):
        if sample.rgb.shape[0] != sample.rgb.shape[1]:
            raise MethodError("only squares")

    def _before_prepare_one_size(self, sample):
        if max(sample.rgb.shape) != getattr(self, "largest", max(sample.rgb.shape)):
            raise MethodError("another size")

    def _after_infer_tuple(self, prediction, inside):
        return prediction.anomaly_map, prediction.score

    def _after_infer_double(self, prediction, inside):
        return replace(prediction, anomaly_map=prediction.anomaly_map.astype(float))

    def _after_infer_oblong(self, prediction, inside):
        return replace(prediction, anomaly_map=prediction.anomaly_map[:-1])

    def _after_infer_nan(self, prediction, inside):
        prediction.anomaly_map[0, 0] = np.nan
        return prediction

    def _after_infer_constant(self, prediction, inside):
        return replace(prediction, anomaly_map=np.zeros_like(prediction.anomaly_map))

    def _after_infer_numpy_score(self, prediction, inside):
        return replace(prediction, score=np.float32(prediction.score))

    def _after_infer_pixel_map_of_a_list(self, prediction, inside):
        return replace(prediction, pixel_map=prediction.anomaly_map.tolist())

    def _after_infer_flat_extra(self, prediction, inside):
        return replace(prediction, extras={"distance": prediction.anomaly_map.ravel()})

    def _after_infer_counts(self, prediction, inside):
        return replace(prediction, score=prediction.score + self.calls)

    def _after_infer_shares_a_buffer(self, prediction, inside):
        self.buffer[...] = prediction.anomaly_map
        return replace(prediction, anomaly_map=self.buffer)

    def _after_infer_nan_if_empty(self, prediction, inside):
        return prediction if inside.any() else replace(prediction, score=float("nan"))

    def _after_infer_keeps_views(self, prediction, inside):
        return replace(prediction, score=prediction.score + float(self.reference.mean()))


class Misnamed(Dishonest):
    meta = replace(META, name="another")


class Untitled(Dishonest):
    meta = replace(META, name="untitled", title="")


class Smelling(Dishonest):
    meta = replace(META, name="smelling", modalities=("rgb", "depth", "smell"))


class Weightless(Dishonest):
    meta = replace(META, name="weightless", weights=(WeightFile("a.pth", "https://example.org/a.pth", "MIT"),))


class Wishful(Dishonest):
    meta = replace(META, name="wishful", needs=("normals", "smell"))


class Coreless(Dishonest):
    meta = replace(META, name="coreless", cores=0)


class Fast(Dishonest):
    meta = replace(META, name="fast", presets={"fast": {"how": "none"}})


class Greedy(Dishonest):
    meta = replace(META, name="greedy")

    def __init__(self, **parameters):
        super().__init__()


class Touchy(Dishonest):
    meta = replace(META, name="touchy")

    def __init__(self, *, grid: int = 4) -> None:
        super().__init__()
        self.cells = 16 // grid


class Undecided(Dishonest):
    meta = replace(META, name="undecided")

    def __init__(self, *, grid: int = 0.5) -> None:
        super().__init__()


class Misfit(Dishonest):
    meta = replace(META, name="misfit", presets={"quick": {"sise": 16}})


class Stubborn(Dishonest):
    meta = replace(META, name="stubborn", presets={"quick": {"grid": 0}})

    def __init__(self, *, grid: int = 4) -> None:
        super().__init__()
        if grid < 1:
            raise ValueError("grid must be positive")


class Eager(Dishonest):
    """Does more than it should while it is made."""

    meta = replace(META, name="eager")

    def __init__(
        self, *, at: Literal["reading", "drawing", "waiting", "torch", "hanging", "refusing"] = "reading"
    ) -> None:
        super().__init__()
        match at:
            case "reading":
                Path(os.devnull).read_bytes()
            case "drawing":
                self.first = random.random()
            case "waiting":
                time.sleep(0.05)
            case "torch":
                import torch

                self.module = torch.__name__
            case "hanging":
                time.sleep(600)
            case "refusing":
                raise UnsupportedError("Eager needs suns.")


class Forgetful(Dishonest):
    """Its state is not what it learned."""

    meta = replace(META, name="forgetful")

    def __init__(self, *, keeps: Literal["half", "nothing", "all"] = "half") -> None:
        super().__init__()
        self.keeps = keeps

    def state(self):
        return {} if self.keeps == "nothing" else {"mean": self.mean_, "whiten": self.whiten_}

    def restore(self, state, *, seed, device):
        self.mean_ = state["mean"]
        self.whiten_ = state["whiten"] if self.keeps == "all" else np.eye(3)


class Undemanding(Dishonest):
    """Its wish for validation samples is none, or no wish."""

    meta = replace(META, name="undemanding")

    def __init__(self, *, says: Literal["yes", "true"] = "yes") -> None:
        super().__init__()
        self.says = says

    def wants_validation(self):
        return "yes" if self.says == "yes" else True

    def use_validation(self, samples):
        if self.says == "yes":
            self.shape = samples[0].rgb.shape
