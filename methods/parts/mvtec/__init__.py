"""Parts of the baselines of the MVTec 3D-AD paper: geometry, representations and the models on them."""

__all__ = ["FAMILY", "NOTE", "PAPER"]

FAMILY = "mvtec-baselines"
PAPER = "Bergmann et al., VISAPP 2022"
NOTE = "re-implemented, details of the original unpublished"
