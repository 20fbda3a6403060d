"""Networks by name with their features of every site, and trained networks scored abroad."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from cxrstudy.agreement import Estimate
from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.cross_fitting import N_HALVES, Arm, CrossFitted, arm_jobs, opacity_column
from cxrstudy.experiments.image_labels import metadata_features
from cxrstudy.experiments.opacity_scores import ranks_within
from cxrstudy.paths import in_project
from cxrstudy.studies.labels_that_travel.judges import HOME, Judge
from cxrstudy.trainings.many import train_many
from cxrstudy.vision.backbones import Backbone, BackboneName, build_backbone
from cxrstudy.vision.efficientnet_lite import EFFICIENTNET_LITE0, efficientnet_lite0
from cxrstudy.vision.features import CALIBRATION_IMAGES, frozen_features
from cxrstudy.vision.logistic import Design
from cxrstudy.vision.training import predict_logits
from cxrstudy.vision.training.loop import build_classifier

RANDOM, OTHER_SCALE = "random", "efficientnet_lite0_other_scale"
NETWORKS: Mapping[str, str] = {
    "mobilenet_v2": "MobileNetV2",
    EFFICIENTNET_LITE0: "EfficientNet-Lite0",
    OTHER_SCALE: "EfficientNet-Lite0, other input scale",
    RANDOM: "random weights",
}
"""Networks that the study knows, by parameter and in words."""

_WEIGHT = "weight."
# Images on which a network of random weights is built; its kept weights then replace these.
_CALIBRATION = 64


def words_of(name: str) -> str:
    """Return a network's name for readers."""
    return NETWORKS.get(name, name)


def network(name: str, main: BackboneName, home: ImageSet) -> Backbone:
    """Build one of `NETWORKS`; the first is the study's own architecture and weights."""
    calibration = torch.from_numpy(np.array(home.pixels[:CALIBRATION_IMAGES]))
    if name == EFFICIENTNET_LITE0:
        return efficientnet_lite0()
    if name == OTHER_SCALE:
        return efficientnet_lite0("bytes")
    chosen = BackboneName(main.architecture, "random") if name == RANDOM else main
    return build_backbone(chosen, calibration)


def features_of(
    backbone: Backbone, home: ImageSet, abroad: Mapping[str, ImageSet], folder: str | Path
) -> dict[str, np.ndarray | Design]:
    """Compute the features of the images at home and of every site abroad, or find them.

    Those at home are prepared for the many heads that learn from them.
    """
    sites = {HOME: home, **abroad}
    found = {
        name: frozen_features(site.resized(home.size), backbone, folder)
        for name, site in sites.items()
    }
    return found | {HOME: Design(found[HOME], standardise=True)}


def features_without_images(
    home: ImageSet, abroad: Mapping[str, ImageSet]
) -> dict[str, np.ndarray]:
    """Describe the images by view, sex and age, at home and where a site knows them."""
    known = {name: site for name, site in abroad.items() if site.images["view"].notna().all()}
    return {name: metadata_features(site.images) for name, site in {HOME: home, **known}.items()}


def score_arms(
    arms: Sequence[Arm],
    trained: Mapping[str, CrossFitted],
    small: ImageSet,
    abroad: Mapping[str, ImageSet],
    folder: str | Path,
    judges: Sequence[Judge],
) -> dict[tuple[str, str], Estimate]:
    """Let judges abroad score trained networks by their kept weights, and those at home as well.

    Trainings are those of `cross_fit_arms` on the images `small`, which are shrunken alike abroad.
    Each seed has two networks, one for each half of the patients, and each is a training of its
    own abroad; at home an image is scored by the one that did not see its patient.
    """
    shrunken = {name: site.resized(small.size) for name, site in abroad.items()}
    column, found = opacity_column(small), {}
    halves = small.folds(N_HALVES)
    read = small.labels["rsna"].notna().any(axis=1).to_numpy()
    for arm in arms:
        jobs = arm_jobs([arm], small)
        kept = train_many(jobs, in_project(folder), n_jobs=1)
        logits = {
            name: np.array(
                [
                    _logits(job, each.path, site.pixels)[:, column]
                    for job, each in zip(jobs, kept, strict=True)
                ]
            )
            for name, site in shrunken.items()
        }
        at_home = ranks_within(halves[read], trained[arm.name].held_out[:, -1][:, read])
        at_home = np.repeat(at_home, N_HALVES, axis=0)
        for judge in judges:
            scores = at_home if judge.site == HOME else logits[judge.site]
            found[arm.name, judge.name] = judge.score(scores)
    return found


def _logits(job, path: Path, pixels: np.ndarray) -> np.ndarray:
    """Predict images by the weights that a training kept, in half precision."""
    inputs = torch.from_numpy(np.array(job.inputs[job.training[:_CALIBRATION]]))
    model = build_classifier(job.config, inputs, torch.full((job.targets.shape[1],), 0.5))
    kept = load_file(path)
    weights = {name.removeprefix(_WEIGHT): value.float() for name, value in kept.items()
               if name.startswith(_WEIGHT)}  # fmt: skip
    model.load_state_dict(weights)
    return predict_logits(model.eval(), torch.from_numpy(np.array(pixels))).numpy()
