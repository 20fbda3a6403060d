"""What the naive versions cost on the CPU at hand, beside what this package runs there."""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import f1_score, roc_auc_score

from cxrstudy.agreement.counts import CountTable, count_table, replicate_counts
from cxrstudy.agreement.metrics import COUNT_METRICS
from cxrstudy.agreement.ranking import replicate_rankings
from cxrstudy.agreement.resampling import ResamplingUnits, resampling_units
from cxrstudy.agreement.visits import programs
from cxrstudy.kernels.augment import Augmentation, augment_views
from cxrstudy.kernels.bce import masked_bce
from cxrstudy.kernels.distill import distillation_loss
from cxrstudy.philox import as_key
from cxrstudy.studies.kernels import loss_inputs
from cxrstudy.trainings.job import limited_threads

REPEATS = 3
SECONDS = 0.3
OURS, NAIVE, REFERENCE = "this package", "naive", "reference"


def count_inputs(
    n_rows: int = 500, n_observations: int = 14, n_methods: int = 3
) -> tuple[np.ndarray, np.ndarray, CountTable, ResamplingUnits]:
    """Make truth, methods, table and units of W1: rare and common observations, rising error."""
    generator = np.random.default_rng(0)
    prevalence = np.linspace(0.03, 0.55, n_observations)
    truth = (generator.random((n_rows, n_observations)) < prevalence).astype(float)
    errors = np.linspace(0.08, 0.16, n_methods)
    methods = np.stack(
        [np.where(generator.random(truth.shape) < e, 1 - truth, truth) for e in errors]
    )
    units = resampling_units(n_rows)
    return truth, methods, count_table(truth, methods, None, units), units


def score_inputs(
    n_rows: int = 25_000, n_observations: int = 14, n_models: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Make labels (n_rows, n_observations) and scores of W2, rounded so that some tie."""
    generator = np.random.default_rng(1)
    prevalence = np.linspace(0.02, 0.3, n_observations)
    truth = (generator.random((n_rows, n_observations)) < prevalence).astype(float)
    return truth, np.round(truth + generator.normal(size=(n_models, *truth.shape)), 3)


def _milliseconds(run: Callable[[], object]) -> float:
    """Fastest of some calls after a first one that compiles; short ones are repeated more often.

    Processor time of all threads: other work on the machine would add its own to the wall clock.
    """
    run()
    spent: list[float] = []
    while len(spent) < REPEATS or sum(spent) < SECONDS:
        start = time.process_time()
        run()
        spent.append(time.process_time() - start)
    return 1000 * min(spent)


def _row(family: str, way: str, size: str, count: int, unit: str, run: Callable) -> dict:
    return {
        "family": family,
        "way": way,
        "path": REFERENCE if way == OURS else NAIVE,
        "size": size,
        "count": count,
        "unit": unit,
        "microseconds_per_unit": 1000 * _milliseconds(run) / count,
    }


def _naive_views(images: torch.Tensor, augmentation: Augmentation) -> torch.Tensor:
    """Torchvision's own chain, one image at a time as a data loader calls it."""
    from torchvision.transforms import v2

    chain = v2.Compose(
        [
            v2.RandomAffine(
                augmentation.rotation,
                translate=(augmentation.translation,) * 2,
                scale=augmentation.scale,
                interpolation=v2.InterpolationMode.BILINEAR,
            ),
            v2.RandomCrop(augmentation.size),
            v2.RandomHorizontalFlip(augmentation.flip),
            v2.ColorJitter(augmentation.brightness, augmentation.contrast),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([augmentation.mean], [augmentation.deviation]),
        ]
    )
    return torch.stack([chain(image[None]) for image in images])


def _naive_f1(truth: np.ndarray, methods: np.ndarray, n_replicates: int) -> None:
    """Draw rows, index, call the library: one cell of one replicate at a time."""
    generator = np.random.default_rng(0)
    for _ in range(n_replicates):
        drawn = generator.integers(0, len(truth), len(truth))
        for method in methods:
            f1_score(truth[drawn], method[drawn], average=None, zero_division=0)


def _naive_auroc(truth: np.ndarray, scores: np.ndarray, n_replicates: int) -> None:
    """Sort every cell again in every replicate."""
    generator = np.random.default_rng(0)
    for _ in range(n_replicates):
        drawn = generator.integers(0, len(truth), len(truth))
        for model in scores:
            roc_auc_score(truth[drawn], model[drawn], average=None)


def price_table(
    n_rows: int, n_views: int, n_replicates: int, n_naive_replicates: int
) -> pd.DataFrame:
    """Time what this package runs on this machine, and the naive version where it differs.

    Torch has one thread. Times compare by unit: ``times_this_package`` is how many times as long
    as this package a unit takes. The losses have no naive row: without a GPU this package runs the
    reference, which is the naive version.
    """
    inputs = loss_inputs(n_rows)
    images = torch.randint(0, 256, (n_views, 256, 256), dtype=torch.uint8)
    augmentation, index = Augmentation(), torch.arange(n_views)
    truth, methods, counted, units = count_inputs()
    f1 = np.array([COUNT_METRICS.index("f1")])
    counts = (counted, units, f1, np.ones(14, bool), False, n_replicates, as_key(0))
    label, scores = score_inputs(2_000, 5, 2)
    scored = resampling_units(len(label))
    program = programs(label, scores, None, scored, ("auroc",))
    ranked = (program, scored, np.ones(5, bool), False, n_replicates, as_key(0))
    few = n_naive_replicates

    def distill() -> None:
        distillation_loss(*inputs["distill"], 0.5, 2.0).backward()

    bce, logits, pixels = "14 observations", "13 findings x 3", "224 x 224 pixels"
    w1 = "500 studies x 14 observations x 3 methods"
    small = "2,000 rows x 5 observations x 2 models"
    views = (n_views, "view")
    naive, many = (few, "replicate"), (n_replicates, "replicate")
    rows = [
        ("bce", OURS, bce, n_rows, "row", lambda: masked_bce(*inputs["bce"]).backward()),
        ("distill", OURS, logits, n_rows, "row", distill),
        ("augment", "torchvision", pixels, *views, lambda: _naive_views(images, augmentation)),
        ("augment", OURS, pixels, *views, lambda: augment_views(images, index, augmentation, 0)),
        ("bootstrap", "scikit-learn", w1, *naive, lambda: _naive_f1(truth, methods, few)),
        ("bootstrap", OURS, w1, *many, lambda: replicate_counts(*counts)),
        ("ranking", "scikit-learn", small, *naive, lambda: _naive_auroc(label, scores, few)),
        ("ranking", OURS, small, *many, lambda: replicate_rankings(*ranked)),
    ]
    # On a busy machine torch's threads wait for each other, hundreds of times as long as they work.
    with limited_threads(1):
        table = pd.DataFrame([_row(*row) for row in rows])
    own = table[table["way"] == OURS].set_index("family")["microseconds_per_unit"]
    ratio = table["microseconds_per_unit"] / table["family"].map(own)
    return table.assign(times_this_package=ratio.where(table["way"] != OURS))
