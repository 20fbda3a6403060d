"""The study's two heads as files of a few kilobytes, for images of a reader's own."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.image_labels import EXPERTS, LUNG_OPACITY
from cxrstudy.paths import in_project
from cxrstudy.studies.labels_that_travel.heads import REPORTS_OF_READ, Fitted
from cxrstudy.vision.backbones import Backbone, BackboneName
from cxrstudy.vision.stored_classifier import (
    HEADS,
    StoredClassifier,
    load_classifier,
    save_classifier,
    stored_head,
)

STORED: Mapping[str, str] = {EXPERTS: "travel/experts", REPORTS_OF_READ: "travel/reports"}
"""Label sources to the names under which `cxrstudy predict --head` knows their heads."""

# Features differ in the last digits from machine to machine.
_TOLERANCE = 0.01


def store_heads(
    fitted: Mapping[str, tuple[Fitted, Fitted]],
    name: BackboneName,
    backbone: Backbone,
    home: ImageSet,
    kept: str | Path,
) -> pd.DataFrame:
    """Keep the heads in the folder's ``models``, and compare them with those that ship.

    Columns are head, images, inverse_penalty, kilobytes and as_shipped.
    """
    rows = []
    for source, head in STORED.items():
        whole = fitted[source][0]
        n_images = whole.held_out.shape[1]
        classifier = StoredClassifier(
            name,
            backbone,
            home.size,
            (LUNG_OPACITY,),
            whole.coefficients.astype(np.float32),
            whole.intercepts.astype(np.float32),
            {
                "images": home.name,
                "build": home.build,
                "labels": source,
                "n_images": n_images,
                "inverse_penalty": float(whole.inverse_penalties[0]),
                "versions": {each: version(each) for each in ("cxrstudy", "torch", "torchvision")},
            },
        )
        path = in_project(kept) / "models" / HEADS[head][1]
        save_classifier(classifier, path, heads_alone=True)
        rows.append(
            {
                "head": head,
                "images": n_images,
                "inverse_penalty": f"{whole.inverse_penalties[0]:g}",
                "kilobytes": path.stat().st_size / 1000,
                "as_shipped": _compared(classifier, head),
            }
        )
    return pd.DataFrame(rows)


def _compared(classifier: StoredClassifier, head: str) -> str:
    shipped = load_classifier(stored_head(head))
    if (shipped.name, shipped.image_size) != (classifier.name, classifier.image_size):
        return "another network"
    size = np.linalg.norm(shipped.coefficients)
    apart = np.linalg.norm(shipped.coefficients - classifier.coefficients) / size
    return "yes" if apart < _TOLERANCE else f"differs by {apart:.0%}"
