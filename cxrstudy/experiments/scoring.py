"""Image models against report labels and experts on the same images, within views."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cxrstudy.agreement import DEFAULT_RESAMPLING, MACRO_AVERAGE, Estimate, Resampling, agree
from cxrstudy.agreement.result import LIMITS, average_over_seeds, derive, mean_estimate
from cxrstudy.data.images import ImageSet
from cxrstudy.data.nih_experts import (
    inverse_sampling_weights,
    load_nih,
    load_rsna,
    sampling_strata,
)
from cxrstudy.experiments.opacity_labels import lung_opacity_labels
from cxrstudy.studies.nlp_to_expert_gap.label_gap import auroc_under_nondifferential_error

VIEWS: tuple[str, ...] = ("AP", "PA")
WITHIN_VIEW, POOLED = MACRO_AVERAGE, "pooled"
"""Averaged over the two views, or over all images at once: `where` a score is taken."""

PLACES: Mapping[str, str] = {
    WITHIN_VIEW: "within view",
    POOLED: "pooled",
    "AP": "AP",
    "PA": "PA",
}
"""Where a score is taken, in the words of the tables."""

SUMMARY_MEASURES: Mapping[tuple[str, str], str] = {
    ("within view", "experts"): "AUROC, experts",
    ("within view", "report labels"): "AUROC, report labels",
    ("within view", "gap"): "experts minus report labels",
    ("pooled", "experts"): "AUROC, experts, pooled",
}
"""Place and quantity of `LabelScores.table` to the measure that `LabelScores.summary` keeps."""

MINIMUM_EVENTS = 10
"""A view with fewer positives or negatives by either source has no score."""

Predictions = Mapping[str, np.ndarray]
"""Method to scores of every image of the set, shape (n_images,) or (seeds, n_images)."""


class LabelScores:
    """AUROC of methods against two sources of labels on the same images and resamples.

    Parameters
    ----------
    image_set : ImageSet
    predictions : mapping of str to ndarray
        Held-out scores; several rows are trainings that differ in their seed.
    experts : {"rsna", "google"}
        Whose images; both sources are judged on them alone.
    folds : ndarray, shape (n_images,), optional
        Which of several models scored an image. Two models may have two scales, so that an
        image's score is then its rank among the images of its fold.
    weighted : bool
        Weight each image by the number of NIH images that it stands for; RSNA drew its images
        by text-mined label.
    resampling : Resampling
        Of seeds and of patients, whom this class knows.

    Attributes
    ----------
    labels : DataFrame
        As `lung_opacity_labels` gives them.
    n_scored : int
        Images that are judged; where trainings score different ones, the mean over trainings.
    """

    def __init__(
        self,
        image_set: ImageSet,
        predictions: Predictions,
        experts: str = "rsna",
        *,
        folds: np.ndarray | None = None,
        weighted: bool = False,
        resampling: Resampling = DEFAULT_RESAMPLING,
    ) -> None:
        if weighted and experts != "rsna":
            raise ValueError(f"only RSNA drew by text-mined label; {experts!r} has no weights")
        self.labels = lung_opacity_labels(image_set, experts)
        self._seed = resampling.seed
        self._trainings = {name: np.atleast_2d(scores) for name, scores in predictions.items()}
        if folds is not None:
            self._trainings = {
                name: ranks_within(folds, scores) for name, scores in self._trainings.items()
            }
        rows = image_set.images.index.get_indexer(self.labels.index)
        scored = [np.isfinite(scores[:, rows]).sum(1) for scores in self._trainings.values()]
        self.n_scored = round(float(np.concatenate(scored).mean()))
        tables = {
            _key(name, number): self._by_view(scores[rows])
            for name, trainings in self._trainings.items()
            for number, scores in enumerate(trainings)
        }
        resampling = resampling.of(clusters=self.labels["patient"])
        if weighted:
            resampling = resampling.of(weights=rsna_sampling_weights(self.labels.index))
        settings = {
            "averages_over": list(VIEWS),
            # A view with few events must not leave one source's average and stay in the other's;
            # `_check_events` speaks for both.
            "min_events": 0,
            "resampling": resampling,
        }
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

        A term is a factor, a method, and ``"expert"`` or ``"report"``. Scores are paired by image
        and by seed, and averaged over seeds; a method that was trained once is compared with
        every seed of another.
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
        """Estimate a method's AUROC against one source; arguments as in `combine`."""
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
        """Tabulate scores and gaps of some or all methods; images says how views were treated."""
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
            | estimate(method, where).row()
            for method in methods or self._trainings
            for where in places
            for quantity, estimate in quantities.items()
        ]
        return pd.DataFrame(rows, columns=["method", "seeds", "images", "quantity", *LIMITS, "n"])

    def summary(self) -> pd.DataFrame:
        """Tabulate what is recorded of every method: `SUMMARY_MEASURES`."""
        table = self.table()
        pairs = zip(table["images"], table["quantity"], strict=True)
        measures = [SUMMARY_MEASURES.get(pair) for pair in pairs]
        table = table.assign(measure=measures).dropna(subset="measure")
        columns = ["method", "seeds", "measure", *LIMITS, "n"]
        return table[columns].reset_index(drop=True)

    def _by_view(self, values) -> pd.DataFrame:
        """Lay values out in one column for each view and one for all; missing elsewhere."""
        series = pd.Series(np.asarray(values, float), self.labels.index)
        columns = {view: series.where(self.labels["view"] == view) for view in VIEWS}
        return pd.DataFrame(columns | {POOLED: series})

    def _check_events(self, where: str) -> None:
        """Refuse a view in which either source names too few cases."""
        for view in VIEWS if where == WITHIN_VIEW else {where} & set(VIEWS):
            labels = self.labels.loc[self.labels["view"] == view, ["expert", "report"]]
            fewest = int(min(labels.sum().min(), (1 - labels).sum().min()))
            if fewest < MINIMUM_EVENTS:
                raise ValueError(
                    f"{view} images: a label source has {fewest} with or without opacity, "
                    f"{MINIMUM_EVENTS} are needed; score them pooled"
                )

    def _score(self, method: str, source: str, where: str, seed: int) -> Estimate:
        self._check_events(where)
        number = min(seed, len(self._trainings[method]) - 1)
        return self._agreements[source].estimate(_key(method, number), where, "auroc")

    def _predicted_gap(self, method: str, where: str, seed: int) -> Estimate:
        if where == WITHIN_VIEW:
            return mean_estimate([self._predicted_gap(method, view, seed) for view in VIEWS])
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
        if all(len(trainings) == 1 for trainings in self._trainings.values()):
            estimate = of_seed(0)
        else:
            # One interval method for all, also for a method that was trained once.
            estimates = [of_seed(seed) for seed in range(max(counts))]
            estimate = average_over_seeds(estimates, self._seed)
        return replace(estimate, n=self.n_scored)


def rsna_sampling_weights(images: pd.Index) -> np.ndarray:
    """Return how many NIH images each image that RSNA drew stands for, relative to the others.

    Parameters
    ----------
    images : Index
        Names of images that RSNA's experts read.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    # The draw was from the whole table, so its fractions come from there.
    weights = inverse_sampling_weights(sampling_strata(load_nih()), load_rsna().labels.index)
    return weights.loc[images].to_numpy()


def ranks_within(folds: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Replace scores, shape (k, n_images), by their ranks from 0 to 1 within each fold."""
    return pd.DataFrame(scores.T).groupby(folds).rank(pct=True).to_numpy().T


def _key(method: str, number: int) -> str:
    return f"{method}, seed {number}"
