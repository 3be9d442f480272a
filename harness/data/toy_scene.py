"""The toy world: a body with parts on it, drawn twice, as a camera pictures it and as a depth sensor measures it.

In a nominal scene both draw the same parts, so the colour at a pixel and the shape around it belong together. A
defect changes what is pictured, what is measured, or which of the two shows a part (:mod:`harness.data.toy_defects`).
Lengths are millimetres; (u, v) are coordinates on the body, (x, y) of the image plane.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LOOKS",
    "PITCH",
    "SIDE",
    "Light",
    "Look",
    "Paint",
    "Part",
    "Pose",
    "Scene",
    "draw_scene",
    "place",
    "render",
]

SIDE = 224
"""Side of the square image, pixels."""
PITCH = 1000 * 13 * 2**-14
"""Distance of neighbouring pixels, mm (0.793). The camera is telecentric: it is the same at every depth."""

_HALF_U, _HALF_V, _CORNER, _THICKNESS, _BEVEL = 46.0, 40.0, 14.0, 14.0, 4.0
_CLEARANCE = 1.5
_TABLE = (44.0, 44.0, 48.0)
_DEPTH_NOISE, _DEPTH_STEP = 0.2, 1000 * 2**-12
_COLOUR_NOISE, _COLOUR_STEP = 3.0, 4.0
_DROPOUT, _HOLES, _HOLE_RADIUS = 0.005, 3, 1.6

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Paint:
    """Two colours in a pattern that repeats every ``period`` mm."""

    light: tuple[int, int, int]
    dark: tuple[int, int, int]
    pattern: Literal["stripes", "dots", "checks"]
    period: float

    def colour(self, u: Floats, v: Floats) -> Floats:
        """Return the (..., 3) colour at coordinates ``u`` and ``v``."""
        along, across = np.sin(2 * np.pi * u / self.period), np.sin(2 * np.pi * v / self.period)
        wave = {"stripes": along, "dots": along + across - 0.6, "checks": along * across}[self.pattern]
        mix = np.clip(0.5 + 2 * wave, 0, 1)[..., None]
        light, dark = np.array(self.light, np.float64), np.array(self.dark, np.float64)
        return np.asarray(dark + mix * (light - dark))


@dataclass(frozen=True, slots=True)
class Part:
    """A capsule on the body: all points within ``radius`` of an axis of ``length`` through (u, v).

    Parameters
    ----------
    height
        Of its highest point above the body; 0 for a part that is only painted.
    profile
        Cross-section: ``round`` is a half ellipse, ``sharp`` a triangle.
    opacity
        Share of its paint in the colour that is pictured; the rest is what lies below it.
    """

    u: float
    v: float
    angle: float
    length: float
    radius: float
    height: float
    paint: Paint
    profile: Literal["round", "sharp"] = "round"
    opacity: float = 1.0

    def local(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Return coordinates along and across the axis."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return cos * (u - self.u) + sin * (v - self.v), cos * (v - self.v) - sin * (u - self.u)

    def reach(self, u: Floats, v: Floats) -> Floats:
        """Return the distance to the axis in units of the radius: at most 1 on the part."""
        along, across = self.local(u, v)
        return np.hypot(np.maximum(np.abs(along) - self.length / 2, 0), across) / self.radius

    def rise(self, u: Floats, v: Floats) -> Floats:
        """Return what the part adds to the height of the body."""
        reach = np.minimum(self.reach(u, v), 1)
        return self.height * (np.sqrt(1 - reach**2) if self.profile == "round" else 1 - reach)

    def room(self, others: Iterable[Part]) -> float:
        """Return the distance to the nearest of the other parts and of the body's rim; negative where they overlap."""
        spine = self._spine()
        rim = _rim_distance(spine[:, 0], spine[:, 1]).min() - self.radius - _BEVEL
        gaps = [_nearest(spine, other._spine()) - self.radius - other.radius for other in others]
        return float(min([rim, *gaps]))

    def _spine(self) -> Floats:
        steps = np.linspace(-0.5, 0.5, 7) * self.length
        return np.stack([self.u + steps * math.cos(self.angle), self.v + steps * math.sin(self.angle)], axis=1)


@dataclass(frozen=True, slots=True)
class Look:
    """The nominal relation of a category: this body's paint where it is flat, this part's paint on this shape.

    Parameters
    ----------
    part
        A part at the origin, copied to every place that has one.
    counts
        Smallest and largest number of parts.
    foreign
        A paint that no nominal sample has.
    """

    body: Paint
    part: Part
    counts: tuple[int, int]
    foreign: Paint


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the body lies: turned by ``angle`` (radians), shifted (mm), on a table tilted by two slopes."""

    angle: float
    shift: tuple[float, float]
    slope: tuple[float, float]
    distance: float


@dataclass(frozen=True, slots=True)
class Light:
    """One distant lamp (radians) and ambient light; ``strength`` scales both."""

    azimuth: float
    elevation: float
    strength: float


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that :func:`render` needs; ``wrong`` are the footprints of the defect."""

    look: Look
    pose: Pose
    light: Light
    pictured: tuple[Part, ...]
    measured: tuple[Part, ...]
    noise_seed: int
    wrong: tuple[Part, ...] = ()


_RED = Paint((168, 32, 28), (92, 8, 16), "stripes", 6.4)
_BLUE = Paint((206, 232, 255), (70, 120, 250), "dots", 5.6)
_GREEN = Paint((52, 116, 84), (12, 56, 40), "checks", 9.0)
_YELLOW = Paint((255, 244, 130), (240, 150, 20), "stripes", 5.6)
_LIME = Paint((240, 255, 40), (196, 236, 12), "checks", 8.0)
_VIOLET = Paint((240, 60, 240), (200, 20, 210), "checks", 8.0)

LOOKS: dict[str, Look] = {
    "bump": Look(_RED, Part(0, 0, 0, 0, 9.5, 11.0, _BLUE), (3, 5), _LIME),
    "ridge": Look(_GREEN, Part(0, 0, 0, 18, 8.5, 9.0, _YELLOW), (2, 3), _VIOLET),
}
"""Category name to its nominal relation."""


def draw_scene(look: Look, rng: np.random.Generator, reserved: Part | None = None) -> Scene:
    """Draw a nominal scene: pose, light, and how many parts lie where.

    Parameters
    ----------
    reserved
        A place to keep free of parts.
    """
    pose = Pose(
        angle=rng.uniform(-0.35, 0.35),
        shift=(rng.uniform(-6, 6), rng.uniform(-6, 6)),
        slope=(rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.03)),
        distance=rng.uniform(490, 510),
    )
    light = Light(rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 1.3), rng.uniform(0.9, 1.1))
    taken = () if reserved is None else (reserved,)
    parts: tuple[Part, ...] = ()
    for _ in range(rng.integers(*look.counts, endpoint=True)):
        part = place(look.part, taken + parts, rng)
        parts += () if part is None else (part,)
    return Scene(look, pose, light, parts, parts, int(rng.integers(2**31)))


def place(part: Part, others: Iterable[Part], rng: np.random.Generator) -> Part | None:
    """Return the part moved and turned at random to a place 1.5 mm from everything, None where 300 tries find none."""
    others = tuple(others)
    for u, v, angle in rng.uniform((-_HALF_U, -_HALF_V, 0), (_HALF_U, _HALF_V, np.pi), (300, 3)).tolist():
        moved = replace(part, u=u, v=v, angle=angle)
        if moved.room(others) >= _CLEARANCE:
            return moved
    return None


def render(scene: Scene) -> tuple[NDArray[np.uint8], NDArray[np.float32], Bools]:
    """Return what the sensors deliver and the ground truth.

    Returns
    -------
    rgb : (SIDE, SIDE, 3) uint8
    xyz : (SIDE, SIDE, 3) float32
        Metres; exactly (0, 0, 0) where the sensor dropped out.
    mask : (SIDE, SIDE) bool
        True on the defect.
    """
    rng = np.random.default_rng(scene.noise_seed)
    x, y = np.meshgrid(*2 * (PITCH * (np.arange(SIDE) - (SIDE - 1) / 2),))
    u, v = _body_coordinates(scene.pose, x, y)
    rgb = _picture(scene, u, v, rng)
    xyz = _measure(scene, x, y, u, v, rng)
    mask = _footprint(scene.wrong, u, v)
    return rgb, xyz, mask


def _body_coordinates(pose: Pose, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    cos, sin = math.cos(pose.angle), math.sin(pose.angle)
    x, y = x - pose.shift[0], y - pose.shift[1]
    return cos * x + sin * y, cos * y - sin * x


def _picture(scene: Scene, u: Floats, v: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    body = _rim_distance(u, v) > 0
    colour = np.where(body[..., None], scene.look.body.colour(u, v), _TABLE)
    for part in scene.pictured:
        cover = part.opacity * (part.reach(u, v) <= 1)[..., None]
        colour = colour + cover * (part.paint.colour(*part.local(u, v)) - colour)
    lit = colour * _shade(scene, _height(scene.pictured, u, v))[..., None]
    noisy = lit + _COLOUR_NOISE * np.sqrt(lit / 255) * rng.standard_normal(lit.shape)
    return np.clip(_COLOUR_STEP * np.round(noisy / _COLOUR_STEP), 0, 255).astype(np.uint8)


def _shade(scene: Scene, height: Floats) -> Floats:
    """Lambert's law for the normals of a height field."""
    down, right = np.gradient(height, PITCH)
    light = scene.light
    lamp = np.array([math.cos(light.azimuth), math.sin(light.azimuth)]) * math.cos(light.elevation)
    facing = (math.sin(light.elevation) - right * lamp[0] - down * lamp[1]) / np.sqrt(1 + right**2 + down**2)
    return np.asarray(light.strength * (0.45 + 0.55 * np.maximum(facing, 0)))


def _measure(scene: Scene, x: Floats, y: Floats, u: Floats, v: Floats, rng: np.random.Generator) -> NDArray[np.float32]:
    pose = scene.pose
    table = pose.distance + pose.slope[0] * x + pose.slope[1] * y
    z = table - _height(scene.measured, u, v) + rng.normal(0, _DEPTH_NOISE, x.shape)
    xyz = np.stack([x, y, _DEPTH_STEP * np.round(z / _DEPTH_STEP)], axis=-1) / 1000
    xyz[_dropouts(x, y, rng)] = 0
    return xyz.astype(np.float32)


def _dropouts(x: Floats, y: Floats, rng: np.random.Generator) -> Bools:
    """Single pixels and a few small discs that the depth sensor misses."""
    lost: Bools = rng.random(x.shape) < _DROPOUT
    reach = PITCH * SIDE / 2
    for centre in rng.uniform(-reach, reach, (_HOLES, 2)):
        lost |= np.hypot(x - centre[0], y - centre[1]) < _HOLE_RADIUS
    return lost


def _height(parts: Iterable[Part], u: Floats, v: Floats) -> Floats:
    """Height above the table: the body with its bevel, then the parts on it."""
    edge = np.clip(_rim_distance(u, v) / _BEVEL, 0, 1)
    height = _THICKNESS * edge * (2 - edge)
    for part in parts:
        height = height + part.rise(u, v)
    return height


def _rim_distance(u: Floats, v: Floats) -> Floats:
    """Distance to the rim of the body, a rounded rectangle; positive inside."""
    a, b = np.abs(u) - (_HALF_U - _CORNER), np.abs(v) - (_HALF_V - _CORNER)
    return _CORNER - np.hypot(np.maximum(a, 0), np.maximum(b, 0)) - np.minimum(np.maximum(a, b), 0)


def _footprint(parts: Iterable[Part], u: Floats, v: Floats) -> Bools:
    covered = np.zeros(u.shape, bool)
    for part in parts:
        covered |= part.reach(u, v) <= 1
    return covered


def _nearest(a: Floats, b: Floats) -> float:
    return float(np.linalg.norm(a[:, None] - b[None], axis=2).min())
