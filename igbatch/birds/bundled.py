"""The small Swin that ships with igbatch, registered with timm under its own name.

Importing this module is enough: ``timm.create_model("swin_igbatch_patch4_window7_224", pretrained=True)``
then loads the weights from package data, without a network. `MODEL_CARD.md` beside the weights says what it
knows.
"""

from __future__ import annotations

from typing import Any

from timm.models import build_model_with_cfg, register_model
from timm.models.swin_transformer import SwinTransformer, checkpoint_filter_fn

from igbatch.birds.facts import BUNDLED_ARCHITECTURE, BUNDLED_WEIGHTS, DATA_CONFIG
from igbatch.birds.scenes import CLASSES

__all__ = ["BUNDLED_ARCHITECTURE", "swin_igbatch_patch4_window7_224"]

default_cfgs = {
    BUNDLED_ARCHITECTURE: {
        "url": "",
        "file": str(BUNDLED_WEIGHTS),
        "num_classes": len(CLASSES),
        **{key: tuple(value) if isinstance(value, list) else value for key, value in DATA_CONFIG.items()},
        "pool_size": (7, 7),
        "fixed_input_size": True,
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
    logits [N, 5] over `igbatch.birds.scenes.CLASSES`.

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
        BUNDLED_ARCHITECTURE,
        pretrained,
        pretrained_filter_fn=checkpoint_filter_fn,
        **{**architecture, **kwargs},
    )
    return model
