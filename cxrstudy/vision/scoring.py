"""Image models against report labels and experts on the same images, within views."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cxrstudy.agreement import MACRO_AVERAGE, Estimate, agree
from cxrstudy.agreement.derived import derive
from cxrstudy.agreement.label_gap import auroc_under_nondifferential_error
from cxrstudy.agreement.seeds import average_over_seeds
from cxrstudy.data.images import ImageSet
from cxrstudy.data.nih_experts import (
    inverse_sampling_weights,
    load_nih,
    load_rsna,
    sampling_strata,
)
from cxrstudy.vision.targets import LUNG_OPACITY, NIH_TERMS

VIEWS: tuple[str, ...] = ("AP", "PA")
WITHIN_VIEW, POOLED = MACRO_AVERAGE, "pooled"
"""Averaged over the two views, or over all images at once: `where` a score is taken."""

EXPERT_TERMS: Mapping[str, str] = {"rsna": "Lung Opacity", "google": "Airspace opacity"}
"""Expert source to the term that stands for Lung Opacity."""

Predictions = Mapping[str, np.ndarray]
"""Method to scores of every image of the set, shape (n_images,) or (seeds, n_images)."""


def lung_opacity_labels(image_set: ImageSet, experts: str) -> pd.DataFrame:
    """Put an expert source's label of opacity beside the report's, for the images it read.

    Parameters
    ----------
    image_set : ImageSet
    experts : {"rsna", "google"}

    Returns
    -------
    DataFrame of float
        Columns expert, report (any pneumonia-like term), view and patient, indexed by image.
    """
    expert = image_set.labels[experts][EXPERT_TERMS[experts]].dropna()
    report = image_set.labels["nlp"].loc[expert.index, list(NIH_TERMS[LUNG_OPACITY])].max(axis=1)
    labels = pd.DataFrame({"expert": expert, "report": report})
    return labels.join(image_set.images[["view", "patient"]])


class LabelScores:
    """AUROC of methods against two sources of labels on the same images and resamples.

    Parameters
    ----------
    image_set : ImageSet
    predictions : mapping of str to ndarray
        Held-out scores; several rows are trainings that differ in their seed.
    experts : {"rsna", "google"}
        Whose images; both sources are judged on them alone.
    weighted : bool
        Weight each image by the number of NIH images that it stands for; RSNA drew its images
        by text-mined label.
    n_bootstrap, seed : int
        Resamples of patients and of seeds.

    Attributes
    ----------
    labels : DataFrame
        As `lung_opacity_labels` gives them.
    """

    def __init__(
        self,
        image_set: ImageSet,
        predictions: Predictions,
        experts: str = "rsna",
        *,
        weighted: bool = False,
        n_bootstrap: int = 10_000,
        seed: int = 0,
    ) -> None:
        if weighted and experts != "rsna":
            raise ValueError(f"only RSNA drew by text-mined label; {experts!r} has no weights")
        self.labels = lung_opacity_labels(image_set, experts)
        self._seed = seed
        self._trainings = {name: np.atleast_2d(scores) for name, scores in predictions.items()}
        rows = image_set.images.index.get_indexer(self.labels.index)
        tables = {
            _key(name, number): self._by_view(scores[rows])
            for name, trainings in self._trainings.items()
            for number, scores in enumerate(trainings)
        }
        settings = {
            "clusters": self.labels["patient"],
            "averages_over": list(VIEWS),
            # A view with few events must not leave one source's average and stay in the other's.
            "min_events": 0,
            "n_bootstrap": n_bootstrap,
            "seed": seed,
        }
        if weighted:
            # The draw was from the whole table, so its fractions come from there.
            weights = inverse_sampling_weights(
                sampling_strata(load_nih()), load_rsna().labels.index
            )
            weights = weights.loc[self.labels.index]
            settings["sampling_weights"] = weights.to_numpy()
        truths = {source: self._by_view(self.labels[source]) for source in ("expert", "report")}
        self._agreements = {
            source: agree(truth, tables, metrics=("auroc",), **settings)
            for source, truth in truths.items()
        }
        expert, report = truths["expert"], truths["report"]
        self._predictive_values = [
            agree(truth, {"report": labels}, metrics=("precision",), **settings)
            for truth, labels in ((expert, report), (1 - expert, 1 - report))
        ]

    def combine(self, *terms: tuple[float, str, str], where: str = WITHIN_VIEW) -> Estimate:
        """Add scores with signs: a score, a difference, or a difference of differences.

        Parameters
        ----------
        *terms : tuple of (float, str, str)
            Factor, method, and source of labels, ``"expert"`` or ``"report"``.
        where : {"Average", "AP", "PA", "pooled"}
            Average: the mean of the two views.

        Returns
        -------
        Estimate
            Paired by image and, where several trainings are compared, by seed; averaged over
            seeds. A method with one training is compared with every seed of another.
        """
        return self._over_seeds(
            [method for _, method, _ in terms],
            lambda seed: derive(
                lambda *values: sum(
                    factor * value for (factor, _, _), value in zip(terms, values, strict=True)
                ),
                *(self._score(method, source, where, seed) for _, method, source in terms),
            ),
        )

    def score(self, method: str, source: str, where: str = WITHIN_VIEW) -> Estimate:
        """Estimate a method's AUROC against one source."""
        return self.combine((1.0, method, source), where=where)

    def gap(self, method: str, where: str = WITHIN_VIEW) -> Estimate:
        """Estimate how much better a method looks against experts than against reports."""
        return self.combine((1.0, method, "expert"), (-1.0, method, "report"), where=where)

    def difference(
        self, first: str, second: str, source: str = "expert", where: str = WITHIN_VIEW
    ) -> Estimate:
        """Estimate how much better one method is than another against one source."""
        return self.combine((1.0, first, source), (-1.0, second, source), where=where)

    def share_above_chance(
        self, first: str, second: str, source: str = "expert", where: str = WITHIN_VIEW
    ) -> Estimate:
        """Estimate the first method's distance from an AUROC of one half, in the second's."""
        return self._over_seeds(
            [first, second],
            lambda seed: derive(
                lambda one, other: (one - 0.5) / (other - 0.5),
                *(self._score(method, source, where, seed) for method in (first, second)),
            ),
        )

    def predicted_gap(self, method: str, where: str = WITHIN_VIEW) -> Estimate:
        """Estimate the gap that report labels with errors unrelated to the image would show."""
        return self._over_seeds([method], lambda seed: self._predicted_gap(method, where, seed))

    def excess_gap(self, method: str, where: str = WITHIN_VIEW) -> Estimate:
        """Estimate the gap beyond what non-differential errors predict."""

        def excess(seed: int) -> Estimate:
            expert = self._score(method, "expert", where, seed)
            report = self._score(method, "report", where, seed)
            return (expert - report) - self._predicted_gap(method, where, seed)

        return self._over_seeds([method], excess)

    def table(
        self, methods: Sequence[str] | None = None, places: Sequence[str] = (WITHIN_VIEW, POOLED)
    ) -> pd.DataFrame:
        """Tabulate scores and gaps.

        Returns
        -------
        DataFrame
            Tidy: columns method, seeds, images (how views were treated), quantity (experts,
            report labels, gap, gap predicted, excess), estimate, low, high, n.
        """
        quantities = {
            "experts": lambda method, where: self.score(method, "expert", where),
            "report labels": lambda method, where: self.score(method, "report", where),
            "gap": self.gap,
            "gap predicted": self.predicted_gap,
            "excess": self.excess_gap,
        }
        rows = [
            {
                "method": method,
                "seeds": len(self._trainings[method]),
                "images": PLACES[where],
                "quantity": quantity,
            }
            | self.row(estimate(method, where))
            for method in methods or self._trainings
            for where in places
            for quantity, estimate in quantities.items()
        ]
        return pd.DataFrame(rows)

    def row(self, estimate: Estimate) -> dict[str, float]:
        """Write an estimate with its 95 % interval as columns of a tidy table."""
        low, high = estimate.interval(method=self.interval_method)
        return {"estimate": estimate.value, "low": low, "high": high, "n": len(self.labels)}

    @property
    def interval_method(self) -> str:
        """BCa where no seeds are resampled, else percentile."""
        return "bca" if all(len(t) == 1 for t in self._trainings.values()) else "percentile"

    def _by_view(self, values) -> pd.DataFrame:
        """Lay values out in one column for each view and one for all; missing elsewhere."""
        series = pd.Series(np.asarray(values, float), self.labels.index)
        columns = {view: series.where(self.labels["view"] == view) for view in VIEWS}
        return pd.DataFrame(columns | {POOLED: series})

    def _score(self, method: str, source: str, where: str, seed: int) -> Estimate:
        number = min(seed, len(self._trainings[method]) - 1)
        return self._agreements[source].estimate(_key(method, number), where, "auroc")

    def _predicted_gap(self, method: str, where: str, seed: int) -> Estimate:
        if where == WITHIN_VIEW:
            both = (self._predicted_gap(method, view, seed) for view in VIEWS)
            return derive(lambda *values: sum(values) / len(values), *both)
        expert = self._score(method, "expert", where, seed)
        predictive = (
            values.estimate("report", where, "precision") for values in self._predictive_values
        )
        return derive(
            lambda auroc, ppv, npv: auroc - auroc_under_nondifferential_error(auroc, ppv, npv),
            expert,
            *predictive,
        )

    def _over_seeds(self, methods: Sequence[str], of_seed) -> Estimate:
        counts = {len(self._trainings[method]) for method in methods}
        if len(counts - {1}) > 1:
            raise ValueError(f"methods with {sorted(counts)} trainings cannot be paired by seed")
        return average_over_seeds([of_seed(seed) for seed in range(max(counts))], self._seed)


PLACES: Mapping[str, str] = {
    WITHIN_VIEW: "within view",
    POOLED: "pooled",
    "AP": "AP",
    "PA": "PA",
}
"""Where a score is taken, in the words of the tables."""


def _key(method: str, number: int) -> str:
    return f"{method}, seed {number}"
