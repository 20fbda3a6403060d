"""Which NIH terms are compared with which expert term, on which images, drawn how."""

from dataclasses import dataclass

import pandas as pd

from cxrstudy.data.nih_experts import LUNG_OPACITY, PNEUMONIA_LIKE, NihLabels, RsnaLabels
from cxrstudy.observations import crosswalk

# Every NIH term that the crosswalk puts below Lung Opacity, lesions apart.
AIRSPACE: tuple[str, ...] = (*PNEUMONIA_LIKE, "Atelectasis", "Edema")
AIRSPACE_OPACITY = "Airspace opacity"


@dataclass(frozen=True)
class TermPair:
    """One expert term and the NIH terms of which any one counts as positive."""

    name: str
    source: str  # expert source of the crosswalk: "google" or "rsna"
    expert_term: str
    nih_terms: tuple[str, ...]  # empty where the NIH has no such term


TERM_PAIRS: tuple[TermPair, ...] = (
    TermPair("Pneumothorax", "google", "Pneumothorax", ("Pneumothorax",)),
    TermPair("Nodule or mass", "google", "Nodule or mass", ("Nodule", "Mass")),
    TermPair("Airspace opacity, narrow", "google", AIRSPACE_OPACITY, PNEUMONIA_LIKE),
    TermPair("Airspace opacity, wide", "google", AIRSPACE_OPACITY, AIRSPACE),
    TermPair("Fracture", "google", "Fracture", ()),
    TermPair("Lung Opacity, narrow", "rsna", LUNG_OPACITY, PNEUMONIA_LIKE),
    TermPair("Lung Opacity, wide", "rsna", LUNG_OPACITY, AIRSPACE),
    TermPair("Lung Opacity, Pneumonia only", "rsna", LUNG_OPACITY, ("Pneumonia",)),
    TermPair("Normal", "rsna", "Normal", ("No Finding",)),
)


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


@dataclass(frozen=True, eq=False)
class TermComparison:
    """Expert and text-mined labels of the same images, one column for each pair of terms."""

    expert: pd.DataFrame  # (n_images, n_pairs): 1 and 0, indexed by NIH image name
    text_mined: pd.DataFrame  # likewise
    images: pd.DataFrame  # patient, view, sex, age and age band; same index

    @property
    def groups(self) -> pd.DataFrame:
        """What the comparisons are split by: view, sex and age band of each image."""
        return self.images[["view", "sex", "age band"]]

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
    pairs = [pair for pair in TERM_PAIRS if pair.source == source and pair.nih_terms]
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


def sampling_fractions(strata: pd.Series, drawn: pd.Index) -> pd.DataFrame:
    """Count the images and the drawn images of each stratum.

    Parameters
    ----------
    strata : Series of str
        Stratum of every image that could be drawn.
    drawn : Index
        Names of the drawn images.

    Returns
    -------
    DataFrame
        Columns images, drawn and fraction; indexed by stratum.
    """
    return _fractions([strata], drawn)


def sampling_fractions_by_group(
    strata: pd.Series, drawn: pd.Index, groups: pd.DataFrame
) -> pd.DataFrame:
    """Split the strata further, to see whether the draw depended on more than the stratum.

    Parameters
    ----------
    strata, drawn
        As for `sampling_fractions`.
    groups : DataFrame of str
        Each column sorts the images into levels, such as views.

    Returns
    -------
    DataFrame
        Columns group, level, stratum, images, drawn and fraction.
    """
    tables = {group: _fractions([groups[group].rename("level"), strata], drawn) for group in groups}
    return pd.concat(tables, names=["group"]).reset_index()


def _fractions(keys: list[pd.Series], drawn: pd.Index) -> pd.DataFrame:
    groups = pd.Series(keys[0].index.isin(drawn), keys[0].index).groupby(keys)
    table = pd.DataFrame({"images": groups.size(), "drawn": groups.sum()})
    return table.assign(fraction=table["drawn"] / table["images"])


@dataclass(frozen=True, eq=False)
class Overlap:
    """Three sources' labels of the images that both expert sources read."""

    truth: pd.DataFrame  # (n_images, 1): Google's airspace opacity
    others: dict[str, pd.DataFrame]  # likewise: RSNA's lung opacity, narrow and wide NIH terms
    patients: pd.Series  # of each image
    counts: pd.DataFrame  # images by RSNA class, with and without Google's airspace opacity


def overlap(google: pd.DataFrame, rsna: RsnaLabels, nih: NihLabels) -> Overlap:
    """Put the labels of the images that both expert sources read side by side.

    Parameters
    ----------
    google : DataFrame of float
        One of Google's sets.
    rsna : RsnaLabels
    nih : NihLabels

    Returns
    -------
    Overlap
    """
    images = google.index.intersection(rsna.labels.index)
    truth = google.loc[images, [AIRSPACE_OPACITY]]
    classes = rsna.labels.loc[images]
    others = {
        "RSNA Lung Opacity": classes[LUNG_OPACITY],
        "NIH, narrow": nih.any_of(PNEUMONIA_LIKE).loc[images],
        "NIH, wide": nih.any_of(AIRSPACE).loc[images],
    }
    airspace = truth[AIRSPACE_OPACITY]
    yes, no = classes.mul(airspace, axis=0).sum(), classes.mul(1 - airspace, axis=0).sum()
    counts = pd.DataFrame({"airspace opacity": yes, "no airspace opacity": no}).astype(int)
    return Overlap(
        truth=truth,
        others={name: labels.to_frame(AIRSPACE_OPACITY) for name, labels in others.items()},
        patients=nih.images["patient"].loc[images],
        counts=counts.rename_axis("RSNA class"),
    )
