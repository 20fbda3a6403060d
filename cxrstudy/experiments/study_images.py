"""Which images of the NIH block a study uses: those that experts read, and others to fill up."""

import pandas as pd

from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.opacity_labels import lung_opacity_labels

EXPERTS_IN_WORDS: dict[str, str] = {"rsna": "RSNA", "google": "Google"}


def study_images(image_set: ImageSet, n_images: int, size: int) -> ImageSet:
    """Choose images by need and then by a hash, never by label.

    Parameters
    ----------
    image_set : ImageSet
        The NIH block.
    n_images : int
        How many; all that experts read are among them. 0 for all there are.
    size : int
        Edge in pixels.

    Returns
    -------
    ImageSet
        In the order of the block.

    Raises
    ------
    ValueError
        If experts read more images than that.
    """
    names = image_set.images.index
    read = read_by_experts(image_set)
    if n_images:
        if n_images < read.sum():
            raise ValueError(
                f"experts read {read.sum()} of these images, so n_images cannot be {n_images}"
            )
        hashes = pd.util.hash_array(names.to_numpy(object))
        order = pd.DataFrame({"unread": ~read, "hash": hashes}, names)
        order = order.sort_values(["unread", "hash"])
        names = names[names.isin(order.index[:n_images])]
    return image_set.subset(names).resized(size)


def read_by_experts(image_set: ImageSet) -> pd.Series:
    """Mark the images that any expert source labels."""
    tables = [image_set.labels[source] for source in EXPERTS_IN_WORDS]
    return pd.concat([table.notna().any(axis=1) for table in tables], axis=1).any(axis=1)


def label_counts(image_set: ImageSet) -> pd.DataFrame:
    """Count the images that experts read by report label and expert label of opacity.

    Parameters
    ----------
    image_set : ImageSet

    Returns
    -------
    DataFrame
        Columns experts, view, images, patients, both positive, experts only, report only, both
        negative and report label wrong (share).
    """
    rows = []
    for experts in EXPERTS_IN_WORDS:
        labels = lung_opacity_labels(image_set, experts)
        for view in ("AP", "PA", "all"):
            part = labels if view == "all" else labels[labels["view"] == view]
            expert, report = part["expert"] == 1, part["report"] == 1
            rows.append(
                {
                    "experts": EXPERTS_IN_WORDS[experts],
                    "view": view,
                    "images": len(part),
                    "patients": part["patient"].nunique(),
                    "both positive": int((expert & report).sum()),
                    "experts only": int((expert & ~report).sum()),
                    "report only": int((~expert & report).sum()),
                    "both negative": int((~expert & ~report).sum()),
                    "report label wrong": (expert != report).mean(),
                }
            )
    return pd.DataFrame(rows)
