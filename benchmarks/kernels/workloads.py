"""What a kernel must move and compute, and the least time that a card can take for it.

The numbers are counted, not measured: bytes from the arrays that a kernel reads and writes,
instructions from the compiled machine code (straight-line kernels) or from the operations inside
its loop. A floor is the larger of the two times at a card's data-sheet rates. It is the floor of
this code, since other code for the same result may need fewer instructions; work of tensor cores
is not counted.
"""

from dataclasses import dataclass

import pandas as pd
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cxrstudy.kernels.compiler import HAS_TRITON
from cxrstudy.recorded import load_recorded, recorded_hardware

COUNTED_WITH = "3.9.0"
"""Version of Triton whose machine code the instructions were counted in."""

_LANES_PER_CYCLE = 128


@dataclass(frozen=True)
class Card:
    """A GPU by its data sheet.

    Attributes
    ----------
    name : str
    bytes_per_second : float
        Bandwidth of its memory.
    multiprocessors : int
    hertz : float
        Boost clock.
    """

    name: str
    bytes_per_second: float
    multiprocessors: int
    hertz: float

    @property
    def instructions_per_second(self) -> float:
        """Instructions of single threads: four warps of 32 issue in each cycle."""
        return self.multiprocessors * _LANES_PER_CYCLE * self.hertz

    @property
    def rates_in_words(self) -> str:
        """Both rates, with the product that gives the second."""
        times = "\N{MULTIPLICATION SIGN}"
        return (
            f"{self.bytes_per_second / 1e12:.2f} TB/s and "
            f"{self.instructions_per_second / 1e12:.1f} {times} 10\N{SUPERSCRIPT ONE}"
            f"\N{SUPERSCRIPT TWO} thread-instructions per second ({self.multiprocessors} "
            f"multiprocessors {times} {_LANES_PER_CYCLE} lanes {times} {self.hertz / 1e9:.2f} GHz)"
        )


# NVIDIA's data sheets (SXM): 3.35 and 4.8 TB/s; both 132 multiprocessors and 67 TFLOP/s in
# float32, hence 1.98 GHz.
CARDS: dict[str, Card] = {
    name: Card(name, bandwidth, 132, 1.98e9)
    for name, bandwidth in {"H100 SXM": 3.35e12, "H200 SXM": 4.8e12}.items()
}
"""Cards that floors can be stated for."""


@dataclass(frozen=True)
class Work:
    """What one workload asks of a card.

    Attributes
    ----------
    family, workload : str
    bytes : float
        To and from the card's memory.
    instructions : float
        Of single threads.
    replaces : str
        What one would write without the kernel.
    counted : str
        How bytes and instructions were counted.
    """

    family: str
    workload: str
    bytes: float
    instructions: float
    replaces: str
    counted: str

    def floor_seconds(self, card: Card) -> float:
        """Return the larger of the times for bytes and for instructions."""
        return max(
            self.bytes / card.bytes_per_second, self.instructions / card.instructions_per_second
        )


def workloads(
    n_rows: int = 1_000_000, n_views: int = 256, n_replicates: int = 1_000_000
) -> list[Work]:
    """Count the workloads that the benchmarks time.

    Parameters
    ----------
    n_rows : int
        Rows of a loss, with 14 observations or 13 findings.
    n_views : int
        Views of 224 x 224 pixels.
    n_replicates : int
        Replicates of W1; W2 has a thousandth of them.

    Returns
    -------
    list of Work
    """
    cells, findings, pixels = 14 * n_rows, 13 * n_rows, n_views * 224 * 224
    draws, columns = 500 * n_replicates, 2 * 3 * 16
    steps = 25_000 * 140 * n_replicates / 1_000
    return [
        Work(
            "bce",
            f"{n_rows:,} x 14 logits (float32), labels of one byte",
            10 * cells,
            (472 / 8 + 256 / 32) * cells,
            "eager torch: policy, mask, smoothing, weighted loss, mean",
            "labels twice, logits, gradient; 472 instructions for 8 cells, 256 to count 32",
        ),
        Work(
            "distill",
            f"{n_rows:,} x 13 x 3 logits (float32)",
            12 * 3 * findings,
            920 / 4 * findings,
            "eager torch: two softmaxes, softening, divergence, mean",
            "targets, logits, gradient; 920 instructions for 4 findings",
        ),
        Work(
            "augment",
            f"{n_views} views of 224 x 224 (bfloat16)",
            3 * pixels,
            696 / 8 * pixels,
            "torchvision's transforms, image by image or batch by batch",
            "one byte in and two out for each pixel; 696 instructions for 8 pixels",
        ),
        Work(
            "bootstrap",
            f"W1: 500 studies, 14 observations, 3 methods, {n_replicates:,} replicates",
            3 * 4 * columns * n_replicates,
            17 * draws,
            "a loop over replicates that indexes rows and sums them",
            "96 columns of float32, written once, read twice; Philox: 68 instructions for 4 draws",
        ),
        Work(
            "ranking",
            f"W2: 25,000 rows, 10 models, 14 observations, {n_replicates // 1_000:,} replicates",
            25.0 * n_replicates + 4 * 25_000 * 140,
            6 * steps,
            "one sort for each replicate and cell",
            "multiplicities once from memory (then cache), visits; 6 operations for each row",
        ),
    ]


def floor_table(works: list[Work], card: Card) -> pd.DataFrame:
    """List bytes, instructions and floors.

    Parameters
    ----------
    works : list of Work
    card : Card

    Returns
    -------
    DataFrame
        One row for each workload; times in microseconds.
    """
    rows = [
        {
            "family": work.family,
            "megabytes": work.bytes / 1e6,
            "million_instructions": work.instructions / 1e6,
            "microseconds_for_bytes": 1e6 * work.bytes / card.bytes_per_second,
            "microseconds_for_instructions": 1e6 * work.instructions / card.instructions_per_second,
            "floor_microseconds": 1e6 * work.floor_seconds(card),
            "counted": work.counted,
        }
        for work in works
    ]
    return pd.DataFrame(rows)


def measured_on(card: str) -> pd.DataFrame:
    """Look up the recorded time of each family's workload on a card.

    Parameters
    ----------
    card : str
        Name in `CARDS`; its first word is looked for in the recorded GPU's name.

    Returns
    -------
    DataFrame
        Columns family and microseconds, the latest row of each family; empty if none is recorded.
    """
    recorded = load_recorded("kernels")
    if recorded is None:
        return pd.DataFrame(
            {"family": pd.Series(dtype=str), "microseconds": pd.Series(dtype=float)}
        )
    of_card = recorded[recorded["hardware"].str.contains(card.split()[0], regex=False)]
    latest = of_card.sort_values("date", kind="stable").drop_duplicates("family", keep="last")
    return latest[["family", "microseconds"]]


def evidence_table(checked: bool) -> pd.DataFrame:
    """Say what is measured on the page of the kernels, what is counted, and what is neither.

    Parameters
    ----------
    checked : bool
        Whether the run compares the kernels with their references.

    Returns
    -------
    DataFrame of str
        Columns question and evidence; read from the records, so that it changes with them.
    """
    recorded, hardware = load_recorded("kernels"), recorded_hardware()
    gpus, times = hardware.pop("kernels", []), "none: no GPU run has been recorded"
    if recorded is not None:
        times = f"measured on {', '.join(gpus)}; latest of {recorded['date'].max()}"
    others = sorted({name for names in hardware.values() for name in names})
    on_cards = [name for name in others if not name.endswith("cores")]
    rest = "the CPU references: no recorded run used a GPU"
    if on_cards:
        rest = f"the CPU references, and the kernels where a run names {', '.join(on_cards)}"
    return pd.DataFrame(
        [
            ("how long the kernels take on a GPU", times),
            ("what the same work costs on a CPU", "timed in this run"),
            ("the least time on a GPU", "lower bounds by arithmetic, for the code as written"),
            (
                "whether the numbers are right",
                "compared in this run, with the kernels interpreted on the CPU"
                if checked and HAS_TRITON
                else "not compared in this run",
            ),
            (
                "what the book's recorded verdicts rest on",
                f"{rest} (each record names its hardware; here: {', '.join(others) or 'none'})",
            ),
        ],
        columns=["question", "evidence"],
    )


class _Traffic(TorchDispatchMode):
    """Add up the bytes of every operation's inputs and outputs; views move nothing."""

    def __init__(self):
        super().__init__()
        self.rows: list[tuple[str, int]] = []

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        if not function.is_view:
            flat = torch.utils._pytree.tree_leaves((arguments, options, result))
            moved = sum(part.nbytes for part in flat if isinstance(part, torch.Tensor))
            self.rows.append((function.overloadpacket.__name__, moved))
        return result


def eager_traffic(run) -> pd.DataFrame:
    """Count what each operation of eager torch reads and writes while a function runs.

    Each operation is one launch on a GPU and takes its arrays through memory, whatever computes;
    so the count from a CPU holds for a GPU as well.

    Parameters
    ----------
    run : callable without arguments
        Forward and backward pass of a loss, say.

    Returns
    -------
    DataFrame
        Columns operation, calls and bytes, largest first.
    """
    with _Traffic() as traffic:
        run()
    table = pd.DataFrame(traffic.rows, columns=["operation", "bytes"])
    grouped = table.groupby("operation", as_index=False).agg(
        calls=("bytes", "size"), bytes=("bytes", "sum")
    )
    return grouped.sort_values("bytes", ascending=False, ignore_index=True)
