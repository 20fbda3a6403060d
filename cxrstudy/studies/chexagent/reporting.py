"""Tables and sentences of the study's page."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cxrstudy.agreement import MACRO_AVERAGE, Estimate, Resampling
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.job import BEFORE, TuningJob
from cxrstudy.studies.chexagent.arms import BLIND, FEW_TASKS, FULL, HELD_OUT, VARIANTS
from cxrstudy.studies.chexagent.scores import CLAIMS, FORMAT, Benchmark, Stored
from cxrstudy.trainings.job import Kept

_NAMES = {
    FULL: "model",
    BLIND: "model without images",
    FORMAT: "model that learned without images, tested with them",
    BEFORE: "model before instructions",
    "probe": "linear probe",
    "metadata": "view, sex and age alone",
    "majority": "most frequent answer",
    "permuted": "model, images exchanged",
    "qformer": "Q-Former as bridger",
    "without_language": "without stage 0, language",
    "without_encoder": "without stage 1, encoder",
    "without_bridger": "without stage 2, bridger",
    "one_epoch": "all stages",
    "pretrained": "pretrained decoder, adapters",
    "scratch": "decoder from random weights, same items",
    "bytes": "fewer bytes of the file",
    "all": "all images",
}
WORDS: Mapping[str, str] = {
    **_NAMES,
    **{f"{a} - {b}": f"{_NAMES[a]}, minus {_NAMES[b]}" for a, b in CLAIMS.values()},
    "f1_always_yes": "F1 of always yes",
}
"""Keys of the study's tables to what the page says for them."""


def trainings_in_words(seeds: Sequence[int]) -> str:
    """Count trainings, such as ``1 training`` or ``5 trainings``.

    Parameters
    ----------
    seeds : sequence of int
        One of each training.

    Returns
    -------
    str
    """
    return f"{len(seeds)} training{'' if len(seeds) == 1 else 's'}"


def means_in_words(table: pd.DataFrame) -> str:
    """Write the mean accuracy of each method, such as ``model 0.612, linear probe 0.605``.

    Parameters
    ----------
    table : DataFrame
        Of `Benchmark.table`.

    Returns
    -------
    str
    """
    means = table[table["task"] == MACRO_AVERAGE]
    return ", ".join(f"{_NAMES[row.method]} {row.estimate:.3f}" for row in means.itertuples())


def beside(exchanged: Benchmark, benchmark: Benchmark, tasks: Sequence[str]) -> pd.DataFrame:
    """Put the model with exchanged images beside itself and the model without images.

    Parameters
    ----------
    exchanged, benchmark : Benchmark
    tasks : sequence of str

    Returns
    -------
    DataFrame
        Columns method, task and the estimate's.
    """
    tables = [benchmark.table([FULL], tasks), exchanged.table(["permuted"], tasks)]
    return pd.concat([*tables, benchmark.table([BLIND], tasks)])


def few_items_table(
    jobs: Mapping[str, TuningJob],
    trainings: Mapping[str, Kept],
    benchmark: Benchmark,
    resampling: Resampling,
) -> pd.DataFrame:
    """Compare decoders that saw the same few items, and the small one that saw all of them.

    Parameters
    ----------
    jobs : mapping of str to TuningJob
        Of `arms.language_model_jobs`.
    trainings : mapping of str to Kept
    benchmark : Benchmark
        With the model of all items, and the controls.
    resampling : Resampling

    Returns
    -------
    DataFrame
        Columns method, task and the estimate's.
    """
    asked = next(iter(jobs.values())).questions[HELD_OUT]
    few = Benchmark(asked, resampling)
    for name, kept in trainings.items():
        few.add(name, Stored(kept, FULL))
    return pd.concat([few.table(list(trainings), FEW_TASKS), benchmark.table([FULL], FEW_TASKS)])


def seconds_in_words(few: Mapping[str, Kept], trainings: Sequence[Kept]) -> str:
    """Say how long the trainings took, evaluation included, and what the reading of reports gave.

    Parameters
    ----------
    few : mapping of str to Kept
    trainings : sequence of Kept

    Returns
    -------
    str
    """
    minutes = {_NAMES[name]: kept.about["seconds"] / 60 for name, kept in few.items()}
    minutes[_NAMES[FULL]] = float(np.mean([kept.about["seconds"] for kept in trainings])) / 60
    spent = "; ".join(f"{name} {value:.0f} min" for name, value in minutes.items())
    first, *_, last = few["pretrained"].arrays["perplexity"]
    return (
        f"Wall time with all questions: {spent}. Perplexity of held-out reports to the pretrained "
        f"decoder, before and after it read some, in its own word pieces: {first:.1f}, {last:.1f}."
    )


def contrasts_table(benchmark: Benchmark, tasks: Sequence[str]) -> pd.DataFrame:
    """Tabulate the differences that decide claims, and the same over the matched findings alone.

    Parameters
    ----------
    benchmark : Benchmark
    tasks : sequence of str
        Those that count.

    Returns
    -------
    DataFrame
        Columns method, tasks, metric and the estimate's.
    """
    findings = [task for task in tasks if task.endswith("_matched")]
    named = {f"all {len(tasks)} tasks": tasks, f"{len(findings)} matched findings": findings}
    rows = [
        {"method": f"{first} - {second}", "tasks": name, "metric": "accuracy"}
        | benchmark.difference(first, second, some).row()
        for first, second in CLAIMS.values()
        for name, some in named.items()
        if some
    ]
    return pd.DataFrame(rows)


def variants_table(variants: Benchmark, tasks: Sequence[str]) -> pd.DataFrame:
    """Tabulate mean accuracies of variants, and what each lacks against all stages.

    Parameters
    ----------
    variants : Benchmark
        Methods ``"one_epoch"`` and those of `VARIANTS` that were trained.
    tasks : sequence of str

    Returns
    -------
    DataFrame
        Columns method, quantity and the estimate's.
    """
    rows = []
    for name in ("one_epoch", *(v for v in VARIANTS if v in variants.answers)):
        mean = variants.accuracy(name, tasks)
        rows.append({"method": name, "quantity": "mean accuracy"} | mean.row())
        if name != "one_epoch":
            gain = variants.difference(name, "one_epoch", tasks)
            rows.append({"method": name, "quantity": "minus all stages"} | gain.row())
    return pd.DataFrame(rows)


def variants_in_words(table: pd.DataFrame) -> str:
    """Say which variants lie apart from all stages, such as ``below all stages: Q-Former (-0.02)``.

    Parameters
    ----------
    table : DataFrame
        Of `variants_table`.

    Returns
    -------
    str
    """
    apart = table[table["quantity"] == "minus all stages"]
    sides = {"below": apart["high"] < 0, "above": apart["low"] > 0}
    parts = []
    for side, marked in sides.items():
        rows = apart[marked].itertuples()
        names = ", ".join(f"{_NAMES[row.method]} ({row.estimate:+.3f})" for row in rows)
        parts += [f"{side} all stages: {names}"] if names else []
    rest = len(apart) - sum(int(marked.sum()) for marked in sides.values())
    parts += [f"{rest} of {len(apart)} variants cannot be told from all stages"] if rest else []
    return "; ".join(parts)


def gallery_table(benchmark: Benchmark, n_items: int, seed: int) -> pd.DataFrame:
    """Draw questions at random, one of each of so many tasks, with everyone's answers.

    Parameters
    ----------
    benchmark : Benchmark
    n_items : int
    seed : int

    Returns
    -------
    DataFrame
        Columns task, image, question, label, model, linear probe and most frequent answer; the
        model's first training answers by likelihood. Only tasks on images without a report's text.
    """
    rng = np.random.default_rng(seed)
    tables = {name: benchmark.answers[name][0] for name in (FULL, "probe", "majority")}
    shown = [n for n, item in enumerate(benchmark.items) if item.images and not item.context]
    by_task: dict[str, list[int]] = {}
    for row in shown:
        by_task.setdefault(benchmark.items[row].task, []).append(row)
    rows = []
    for place in sorted(rng.permutation(len(by_task))[:n_items]):
        task = list(by_task)[place]
        row = int(rng.choice(by_task[task]))
        item: Item = benchmark.items[row]
        answers = {_NAMES[name]: tables[name]["likeliest"].iloc[row] for name in tables}
        asked = {"task": task, "image": ", ".join(item.images), "question": item.question}
        rows.append(asked | {"label": item.answer} | answers)
    return pd.DataFrame(rows, dtype=object).fillna("none")


def answer_in_words(decided: Mapping[str, Estimate], table: pd.DataFrame) -> str:
    """Answer the study's question from the differences and the means.

    Parameters
    ----------
    decided : mapping of str to Estimate
    table : DataFrame
        Of `Benchmark.table`, with the means of the model and of the probe.

    Returns
    -------
    str
    """
    means = table[table["task"] == MACRO_AVERAGE].set_index("method")["estimate"]
    tuning, probe, image = (decided[claim] for claim in CLAIMS)
    n_tasks = table["task"].nunique() - 1  # the mean stands among them
    return (
        f"Over {n_tasks} tasks the model answers {_percent(means[FULL])} right, "
        f"{_than(tuning)} one that learned the same questions without images, and "
        f"{_than(image)} one that never sees them. A linear probe on the same features answers "
        f"{_percent(means['probe'])}: the model is {_than(probe)} it."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _than(difference: Estimate) -> str:
    low, high = difference.interval()
    points = f"{abs(100 * difference.value):.1f} points"
    if low > 0:
        return f"{points} better than"
    if high < 0:
        return f"{points} worse than"
    return f"not shown to differ ({100 * difference.value:+.1f} points) from"
