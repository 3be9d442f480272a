"""The four defects of the toy dataset, after Figure 3 of the CFM paper (Costanzino et al., CVPR 2024).

========  ================================  =======================================
Name      The picture                       The cloud
========  ================================  =======================================
colour    a patch of a foreign colour       nominal
shape     nominal                           a spike or a roof, a foreign shape
mismatch  nominal: shows a part             nominal: shows the body at that place
          or: shows the body                or: shows a part at that place
both      a patch of a foreign colour       a spike or a roof at the same place
========  ================================  =======================================

The picture of a shape defect is that of the nominal surface, its shading included, so no method can detect it in 2D.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.data.toy_scene import Look, Paint, Part, Scene, draw_scene, place

__all__ = ["DEFECTS", "draw_defective_scene"]

DEFECTS = ("colour", "shape", "mismatch", "both")

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
        Even and odd ones differ in kind: spike or roof, part in the picture only or in the cloud only.
    rng
        Source of all random choices.
    """
    even = index % 2 == 0
    wrong = place(look.part if defect == "mismatch" else _foreign(look, defect, even), (), rng)
    assert wrong is not None, "an empty body has room"
    in_picture = even if defect == "mismatch" else defect != "shape"
    in_cloud = not even if defect == "mismatch" else defect != "colour"
    scene = draw_scene(look, rng, reserved=wrong)
    return replace(
        scene,
        pictured=scene.pictured + (wrong,) * in_picture,
        measured=scene.measured + (wrong,) * in_cloud,
        wrong=(wrong,),
    )


def _foreign(look: Look, defect: str, spike: bool) -> Part:
    part = _SPIKE if spike or defect == "colour" else _ROOF
    return replace(part, paint=look.foreign, height=0.0 if defect == "colour" else part.height)
