"""The small Swin that ships with igbatch, registered with timm under its own name.

Importing this module is enough: ``timm.create_model("swin_igbatch_patch4_window7_224", pretrained=True)``
then loads the weights from package data, without a network. `MODEL_CARD.md` beside the weights says what it
knows.
"""

from __future__ import annotations

from typing import Any

from timm.models import build_model_with_cfg, register_model
from timm.models.swin_transformer import SwinTransformer, checkpoint_filter_fn

from igbatch.images.scenes import CLASSES
from igbatch.variants.facts import BUNDLED
from igbatch.variants.weights import BUNDLED_ARCHITECTURE, BUNDLED_WEIGHTS

MODEL_NAME = BUNDLED_ARCHITECTURE

default_cfgs = {
    MODEL_NAME: {
        "url": "",
        "file": str(BUNDLED_WEIGHTS),
        "num_classes": BUNDLED.classes,
        "input_size": tuple(BUNDLED.data_config["input_size"]),
        "pool_size": (7, 7),
        "crop_pct": BUNDLED.data_config["crop_pct"],
        "interpolation": BUNDLED.data_config["interpolation"],
        "fixed_input_size": True,
        "mean": tuple(BUNDLED.data_config["mean"]),
        "std": tuple(BUNDLED.data_config["std"]),
        "first_conv": "patch_embed.proj",
        "classifier": "head.fc",
        "label_names": CLASSES,
        "license": "apache-2.0",
    }
}


@register_model
def swin_igbatch_patch4_window7_224(pretrained: bool = False, **kwargs: Any) -> SwinTransformer:
    """Build the bundled Swin: embedding 32, depths 1-1-4-2, heads 1-2-4-8, 2.6 million parameters.

    Images [N, 3, 224, 224] normalized by mean and standard deviation 0.5 (mid-gray is exactly 0) become
    logits [N, 5] over `igbatch.images.scenes.CLASSES`.

    Source: Liu et al., *Swin Transformer*, ICCV 2021, with patch 4 and window 7.
    """
    architecture: dict[str, Any] = {
        "patch_size": 4,
        "window_size": 7,
        "embed_dim": 32,
        "depths": (1, 1, 4, 2),
        "num_heads": (1, 2, 4, 8),
        "num_classes": len(CLASSES),
    }
    model: SwinTransformer = build_model_with_cfg(
        SwinTransformer,
        MODEL_NAME,
        pretrained,
        pretrained_filter_fn=checkpoint_filter_fn,
        **{**architecture, **kwargs},
    )
    return model
