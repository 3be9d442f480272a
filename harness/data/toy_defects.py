"""The defects of the toy dataset: four kinds after Figure 3 of the CFM paper (Costanzino et al., CVPR 2024), graded.

========  ================================  =======================================
Kind      The picture                       The cloud
========  ================================  =======================================
colour    a patch of a foreign colour       nominal
shape     nominal                           a spike or a roof, a foreign shape
mismatch  nominal: shows a part             nominal: shows the body at that place
          or: shows the body                or: shows a part at that place
both      a patch of a foreign colour       a spike or a roof at the same place
========  ================================  =======================================

Each kind comes in three severities, from barely visible to plain: a fainter stain, a lower shape, a smaller part.
The picture of a shape defect is that of the nominal surface, its shading included, so no method can detect it in 2D.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from harness.data.toy_scene import Look, Paint, Part, Scene, draw_scene, place

__all__ = ["DEFECTS", "KINDS", "SEVERITIES", "Severity", "draw_defective_scene"]

Kind = Literal["colour", "shape", "mismatch", "both"]

KINDS: tuple[Kind, ...] = ("colour", "shape", "mismatch", "both")


@dataclass(frozen=True, slots=True)
class Severity:
    """How strong the defects of one severity are, in shares of those of the severity ``plain``.

    Parameters
    ----------
    opacity
        Of a patch of a foreign colour.
    height
        Of a foreign shape.
    size
        Of a part that one modality shows and the other does not, all its lengths alike.
    """

    opacity: float
    height: float
    size: float


SEVERITIES = {
    "faint": Severity(opacity=0.12, height=0.1, size=0.35),
    "medium": Severity(opacity=0.3, height=0.5, size=0.6),
    "plain": Severity(opacity=1.0, height=1.0, size=1.0),
}

DEFECTS: dict[str, tuple[Kind, Severity]] = {
    f"{kind}-{name}": (kind, severity) for kind in KINDS for name, severity in SEVERITIES.items()
}
"""Name of the folder to what it holds."""

_UNPAINTED = Paint((0, 0, 0), (0, 0, 0), "checks", 1.0)
_SPIKE = Part(0, 0, 0, 0, 12.0, 14.0, _UNPAINTED, "sharp")
_ROOF = Part(0, 0, 0, 12.0, 9.0, 12.0, _UNPAINTED, "sharp")


def draw_defective_scene(look: Look, defect: str, index: int, rng: np.random.Generator) -> Scene:
    """Draw a scene with one defect.

    Parameters
    ----------
    look
        The category's nominal relation.
    defect
        One of :data:`DEFECTS`.
    index
        Even and odd ones differ in form: spike or roof, part in the picture only or in the cloud only.
    rng
        Source of all random choices.
    """
    kind, severity = DEFECTS[defect]
    even = index % 2 == 0
    wrong = place(
        _smaller(look.part, severity.size) if kind == "mismatch" else _foreign(look, kind, severity, even), (), rng
    )
    assert wrong is not None, "an empty body has room"
    in_picture = even if kind == "mismatch" else kind != "shape"
    in_cloud = not even if kind == "mismatch" else kind != "colour"
    scene = draw_scene(look, rng, reserved=wrong)
    return replace(
        scene,
        pictured=scene.pictured + (wrong,) * in_picture,
        measured=scene.measured + (wrong,) * in_cloud,
        wrong=(wrong,),
    )


def _smaller(part: Part, size: float) -> Part:
    return replace(part, length=size * part.length, radius=size * part.radius, height=size * part.height)


def _foreign(look: Look, kind: Kind, severity: Severity, spike: bool) -> Part:
    part = _SPIKE if spike or kind == "colour" else _ROOF
    height = 0.0 if kind == "colour" else severity.height * part.height
    return replace(part, paint=look.foreign, opacity=severity.opacity, height=height)
