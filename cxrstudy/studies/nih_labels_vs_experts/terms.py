"""Which NIH terms are compared with which expert term, on which images, drawn how."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from cxrstudy.agreement import Resampling, agree
from cxrstudy.data.nih_experts import (
    AIRSPACE,
    LUNG_OPACITY,
    PNEUMONIA_LIKE,
    NihLabels,
    RsnaLabels,
)
from cxrstudy.experiments.subgroups import SubgroupAgreement, agree_by_subgroup
from cxrstudy.observations import crosswalk
from cxrstudy.words import in_sentence

AIRSPACE_OPACITY = "Airspace opacity"

NIH = "NIH"
METRICS = ("recall", "specificity", "precision", "f1", "kappa")
WORDS = {
    "recall": "sensitivity", "precision": "PPV",
    "F": "women", "M": "men", "F - M": "women minus men", "sex F": "women", "sex M": "men",
    "AP - PA": "AP minus PA", "view AP": "AP views", "view PA": "PA views",
    "60+ - 18-39": "60 and older minus 18 to 39",
    **{key.format(band): word.format(band.replace("-", " to ").replace("+", " and older"))
       for key, word in (("{}", "{}"), ("age band {}", "age {}"))
       for band in ("0-17", "18-39", "40-59", "60+")},
}  # fmt: skip
CONTRASTS = {"view": ("AP", "PA"), "sex": ("F", "M"), "age band": ("60+", "18-39")}
"""Two levels of each group, whose difference is shown."""


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
    """Tabulate each pair of terms with the crosswalk's relation of both to an observation."""
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


def matching_table(rsna: RsnaLabels, nih: NihLabels) -> pd.DataFrame:
    """Count the RSNA images that each step of the matching keeps, and whose headers agree."""
    matched = nih.images.loc[rsna.headers.index]
    agreeing = {
        f"{column} agrees with RSNA's header": int((rsna.headers[column] == matched[column]).sum())
        for column in ("view", "sex")
    }
    return pd.Series(rsna.matching | agreeing, name="images").rename_axis("step").to_frame()


def composition_table(sets: Mapping[str, pd.DataFrame], nih: NihLabels) -> pd.DataFrame:
    """Count what each set of images holds: patients, findings and views; sets as columns."""
    columns = {}
    for name, labels in sets.items():
        images = nih.images.loc[labels.index]
        views = images["view"].value_counts().sort_index().add_prefix("view ").to_dict()
        columns[name] = {
            "images": len(labels),
            "patients": images["patient"].nunique(),
            **labels.sum(),
            **views,
            "NIH No Finding": nih.labels.loc[labels.index, "No Finding"].sum(),
        }
    return pd.DataFrame(columns).astype(int).rename_axis("images with")


@dataclass(frozen=True, eq=False)
class TermComparison:
    """Expert and text-mined labels of the same images, one column for each pair of terms."""

    expert: pd.DataFrame  # (n_images, n_pairs): 1 and 0, indexed by NIH image name
    text_mined: pd.DataFrame  # likewise
    images: pd.DataFrame  # patient, view, sex, age and age band; same index

    @property
    def groups(self) -> pd.DataFrame:
        """What the comparisons are split by: view, sex and age band of each image."""
        return self.images[list(CONTRASTS)]

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

    def scores(
        self, resampling: Resampling, min_events: int, weights: pd.Series | None = None
    ) -> SubgroupAgreement:
        """Score the text-mined labels on resampled patients, in all images and by subgroup."""
        return agree_by_subgroup(
            self.expert,
            {NIH: self.text_mined},
            self.groups,
            metrics=METRICS,
            min_events=min_events,
            resampling=resampling.of(clusters=self.images["patient"], weights=weights),
        )


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

    >>> ages = pd.DataFrame({"age": [0, 17, 18, 39, 40, 59, 60, 95]})
    >>> with_age_band(ages)["age band"].tolist()
    ['0-17', '0-17', '18-39', '18-39', '40-59', '40-59', '60+', '60+']
    """
    names = ["0-17", "18-39", "40-59", "60+"]
    bands = pd.cut(images["age"], [0, 18, 40, 60, 200], right=False, labels=names)
    return images.assign(**{"age band": bands.astype(str)})


def sampling_fractions(strata: pd.Series, drawn: pd.Index) -> pd.DataFrame:
    """Count the images and the drawn images of each stratum; a weight is an inverse fraction.

    >>> sampling_fractions(pd.Series(list("xxy"), name="stratum"), pd.Index([0, 2]))
             images  drawn  fraction  weight
    stratum
    x             2      1       0.5     2.0
    y             1      1       1.0     1.0
    """
    table = _fractions([strata], drawn)
    return table.assign(weight=1 / table["fraction"])


def sampling_by_group(strata: pd.Series, drawn: pd.Index, images: pd.DataFrame) -> pd.DataFrame:
    """Split the strata by view, sex and age, to see whether the draw depended on more than them."""
    groups = with_age_band(images)[list(CONTRASTS)]
    tables = {group: _fractions([groups[group].rename("level"), strata], drawn) for group in groups}
    wide = pd.concat(tables, names=["group"])[["fraction", "drawn"]].unstack("stratum").sort_index()
    wide.columns = [f"{stratum}, {what}" for what, stratum in wide.columns]
    return wide


def weighting_in_words(scores: pd.DataFrame) -> str:
    """Say what weighting does to the scores of one pair of terms."""
    value = scores.set_index(["images", "metric"])["estimate"]
    moved = " and ".join(
        f"{WORDS.get(metric, metric)} from {value['as drawn', metric]:.2f} to "
        f"{value['weighted', metric]:.2f}"
        for metric in ("recall", "specificity")
    )
    return f"Weighting moves {moved}; PPV stays at {value['weighted', 'precision']:.2f}."


def answer_in_words(scores: pd.DataFrame) -> str:
    """Say how good one pair's text-mined labels are on the drawn images and on all."""
    row = scores.set_index(["images", "metric"])
    return (
        f"They have {in_sentence(row.loc['weighted', 'recall'], 2)} of the lung opacities that "
        f"RSNA's experts see, not the {in_sentence(row.loc['as drawn', 'recall'], 2, level='')} "
        "that images drawn by these very labels suggest. Experts confirm "
        f"{in_sentence(row.loc['weighted', 'precision'], 2, level='')} of what they mark."
    )


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

    def scores(self, resampling: Resampling, min_events: int) -> pd.DataFrame:
        """Score RSNA's and the NIH's labels against Google's, with RSNA's minus the NIH's."""
        experts, *text_mined = self.others
        found = agree(
            self.truth,
            self.others,
            metrics=METRICS,
            contrasts=[(experts, name) for name in text_mined],
            min_events=min_events,
            resampling=resampling.of(clusters=self.patients),
        ).table()
        return found[found["observation"] == AIRSPACE_OPACITY]


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
    airspace = google.loc[images, AIRSPACE_OPACITY]
    classes = rsna.labels.loc[images]
    others = {
        "RSNA Lung Opacity": classes[LUNG_OPACITY],
        "NIH, narrow": nih.any_of(PNEUMONIA_LIKE).loc[images],
        "NIH, wide": nih.any_of(AIRSPACE).loc[images],
    }
    yes, no = classes.mul(airspace, axis=0).sum(), classes.mul(1 - airspace, axis=0).sum()
    counts = pd.DataFrame({"airspace opacity": yes, "no airspace opacity": no}).astype(int)
    return Overlap(
        truth=airspace.to_frame(),
        others={name: labels.to_frame(AIRSPACE_OPACITY) for name, labels in others.items()},
        patients=nih.images["patient"].loc[images],
        counts=counts.rename_axis("RSNA class"),
    )
