"""Every kernel of the package with the types and block sizes of its launches."""

from benchmarks.kernels.offline import Specimen
from cxrstudy.kernels import augment, bce, distill, one_pass, ranking, resample
from cxrstudy.kernels.dispatch import tl


def specimens() -> list[Specimen]:
    """List what is compiled: each kernel in the types and branches that differ most."""
    return [
        *_one_pass(),
        *_bce(),
        *_distill(),
        *_augment(),
        *_resample(),
        *_ranking(),
    ]


def _one_pass() -> list[Specimen]:
    return [
        Specimen(
            "one_pass",
            one_pass.scale_kernel,
            {
                "values_ptr": f"*{values}",
                "first_ptr": "*fp32",
                "second_ptr": "*fp32",
                "size": "i32",
            },
            {"BLOCK": one_pass.SCALE_BLOCK},
            divisible=("size",),
            variant=values,
        )
        for values in ("fp32", "bf16")
    ]


def _bce() -> list[Specimen]:
    count = Specimen(
        "bce",
        bce.count_kernel,
        {"labels_ptr": "*i8", "count_ptr": "*i32", "size": "i32"},
        {"IGNORE_UNCERTAIN": True, "BLOCK": bce.COUNT_BLOCK},
        divisible=("size",),
        warps=8,
    )
    losses = [
        Specimen(
            "bce",
            bce.bce_kernel,
            {
                "logits_ptr": f"*{logits}",
                "labels_ptr": f"*{labels}",
                "weights_ptr": "*fp32",
                "count_ptr": "*i32",
                "partial_ptr": "*fp32",
                "gradient_ptr": f"*{logits}",
                "factor_ptr": "*fp32",
                "size": "i32",
                "smoothing": "fp32",
            },
            {
                "UNCERTAIN_TARGET": 1.0,
                "IGNORE_UNCERTAIN": False,
                "N_CLASSES": 14 if weighted else 1,
                "HAS_WEIGHTS": weighted,
                "WITH_GRADIENT": gradient,
                "SCALE_LATER": logits == "fp16",
                "BLOCK": bce.BLOCK,
            },
            divisible=("size",),
            variant=", ".join(
                [logits, f"{labels} labels"]
                + ["weights"] * weighted
                + ["no gradient"] * (not gradient)
            ),
        )
        for logits, labels, weighted, gradient in [
            ("fp32", "i8", False, True),
            ("fp32", "i8", True, False),
            ("bf16", "i8", True, True),
            ("fp16", "fp32", True, True),
        ]
    ]
    return [*losses, count]


def _distill() -> list[Specimen]:
    return [
        Specimen(
            "distill",
            distill.distillation_kernel,
            {
                "logits_ptr": f"*{logits}",
                "targets_ptr": "*fp32",
                "weights_ptr": "*fp32",
                "count_ptr": "*i32",
                "partial_ptr": "*fp32",
                "gradient_ptr": f"*{logits}",
                "n_cells": "i32",
                "share": "fp32",
                "alpha": "fp32",
                "temperature": "fp32",
                "softer": "fp32",
            },
            {
                "N_FINDINGS": 13 if weighted else 1,
                "HAS_WEIGHTS": weighted,
                "WITH_GRADIENT": gradient,
                "SCALE_LATER": logits == "fp16",
                "BLOCK": distill.BLOCK,
            },
            divisible=("n_cells",),
            variant=", ".join([logits] + ["weights"] * weighted + ["no gradient"] * (not gradient)),
        )
        for logits, weighted, gradient in [
            ("fp32", False, True),
            ("fp32", True, True),
            ("bf16", False, True),
            ("fp16", True, False),
        ]
    ]


def _augment() -> list[Specimen]:
    ranges = (
        "rotation",
        "lowest_scale",
        "scale_range",
        "room_x",
        "room_y",
        "flip",
        "brightness",
        "contrast",
    )
    draw = Specimen(
        "augment",
        augment.draw_kernel,
        {
            "parameters_ptr": "*fp32",
            "seed": "i64",
            "first": "i64",
            "n": "i32",
            **dict.fromkeys(ranges, "fp32"),
        },
        {"BLOCK": augment.DRAW_BLOCK},
    )
    views = [
        Specimen(
            "augment",
            augment.augment_kernel,
            {
                "images_ptr": "*u8",
                "index_ptr": "*i64",
                "parameters_ptr": "*fp32",
                "views_ptr": f"*{view}",
                "n_images": "i32",
                "mean": "fp32",
                "deviation": "fp32",
            },
            {
                "HEIGHT": 256,
                "WIDTH": 256,
                "VIEW_HEIGHT": 224,
                "VIEW_WIDTH": 224,
                "BLOCK": augment.BLOCK,
            },
            variant=view,
        )
        for view in ("fp32", "bf16")
    ]
    return [*views, draw]


def _resample() -> list[Specimen]:
    pointers = {"weights_ptr": "*u8", "start_ptr": "*i32", "size_ptr": "*i32"}
    draws = {"seed": "i64", "first": "i64", "n_units": "i32", "n_counters": "i32"}
    count, scatter = resample.multiplicities_kernel, resample.scatter_kernel
    bins = {"BINS": resample.bins_for(500)}
    # Rows of counts are replicates, those of rankings units; entries are neighbours. 16 divides
    # the rankings' rows, and not 500 units.
    by_replicate, by_unit = ("replicate_stride", "unit_stride"), ("unit_stride", "replicate_stride")
    return [
        Specimen(
            "resample",
            kernel,
            {**pointers, **draws, **dict.fromkeys([*whole, row], "i32")},
            {entry: 1, "HAS_STRATA": strata, "STEP": resample.STEP, **counted},
            divisible=(row,) if row == "unit_stride" else (),
            variant=variant + ", strata" * strata,
        )
        for kernel, (row, entry), whole, counted, variant, strata in [
            (count, by_replicate, ["width"], bins, "500 units", False),
            (count, by_unit, ["width"], bins, "500 units, transposed", True),
            (scatter, by_unit, [], {}, "25,000 units", False),
            (scatter, by_unit, [], {}, "25,000 units", True),
        ]
    ]


def _ranking() -> list[Specimen]:
    return [
        Specimen(
            "ranking",
            kernel,
            {
                "visits_ptr": "*i32",
                "sampling_ptr": "*fp64" if sampled else "*i32",
                "bounds_ptr": "*i64",
                "multiplicities_ptr": "*u8",
                "values_ptr": "*fp64",
                "positives_ptr": "*fp64",
                "stride": "i32",
                "first": "i32",
                "n_replicates": "i32",
            },
            {
                "SAMPLED": sampled,
                "ACCUMULATOR": accumulator,
                "UNROLLED": ranking.UNROLLED,
                "BLOCK_REPLICATES": ranking.BLOCK_REPLICATES,
            },
            divisible=("stride",),
            warps=ranking.WARPS,
            variant=accumulator.name,
        )
        for kernel in (ranking.auroc_kernel, ranking.average_precision_kernel)
        for accumulator, sampled in [(tl.int32, False), (tl.int64, False), (tl.float64, True)]
    ]
