"""Arms of image studies, trained on each half of the patients while the other half is predicted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.image_labels import LUNG_OPACITY, text_mined_targets, with_label_noise
from cxrstudy.trainings.job import Kept
from cxrstudy.trainings.many import train_many
from cxrstudy.vision.training import ImageJob, TrainingConfig

# Each image is in training for one half of the models and held out for the other half.
N_HALVES = 2

# Penalties of linear heads on standardised features, as scikit-learn's C. The candidates are
# chosen among by inner folds, never on a test fold.
INVERSE_PENALTIES: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2)
# Where many heads share one: what inner folds choose for report labels of the whole block.
FIXED_INVERSE_PENALTY = 1e-4
# Holds hardly anything back.
WEAK_INVERSE_PENALTY = 1e-2


@dataclass(frozen=True)
class Arm:
    """One way to train, repeated with several seeds."""

    name: str
    config: TrainingConfig  # its seed is replaced
    label_noise: float = 0.0  # share of the training labels that are flipped
    seeds: int = 1


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """What one arm's models say of every image, for each seed."""

    arm: Arm
    # Logit of Lung Opacity after every epoch, by the model that did not train on the image:
    # float32, (seeds, epochs, n_images).
    held_out: np.ndarray
    # The same by the final weights of the model that did: float32, (seeds, n_images).
    in_training: np.ndarray
    # Mean training loss of the models that trained on the first and on the second half:
    # float32, (seeds, 2, epochs).
    losses: np.ndarray


def sweep_arms(
    config: TrainingConfig,
    epochs: Sequence[int],
    seeds: int,
    noise_rates: Sequence[float] = (),
    noise_epochs: Sequence[int] = (),
    noise_seeds: int = 1,
) -> list[Arm]:
    """List the arms of an epoch sweep: every run length, and some of them with flipped labels.

    Each length is a run of its own with its own schedule, not a moment of a longer one.

    Parameters
    ----------
    config : TrainingConfig
        Its epochs are replaced.
    epochs : sequence of int
        Run lengths.
    seeds : int
        Trainings of each.
    noise_rates : sequence of float
        Shares of flipped labels.
    noise_epochs : sequence of int
        Run lengths that are repeated with flipped labels.
    noise_seeds : int
        Trainings of each of those.

    Returns
    -------
    list of Arm

    Raises
    ------
    ValueError
        If a run length or a share of flipped labels is named twice.

    Examples
    --------
    >>> arms = sweep_arms(TrainingConfig(), [1, 60], 3, noise_rates=[0.4], noise_epochs=[60])
    >>> [arm.name for arm in arms]
    ['1 epoch', '60 epochs', '60 epochs, 40% of labels flipped']
    """
    for name, values in {"epochs": epochs, "noise_rates": noise_rates}.items():
        if len(set(values)) < len(values) or not all(values):
            raise ValueError(f"{name} must be different numbers above 0, got {[*values]}")
    clean = [Arm(arm_name(n), replace(config, epochs=n), 0.0, seeds) for n in epochs]
    noisy = [
        Arm(arm_name(n, rate), replace(config, epochs=n), rate, noise_seeds)
        for rate in noise_rates
        for n in noise_epochs
    ]
    return clean + noisy


def arm_name(epochs: int, label_noise: float = 0.0) -> str:
    """Name an arm by its run length and its label noise."""
    flipped = f", {label_noise:.0%} of labels flipped" if label_noise else ""
    return epochs_in_words(epochs) + flipped


def epochs_in_words(epochs: int) -> str:
    """Write "1 epoch" or "60 epochs"."""
    return f"{epochs} epoch" + "s" * (epochs != 1)


def cross_fit_arms(
    arms: Sequence[Arm],
    image_set: ImageSet,
    folder: str | Path,
    inputs: np.ndarray | None = None,
    n_jobs: int = -1,
) -> dict[str, CrossFitted]:
    """Train every arm on each half of the patients and predict the other half.

    Parameters
    ----------
    arms : sequence of Arm
    image_set : ImageSet
        With the NIH's text-mined labels.
    folder : path
        Keeps every finished training, and the state of the unfinished ones.
    inputs : ndarray of float32, shape (n_images, n_features), optional
        Features of a frozen backbone in place of the images.
    n_jobs : int
        Processes of one thread each, on a CPU; -1 for as many as there are cores.

    Returns
    -------
    dict of str to CrossFitted
        By the arm's name.
    """
    kept = iter(train_many(arm_jobs(arms, image_set, inputs), folder, n_jobs))
    column = opacity_column(image_set)
    halves = _halves(image_set)
    return {
        arm.name: _assemble(
            arm, halves, [[next(kept) for _ in range(N_HALVES)] for _ in range(arm.seeds)], column
        )
        for arm in arms
    }


def arm_jobs(
    arms: Sequence[Arm], image_set: ImageSet, inputs: np.ndarray | None = None
) -> list[ImageJob]:
    """List the trainings of `cross_fit_arms`: arm by arm, seed by seed, one for each half."""
    targets = text_mined_targets(image_set.labels["nlp"])
    halves = _halves(image_set)
    inputs = image_set.pixels if inputs is None else inputs
    return [
        ImageJob(
            inputs,
            replace(arm.config, seed=seed),
            with_label_noise(targets, arm.label_noise, seed).to_numpy()[training],
            training,
            watched,
        )
        for arm in arms
        for seed in range(arm.seeds)
        for training, watched in (halves, halves[::-1])
    ]


def opacity_column(image_set: ImageSet) -> int:
    """Return which target of the trainings on an image set is Lung Opacity."""
    return list(text_mined_targets(image_set.labels["nlp"]).columns).index(LUNG_OPACITY)


def _halves(image_set: ImageSet) -> list[np.ndarray]:
    return [np.flatnonzero(image_set.folds(N_HALVES) == fold) for fold in range(N_HALVES)]


def _assemble(
    arm: Arm,
    halves: Sequence[np.ndarray],
    trained: Sequence[Sequence[Kept]],
    column: int,
) -> CrossFitted:
    """Put the two halves' predictions back into the order of the images."""
    n_images = sum(map(len, halves))
    held_out = np.empty((arm.seeds, arm.config.epochs, n_images), np.float32)
    in_training = np.empty((arm.seeds, n_images), np.float32)
    losses = np.array([[kept.arrays["losses"] for kept in pair] for pair in trained], np.float32)
    for seed, pair in enumerate(trained):
        for training, watched, kept in zip(halves, halves[::-1], pair, strict=True):
            held_out[seed][:, watched] = kept.arrays["logits"][:, :, column]
            in_training[seed, training] = kept.arrays["training_logits"][:, column]
    return CrossFitted(arm, held_out, in_training, losses)


def final_scores(trained: Mapping[str, CrossFitted]) -> dict[str, np.ndarray]:
    """Return each arm's held-out scores by its final weights.

    Parameters
    ----------
    trained : mapping of str to CrossFitted

    Returns
    -------
    dict of str to ndarray of float32, shape (seeds, n_images)
    """
    return {name: fitted.held_out[:, -1] for name, fitted in trained.items()}


def logged_epochs(epochs: int, n_points: int = 12) -> list[int]:
    """Choose at most so many moments of a run, evenly on a logarithmic scale, both ends included.

    >>> logged_epochs(60)
    [1, 2, 3, 4, 6, 9, 14, 20, 29, 41, 60]
    """
    return sorted({round(value) for value in np.geomspace(1, epochs, n_points)})
