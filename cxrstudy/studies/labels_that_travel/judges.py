"""Somers' D at a site, on draws of its patients that are crossed with draws of trainings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

from cxrstudy.agreement import Estimate, Resampling
from cxrstudy.data.images import ImageSet
from cxrstudy.data.images.sites import JUDGED

HOME = "home"
N_DECILES = 10
WITHIN_DECILES = "within deciles of bytes"

_BLOCK = 500  # draws of patients that are scored at once
# Streams of the sites' draws are this far apart.
_STREAMS = 1_000_003


def somers_d(
    truth: np.ndarray, scores: np.ndarray, weights: np.ndarray, strata: np.ndarray | None = None
) -> np.ndarray:
    """Return Somers' D of scores for each row of weights, [r, n]; of the pairs within strata alone.

    Of the pairs whose truth differs, the share that the score orders rightly minus the share that
    it orders wrongly. For two classes it is twice the AUROC minus one.

    >>> somers_d(np.array([0, 1, 2]), np.array([0.1, 0.7, 0.5]), np.ones((1, 3)))
    array([0.33333333])
    """
    strata = np.zeros(len(truth), int) if strata is None else strata
    order = np.lexsort((scores, strata))
    truth, scores, strata = truth[order], scores[order], strata[order]
    weights = weights[:, order].astype(float)
    first, last = _runs(strata, scores)
    starts = np.unique(_runs(strata)[0])
    ends = [*starts[1:], len(truth)]
    won, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for level in np.unique(truth)[:-1]:
        # Each pair once: the lower one has this level, the higher one any level above.
        above = np.flatnonzero(truth > level)
        lower = np.zeros((len(weights), len(truth) + 1))
        np.cumsum(weights * (truth == level), axis=1, out=lower[:, 1:])
        higher = weights * (truth > level)
        for ranked in (first, last):
            won += np.einsum("rn,rn->r", higher[:, above], lower[:, ranked[above]])
        in_stratum = np.add.reduceat(higher, starts, axis=1)
        won -= (in_stratum * (lower[:, starts] + lower[:, ends])).sum(axis=1)
        pairs += (in_stratum * (lower[:, ends] - lower[:, starts])).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return won / pairs


def _runs(*keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row of sorted keys where its run of equal keys begins, and where it ends."""
    new = np.ones(len(keys[0]), bool)
    new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    starts = np.flatnonzero(new)
    run = np.cumsum(new) - 1
    return starts[run], np.append(starts[1:], len(new))[run]


@dataclass(frozen=True, eq=False)
class Judge:
    """What experts of one site say of its images, and draws of its patients."""

    name: str
    site: str  # whose images; several judges may share them
    truth: np.ndarray  # float64, (n,): class or score; NaN leaves the image out
    draws: np.ndarray  # uint8, (n_bootstrap, n): how often each draw holds each image
    strata: np.ndarray | None = None  # int, (n,): only pairs within one count
    key: tuple = ()  # equal for judges whose draws may be combined

    def score(self, trained: np.ndarray, drawn: np.ndarray | None = None) -> Estimate:
        """Estimate Somers' D.

        `trained`, (k, n), are scores by k trainings, whose mean counts; `drawn`, (b, n), by those
        that stand for others that might have been: fitted to draws of the training patients, say.
        Draw i of the patients is judged by training i modulo b, so that both are resampled. A
        training on a draw sees fewer patients and is worse: its spread counts, and not its level.
        """
        kept = ~np.isnan(self.truth)
        truth, strata = self.truth[kept], None if self.strata is None else self.strata[kept]
        trained = np.atleast_2d(trained)[:, kept]
        drawn = trained if drawn is None else np.atleast_2d(drawn)[:, kept]
        once = np.ones((1, kept.sum()))
        value = np.mean([somers_d(truth, row, once, strata)[0] for row in trained])
        levels = np.array([somers_d(truth, row, once, strata)[0] for row in drawn])
        # Few trainings spread less around their own mean than around the true one.
        widened = np.sqrt(len(drawn) / max(1, len(drawn) - 1))
        shifts = (levels - levels.mean()) * (widened - 1) + value - levels.mean()
        replicates = np.empty(len(self.draws))
        for number, row in enumerate(drawn):
            turn = np.arange(number, len(self.draws), len(drawn))
            for block in np.array_split(turn, -(-len(turn) // _BLOCK)):
                weights = self.draws[np.ix_(block, kept)]
                replicates[block] = somers_d(truth, row, weights, strata) + shifts[number]
        positives = int((truth > truth.min()).sum())
        n = int(kept.sum())
        return Estimate(float(value), replicates, n, positives, resample_key=self.key)

    def rank_correlation(self, scores: np.ndarray) -> Estimate:
        """Estimate Spearman's rho of one training's scores, on the same draws of patients."""
        replicates = np.empty(len(self.draws))
        for number, counts in enumerate(self.draws):
            rows = np.repeat(np.arange(len(counts)), counts)
            ranks = rankdata([scores[rows], self.truth[rows]], axis=1)
            replicates[number] = np.corrcoef(ranks)[0, 1]
        value = float(spearmanr(scores, self.truth).statistic)
        return Estimate(value, replicates, len(scores), resample_key=self.key)


def site_judges(
    sites: Mapping[str, ImageSet], resampling: Resampling, stream: int = 1
) -> list[Judge]:
    """Let each site's experts judge: all its images at once and, of classes, within deciles.

    A decile is one of ten parts of equal size by the bytes of the images' files, which sharpness
    decides and with it, at Kermany's, much of the class.
    """
    judges = []
    for number, (name, site) in enumerate(sites.items(), stream):
        truth = site.labels[JUDGED][JUDGED].to_numpy(float)
        judge = _judge(name, name, truth, site, resampling, number)
        judges.append(judge)
        if set(np.unique(truth)) <= {0.0, 1.0}:
            deciles = pd.qcut(site.images["bytes"], N_DECILES, labels=False, duplicates="drop")
            within = {"name": f"{name}, {WITHIN_DECILES}", "strata": deciles.to_numpy(int)}
            judges.append(replace(judge, **within))
    return judges


def home_judge(image_set: ImageSet, truth: np.ndarray, resampling: Resampling) -> Judge:
    """Let the experts at home judge the images that they read."""
    return _judge(HOME, HOME, truth, image_set, resampling, 0)


def within_view(judge: Judge, views: pd.Series) -> Judge:
    """Count only pairs of images of the same view."""
    return replace(judge, name=f"{judge.name}, within view", strata=pd.factorize(views)[0])


def _judge(
    name: str,
    site: str,
    truth: np.ndarray,
    image_set: ImageSet,
    resampling: Resampling,
    number: int,
) -> Judge:
    seed = resampling.seed + _STREAMS * number
    drawn = Resampling(resampling.replicates, seed, clusters=image_set.images["patient"])
    units = drawn.units(len(truth))
    draws = drawn.drawn(len(truth))[:, units.unit_of_row]
    return Judge(name, site, truth, draws, key=(resampling.replicates, resampling.seed))


def part_of(judge: Judge, name: str, truth: np.ndarray) -> Judge:
    """Let a site's experts judge otherwise, such as between two bands of their scores."""
    return replace(judge, name=name, truth=truth)
