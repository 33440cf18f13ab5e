"""Arrow schemas of every Parquet file that igbatch writes; `docs/results.md` describes the columns."""

from __future__ import annotations

import pyarrow as pa

FORMAT = 2
"""Version of the layout of an output, kept in its `study.json`."""

TEXT, TRUTH = pa.string(), pa.bool_()
INT32, INT64, FLOAT64 = pa.int32(), pa.int64(), pa.float64()


def _schema(*columns: tuple[pa.DataType, str]) -> pa.Schema:
    """Return the schema of columns: each time a type and names of that type, with `?` where nulls may be."""
    return pa.schema(
        [
            pa.field(name.removesuffix("?"), kind, nullable=name.endswith("?"))
            for kind, names in columns
            for name in names.split()
        ]
    )


IMAGES = _schema(
    (TEXT, "image_id uri"),
    (INT64, "size?"),
    (TEXT, "etag label? sha256?"),
    (INT32, "width? height?"),
)

VARIANTS = _schema(
    (TEXT, "variant_id model kind direction?"),
    (INT64, "seed?"),
    (pa.list_(TEXT), "layers?"),
    (TEXT, "weights_sha256?"),
    (pa.list_(TEXT), "images?"),
)


def _patches(counts: pa.DataType) -> pa.DataType:
    """Return the type of ranges of sums over patches: an entry a size, of `n_maps` maps together.

    Superpixels, objects and blurred maps have a code for their size (`statistics.partitions.CODES`).
    """
    fields = {
        "size": INT32, "minimum": FLOAT64, "maximum": FLOAT64, "histogram": pa.list_(counts), "n_maps": INT64,
    }  # fmt: skip
    return pa.list_(pa.struct([pa.field(name, kind, nullable=False) for name, kind in fields.items()]))


IMAGE_STATS = _schema(
    (TEXT, "variant_id image_id label? target"),
    (INT32, "target_index other_index?"),
    (TEXT, "prediction?"),
    (INT32, "prediction_index"),
    (FLOAT64, "prediction_probability target_probability? score score_baseline"),
    (FLOAT64, "minimum maximum sum abs_sum positive_sum negative_sum q01 q50 q99"),
    (pa.list_(INT32), "histogram"),
    (_patches(INT32), "patches?"),
    (FLOAT64, "convergence_delta relative_delta? map_error? spread?"),
    (INT32, "steps"),
    (TRUTH, "converged negligible"),
    (TEXT, "precision device image_etag image_sha256 label_maps?"),
    (INT32, "image_width image_height boxes_clipped? boxes_skipped?"),
    (TEXT, "weights_sha256 attempt fingerprint"),
    (INT64, "attributions_bytes? box_stats_bytes? quarantine_bytes?"),
)
"""The last five columns are those of the commit, the same in all its rows: one scan finds what is done."""

IMAGE_STATS_FILE = IMAGE_STATS.append(pa.field("shard_histogram", pa.list_(INT64))).append(
    pa.field("shard_patches", _patches(INT64))
)
"""Columns of the files of `image_stats`. `shard_histogram` is the sum of `histogram` over all rows of classes
in the first of them, that over all rows of a contrast in the first of these, and null elsewhere. What their
`patches` come to together is `shard_patches`."""

BOX_STATS = _schema(
    (TEXT, "variant_id image_id target box_id box_label"),
    (INT32, "x_min y_min x_max y_max"),
    (FLOAT64, "visible_fraction"),
    (INT64, "pixels"),
    (FLOAT64, "sum? positive_sum? negative_sum? abs_sum? share? density_ratio?"),
    (TRUTH, "contains_peak?"),
    (FLOAT64, "sum_spread? sign_agreement?"),
    (FLOAT64, "deletion? deletion_blurred? true_effect?"),
)

QUARANTINE = _schema((TEXT, "variant_id image_id target? stage error image_etag"))

RANKINGS = _schema(
    (TEXT, "image_id image_sha256"), (pa.list_(INT32), "classes"), (pa.list_(FLOAT64), "probabilities")
)

LABEL_MAPS = _schema((TEXT, "image_id segments"), (pa.binary(), "labels"), (pa.list_(TEXT), "names"))
"""Label maps of images (`store/label_maps.py`): `labels` is a PNG of 16 bits, the region of each pixel."""

RANGES = _schema(
    (TEXT, "scope variant_id? target?"),
    (FLOAT64, "minimum maximum q01 q50 q99"),
    (INT64, "n_maps"),
    (TRUTH, "complete"),
    (pa.list_(INT64), "histogram"),
    (_patches(INT64), "patches?"),
)

AGGREGATES = _schema(
    (TEXT, "variant_id target box_label"),
    (INT64, "n_images n_boxes"),
    (FLOAT64, "mean_sum mean_sum_low? mean_sum_high?"),
    (pa.int8(), "expected_sign?"),
    (FLOAT64, "sign_share? sign_share_low? sign_share_high? mean_share? mean_density_ratio? mean_abs_sum"),
    (INT64, "n_negative n_both n_negative_both n_sign_depends?"),
)

DELETIONS = _schema(
    (TEXT, "variant_id target box_label measure against"),
    (INT64, "n_images"),
    (FLOAT64, "mean mean_low? mean_high? mean_against"),
    (FLOAT64, "sign_share sign_share_low sign_share_high spearman? spearman_low? spearman_high?"),
)

SUMMARY = _schema(
    (TEXT, "variant_id target"),
    (INT64, "n_expected n_maps n_converged n_negligible n_constant n_estimated n_boxes"),
    (FLOAT64, "largest_map_error?"),
    (INT32, "steps_min? steps_max?"),
    (FLOAT64, "score_baseline_mean?"),
    (TEXT, "worst_image_id?"),
    (FLOAT64, "worst_ratio? worst_error? worst_allowed?"),
    (INT32, "worst_steps?"),
    (TRUTH, "worst_estimated?"),
    (pa.list_(TEXT), "precisions devices"),
)

IMAGE_SUMMARY = _schema(
    (TEXT, "image_id"),
    (INT32, "n_maps boxes_clipped? boxes_skipped?"),
    (FLOAT64, "convergence_ratio?"),
    (TEXT, "convergence_variant_id? convergence_target?"),
    (FLOAT64, "box_contrast?"),
    (TEXT, "box_contrast_variant_id? box_contrast_label?"),
    (FLOAT64, "disagreement?"),
    (TEXT, "disagreement_measure? disagreement_variant_id? disagreement_target? disagreement_label?"),
)

SHARDS = _schema((TEXT, "variant_id shard"), (INT64, "n_rows first_image last_image"))
"""Where rows lie: the committed files of `image_stats`, and the places of the first and the last image in
the study's list that each of them holds rows of, -1 where it holds none. The metadata of the table holds the
digest of that list (`Reader.listing_digest`)."""


def attributions(height: int, width: int, encoding: str = "float32", *, spread: bool = False) -> pa.Schema:
    """Return the schema of maps of one size; `attribution` is a canonical fixed_shape_tensor.

    Its values are float32, or int16 under that encoding: then a value times the row's `scale` is the
    attribution. With `spread` there are the deviations over several baselines, in the same encoding.
    """
    values = pa.fixed_shape_tensor(pa.int16() if encoding == "int16" else pa.float32(), [height, width])
    names = {"attribution": "scale", "spread": "spread_scale"} if spread else {"attribution": "scale"}
    maps = [
        column
        for name, scale in names.items()
        for column in ((values, name), *([(pa.float32(), scale)] if encoding == "int16" else []))
    ]
    return _schema((TEXT, "variant_id image_id target"), *maps)


SCALES = ("own", "pair", "models", "dataset")
"""The ranges by whose widths maps are divided before their magnitudes are compared."""

MEASURES = (
    "spearman", "spearman_abs", "hog", "difference",
    *(f"{measure}_{scale}" for scale in SCALES for measure in ("ssim", "difference")),
)  # fmt: skip
"""Columns of `similarity.parquet` that measure how alike two maps are (docs/measures.md)."""

SIMILARITY = _schema(
    (TEXT, "comparison variant_id other_variant_id image_id target other_target"),
    *((FLOAT64, f"{name}?") for name in MEASURES),
)

MAP_MEASURES = _schema(
    (TEXT, "variant_id image_id target"),
    (FLOAT64, "complexity? complexity_rise? sobel_spearman? sobel_ssim? canny_spearman? canny_ssim?"),
)

PARTS = ("positive", "negative", "absolute")
"""Of a map's mass: what a measure of localization is taken of."""

LOCALIZATION = _schema(
    (TEXT, "variant_id image_id target box_label"),
    (INT64, "pixels"),
    *(
        column
        for part in PARTS
        for column in (
            (TRUTH, f"{part}_pointing?"),
            (FLOAT64, f"{part}_mass? {part}_rank? {part}_topk?"),
        )
    ),
)

FAITHFULNESS = _schema(
    (TEXT, "variant_id image_id target"),
    (INT32, "target_index other_index?"),
    (FLOAT64, "infidelity squared_change sensitivity"),
    (INT32, "perturbations"),
    (FLOAT64, "radius"),
    (INT64, "seed"),
)

CURVES = _schema(
    (TEXT, "variant_id image_id target"),
    (INT32, "target_index other_index?"),
    (TEXT, "kind regions fill order"),
    (INT32, "number?"),
    (INT64, "seed"),
    (INT32, "steps"),
    (pa.list_(FLOAT64), "fractions outputs"),
    (FLOAT64, "area"),
)

RANDOMIZATION = _schema(
    (TEXT, "of model table variant_id? comparison? target? box_label? measure"),
    (INT64, "n_variants n_images"),
    (FLOAT64, "mean low? high?"),
)

SIGNIFICANCE = _schema(
    (TEXT, "test family model variant_id image_id? target other_target? box_label?"),
    (TEXT, "statistic output alternative"),
    (INT64, "n_images n_null?"),
    (FLOAT64, "value? value_low? value_high? sign_share? null_mean? null_low? null_high?"),
    (FLOAT64, "effect? effect_low? effect_high? p? p_low? p_high? p_smallest? p_adjusted?"),
    (pa.list_(FLOAT64), "null?"),
)

QUIZ_ANSWERS = _schema(
    (TEXT, "quiz simulated? reader session? file? question"),
    (TRUTH, "practice"),
    (TEXT, "kind normalization regions palette"),
    (TRUTH, "numbers"),
    (TEXT, "image_id"),
    (pa.list_(TEXT), "variants targets"),
    (INT32, "place?"),
    (TRUTH, "swapped?"),
    (TEXT, "choice second?"),
    (TRUTH, "right second_right?"),
    (INT32, "n_choices"),
    (FLOAT64, "seconds?"),
)

QUIZ_SUMMARY = _schema(
    (TEXT, "simulated? by kind? normalization? regions? palette?"),
    (TRUTH, "numbers?"),
    (INT64, "n_answers n_readers n_questions right"),
    (FLOAT64, "share low high"),
    (TEXT, "method"),
    (FLOAT64, "chance"),
    (INT64, "n_second"),
    (FLOAT64, "second_share? seconds? seconds_q25? seconds_q75?"),
)

QUIZ_COMPARISONS = _schema(
    (TEXT, "simulated? comparison first second"),
    (INT64, "n_readers n_answers_first n_answers_second n_questions_first n_questions_second"),
    (FLOAT64, "share_first low_first high_first share_second low_second high_second"),
    (FLOAT64, "difference low high"),
    (TEXT, "method"),
)
