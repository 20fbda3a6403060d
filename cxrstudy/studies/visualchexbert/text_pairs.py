"""Images and texts in pairs, divided so that patients and texts are held out together."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.data.images import ImageSet
from cxrstudy.data.openi import load_reports
from cxrstudy.experiments.image_label_sets import nih_label_sets as nih_label_sets
from cxrstudy.labeler import label_reports
from cxrstudy.labeler.sections import labeled_text
from cxrstudy.observations import POSITIVE, UNCERTAIN
from cxrstudy.text.reports import text_hash_fraction

_SALT = "students"


@dataclass(frozen=True, eq=False)
class TextPairs:
    """Texts beside images; who learns from which pair, and where the student is judged."""

    texts: pd.Series  # by image; equal but for case and white space means equal
    labels: pd.DataFrame  # (n_pairs, n_observations): 1 or 0, what the text says
    patient_folds: NDArray  # (n_pairs,)
    text_folds: NDArray  # (n_pairs,)

    @property
    def folds(self) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Training and held-out pairs of each fold, which share neither patient nor text.

        A pair whose patient and text lie in different folds is never judged.
        """
        parts = []
        for fold in np.unique(self.patient_folds):
            patient, text = self.patient_folds == fold, self.text_folds == fold
            parts.append((~patient & ~text, patient & text))
        return parts

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Mark the pairs that some fold holds out."""
        return self.patient_folds == self.text_folds


def openi_impressions(observations: Iterable[str]) -> tuple[pd.Series, pd.DataFrame]:
    """Return OpenI's different impressions, and what the rule labeler reads in them: 1 or 0.

    Impressions in which one of the observations is uncertain are left out: the NIH's text-mined
    labels know only yes and no.
    """
    texts = _normalised(load_reports()["impression"])
    texts = texts[(texts != "") & ~texts.duplicated()]
    codes = label_reports(texts.tolist()).set_index(texts.index)[list(observations)]
    certain = ~(codes == UNCERTAIN).any(axis=1)
    return texts[certain], (codes[certain] == POSITIVE).astype(float)


def match_reports(
    images: pd.DataFrame, patient_folds: NDArray, texts: pd.Series, labels: pd.DataFrame
) -> TextPairs:
    """Give every image a text of exactly its labels; images whose fold has none are left out.

    Parameters
    ----------
    images : DataFrame, shape (n_images, n_observations)
        Labels of the images.
    patient_folds : ndarray, shape (n_images,)
    texts : Series
        Different texts.
    labels : DataFrame, shape (n_texts, n_observations)
        Labels of the texts.

    Returns
    -------
    TextPairs
        The texts of each label set are dealt to the folds of the patients in turn, and drawn from
        their fold by a hash of the image's name.
    """
    set_of_text, set_of_image = (_label_sets(table) for table in (labels, images))
    n_folds = int(patient_folds.max()) + 1
    shuffled = texts.map(lambda text: text_hash_fraction(text, _SALT))
    place = shuffled.groupby(set_of_text).rank(method="first").astype(int)
    # Sets of few texts do not all begin with the same fold.
    first = set_of_text.map(lambda each: int(text_hash_fraction(each, _SALT) * n_folds))
    dealt = ((place + first) % n_folds).to_numpy()
    hands = texts.groupby([set_of_text.to_numpy(), dealt]).agg(list).to_dict()
    found = {}
    for image, key in zip(images.index, zip(set_of_image, patient_folds, strict=True), strict=True):
        if key in hands:
            hand = hands[key]
            found[image] = hand[int(text_hash_fraction(str(image), _SALT) * len(hand))]
    matched = images.index.isin(found)
    folds = patient_folds[matched]
    return TextPairs(pd.Series(found), images[matched], folds, folds)


def exchanged(pairs: TextPairs, seed: int) -> TextPairs:
    """Exchange the texts, with their labels, at random among the images of each fold."""
    rng = np.random.default_rng(seed)
    order = np.arange(len(pairs.texts))
    for fold in np.unique(pairs.text_folds):
        rows = np.flatnonzero(pairs.text_folds == fold)
        order[rows] = rng.permutation(rows)
    texts = pairs.texts.iloc[order].set_axis(pairs.texts.index)
    return replace(pairs, texts=texts, labels=pairs.labels.iloc[order].set_axis(texts.index))


def real_pairs(image_set: ImageSet, reports: pd.Series, n_folds: int) -> TextPairs:
    """Pair images with the impressions of their own reports; those without one are left out.

    A text's fold is a hash of it. Many patients share a text, so that only pairs whose patient and
    text fall into the same fold are judged.
    """
    texts = _normalised(reports.map(lambda text: labeled_text(text, ("impression",))))
    written = (texts != "").to_numpy()
    texts = texts[written]
    labels = (label_reports(texts.tolist()) == POSITIVE).astype(float).set_index(texts.index)
    of_text = [int(text_hash_fraction(text, _SALT) * n_folds) for text in texts]
    return TextPairs(texts, labels, image_set.folds(n_folds, _SALT)[written], np.array(of_text))


def matching_table(
    images: pd.DataFrame, texts: pd.Series, labels: pd.DataFrame, pairs: TextPairs
) -> pd.DataFrame:
    """Count images, texts and label sets, and what of them found a partner."""
    of_images, of_texts = _label_sets(images), _label_sets(labels)
    matched = of_images[pairs.texts.index]
    both = of_images.isin(of_texts)
    counts = {
        "images": (len(images), len(pairs.texts)),
        "images with a finding": (
            int(images.any(axis=1).sum()),
            int(pairs.labels.any(axis=1).sum()),
        ),
        "label sets of images": (of_images.nunique(), matched.nunique()),
        "impressions": (len(texts), pairs.texts.nunique()),
        "label sets of impressions": (of_texts.nunique(), matched.nunique()),
        "images whose label set some impression has": (int(both.sum()), len(pairs.texts)),
    }
    table = pd.DataFrame(counts, ["all", "matched"]).T.rename_axis("what")
    return table


def _normalised(texts: pd.Series) -> pd.Series:
    """Drop what differs between copies of a text: case, and kind and length of white space."""
    return texts.map(lambda text: " ".join(text.lower().split()))


def _label_sets(labels: pd.DataFrame) -> pd.Series:
    """Write each row's positive observations as one word."""
    positive = labels.to_numpy() == POSITIVE
    names = labels.columns.to_numpy()
    return pd.Series([", ".join(names[row]) for row in positive], labels.index)
