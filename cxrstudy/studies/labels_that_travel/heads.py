"""Linear heads of many label sources, fitted at home, where their penalties are chosen as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby

import numpy as np
import pandas as pd

from cxrstudy.agreement import Resampling
from cxrstudy.data.images import ImageSet
from cxrstudy.data.nih_experts import LUNG_OPACITY, NO_FINDING
from cxrstudy.experiments.cross_fitting import FIXED_INVERSE_PENALTY, INVERSE_PENALTIES
from cxrstudy.experiments.image_labels import EXPERTS, REPORTS, report_labels
from cxrstudy.experiments.opacity_scores import rsna_sampling_weights
from cxrstudy.vision.logistic import Design, fit_logistic

REPORTS_OF_READ = "report_of_read"
WEIGHTED = "weighted"
ERRORS, ERRORS_IN_VIEW = "random_errors", "random_errors_in_view"
OPACITY, ABNORMAL, NORMAL_OR_OPACITY = "opacity", "abnormal", "normal_or_opacity"
ENDPOINTS = (OPACITY, ABNORMAL, NORMAL_OR_OPACITY)

N_FOLDS = 5
_NORMAL = "Normal"
# Hundreds of heads: enough for their ranking of images.
_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Fitted:
    """Heads of one label source, one for each draw."""

    coefficients: np.ndarray  # float64, (draws, n_features)
    intercepts: np.ndarray  # float64, (draws,)
    # Logits of the images that experts read at home, by heads without their fold: (draws, n_read).
    held_out: np.ndarray
    inverse_penalties: np.ndarray  # float64, (draws,): chosen by the held-out loss on own labels

    def __getitem__(self, draws: slice) -> "Fitted":
        """Select draws."""
        return Fitted(*(getattr(self, field.name)[draws] for field in fields(self)))

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return logits of any images, (draws, n)."""
        return self.coefficients @ np.asarray(features, float).T + self.intercepts[:, None]


@dataclass(frozen=True, eq=False)
class Source:
    """What a head learns: labels of some images at home, and the weight of each image."""

    labels: np.ndarray  # float64, (n,) or (draws, n); NaN where there is none
    weights: np.ndarray | None = None  # float64, (n,)


def endpoint_labels(image_set: ImageSet, endpoint: str = OPACITY) -> pd.DataFrame:
    """Lay out an endpoint by `EXPERTS` and `REPORTS`; NaN where a source does not say either.

    Opacity against all else; abnormal against normal; or opacity against normal alone.
    """
    rsna, nlp = image_set.labels["rsna"], image_set.labels["nlp"]
    opacity = pd.DataFrame({EXPERTS: rsna[LUNG_OPACITY], REPORTS: report_labels(image_set)})
    normal = pd.DataFrame({EXPERTS: rsna[_NORMAL], REPORTS: nlp[NO_FINDING]})
    if endpoint == OPACITY:
        return opacity
    if endpoint == ABNORMAL:
        return 1 - normal
    return opacity.where((opacity == 1) | (normal == 1))


def label_sources(image_set: ImageSet, endpoint: str = OPACITY) -> dict[str, Source]:
    """List experts, report labels of the same images, and report labels of all images."""
    labels = endpoint_labels(image_set, endpoint)
    read = image_set.labels["rsna"][LUNG_OPACITY].notna()
    return {
        EXPERTS: Source(labels[EXPERTS].to_numpy()),
        REPORTS_OF_READ: Source(labels[REPORTS].where(read).to_numpy()),
        REPORTS: Source(labels[REPORTS].to_numpy()),
    }


def weighted_sources(image_set: ImageSet) -> dict[str, Source]:
    """Weight the images that RSNA drew by how many NIH images they stand for."""
    sources = label_sources(image_set)
    read = ~np.isnan(sources[EXPERTS].labels)
    weights = np.zeros(len(read))
    weights[read] = rsna_sampling_weights(image_set.images.index[read])
    weights /= weights[read].mean()
    return {
        f"{name}, {WEIGHTED}": Source(sources[name].labels, weights)
        for name in (EXPERTS, REPORTS_OF_READ)
    }


def view_sources(image_set: ImageSet) -> dict[str, Source]:
    """Learn from one view alone."""
    views = image_set.images["view"].to_numpy()
    sources = label_sources(image_set)
    return {
        f"{name}, {view} only": Source(np.where(views == view, sources[name].labels, np.nan))
        for name in (EXPERTS, REPORTS_OF_READ)
        for view in ("AP", "PA")
    }


def smoothed_sources(image_set: ImageSet, smoothing: Sequence[float]) -> dict[str, Source]:
    """Smooth the report labels of the images that experts read: 0 and 1 move towards one half."""
    labels = label_sources(image_set)[REPORTS_OF_READ].labels
    return {
        f"{REPORTS_OF_READ}, smoothed {amount:g}": Source(labels * (1 - amount) + amount / 2)
        for amount in smoothing
    }


def error_sources(image_set: ImageSet, draws: int, seed: int = 0) -> dict[str, Source]:
    """Give the experts' labels random errors, as many of either kind as the report labels have.

    The rates are those of all images that experts read, or those of each view.
    """
    labels = endpoint_labels(image_set)
    expert, report = labels[EXPERTS].to_numpy(), labels[REPORTS].to_numpy()
    views = pd.factorize(image_set.images["view"])[0]
    found = {}
    for name, groups in ((ERRORS, np.zeros_like(views)), (ERRORS_IN_VIEW, views)):
        rates = np.zeros(len(expert))
        for group in np.unique(groups):
            for truth in (0, 1):
                rows = (groups == group) & (expert == truth)
                rates[rows] = (report[rows] != truth).mean()
        drawn = np.random.default_rng([seed, len(found)]).random((draws, len(expert)))
        found[name] = Source(np.where(drawn < rates, 1 - expert, expert))
    return found


def subset_draws(
    image_set: ImageSet, source: Source, size: int, draws: int, seed: int = 0
) -> np.ndarray:
    """Draw so many labelled images, patient by patient; weights 0 and 1, (draws, n).

    Of one draw the smaller sizes are part of the larger ones.
    """
    rows = np.flatnonzero(~np.isnan(source.labels))
    codes, patients = pd.factorize(image_set.images["patient"].to_numpy()[rows])
    weights = np.zeros((draws, len(source.labels)))
    for draw in range(draws):
        rank = np.random.default_rng([seed, draw]).permutation(len(patients))[codes]
        weights[draw, rows[np.argsort(rank, kind="stable")][:size]] = 1
    return weights


def patient_draws(image_set: ImageSet, draws: int, seed: int = 0) -> np.ndarray:
    """Draw the patients at home anew; how often each image is drawn, (draws, n)."""
    resampling = Resampling(draws, seed, clusters=image_set.images["patient"])
    units = resampling.units(len(image_set))
    return resampling.drawn(len(image_set))[:, units.unit_of_row].astype(float)


def fit_heads(
    image_set: ImageSet,
    features: np.ndarray | Design,
    source: Source,
    weights: np.ndarray | None = None,
    inverse_penalties: Sequence[float] = INVERSE_PENALTIES,
) -> Fitted:
    """Fit one head for each draw, and others that leave out one fold of the patients at home.

    Parameters
    ----------
    image_set : ImageSet
        The images at home, with RSNA's labels.
    features : ndarray, shape (n_images, n_features), or Design
        The latter is prepared once for many calls.
    source : Source
    weights : ndarray, shape (draws, n_images), optional
        How often each draw holds each image; one draw of all unless given.
    inverse_penalties : sequence of float
        Of several, each draw gets the one with the smallest held-out log loss on its own labels.

    Returns
    -------
    Fitted
    """
    weights = np.ones((1, len(image_set))) if weights is None else weights
    labels = np.broadcast_to(source.labels, (max(len(weights), len(np.atleast_2d(source.labels))),
                                             len(image_set)))  # fmt: skip
    weights = np.broadcast_to(weights, labels.shape)
    if source.weights is not None:
        weights = weights * source.weights
    read = image_set.labels["rsna"][LUNG_OPACITY].notna().to_numpy()
    rows = read | ((weights > 0) & ~np.isnan(labels)).any(axis=0)
    folds = image_set.folds(N_FOLDS)[rows]
    penalties = np.asarray(inverse_penalties, float)
    design = features if isinstance(features, Design) else Design(features, standardise=True)
    return _fit(design.part(rows), labels[:, rows], weights[:, rows], folds, penalties, read[rows])


def _fit(design, labels, weights, folds, penalties, read) -> Fitted:
    """Fit every draw with every penalty; the last fold's heads leave out nobody."""
    n_draws, n_penalties = len(labels), len(penalties)
    training = np.array([folds != fold for fold in (*range(N_FOLDS), -1)], float)
    every = (weights[:, None] * training)[:, :, None]
    # Images that no head learns from are scored alone.
    learned = ((weights > 0) & ~np.isnan(labels)).any(axis=0)
    shape = n_draws, len(training), n_penalties, int(learned.sum())
    heads = fit_logistic(
        design.part(learned),
        np.broadcast_to(labels[:, None, None, learned], shape).reshape(-1, shape[-1]).T,
        np.tile(penalties, n_draws * len(training)),
        np.broadcast_to(every[..., learned], shape).reshape(-1, shape[-1]).T,
        tolerance=_TOLERANCE,
    )
    held_out = np.empty((n_draws, n_penalties, len(folds)))
    coefficients = heads.coefficients.reshape(*shape[:3], -1)
    intercepts = heads.intercepts.reshape(shape[:3])
    for fold in range(N_FOLDS):
        rows = folds == fold
        found = coefficients[:, fold] @ np.asarray(design.raw[rows], float).T
        held_out[:, :, rows] = found + intercepts[:, fold, :, None]
    known = np.nan_to_num(labels)[:, None]
    losses = np.logaddexp(0, held_out) - known * held_out
    losses = (losses * (weights * ~np.isnan(labels))[:, None]).sum(axis=2)
    draw, chosen = np.arange(n_draws), losses.argmin(axis=1)
    return Fitted(
        coefficients[draw, -1, chosen],
        intercepts[draw, -1, chosen],
        held_out[draw, chosen][:, read],
        penalties[chosen],
    )


def heads_of(
    image_set: ImageSet,
    features: np.ndarray | Design,
    sources: Mapping[str, Source],
    draws: np.ndarray,
    inverse_penalties: Sequence[float] = INVERSE_PENALTIES,
) -> dict[str, tuple[Fitted, Fitted]]:
    """Fit every source on all its images and on each draw of the patients.

    A source that is drawn itself is fitted to as many draws of the patients, which take turns.
    """
    stacks = {name: _stacked(source, draws) for name, source in sources.items()}
    found = {}
    # Sources that label the same images share one solve.
    alike = groupby(sorted(stacks, key=lambda name: _labelled(stacks[name])),
                    key=lambda name: _labelled(stacks[name]))  # fmt: skip
    for _, names in ((known, list(group)) for known, group in alike):
        labels, weights = (np.concatenate(parts) for parts in
                           zip(*(stacks[name] for name in names), strict=True))  # fmt: skip
        together = fit_heads(image_set, features, Source(labels), weights, inverse_penalties)
        first = 0
        for name in names:
            n_whole, n_all = len(np.atleast_2d(sources[name].labels)), len(stacks[name][0])
            found[name] = (
                together[first : first + n_whole], together[first + n_whole : first + n_all]
            )  # fmt: skip
            first += n_all
    return {name: found[name] for name in sources}


def _stacked(source: Source, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lay out a source's labels and weights: of all its images first, then of draws of them."""
    labels = np.atleast_2d(source.labels)
    drawn = np.resize(draws, (max(len(labels), len(draws)), draws.shape[1]))
    weights = np.concatenate([np.ones(labels.shape), drawn])
    if source.weights is not None:
        weights = weights * source.weights
    # The draws of its labels take turns as well.
    turns = np.resize(np.arange(len(labels)), len(drawn))
    return np.concatenate([labels, labels[turns]]), weights


def _labelled(stack: tuple[np.ndarray, np.ndarray]) -> bytes:
    labels, weights = stack
    return (~np.isnan(labels) & (weights > 0)).any(axis=0).tobytes()


def learning_curve(
    image_set: ImageSet,
    features: np.ndarray | Design,
    sizes: Sequence[int],
    draws: int,
    seed: int = 0,
) -> dict[tuple[str, int], Fitted]:
    """Fit heads on draws of few to many labels of each source, by source and size.

    Sizes that a source does not have are left out, and all that it has are added, which is one
    draw. The penalty is one for all: what inner folds choose for report labels of the whole block.
    """
    found = {}
    for name, source in label_sources(image_set).items():
        most = int((~np.isnan(source.labels)).sum())
        for size in [*(size for size in sizes if size < most), most]:
            n_draws = 1 if size == most else draws
            weights = subset_draws(image_set, source, size, n_draws, seed)
            found[name, size] = fit_heads(
                image_set, features, source, weights, [FIXED_INVERSE_PENALTY]
            )
    return found
