"""Teachers side by side: their scores by human codes, and what their labels cost."""

import time
from collections.abc import Mapping

import numpy as np
import pandas as pd

from cxrstudy.agreement import Resampling, agree
from cxrstudy.agreement.result import LIMITS, MACRO_AVERAGE, Estimate, derive
from cxrstudy.studies.distillation.arms import DividedReports
from cxrstudy.studies.distillation.calibration import Calibrated
from cxrstudy.studies.distillation.scores import asserted
from cxrstudy.studies.distillation.teachers import AnsweringTeacher, TeachTexts
from cxrstudy.text.reports import ABSENT, FINDINGS

LEAST_BALANCED_ACCURACY = 0.70  # a weaker teacher is too easy to beat
_TIMED_TEXTS = 300

TEACHERS = RULES, RAW, CALIBRATED = "rules", "language_model", "calibrated"
WORDS = {
    RULES: "rules",
    RAW: "language model",
    CALIBRATED: "language model, calibrated",
    "balanced_accuracy": "balanced accuracy",
}


class TeacherScores:
    """Scores of teachers on the held-out reports, with intervals over texts.

    Present and uncertain count as positive. The ranking is by the probability of not absent.
    """

    def __init__(
        self, teachers: Mapping[str, TeachTexts], reports: DividedReports, resampling: Resampling
    ) -> None:
        codes = reports.codes.loc[reports.scored]
        shared = resampling.of(clusters=reports.same_text)
        answers = {name: each(reports.measuring_texts) for name, each in teachers.items()}
        index = reports.texts.index[reports.held_out]
        ranks = {
            name: pd.DataFrame(1.0 - each[..., ABSENT], index, list(FINDINGS)).loc[codes.index]
            for name, each in answers.items()
        }
        called = {name: asserted(each, reports) for name, each in answers.items()}
        self._names = list(teachers)
        self._counts = agree(codes, called, metrics=("f1", "youden"), resampling=shared)
        self._ranking = agree(codes, ranks, metrics=("auroc",), resampling=shared)

    def balanced_accuracy(self, name: str, finding: str = MACRO_AVERAGE) -> Estimate:
        """Estimate the mean of sensitivity and specificity, by default over findings too."""
        youden = self._counts.estimates[name, finding, "youden"]
        return derive(lambda values: (1 + values) / 2, youden)

    def of_language_model(self, name: str) -> dict[str, str]:
        """Say what the ledger has to know of the teacher that students may beat.

        Parameters
        ----------
        name : str
            The language model, as the notebook's parameter names it.

        Returns
        -------
        dict of str to str
            For `cxrstudy.claims.record`: the teacher's own scores, and whether it is too weak for
            a student that beats it to prove anything. The calibrated teacher's own value decides.
        """
        balanced, raw = (self.balanced_accuracy(each).value for each in (CALIBRATED, RAW))
        f1 = self._counts.estimates[CALIBRATED, MACRO_AVERAGE, "f1"].value
        auroc = self._ranking.estimates[CALIBRATED, MACRO_AVERAGE, "auroc"].value
        weak = "weak teacher" if balanced < LEAST_BALANCED_ACCURACY else ""
        own = (
            f"The teacher, {name}, has itself a balanced accuracy of {balanced:.2f} "
            f"({raw:.2f} uncalibrated), macro F1 {f1:.2f} and AUROC {auroc:.2f}."
        )
        return {"undecidable": weak, "detail": own}

    def table(self) -> pd.DataFrame:
        """Tabulate the macro averages by teacher and measure."""
        return self._rows([MACRO_AVERAGE]).drop(columns="finding")

    def by_finding(self) -> pd.DataFrame:
        """Tabulate each finding, by teacher and measure."""
        return self._rows(FINDINGS)

    def _rows(self, findings) -> pd.DataFrame:
        rows = []
        for finding in findings:
            for name in self._names:
                estimates = {
                    "f1": self._counts.estimates[name, finding, "f1"],
                    "balanced_accuracy": self.balanced_accuracy(name, finding),
                    "auroc": self._ranking.estimates[name, finding, "auroc"],
                }
                rows += [
                    {"finding": finding, "teacher": name, "measure": measure} | estimate.row()
                    for measure, estimate in estimates.items()
                ]
        columns = ["finding", "teacher", "measure", *LIMITS, "n", "positives"]
        return pd.DataFrame(rows, columns=columns)


def costs(teachers: Mapping[str, TeachTexts], reports: DividedReports) -> pd.DataFrame:
    """Say what 1,000 reports cost: seconds, and tokens where somebody charges for them.

    Language models know how long each answer took when it was given; rules are timed here.
    """
    texts = list(dict.fromkeys(reports.measuring_texts))
    rows = []
    for name, teacher in teachers.items():
        if isinstance(teacher, Calibrated):
            continue  # as long as the teacher that it shifts
        if isinstance(teacher, AnsweringTeacher):
            log = teacher.label(texts).log
            seconds, tokens = log["seconds"].mean(), log["tokens"].mean()
            answered = int((log["outcome"] == "answered").sum())
        else:
            timed = texts[:_TIMED_TEXTS]
            start = time.process_time()
            teacher(timed)
            seconds, tokens = (time.process_time() - start) / len(timed), np.nan
            answered = len(texts)
        rows.append({"teacher": name, "texts": len(texts), "answered": answered,
                     "seconds for 1,000 reports": 1000 * seconds,
                     "tokens for 1,000 reports": 1000 * tokens})  # fmt: skip
    return pd.DataFrame(rows)
