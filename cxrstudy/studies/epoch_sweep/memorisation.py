"""Does a model repeat a wrong label because it saw it? In training against held out."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cxrstudy.agreement import DEFAULT_RESAMPLING, Estimate, Resampling, agree
from cxrstudy.agreement.result import LIMITS, average_over_seeds
from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.cross_fitting import N_HALVES, CrossFitted
from cxrstudy.experiments.opacity_labels import lung_opacity_labels

PARTS: tuple[str, ...] = ("in training", "held out")
LABEL_KINDS: tuple[str, ...] = ("wrong", "right")


class Memorisation:
    """Agreement of cross-fitted models with report labels that experts call wrong, or right.

    A model that learned what opacity looks like agrees with a wrong label no more often when it
    trained on the image than when it did not. The difference, on the same images, is what it
    memorised. Each model calls as many images of a half positive as the report labels do, so that
    a shift of all its scores changes nothing: neither half's model is the surer one.

    Parameters
    ----------
    trained : mapping of str to CrossFitted
        Trained on the report labels, not on flipped ones.
    image_set : ImageSet
    experts : {"rsna", "google"}
        Whose labels decide which report labels are wrong.
    resampling : Resampling
        Of seeds and of patients, whom this class knows.
    """

    def __init__(
        self,
        trained: Mapping[str, CrossFitted],
        image_set: ImageSet,
        experts: str = "rsna",
        *,
        resampling: Resampling = DEFAULT_RESAMPLING,
    ) -> None:
        labels = lung_opacity_labels(image_set, experts)
        rows = image_set.images.index.get_indexer(labels.index)
        halves = image_set.folds(N_HALVES)[rows]
        report = labels["report"].to_numpy()
        decisions = {
            _key(name, number, part): _decide(scores[rows], report, halves)
            for name, arm in trained.items()
            for part, by_seed in zip(PARTS, (arm.in_training, arm.held_out[:, -1]), strict=True)
            for number, scores in enumerate(by_seed)
        }
        wrong = labels["report"] != labels["expert"]
        self.counts = pd.Series({"wrong": int(wrong.sum()), "right": int((~wrong).sum())})
        self._seed = resampling.seed
        self._seeds = {name: arm.arm.seeds for name, arm in trained.items()}
        self._agreements = {}
        for kind, chosen in zip(LABEL_KINDS, (wrong, ~wrong), strict=True):
            part = labels[chosen]
            self._agreements[kind] = agree(
                part[["report"]],
                {
                    name: pd.DataFrame({"report": values[chosen.to_numpy()]}, part.index)
                    for name, values in decisions.items()
                },
                metrics=("accuracy",),
                resampling=resampling.of(clusters=part["patient"]),
            )

    def agreement(self, name: str, part: str, kind: str = "wrong") -> Estimate:
        """Estimate the share of labels that an arm's models repeat.

        Parameters
        ----------
        name : str
            An arm.
        part : {"in training", "held out"}
        kind : {"wrong", "right"}

        Returns
        -------
        Estimate
        """
        return average_over_seeds(self._by_seed(name, part, kind), self._seed)

    def memorised(self, name: str, kind: str = "wrong") -> Estimate:
        """Estimate the agreement in training minus that held out, on the same images."""
        pairs = zip(*(self._by_seed(name, part, kind) for part in PARTS), strict=True)
        return average_over_seeds([inside - outside for inside, outside in pairs], self._seed)

    def table(self) -> pd.DataFrame:
        """Tabulate agreement and memorisation of every arm.

        Returns
        -------
        DataFrame
            Tidy: columns arm, seeds, labels (wrong or right), quantity, estimate, low, high, n.
        """
        rows = []
        for name, seeds in self._seeds.items():
            for kind in LABEL_KINDS:
                estimates = {part: self.agreement(name, part, kind) for part in PARTS}
                estimates["difference"] = self.memorised(name, kind)
                for quantity, estimate in estimates.items():
                    rows.append(
                        {"arm": name, "seeds": seeds, "labels": kind, "quantity": quantity}
                        | estimate.row()
                    )
        return pd.DataFrame(rows, columns=["arm", "seeds", "labels", "quantity", *LIMITS, "n"])

    def _by_seed(self, name: str, part: str, kind: str) -> list[Estimate]:
        found = self._agreements[kind]
        return [
            found.estimate(_key(name, number, part), "report", "accuracy")
            for number in range(self._seeds[name])
        ]


def most_positive(scores: np.ndarray, share: float) -> np.ndarray:
    """Call the highest scores positive, as many as a share says.

    Parameters
    ----------
    scores : ndarray, shape (n,)
    share : float

    Returns
    -------
    ndarray of float64, shape (n,)
        1 and 0; of equal scores the first are taken.
    """
    decisions = np.zeros(len(scores))
    decisions[np.argsort(-scores, kind="stable")[: round(share * len(scores))]] = 1
    return decisions


def _decide(scores: np.ndarray, report: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """Call images positive half by half, as each half is scored by a model of its own."""
    decisions = np.empty(len(scores))
    for half in np.unique(halves):
        chosen = halves == half
        decisions[chosen] = most_positive(scores[chosen], report[chosen].mean())
    return decisions


def _key(name: str, number: int, part: str) -> str:
    return f"{name}, seed {number}, {part}"
