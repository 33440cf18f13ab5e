"""Arrow schemas of every Parquet file that igbatch writes; `docs/results.md` describes the columns."""

from __future__ import annotations

import pyarrow as pa

FORMAT = 2
"""Version of the layout of an output, kept in its `study.json`."""

IMAGES = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("size", pa.int64()),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("sha256", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
    ]
)

VARIANTS = pa.schema(
    [
        pa.field("variant_id", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("direction", pa.string()),
        pa.field("seed", pa.int64()),
        pa.field("layers", pa.list_(pa.string())),
        pa.field("weights_sha256", pa.string()),
        pa.field("images", pa.list_(pa.string())),
    ]
)

IMAGE_STATS = pa.schema(
    [
        pa.field("variant_id", pa.string(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("target", pa.string(), nullable=False),
        pa.field("target_index", pa.int32(), nullable=False),
        pa.field("prediction", pa.string()),
        pa.field("prediction_index", pa.int32(), nullable=False),
        pa.field("prediction_probability", pa.float64(), nullable=False),
        pa.field("target_probability", pa.float64(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("score_baseline", pa.float64(), nullable=False),
        pa.field("minimum", pa.float64(), nullable=False),
        pa.field("maximum", pa.float64(), nullable=False),
        pa.field("sum", pa.float64(), nullable=False),
        pa.field("abs_sum", pa.float64(), nullable=False),
        pa.field("positive_sum", pa.float64(), nullable=False),
        pa.field("negative_sum", pa.float64(), nullable=False),
        pa.field("q01", pa.float64(), nullable=False),
        pa.field("q50", pa.float64(), nullable=False),
        pa.field("q99", pa.float64(), nullable=False),
        pa.field("histogram", pa.list_(pa.int32()), nullable=False),
        pa.field("convergence_delta", pa.float64(), nullable=False),
        pa.field("relative_delta", pa.float64()),
        pa.field("map_error", pa.float64()),
        pa.field("steps", pa.int32(), nullable=False),
        pa.field("converged", pa.bool_(), nullable=False),
        pa.field("negligible", pa.bool_(), nullable=False),
        pa.field("precision", pa.string(), nullable=False),
        pa.field("device", pa.string(), nullable=False),
        pa.field("image_etag", pa.string(), nullable=False),
        pa.field("image_sha256", pa.string(), nullable=False),
        pa.field("image_width", pa.int32(), nullable=False),
        pa.field("image_height", pa.int32(), nullable=False),
        pa.field("boxes_clipped", pa.int32()),
        pa.field("boxes_skipped", pa.int32()),
        pa.field("weights_sha256", pa.string(), nullable=False),
        pa.field("attempt", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("attributions_bytes", pa.int64()),
        pa.field("box_stats_bytes", pa.int64()),
        pa.field("quarantine_bytes", pa.int64()),
    ]
)
"""The last five columns are those of the commit, the same in all its rows: one scan tells what is done."""

IMAGE_STATS_FILE = IMAGE_STATS.append(pa.field("shard_histogram", pa.list_(pa.int64())))
"""Columns of the files of `image_stats`. `shard_histogram`, null but in the first row of a file, is the sum
of `histogram` over all its rows."""

BOX_STATS = pa.schema(
    [
        pa.field("variant_id", pa.string(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("box_id", pa.string(), nullable=False),
        pa.field("box_label", pa.string(), nullable=False),
        pa.field("x_min", pa.int32(), nullable=False),
        pa.field("y_min", pa.int32(), nullable=False),
        pa.field("x_max", pa.int32(), nullable=False),
        pa.field("y_max", pa.int32(), nullable=False),
        pa.field("visible_fraction", pa.float64(), nullable=False),
        pa.field("pixels", pa.int64(), nullable=False),
        pa.field("sum", pa.float64()),
        pa.field("positive_sum", pa.float64()),
        pa.field("negative_sum", pa.float64()),
        pa.field("abs_sum", pa.float64()),
        pa.field("share", pa.float64()),
        pa.field("density_ratio", pa.float64()),
        pa.field("contains_peak", pa.bool_()),
    ]
)

QUARANTINE = pa.schema(
    [
        pa.field("variant_id", pa.string(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("target", pa.string()),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
        pa.field("image_etag", pa.string(), nullable=False),
    ]
)

RANKINGS = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("image_sha256", pa.string(), nullable=False),
        pa.field("classes", pa.list_(pa.int32()), nullable=False),
        pa.field("probabilities", pa.list_(pa.float64()), nullable=False),
    ]
)

RANGES = pa.schema(
    [
        pa.field("scope", pa.string(), nullable=False),
        pa.field("variant_id", pa.string()),
        pa.field("minimum", pa.float64(), nullable=False),
        pa.field("maximum", pa.float64(), nullable=False),
        pa.field("q01", pa.float64(), nullable=False),
        pa.field("q50", pa.float64(), nullable=False),
        pa.field("q99", pa.float64(), nullable=False),
        pa.field("n_maps", pa.int64(), nullable=False),
        pa.field("complete", pa.bool_(), nullable=False),
        pa.field("histogram", pa.list_(pa.int64()), nullable=False),
    ]
)

SUMMARY = pa.schema(
    [
        pa.field("variant_id", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("n_expected", pa.int64(), nullable=False),
        pa.field("n_maps", pa.int64(), nullable=False),
        pa.field("n_converged", pa.int64(), nullable=False),
        pa.field("n_negligible", pa.int64(), nullable=False),
        pa.field("n_constant", pa.int64(), nullable=False),
        pa.field("n_estimated", pa.int64(), nullable=False),
        pa.field("n_boxes", pa.int64(), nullable=False),
        pa.field("largest_map_error", pa.float64()),
        pa.field("steps_min", pa.int32()),
        pa.field("steps_max", pa.int32()),
        pa.field("score_baseline_mean", pa.float64()),
        pa.field("worst_image_id", pa.string()),
        pa.field("worst_ratio", pa.float64()),
        pa.field("worst_error", pa.float64()),
        pa.field("worst_allowed", pa.float64()),
        pa.field("worst_steps", pa.int32()),
        pa.field("worst_estimated", pa.bool_()),
        pa.field("precisions", pa.list_(pa.string()), nullable=False),
        pa.field("devices", pa.list_(pa.string()), nullable=False),
    ]
)

IMAGE_SUMMARY = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("n_maps", pa.int32(), nullable=False),
        pa.field("boxes_clipped", pa.int32()),
        pa.field("boxes_skipped", pa.int32()),
        pa.field("convergence_ratio", pa.float64()),
        pa.field("convergence_variant_id", pa.string()),
        pa.field("convergence_target", pa.string()),
        pa.field("box_contrast", pa.float64()),
        pa.field("box_contrast_variant_id", pa.string()),
        pa.field("box_contrast_label", pa.string()),
        pa.field("disagreement", pa.float64()),
        pa.field("disagreement_measure", pa.string()),
        pa.field("disagreement_variant_id", pa.string()),
        pa.field("disagreement_target", pa.string()),
        pa.field("disagreement_label", pa.string()),
    ]
)

SHARDS = pa.schema(
    [
        pa.field("variant_id", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("n_rows", pa.int64(), nullable=False),
        pa.field("first_image", pa.int64(), nullable=False),
        pa.field("last_image", pa.int64(), nullable=False),
    ]
)
"""Where rows lie: the committed files of `image_stats`, and the places of the first and the last image in
the study's list that each of them holds rows of, -1 where it holds none. The metadata of the table holds the
digest of that list (`Reader.listing_digest`)."""


def attributions(height: int, width: int, encoding: str = "float32") -> pa.Schema:
    """Return the schema of maps of one size; `attribution` is a canonical fixed_shape_tensor.

    Its values are float32, or int16 under that encoding: then a value times the row's `scale` is the
    attribution.
    """
    number = pa.int16() if encoding == "int16" else pa.float32()
    fields = [
        pa.field("variant_id", pa.string(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("attribution", pa.fixed_shape_tensor(number, [height, width]), nullable=False),
    ]
    if encoding == "int16":
        fields.append(pa.field("scale", pa.float32(), nullable=False))
    return pa.schema(fields)


SCALES = ("own", "pair", "models", "dataset")
"""The ranges by whose widths maps are divided before their magnitudes are compared."""

MEASURES = (
    "spearman", "spearman_abs", "hog", "difference",
    *(f"{measure}_{scale}" for scale in SCALES for measure in ("ssim", "difference")),
)  # fmt: skip
"""Columns of `similarity.parquet` that measure how alike two maps are (docs/measures.md)."""

SIMILARITY = pa.schema(
    [
        pa.field("comparison", pa.string(), nullable=False),
        pa.field("variant_id", pa.string(), nullable=False),
        pa.field("other_variant_id", pa.string(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("other_target", pa.string(), nullable=False),
        *(pa.field(name, pa.float64()) for name in MEASURES),
    ]
)

MAP_MEASURES = pa.schema(
    [
        pa.field("variant_id", pa.string(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("complexity", pa.float64()),
        pa.field("complexity_rise", pa.float64()),
        pa.field("sobel_spearman", pa.float64()),
        pa.field("sobel_ssim", pa.float64()),
        pa.field("canny_spearman", pa.float64()),
        pa.field("canny_ssim", pa.float64()),
    ]
)

PARTS = ("positive", "negative", "absolute")
"""Of a map's mass: what a measure of localization is taken of."""

LOCALIZATION = pa.schema(
    [
        pa.field("variant_id", pa.string(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("box_label", pa.string(), nullable=False),
        pa.field("pixels", pa.int64(), nullable=False),
        *(
            field
            for part in PARTS
            for field in (
                pa.field(f"{part}_pointing", pa.bool_()),
                pa.field(f"{part}_mass", pa.float64()),
                pa.field(f"{part}_rank", pa.float64()),
                pa.field(f"{part}_topk", pa.float64()),
            )
        ),
    ]
)

FAITHFULNESS = pa.schema(
    [
        pa.field("variant_id", pa.string(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("target_index", pa.int32(), nullable=False),
        pa.field("infidelity", pa.float64(), nullable=False),
        pa.field("squared_change", pa.float64(), nullable=False),
        pa.field("sensitivity", pa.float64(), nullable=False),
        pa.field("perturbations", pa.int32(), nullable=False),
        pa.field("radius", pa.float64(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
    ]
)

RANDOMIZATION = pa.schema(
    [
        pa.field("of", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("table", pa.string(), nullable=False),
        pa.field("variant_id", pa.string()),
        pa.field("comparison", pa.string()),
        pa.field("target", pa.string()),
        pa.field("box_label", pa.string()),
        pa.field("measure", pa.string(), nullable=False),
        pa.field("n_variants", pa.int64(), nullable=False),
        pa.field("n_images", pa.int64(), nullable=False),
        pa.field("mean", pa.float64(), nullable=False),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
    ]
)

SIGNIFICANCE = pa.schema(
    [
        pa.field("test", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("variant_id", pa.string(), nullable=False),
        pa.field("image_id", pa.string()),
        pa.field("target", pa.string(), nullable=False),
        pa.field("other_target", pa.string()),
        pa.field("box_label", pa.string()),
        pa.field("statistic", pa.string(), nullable=False),
        pa.field("output", pa.string(), nullable=False),
        pa.field("alternative", pa.string(), nullable=False),
        pa.field("n_images", pa.int64(), nullable=False),
        pa.field("n_null", pa.int64()),
        pa.field("value", pa.float64()),
        pa.field("value_low", pa.float64()),
        pa.field("value_high", pa.float64()),
        pa.field("sign_share", pa.float64()),
        pa.field("null_mean", pa.float64()),
        pa.field("null_low", pa.float64()),
        pa.field("null_high", pa.float64()),
        pa.field("effect", pa.float64()),
        pa.field("effect_low", pa.float64()),
        pa.field("effect_high", pa.float64()),
        pa.field("p", pa.float64()),
        pa.field("p_low", pa.float64()),
        pa.field("p_high", pa.float64()),
        pa.field("p_smallest", pa.float64()),
        pa.field("p_adjusted", pa.float64()),
        pa.field("null", pa.list_(pa.float64())),
    ]
)
