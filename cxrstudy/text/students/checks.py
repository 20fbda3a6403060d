"""Reports, targets and held-out reports that fit together."""

from collections.abc import Iterable, Sequence

import numpy as np

from cxrstudy.text.splits import text_hash_fraction


def check_training_data(
    texts: Sequence[str], targets: np.ndarray, held_out_texts: Iterable[str]
) -> None:
    """Refuse training data from which no valid student can be trained.

    Parameters
    ----------
    texts : sequence of str
        Training reports.
    targets : ndarray, shape (n_reports, n_findings, 3)
    held_out_texts : iterable of str
        Reports that measure the student.

    Raises
    ------
    ValueError
        If there are no reports, a report is no text, the shapes do not fit, a target is no
        probability, or a training report is also held out. Names the first row at fault.
    """
    if len(texts) == 0:
        raise ValueError("no training reports: pass at least one")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"report {row} is {text!r}: pass text, and '' for an empty report")
    if targets.ndim != 3 or targets.shape[0] != len(texts) or targets.shape[2] != 3:
        raise ValueError(
            f"targets have shape {targets.shape}: need ({len(texts)}, findings, 3), the "
            "probabilities of absent, present and uncertain"
        )
    answered = ~np.isnan(targets).any(axis=-1)
    sums_to_one = np.isclose(targets.sum(axis=-1), 1, atol=1e-3)
    wrong = answered & ~(sums_to_one & (targets >= 0).all(axis=-1))
    if wrong.any():
        row, finding = np.argwhere(wrong)[0]
        raise ValueError(
            f"targets of report {row}, finding {finding} are {targets[row, finding]}: need "
            "probabilities that sum to 1, or NaN for no answer"
        )
    if not answered.any():
        raise ValueError("no target is an answer: every row holds NaN")
    held_out = {text_hash_fraction(text) for text in held_out_texts}
    for row, text in enumerate(texts):
        if text_hash_fraction(text) in held_out:
            raise ValueError(
                f"training report {row} is also held out: split with "
                "cxrstudy.text.splits.split_by_text"
            )
