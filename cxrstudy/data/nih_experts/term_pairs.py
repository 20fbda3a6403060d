"""Which NIH terms are compared with which expert term, and how closely they correspond."""

from dataclasses import dataclass

import pandas as pd

from cxrstudy.data.nih_experts.nih import NihLabels
from cxrstudy.observations import crosswalk

PNEUMONIA_LIKE: tuple[str, ...] = ("Pneumonia", "Consolidation", "Infiltration")
"""The NIH terms by which the RSNA challenge was sampled."""
AIRSPACE: tuple[str, ...] = (*PNEUMONIA_LIKE, "Atelectasis", "Edema")
"""Every NIH term that the crosswalk puts below Lung Opacity, lesions apart."""

GROUPS: tuple[str, ...] = ("view", "sex", "age band")
"""What the comparisons are split by."""


@dataclass(frozen=True)
class TermPair:
    """One expert term and the NIH terms of which any one counts as positive.

    Attributes
    ----------
    name : str
        Name of the pair in tables.
    source : str
        Expert source of the crosswalk.
    expert_term : str
    nih_terms : tuple of str
        Empty where the NIH has no such term.
    """

    name: str
    source: str
    expert_term: str
    nih_terms: tuple[str, ...]


TERM_PAIRS: tuple[TermPair, ...] = (
    TermPair("Pneumothorax", "google", "Pneumothorax", ("Pneumothorax",)),
    TermPair("Nodule or mass", "google", "Nodule or mass", ("Nodule", "Mass")),
    TermPair("Airspace opacity, narrow", "google", "Airspace opacity", PNEUMONIA_LIKE),
    TermPair("Airspace opacity, wide", "google", "Airspace opacity", AIRSPACE),
    TermPair("Fracture", "google", "Fracture", ()),
    TermPair("Lung Opacity, narrow", "rsna", "Lung Opacity", PNEUMONIA_LIKE),
    TermPair("Lung Opacity, wide", "rsna", "Lung Opacity", AIRSPACE),
    TermPair("Lung Opacity, Pneumonia only", "rsna", "Lung Opacity", ("Pneumonia",)),
    TermPair("Normal", "rsna", "Normal", ("No Finding",)),
)
"""All pairs, in the order of the tables."""


@dataclass(frozen=True, eq=False)
class TermComparison:
    """Expert and text-mined labels of the same images, one column for each pair of terms.

    Attributes
    ----------
    expert, text_mined : DataFrame of float, shape (n_images, n_pairs)
        1 and 0, indexed by NIH image name.
    images : DataFrame
        Columns patient, view, sex, age and age band; same index.
    """

    expert: pd.DataFrame
    text_mined: pd.DataFrame
    images: pd.DataFrame

    @property
    def groups(self) -> pd.DataFrame:
        """View, sex and age band of each image."""
        return self.images[list(GROUPS)]

    def counts(self) -> pd.DataFrame:
        """Count the images of each of the four answers, and the patients behind them."""
        both, expert = self.expert * self.text_mined, self.expert.sum()
        return pd.DataFrame(
            {
                "images": len(self.expert),
                "patients": self.images["patient"].nunique(),
                "both positive": both.sum(),
                "experts only": expert - both.sum(),
                "NIH only": self.text_mined.sum() - both.sum(),
                "both negative": ((1 - self.expert) * (1 - self.text_mined)).sum(),
            }
        ).astype(int).rename_axis("pair")  # fmt: skip


def term_pairs(source: str) -> tuple[TermPair, ...]:
    """List the pairs of one expert source.

    Parameters
    ----------
    source : {"google", "rsna"}

    Returns
    -------
    tuple of TermPair
    """
    return tuple(pair for pair in TERM_PAIRS if pair.source == source)


def compare_terms(expert: pd.DataFrame, nih: NihLabels, source: str) -> TermComparison:
    """Put expert and text-mined labels of the same images side by side.

    Parameters
    ----------
    expert : DataFrame of float
        An expert source's labels, indexed by NIH image name.
    nih : NihLabels
    source : {"google", "rsna"}
        Whose labels these are.

    Returns
    -------
    TermComparison
        Without the pairs for which the NIH has no term.
    """
    pairs = [pair for pair in term_pairs(source) if pair.nih_terms]
    return TermComparison(
        expert=pd.DataFrame({pair.name: expert[pair.expert_term] for pair in pairs}),
        text_mined=pd.DataFrame(
            {pair.name: nih.any_of(pair.nih_terms).loc[expert.index] for pair in pairs}
        ),
        images=with_age_band(nih.images.loc[expert.index]),
    )


def with_age_band(images: pd.DataFrame) -> pd.DataFrame:
    """Add the age in four bands.

    Parameters
    ----------
    images : DataFrame
        With a column age, in years.

    Returns
    -------
    DataFrame
        With a column age band: ``0-17``, ``18-39``, ``40-59``, ``60+``.
    """
    names = ["0-17", "18-39", "40-59", "60+"]
    bands = pd.cut(images["age"], [0, 18, 40, 60, 200], right=False, labels=names)
    return images.assign(**{"age band": bands.astype(str)})


def relations_table() -> pd.DataFrame:
    """Tabulate the pairs with the crosswalk's relation of each term to its observation.

    Returns
    -------
    DataFrame
        Columns pair, experts, expert term, NIH terms; relations in words.
    """
    relation = {
        (row.source, row.term): f"{row.term} ({row.relation}: {row.observation})"
        for row in crosswalk().itertuples()
    }
    rows = [
        (
            pair.name,
            pair.source,
            relation[pair.source, pair.expert_term],
            "; ".join(relation["nih", term] for term in pair.nih_terms) or "none",
        )
        for pair in TERM_PAIRS
    ]
    return pd.DataFrame(rows, columns=["pair", "experts", "expert term", "NIH terms, any of"])
