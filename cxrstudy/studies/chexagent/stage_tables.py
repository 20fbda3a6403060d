"""Tables that describe the questions, the stages and what the language model copied."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pandas as pd

from cxrstudy.multimodal.config import Part
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.language import as_texts
from cxrstudy.studies.chexagent.arms import FULL, stages
from cxrstudy.studies.chexagent.texts import split_sentences
from cxrstudy.trainings.job import Kept


def task_words(tasks: Sequence[str]) -> dict[str, str]:
    """Write tasks as the page says them.

    Parameters
    ----------
    tasks : sequence of str
        Such as ``"lung_opacity_matched"``.

    Returns
    -------
    dict of str to str
        Such as ``"lung opacity, matched"``.
    """
    ends = ("_matched", "_unmatched")
    return {
        task: next(
            (f"{task.removesuffix(end)}, {end[1:]}" for end in ends if task.endswith(end)), task
        ).replace("_", " ")
        for task in tasks
    }


def items_table(items: Sequence[Item]) -> pd.DataFrame:
    """Count the questions of each task, and give one of them.

    Parameters
    ----------
    items : sequence of Item

    Returns
    -------
    DataFrame
        Indexed by task: training and held-out questions, held-out groups, options and an example
        without its context, which may be a report's text.
    """
    rows: dict[str, dict] = {}
    groups: dict[str, set[str]] = {}
    for item in items:
        row = rows.setdefault(item.task, {"training": 0, "held_out": 0})
        row[item.split] += 1
        row |= {"options": len(item.options), "example": item.question}
        if item.split == "held_out":
            groups.setdefault(item.task, set()).add(item.group)
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("task")
    table.insert(2, "held_out_groups", [len(groups.get(task, ())) for task in table.index])
    return table


def stage_table(trainings: Sequence[Kept]) -> pd.DataFrame:
    """Say what each stage learned from, which parts moved, and what it did to the language.

    Parameters
    ----------
    trainings : sequence of Kept
        By seed.

    Returns
    -------
    DataFrame
        Indexed by stage: what it learns, the parts whose weights moved in every training (of the
        last stage those that it trains), mean loss, and the perplexity of held-out reports
        afterwards; the paper's own stage beside.
    """
    perplexity = np.mean([kept.arrays["perplexity"] for kept in trainings], axis=0)
    rows = [{"stage": "before", "perplexity": perplexity[0]}]
    for place, stage in enumerate(stages()["before"], 1):
        name = stage["name"]
        moved = [
            part.replace("_", " ")
            for part in get_args(Part)
            if all(kept.about[f"moved.{name}.{part}"] for kept in trainings)
        ]
        rows.append(
            {
                "stage": name,
                "learns": stage["learns"],
                "moved": ", ".join(moved),
                "loss": np.mean([kept.about[f"loss.{name}"] for kept in trainings]),
                "perplexity": perplexity[place],
                "paper": stage["paper"],
            }
        )
    last = stages()["last"]
    rows.append(
        {
            "stage": last["name"],
            "learns": last["learns"],
            "moved": ", ".join(part.replace("_", " ") for part in last["trains"]),
            "loss": np.mean([kept.about[f"loss.{FULL}"] for kept in trainings]),
            "paper": last["paper"],
        }
    )
    columns = ["learns", "moved", "loss", "perplexity", "paper"]
    return pd.DataFrame(rows).set_index("stage")[columns]


def copying_table(
    trainings: Sequence[Kept], learned: Sequence[str], held_out: Sequence[str]
) -> pd.DataFrame:
    """Count the sentences that the language model took from the reports that it read.

    Parameters
    ----------
    trainings : sequence of Kept
    learned, held_out : sequence of str
        Reports.

    Returns
    -------
    DataFrame
        Indexed by text: sentences, different ones, the share that stands word for word in a report
        that was learned, and texts with ``XXXX``; of the model's own texts and of held-out reports.
    """
    known = {sentence for text in learned for sentence in split_sentences(text)}
    texts = {
        "written by the model": [
            t for kept in trainings for t in as_texts(kept.arrays["composed"])
        ],
        "held-out reports": list(held_out),
    }
    rows = []
    for name, own in texts.items():
        sentences = [sentence for text in own for sentence in split_sentences(text)]
        rows.append(
            {
                "text": name,
                "sentences": len(sentences),
                "different": len(set(sentences)),
                # NaN where the model wrote nothing: [] has no mean.
                "share that was learned": pd.Series(sentences, dtype=object).isin(known).mean(),
                "texts with XXXX": sum("XXXX" in text for text in own),
            }
        )
    return pd.DataFrame(rows).set_index("text")
