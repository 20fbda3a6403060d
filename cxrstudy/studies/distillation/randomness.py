"""How random a teacher's errors are: what the words of a report do not say of them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import RidgeCV

from cxrstudy.agreement.result import LIMITS
from cxrstudy.studies.distillation.arms import DividedReports, TrainedArm
from cxrstudy.studies.distillation.augment import split_sentences
from cxrstudy.text.reports import ABSENT, text_hash_fraction

FOLDS = 5
_END = " endofsentence "  # so that no pair of neighbouring words spans two sentences
_PENALTIES = np.logspace(0, 5, 11)
_LEAST_TEXTS = 3


def errors(answers: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return 1 where a label is asserted that nobody coded, -1 where one is missed, else 0.

    NaN where there is no answer.
    """
    wrong = (answers.argmax(axis=-1) != ABSENT).astype(float) - codes
    return np.where(np.isnan(answers).any(axis=-1), np.nan, wrong)


def unexplained(errors: np.ndarray, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return squared errors of a prediction from words, and of the mean alone; each by report.

    A ridge regression on words and pairs of neighbouring words of one sentence, whether they
    occur, predicts the errors, (n, 13), of texts that it has not seen: five folds by a hash of the
    text, so that equal texts stay together. Its penalty is chosen on the texts that it learns from.
    Both sums run over findings. A better regression could only leave less.
    """
    marked = [_END.join(split_sentences(text)) for text in texts]
    words = CountVectorizer(ngram_range=(1, 2), binary=True, min_df=_LEAST_TEXTS)
    design = words.fit_transform(marked).astype(float)
    fold = np.array([int(text_hash_fraction(text, "errors") * FOLDS) for text in texts])
    left, total = np.zeros(len(texts)), np.zeros(len(texts))
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        if not len(inside) or not len(outside):
            continue
        # Equal texts are one case, or leaving one out would leave its copies in.
        of_text = pd.DataFrame(errors[outside]).groupby([texts[row] for row in outside], sort=False)
        first = outside[of_text.ngroup().drop_duplicates().index]
        model = RidgeCV(_PENALTIES).fit(
            design[first].toarray(), of_text.mean().to_numpy(), sample_weight=of_text.size()
        )
        predicted = model.predict(design[inside].toarray())
        left[inside] = ((errors[inside] - predicted) ** 2).sum(axis=1)
        mean = errors[outside].mean(axis=0)
        total[inside] = ((errors[inside] - mean) ** 2).sum(axis=1)
    return left, total


def randomness(
    answers: np.ndarray, reports: DividedReports, n_replicates: int, seed: int = 0
) -> dict[str, float]:
    """Estimate the share of the errors' variance that words leave over.

    Above 1 the words foretell worse than the mean does. Reports are resampled by text; the
    regressions stay as they are. Reports without all answers are left out.
    """
    coded = reports.held_out[reports.held_out].index.isin(reports.scored)
    wrong = errors(answers[coded], reports.codes.loc[reports.scored].to_numpy())
    whole = ~np.isnan(wrong).any(axis=1)
    texts = np.array(reports.measuring_texts, dtype=object)[coded][whole]
    left, total = unexplained(wrong[whole], list(texts))
    by_text = pd.DataFrame({"left": left, "total": total}).groupby(texts).sum()
    drawn = np.random.default_rng(seed).multinomial(
        len(by_text), np.full(len(by_text), 1 / len(by_text)), size=n_replicates
    )
    sums = drawn @ by_text.to_numpy()
    replicates = sums[:, 0] / sums[:, 1]
    estimate = by_text["left"].sum() / by_text["total"].sum()
    low, high = np.quantile(replicates, [0.025, 0.975])
    return dict(zip(LIMITS, map(float, (estimate, low, high)), strict=True))


def randomness_table(
    arms: dict[str, TrainedArm], reports: DividedReports, n_replicates: int
) -> pd.DataFrame:
    """Tabulate it for each arm's teacher."""
    rows = [
        {"arm": name} | randomness(each.teacher, reports, n_replicates)
        for name, each in arms.items()
    ]
    return pd.DataFrame(rows, columns=["arm", *LIMITS])
