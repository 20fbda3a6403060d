"""What the timed workloads ask of a card: bytes and instructions, counted and not measured.

Bytes come from the arrays that a kernel reads and writes. Instructions come from the compiled
machine code where it is a straight line, and otherwise from the operations inside its loop.
"""

import pandas as pd

# Kernels whose machine code is a straight line, by their names in the report of compilations, and
# the elements that one thread computes.
BCE, COUNT = ("bce_kernel fp32, i8 labels", 8), ("count_kernel", 32)
DISTILL, AUGMENT = ("distillation_kernel fp32", 4), ("augment_kernel bf16", 8)

# Inside their loops: Philox for 4 draws, a visit for one replicate.
PHILOX, VISIT = 68, 6


def workloads(
    compiled: pd.DataFrame,
    n_rows: int = 1_000_000,
    n_views: int = 256,
    n_replicates: int = 1_000_000,
) -> pd.DataFrame:
    """Count the workloads: losses of so many rows, views, W1 and a thousandth of it as W2.

    ``compiled`` has columns kernel and instructions, see `offline.compile_report`.
    """
    instructions = compiled.set_index("kernel")["instructions"]
    (bce, of_bce), (count, of_count), (distill, of_distill), (augment, of_augment) = (
        (int(instructions[name]), elements) for name, elements in (BCE, COUNT, DISTILL, AUGMENT)
    )
    labels, classes, pixels = 14 * n_rows, 13 * 3 * n_rows, n_views * 224 * 224
    draws, values = 500 * n_replicates, 2 * 3 * 16 * n_replicates
    visits = 25_000 * 140 * n_replicates // 1_000
    rows = [
        (
            "bce",
            f"{n_rows:,} x 14 logits (float32), labels of one byte",
            "eager torch: policy, mask, smoothing, weighted loss, mean",
            labels,
            10 * labels,
            (bce / of_bce + count / of_count) * labels,
            f"labels twice, logits, gradient; {bce} instructions for {of_bce} cells, "
            f"{count} to count {of_count}",
        ),
        (
            "distill",
            f"{n_rows:,} x 13 x 3 logits (float32)",
            "eager torch: two softmaxes, softening, divergence, mean",
            classes,
            12 * classes,
            distill / of_distill * classes / 3,
            f"targets, logits, gradient; {distill} instructions for {of_distill} findings",
        ),
        (
            "augment",
            f"{n_views} views of 224 x 224 (bfloat16)",
            "torchvision's transforms, image by image or batch by batch",
            pixels,
            3 * pixels,
            augment / of_augment * pixels,
            f"one byte in and two out for each pixel; {augment} instructions for "
            f"{of_augment} pixels",
        ),
        (
            "bootstrap",
            f"W1: 500 studies, 14 observations, 3 methods, {n_replicates:,} replicates",
            "a loop over replicates that indexes rows and sums them",
            draws,
            2 * 8 * values,
            PHILOX / 4 * draws,
            "96 columns of float64, written once, read once; "
            f"Philox: {PHILOX} instructions for 4 draws",
        ),
        (
            "ranking",
            f"W2: 25,000 rows, 10 models, 14 observations, {n_replicates // 1_000:,} replicates",
            "one sort for each replicate and cell",
            visits,
            25.0 * n_replicates + 4 * 25_000 * 140,
            VISIT * visits,
            f"multiplicities once from memory (then cache), visits; {VISIT} operations "
            "for each row",
        ),
    ]
    names = "family workload replaces elements bytes instructions counted"
    return pd.DataFrame(rows, columns=names.split())
