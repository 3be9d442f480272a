"""Frozen multimodal features: DINO tokens of the image, Point-MAE tokens of the cloud, interpolated to pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol
from zlib import crc32

import torch
from torch import Tensor, nn

from harness.contract import Implementation, MethodError, Sample
from methods.parts.compiling import require_compiler
from methods.parts.dino import GRID, build_vit, vit_tokens
from methods.parts.graphs import graphs_on
from methods.parts.inputs import SIZE, cloud_input, image_input
from methods.parts.interpolation import bilinear_rows, cloud_rows, interpolator_for, reached_pixels
from methods.parts.module_state import module_bytes
from methods.parts.point_mae import BatchNormStatistics, build_point_mae, group_points
from methods.parts.precision import Precision, round_weights
from methods.parts.sampling import distances_for, farthest_points, sampler_for
from methods.parts.side_stream import beside
from methods.parts.sparse_rows import SparseRows
from methods.weights import DINO_VIT_B8, POINT_MAE

__all__ = [
    "Embedded",
    "ExtractorParameters",
    "Extractors",
    "Inputs",
    "Networks",
    "Tokens",
    "build_extractors",
]

_RANDOM_WEIGHTS_SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """One sample on the device of the networks.

    Parameters
    ----------
    image : (3, 224, 224) float32
    points : (N, 3) float32
        Valid points in raster order, metres.
    pixels : (N,) int64
        Flat pixel of each point.
    reached : (n,) int64
        Flat pixels with 3D features, ascending.
    draw
        Seed of DropPath's draws at test time; it depends on the cloud alone.
    """

    image: Tensor
    points: Tensor
    pixels: Tensor
    reached: Tensor
    draw: int


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """The part of a sample's features that DropPath does not change."""

    image_tokens: Tensor
    group_tokens: Tensor
    centres: Tensor
    pixels: Tensor
    to_cloud_pixels: SparseRows


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Features at token resolution, and the matrices that interpolate them to the pixels with 3D features.

    Parameters
    ----------
    image : (784, 768) float
    cloud : (1024, C) float
    pixels : (n,) int64
        Flat pixels with 3D features, ascending.
    to_image_pixels, to_cloud_pixels
        (n, 784) and (n, 1024) sparse.
    """

    image: Tensor
    cloud: Tensor
    pixels: Tensor
    to_image_pixels: SparseRows
    to_cloud_pixels: SparseRows

    @classmethod
    def of(cls, image: Tensor, cloud: Tensor, pixels: Tensor, to_cloud_pixels: SparseRows) -> Tokens:
        """Build the matrix of the image's tokens, which depends on the pixels alone, and return all together."""
        return cls(image, cloud, pixels, bilinear_rows(pixels, SIZE, GRID, cloud.dtype), to_cloud_pixels)

    def __len__(self) -> int:
        return len(self.pixels)

    def chunks(self, size: int) -> Iterator[tuple[SparseRows, SparseRows]]:
        """Yield both matrices for ``size`` pixels at a time, in order."""
        for start in range(0, len(self), size):
            yield self.to_image_pixels.slice(start, start + size), self.to_cloud_pixels.slice(start, start + size)

    def at(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the 2D and 3D features of some of the pixels, by row: (m, 768) and (m, C)."""
        return self.to_image_pixels.rows(rows) @ self.image, self.to_cloud_pixels.rows(rows) @ self.cloud


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks as functions of tensors.

    Parameters
    ----------
    image
        From an image (3, 224, 224) to its tokens (784, 768).
    groups
        From the points of groups relative to their centres, (M, G, 3), to tokens (M, 384).
    cloud
        From these tokens and the centres (M, 3), and a generator of DropPath's draws if it is on, to tokens (M, C).
    """

    image: Callable[[Tensor], Tensor]
    groups: Callable[[Tensor], Tensor]
    cloud: Callable[..., Tensor]


class Extractors:
    """Both frozen networks.

    Parameters
    ----------
    layers
        Blocks kept of each network.
    centres, group_size
        Number of groups of the cloud, and points per group.
    statistics
        Statistics of the point encoder's BatchNorm: ``batch`` or ``running``.
    precision
        ``bf16`` runs the networks under autocast, with weights that are rounded here.
    drop_path
        Whether DropPath is active.
    vit_weights, point_weights
        Pretrained files; None for random weights, which are the same for every seed, as pretrained ones are.
    seed
        Seed of DropPath's draws.
    compiled
        Whether the networks are compiled for inference. Reused features are extracted without compilation, since a
        cache shares them between both settings.

    Attributes
    ----------
    networks
        As inference runs them: plain, compiled, or, after :meth:`capture`, as CUDA graphs.
    """

    def __init__(
        self,
        *,
        layers: int,
        centres: int,
        group_size: int,
        statistics: BatchNormStatistics,
        precision: Precision,
        drop_path: bool,
        vit_weights: Path | None,
        point_weights: Path | None,
        seed: int,
        device: str,
        compiled: bool = False,
    ) -> None:
        vit = build_vit(layers, weights=vit_weights, seed=_RANDOM_WEIGHTS_SEED)
        points = build_point_mae(layers, weights=point_weights, seed=_RANDOM_WEIGHTS_SEED)
        if precision == "bf16":
            round_weights(vit)
            round_weights(points, exact=points.encoder.used_exactly)
        self.vit, self.points = vit.to(device), points.to(device)
        self.layers = layers
        self.centres, self.group_size, self.statistics = centres, group_size, statistics
        self.drop_path, self.seed = drop_path, seed
        self.device = torch.device(device)
        self.precision = precision
        self.graphs = graphs_on(self.device)
        self._compiled = compiled
        self._sampler_bytes = sampler_for(self.device).open_for(centres)
        self.networks = self._plain = self._uncompiled()
        if compiled:
            require_compiler(device)
            self.networks = Networks(
                partial(self._image_tokens, torch.compile(vit_tokens)),
                self._group_tokens,
                partial(self._cloud_tokens, torch.compile(self.points.transform)),
            )

    def _uncompiled(self) -> Networks:
        return Networks(
            partial(self._image_tokens, vit_tokens),
            self._group_tokens,
            partial(self._cloud_tokens, self.points.transform),
        )

    def without_draws(self, statistics: BatchNormStatistics) -> Extractors:
        """Return extractors with the same networks, other statistics and no DropPath; nothing of theirs is captured."""
        other = copy(self)
        other.statistics, other.drop_path = statistics, False
        other.networks = other._plain = other._uncompiled()
        return other

    def capture(self) -> None:
        """Capture the networks as CUDA graphs for inference, where the device has them and nothing is compiled.

        Weights may not move to other memory after that.
        """
        if self._compiled or self.device.type != "cuda":
            return
        draw = partial(torch.randn, generator=torch.Generator().manual_seed(0))
        image = draw(3, SIZE, SIZE).to(self.device)
        offsets = draw(self.centres, self.group_size, 3).mul_(1e-2).to(self.device)
        tokens, centres = draw(self.centres, self.points.width).to(self.device), offsets[:, 0].clone()
        captured, plain = self.graphs.captured, self._plain
        self.networks = Networks(
            captured("image network", plain.image, image),
            captured("point encoder", plain.groups, offsets),
            plain.cloud if self.drop_path else captured("point transformer", plain.cloud, tokens, centres),
        )

    @property
    def channels(self) -> tuple[int, int]:
        """Channels of 2D and 3D features."""
        return int(self.vit.embed_dim), self.points.channels  # type: ignore[arg-type]

    def state_bytes(self) -> dict[str, int]:
        """Return the bytes held: ``weights`` of both networks, ``other`` of what farthest points and graphs take."""
        held = module_bytes(self.vit, self.points)
        return {"weights": held, "other": self._sampler_bytes + self.graphs.nbytes}

    def implementations(self) -> dict[str, Implementation]:
        """Return what computes each part where there is a choice; as the contract's ``implementations``."""
        chosen = {
            "farthest points": sampler_for(self.device).implementation,
            "neighbours": distances_for(self.device).implementation,
            "interpolation": interpolator_for(self.device).implementation,
        }
        return {part: one for part, one in chosen.items() if one is not None} | self.graphs.implementations()

    def autocast(self) -> torch.autocast:
        """Return the autocast context of ``precision``."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def prepare(self, sample: Sample) -> Inputs:
        """Pad, resize, normalise and transfer; raise MethodError for a cloud smaller than a group."""
        points, pixels = cloud_input(sample.xyz)
        if len(points) < self.group_size:
            raise MethodError(
                f"The cloud has {len(points)} valid points at {SIZE}x{SIZE}, fewer than one group of "
                f"{self.group_size}: it is empty, or cleaning removed the object."
            )
        return Inputs(
            image=self._moved(image_input(sample.rgb, SIZE)),
            points=self._moved(torch.from_numpy(points)),
            pixels=self._moved(torch.from_numpy(pixels)),
            reached=self._moved(torch.from_numpy(reached_pixels(pixels, SIZE))),
            draw=crc32(points.tobytes()),
        )

    def _moved(self, tensor: Tensor) -> Tensor:
        """Transfer to the device; to CUDA from pinned memory, so that the host does not wait."""
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)

    @torch.no_grad()
    def embed(self, inputs: Inputs, *, reused: bool = False) -> Embedded:
        """Run the image network and the point encoder, and build the interpolation.

        On a CUDA device the centres are chosen on a side stream while the image network runs.

        Parameters
        ----------
        inputs
            On the device.
        reused
            Whether the result is used many times: then the matrix is merged on every device (:func:`cloud_rows`).
        """
        chosen = beside(self.choose_centres, inputs.points)
        image = (self._plain if reused else self.networks).image(inputs.image)
        return self.embed_cloud(inputs, image, chosen(), reused=reused)

    def choose_centres(self, points: Tensor) -> Tensor:
        """Return the indices of the centres of groups, (centres,) int64, from points (N, 3)."""
        return farthest_points(points, self.centres)

    @torch.no_grad()
    def embed_cloud(self, inputs: Inputs, image: Tensor, chosen: Tensor, *, reused: bool = False) -> Embedded:
        """Run the point encoder and build the interpolation; tokens of the image and centres are given."""
        grouped = group_points(inputs.points, chosen, self.group_size)
        tokens = (self._plain if reused else self.networks).groups(grouped.offsets)
        merged = reused or self.device.type == "cpu"
        to_cloud = cloud_rows(inputs.points, inputs.pixels, inputs.reached, grouped.centres, SIZE, merged=merged)
        return Embedded(image, tokens, grouped.centres, inputs.reached, to_cloud)

    @torch.no_grad()
    def finish(self, embedded: Embedded, *draw: int, reused: bool = False) -> Tokens:
        """Run the point transformer; ``draw`` seeds DropPath's draws if it is on."""
        drop = torch.Generator().manual_seed(crc32(repr((self.seed, *draw)).encode())) if self.drop_path else None
        networks = self._plain if reused or drop is not None else self.networks
        cloud = networks.cloud(embedded.group_tokens, embedded.centres, *([] if drop is None else [drop]))
        return Tokens.of(embedded.image_tokens, cloud, embedded.pixels, embedded.to_cloud_pixels)

    def tokens(self, inputs: Inputs, *, reused: bool = False) -> Tokens:
        """Extract all features of one sample; see :meth:`embed` for ``reused``."""
        return self.finish(self.embed(inputs, reused=reused), inputs.draw, reused=reused)

    def _image_tokens(self, network: Callable[[nn.Module, Tensor], Tensor], image: Tensor) -> Tensor:
        with self.autocast():
            return network(self.vit, image).float()

    def _group_tokens(self, offsets: Tensor) -> Tensor:
        with self.autocast():
            return self.points.embed(offsets, self.statistics).float()

    def _cloud_tokens(self, network: Callable[..., Tensor], tokens: Tensor, centres: Tensor, *drop: object) -> Tensor:
        with self.autocast():
            return network(tokens, centres, *drop).float()


class ExtractorParameters(Protocol):
    """Parameters of a method with both networks; :class:`methods.cfm.CFM` documents them."""

    layers: int
    centres: int
    group_size: int
    bn_stats: BatchNormStatistics
    drop_path: Literal["off", "on"]

    @property
    def precision(self) -> Precision:
        """Precision of products, one of those that the method offers."""


def build_extractors(
    parameters: ExtractorParameters, files: Mapping[str, Path], *, seed: int, device: str, compiled: bool = False
) -> Extractors:
    """Build both networks from the parameters of a method.

    Parameters
    ----------
    parameters
        The method.
    files
        Pretrained files by name; a network without one gets random weights.
    seed, device, compiled
        See :class:`Extractors`.
    """
    return Extractors(
        layers=parameters.layers,
        centres=parameters.centres,
        group_size=parameters.group_size,
        statistics=parameters.bn_stats,
        precision=parameters.precision,
        drop_path=parameters.drop_path == "on",
        vit_weights=files.get(DINO_VIT_B8.name),
        point_weights=files.get(POINT_MAE.name),
        seed=seed,
        device=device,
        compiled=compiled,
    )
