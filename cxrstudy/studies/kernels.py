"""What the kernels save: bytes of the naive losses counted here, the rest from recorded tables.

``python -m benchmarks.kernels --record-cpu`` writes the tables in ``book/recorded/kernels``:
checks, compiled kernels, prices and counted workloads. The same program on a GPU adds measured
rows to ``book/recorded/kernels.csv``. A floor is arithmetic: the larger of the times for bytes and
for instructions at a card's data-sheet rates. It is the floor of this code, since other code for
the same result may need fewer instructions; work of tensor cores is not counted.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from torch.utils._python_dispatch import TorchDispatchMode

from cxrstudy.figures.style import MARKERS, use_book_style
from cxrstudy.kernels.bce import masked_bce_reference
from cxrstudy.kernels.distill import distillation_loss_reference
from cxrstudy.recorded import load_recorded, recorded_hardware

CHECKS, COMPILED, PRICES, WORKLOADS = (
    f"kernels/{name}" for name in ("checks", "compiled", "prices", "workloads")
)
"""Recorded tables, by the names that `load_recorded` takes."""

_LANES_PER_CYCLE = 128
_LOSSES = {"bce": "masked loss", "distill": "distillation loss"}
_EAGER, _KERNEL = "eager_bytes_per_logit", "kernel_bytes_per_logit"
_WAYS = {_EAGER: "eager torch, counted", _KERNEL: "kernel, by its arrays"}


@dataclass(frozen=True)
class Card:
    """A GPU by its data sheet."""

    name: str
    bytes_per_second: float
    multiprocessors: int
    hertz: float  # boost clock

    @property
    def instructions_per_second(self) -> float:
        """Instructions of single threads: four warps of 32 issue in each cycle.

        >>> Card("toy", bytes_per_second=1.0, multiprocessors=2, hertz=10.0).instructions_per_second
        2560.0
        """
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


def evidence_table() -> pd.DataFrame:
    """Say what is measured, what is counted and what is neither, as the records have it."""
    gpu_rows, checks, prices = (load_recorded(name) for name in ("kernels", CHECKS, PRICES))
    hardware = recorded_hardware()
    gpus, times = hardware.pop("kernels", []), "none: no GPU run has been recorded"
    if gpu_rows is not None:
        times = f"measured on {', '.join(gpus)}; latest of {gpu_rows['date'].max()}"
    others = sorted({name for names in hardware.values() for name in names})
    on_cards = [name for name in others if not name.endswith("cores")]
    rest = "the CPU references: no recorded run used a GPU"
    if on_cards:
        rest = f"the CPU references, and the kernels where a run names {', '.join(on_cards)}"
    rows = [
        ("how long the kernels take on a GPU", times),
        ("what the same work costs on a CPU", f"timed on {_where(prices)}"),
        ("the least time on a GPU", "lower bounds by arithmetic, for the code as written"),
        (
            "whether the numbers are right",
            f"compared on {_where(checks)}, with the kernels interpreted on the CPU",
        ),
        (
            "what the book's recorded verdicts rest on",
            f"{rest} (each record names its hardware; here: {', '.join(others) or 'none'})",
        ),
    ]
    return pd.DataFrame(rows, columns=["question", "evidence"])


def _where(recorded: pd.DataFrame) -> str:
    row = recorded.iloc[0]
    return f"{row['hardware']}, {row['date']}"


def kernel_families() -> pd.DataFrame:
    """List the families, the workloads that stand for them, and what they replace."""
    return load_recorded(WORKLOADS)[["family", "workload", "replaces"]]


def loss_inputs(
    n_rows: int, device: str | torch.device = "cpu"
) -> dict[str, tuple[torch.Tensor, ...]]:
    """Make logits and labels of the losses: bce (n_rows, 14), distill (n_rows, 13, 3)."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n_rows, 14, generator=generator).to(device).requires_grad_()
    labels = torch.randint(-1, 2, (n_rows, 14), dtype=torch.int8, generator=generator)
    student = torch.randn(n_rows, 13, 3, generator=generator).to(device).requires_grad_()
    teacher = torch.randn(n_rows, 13, 3, generator=generator).softmax(-1)
    return {"bce": (logits, labels.to(device)), "distill": (student, teacher.to(device))}


class _Traffic(TorchDispatchMode):
    """Add up the bytes of every operation's inputs and outputs; views move nothing."""

    def __init__(self) -> None:
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
    """Count calls and bytes of each operation of eager torch while a function runs.

    Each operation is one launch on a GPU and takes its arrays through memory, whatever computes;
    so the count from a CPU holds for a GPU as well.
    """
    with _Traffic() as traffic:
        run()
    table = pd.DataFrame(traffic.rows, columns=["operation", "bytes"])
    grouped = table.groupby("operation", as_index=False).agg(
        calls=("bytes", "size"), bytes=("bytes", "sum")
    )
    return grouped.sort_values("bytes", ascending=False, ignore_index=True)


def naive_bce(n_rows: int = 1000) -> pd.DataFrame:
    """Count what the masked loss of `n_rows` rows of 14 labels reads and writes in eager torch.

    One row for each operation of loss and gradient, with its calls, bytes, and bytes per label.
    """
    logits, labels = loss_inputs(n_rows)["bce"]
    traffic = eager_traffic(
        lambda: masked_bce_reference(logits, labels, policy="ones", smoothing=0.1).backward()
    )
    return traffic.assign(bytes_per_label=traffic["bytes"] / labels.numel())


def loss_traffic(n_rows: int = 1000) -> pd.DataFrame:
    """Compare the bytes that a logit costs in eager torch, on `n_rows` rows, and in its kernel."""
    logits, targets = loss_inputs(n_rows)["distill"]
    distill = eager_traffic(
        lambda: distillation_loss_reference(logits, targets, 0.5, 2.0).backward()
    )
    eager = {"bce": (naive_bce(n_rows), 14 * n_rows), "distill": (distill, logits.numel())}
    works = load_recorded(WORKLOADS).set_index("family")
    rows = [
        {
            "loss": loss,
            "eager_calls": traffic["calls"].sum(),
            "eager_bytes_per_logit": traffic["bytes"].sum() / n_logits,
            "kernel_bytes_per_logit": works.loc[loss, "bytes"] / works.loc[loss, "elements"],
        }
        for loss, (traffic, n_logits) in eager.items()
    ]
    table = pd.DataFrame(rows)
    return table.assign(times=table["eager_bytes_per_logit"] / table["kernel_bytes_per_logit"])


def draw_traffic(traffic: pd.DataFrame) -> Axes:
    """Draw the bytes of `loss_traffic`: eager torch above the kernel, for each loss."""
    use_book_style()
    _, axes = plt.subplots(figsize=(7.2, 2.4))
    for i, (column, label) in enumerate(_WAYS.items()):
        bars = axes.barh(np.arange(len(traffic)) + 0.38 * i, traffic[column], 0.36, label=label)
        axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.set_yticks(np.arange(len(traffic)) + 0.19, [_LOSSES[name] for name in traffic["loss"]])
    axes.grid(visible=False, axis="y")
    axes.invert_yaxis()
    axes.set_xlabel("bytes of memory traffic for each logit")
    axes.legend(loc="upper right")
    return axes


def answer(traffic: pd.DataFrame, checks: pd.DataFrame, gpu_rows: pd.DataFrame | None) -> str:
    """Say what `loss_traffic` and the recorded checks show, and whether a GPU was timed."""
    saved = " and ".join(
        f"{getattr(row, _KERNEL):.0f} bytes in place of {getattr(row, _EAGER):.0f} "
        f"({_LOSSES[row.loss]})"
        for row in traffic.itertuples()
    )
    times = "No time on a GPU has been recorded, so that the bytes are counted and not yet timed"
    if gpu_rows is not None:
        times = f"Times are measured on {', '.join(gpu_rows['hardware'].unique())}"
    right = int((checks["error"] <= checks["allowed"]).sum())
    return (
        f"For each logit the losses move {saved}. {right} of {len(checks)} comparisons with the "
        f"references stay within the allowed error. {times}."
    )


def traffic_in_words(traffic: pd.DataFrame) -> str:
    """Say what the figure of the bytes shows."""
    ratios = (f"{_LOSSES[row.loss]}: {row.times:.0f} times" for row in traffic.itertuples())
    return f"Bytes of eager torch over those of the kernel. {'; '.join(ratios)}."


def floor_table(card: Card, works: pd.DataFrame | None = None) -> pd.DataFrame:
    """List bytes, instructions and the least time that a card can take for each workload.

    The recorded workloads unless others are given; times in microseconds.
    """
    works = load_recorded(WORKLOADS) if works is None else works
    for_bytes = 1e6 * works["bytes"] / card.bytes_per_second
    for_instructions = 1e6 * works["instructions"] / card.instructions_per_second
    return pd.DataFrame(
        {
            "family": works["family"],
            "megabytes": works["bytes"] / 1e6,
            "million_instructions": works["instructions"] / 1e6,
            "microseconds_for_bytes": for_bytes,
            "microseconds_for_instructions": for_instructions,
            "floor_microseconds": np.maximum(for_bytes, for_instructions),
            "counted": works["counted"],
        }
    )


def checks_in_words(checks: pd.DataFrame) -> pd.DataFrame:
    """Print the columns error and allowed to two digits, and say where there is none."""
    columns = checks[["error", "allowed"]]
    words = columns.map(lambda error: f"{error:.1e}" if error else "0 (exact)")
    return checks.assign(**words)


def measured_on(card: Card) -> pd.DataFrame:
    """Look up the latest recorded time of each family's workload on a card, in microseconds.

    The first word of the card's name is looked for in the recorded GPU's name. Empty if none is
    recorded.
    """
    recorded = load_recorded("kernels")
    if recorded is None:
        return pd.DataFrame({"family": [], "microseconds": []})
    of_card = recorded[recorded["hardware"].str.contains(card.name.split()[0], regex=False)]
    latest = of_card.sort_values("date", kind="stable").drop_duplicates("family", keep="last")
    return latest[["family", "microseconds"]]


def roofline(floors: pd.DataFrame, card: Card, measured: pd.DataFrame) -> Axes:
    """Draw a card's roof with workloads at their floors, and measured ones below it."""
    use_book_style()
    _, axes = plt.subplots()
    intensity = np.geomspace(1, 1000, 200)
    roof = np.minimum(intensity * card.bytes_per_second, card.instructions_per_second)
    axes.loglog(intensity, roof / 1e12, color="#555555", label="roof by the data sheet")
    taken = dict(measured[["family", "microseconds"]].to_numpy())
    for i, row in enumerate(floors.itertuples()):
        at = row.million_instructions / row.megabytes
        style = {"marker": MARKERS[i % len(MARKERS)], "color": f"C{i}", "linestyle": "none"}
        # A million instructions in a microsecond are 10**12 in a second.
        axes.plot(
            at, row.million_instructions / row.floor_microseconds, **style, fillstyle="none",
            markersize=9, label=f"{row.family}, floor",
        )  # fmt: skip
        if row.family in taken:
            reached = row.million_instructions / taken[row.family]
            axes.plot(at, reached, **style, markersize=7, label=f"{row.family}, measured")
    # Powers of ten alone leave a reader with two or three numbers.
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlabel("thread-instructions for each byte of memory")
    axes.set_ylabel("thread-instructions per second, 10¹²")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return axes
