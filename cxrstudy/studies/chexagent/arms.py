"""The models of this study: what each learns, from which data, and what it is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml

from cxrstudy.multimodal.config import Branch, Stage, TuningConfig
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.job import TuningJob
from cxrstudy.multimodal.tuning import Caption, Lessons
from cxrstudy.studies.chexagent import checks
from cxrstudy.studies.chexagent.cohort import POPULATION, SECOND_SITE, Cohort

FULL, BLIND = "full", "blind"
BRANCHES = (Branch(FULL), Branch(BLIND, shows_images=False, asked_with_images=True))

HELD_OUT, PERMUTED, OPEN = "held_out", "permuted", "open"
FEW_TASKS = ("view", "sex", "effusion_matched")
"""Tasks of the comparison of a pretrained decoder with one from random weights."""

_LORA_RATE = 1e-3
_FEW_HELD_OUT_TEXTS = 48

VARIANTS = ("qformer", "without_language", "without_encoder", "without_bridger")
"""Arms that differ from the first in one thing; a stage that is named is left out."""


@cache
def stages() -> Mapping[str, Any]:
    """Read the stages as ``stages.yaml`` gives them."""
    text = files("cxrstudy.studies.chexagent").joinpath("stages.yaml").read_text("utf-8")
    return yaml.safe_load(text)


def tuning_config(
    seed: int, epochs: float, variant: str = "", branches: Sequence[Branch] = BRANCHES
) -> TuningConfig:
    """Say how a model learns.

    Parameters
    ----------
    seed : int
    epochs : float
        Of the last stage.
    variant : str
        One of `VARIANTS`, or empty.
    branches : sequence of Branch

    Returns
    -------
    TuningConfig
    """
    if variant and variant not in VARIANTS:
        raise ValueError(f"variant must be one of {VARIANTS}, not {variant!r}")
    left_out = variant.removeprefix("without_")
    before = tuple(_stage(row) for row in stages()["before"] if row["name"] != left_out)
    return TuningConfig(
        stages=before,
        last=replace(_stage(stages()["last"]), epochs=epochs),
        branches=tuple(branches),
        asks_before=not variant,
        n_composed=0 if variant else 48,
        bridger="qformer" if variant == "qformer" else "mlp",
        seed=seed,
    )


def tuning_job(cohort: Cohort, config: TuningConfig, decides: bool) -> TuningJob:
    """Lay out one training; those that decide claims are asked everything.

    Parameters
    ----------
    cohort : Cohort
    config : TuningConfig
    decides : bool
        Others are asked the held-out items alone, and generate nothing.

    Returns
    -------
    TuningJob
    """
    held_out = [item for item in cohort.of("held_out") if item.options]
    more = {}
    if decides:
        rng = np.random.default_rng(config.seed)
        more[PERMUTED] = checks.permuted([item for item in held_out if item.images], rng)
        more[OPEN] = [item for item in cohort.of("held_out") if not item.options]
        more[POPULATION] = cohort.population
        more[SECOND_SITE] = cohort.second_site
    return TuningJob(
        config,
        lessons(cohort),
        {HELD_OUT: held_out},
        {name: items for name, items in more.items() if items},
        [HELD_OUT, OPEN] if decides else [],
        cohort.texts["held_out"],
        cohort.images,
        cohort.grid,
    )


def variant_jobs(cohort: Cohort, seeds: Sequence[int], epochs: float) -> list[TuningJob]:
    """Lay out all stages and each of `VARIANTS`, every one with each seed, in this order.

    Parameters
    ----------
    cohort : Cohort
    seeds : sequence of int
    epochs : float

    Returns
    -------
    list of TuningJob
    """
    # Whatever is drawn along the way would change what is learned after it.
    alike = {"asks_before": False, "n_composed": 0}
    return [
        tuning_job(cohort, replace(tuning_config(seed, epochs, name, BRANCHES[:1]), **alike), False)
        for name in ("", *VARIANTS)
        for seed in seeds
    ]


def lessons(cohort: Cohort) -> Lessons:
    """Gather what is learned from: texts, captions and items of the training side.

    Parameters
    ----------
    cohort : Cohort

    Returns
    -------
    Lessons
    """
    learned = cohort.captions[cohort.captions["split"] == "training"]
    pairs = learned[["image", "sentence", "label_set"]].itertuples(index=False)
    captions = [Caption(*(str(value) for value in pair)) for pair in pairs]
    return Lessons(cohort.texts["training"], captions, cohort.of("training"))


def blind_jobs(cohort: Cohort, epochs: float, seed: int) -> list[tuple[TuningJob, list[Item]]]:
    """Lay out models without images that answer one half of the training items after the other.

    Parameters
    ----------
    cohort : Cohort
    epochs : float
    seed : int

    Returns
    -------
    list of (TuningJob, list of Item)
        Each with the items that it is asked, none of whose patients or texts it learned from.
    """
    config = TuningConfig(
        stages=(),
        last=replace(_stage(stages()["last"]), epochs=epochs),
        branches=(Branch(BLIND, shows_images=False),),
        seed=seed,
    )
    jobs = []
    for learned, judged in checks.training_halves(cohort.of("training")):
        judged = [item for item in judged if item.options]
        known = Lessons(items=learned)
        job = TuningJob(config, known, {HELD_OUT: judged}, {}, [], [], cohort.images, cohort.grid)
        jobs.append((job, judged))
    return jobs


def language_model_jobs(
    cohort: Cohort, pretrained: str, n_items: int, n_texts: int, seed: int
) -> dict[str, TuningJob]:
    """Lay out a pretrained decoder and one from random weights that see the same few items.

    Parameters
    ----------
    cohort : Cohort
    pretrained : str
        Language model of the registry.
    n_items : int
        Training items of `FEW_TASKS`, drawn at random.
    n_texts : int
        Reports of the language stage of the pretrained one; the other skips all stages before.
    seed : int

    Returns
    -------
    dict of str to TuningJob
        ``"pretrained"`` and ``"scratch"``; both are asked the held-out items of `FEW_TASKS`.
    """
    rng = np.random.default_rng(seed)
    known = [item for item in cohort.of("training") if item.task in FEW_TASKS]
    few = [known[row] for row in rng.permutation(len(known))[:n_items]]
    asked = [item for item in cohort.of("held_out") if item.task in FEW_TASKS]
    texts = cohort.texts["training"][:n_texts]
    language = replace(_stage(stages()["before"][0]), epochs=1, learning_rate=_LORA_RATE)
    last = replace(_stage(stages()["last"]), epochs=1)
    configs = {
        "scratch": TuningConfig((), last, BRANCHES[:1], seed=seed),
        "pretrained": TuningConfig(
            (language,),
            replace(last, learning_rate=_LORA_RATE),
            BRANCHES[:1],
            pretrained=pretrained,
            batch_size=16,
            seed=seed,
        ),
    }
    return {
        name: TuningJob(
            config,
            Lessons(texts, (), few),
            {HELD_OUT: asked},
            {},
            [],
            cohort.texts["held_out"][:_FEW_HELD_OUT_TEXTS],
            cohort.images,
            cohort.grid,
        )
        for name, config in configs.items()
    }


def _stage(row: Mapping[str, Any]) -> Stage:
    names = ("name", "objective", "epochs", "learning_rate")
    return Stage(trains=tuple(row["trains"]), **{name: row[name] for name in names})
