"""What an audit found, in a few plain sentences; each number comes from a table of the report."""

from collections.abc import Sequence

import pandas as pd

from cxrstudy.agreement import MACRO_AVERAGE, Agreement
from cxrstudy.audit.finding import Finding
from cxrstudy.audit.given import observed_as
from cxrstudy.audit.scored import GIVEN, REPAIRED, Scored
from cxrstudy.experiments.label_conventions import always_positive_f1
from cxrstudy.observations import UNCERTAIN
from cxrstudy.words import in_sentence

_MOST_REPAIRS = 3
_NOTHING = 0.0005  # a change that prints as zero


def first_sentences(
    scored: Scored,
    findings: Sequence[Finding],
    found: Agreement | None,
    conventions: pd.DataFrame,
    scores: pd.DataFrame,
) -> list[str]:
    """Say in up to five sentences what was checked, how well labels agree, and why they do not."""
    sentences = [_checked(findings)]
    if found is None:
        return [*sentences, "No finding has enough cases to be scored; the counts are below."]
    return [
        *sentences,
        _agreement(scored, found),
        _single(scored, found, findings),
        _convention(
            conventions, bool((scored.latest[[*scored.truth]] == UNCERTAIN).any(axis=None))
        ),
        _scores(scores) if len(scores) else _precision(scored, found),
    ]


def what_to_repair(findings: Sequence[Finding]) -> str:
    """Say what to repair first: errors before warnings, each kind in a table once."""
    serious: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if finding.severity != "note":
            serious.setdefault((finding.kind, finding.table), []).append(finding)
    if not serious:
        return "Nothing: no check found an error or reason for a warning."
    lines = []
    for place, alike in enumerate([*serious.values()][:_MOST_REPAIRS], 1):
        more = f" And {len(alike) - 1} more like it." if len(alike) > 1 else ""
        lines.append(f"{place}. {alike[0].sentence} {alike[0].repair}{more}")
    if len(serious) > _MOST_REPAIRS:
        lines.append(f"{len(serious) - _MOST_REPAIRS} more kinds stand in the table of findings.")
    return "\n".join(lines)


def _checked(findings: Sequence[Finding]) -> str:
    counts = {
        severity: sum(finding.severity == severity for finding in findings)
        for severity in ("error", "warning", "note")
    }
    said = ", ".join(
        f"{count or 'no'} {severity}{'s' * (count != 1)}" for severity, count in counts.items()
    )
    if counts["error"]:
        return f"The checks found {said}: figures from the tables as they are would be wrong."
    return f"The checks found {said}."


def _agreement(scored: Scored, found: Agreement) -> str:
    given = in_sentence(_row(found, GIVEN, "kappa"), 2)
    mean = "mean kappa" if scored.truth.shape[1] > 1 else "kappa"
    scale = "where 1 is perfect and 0 is chance"
    if scored.mended is None:
        over = f"Over {scored.in_words()}, labels agree with the truth to a {mean}"
        return f"{over} of {given}, {scale}."
    mended = in_sentence(_row(found, REPAIRED, "kappa"), 2)
    return (
        f"With the displaced rows put back, labels agree with the truth to a {mean} of {mended} "
        f"over {scored.in_words()}, {scale}; as given, to {given}."
    )


def _single(scored: Scored, found: Agreement, findings: Sequence[Finding]) -> str:
    kappas = {name: found.estimate(scored.method, name, "kappa").value for name in scored.truth}
    weakest = min(kappas, key=kappas.get)
    row = pd.Series(found.estimate(scored.method, weakest, "kappa").row())
    floors = always_positive_f1(scored.truth)
    scores = {name: found.estimate(scored.method, name, "f1").value for name in floors.index}
    below = [name for name, floor in floors.items() if scores[name] < floor]
    text = (
        f"The weakest finding is {weakest}, with a kappa of {in_sentence(row, 2)} on "
        f"{int(row.positives)} cases"
    )
    spoiled = [column for each in findings if each.severity == "error" for column in each.columns]
    if weakest in map(observed_as, spoiled):
        text += " (its column has an error, to be repaired first)"
    if below:
        text += f"; for {len(below)} of {len(floors)} findings always answering yes has a higher F1"
    return f"{text}."


def _convention(table: pd.DataFrame, has_uncertain: bool) -> str:
    changes = table.query("quantity == 'change' and metric == 'kappa'")
    fixed = changes[changes["policy"].isin(["zeros", "ones"])]
    if fixed["estimate"].isna().all():
        return "How much of the disagreement is convention cannot be told from so few cases."
    best = fixed.loc[fixed["estimate"].idxmax()]
    if changes["estimate"].abs().max() < _NOTHING:
        return "None of the disagreement is convention: no reading of the labels changes the score."
    if best["estimate"] < _NOTHING:
        worst = fixed.loc[fixed["estimate"].idxmin()]
        return (
            f"Convention explains none of the disagreement: {_reading(worst, has_uncertain)} "
            f"changes the mean kappa by {in_sentence(worst, 2, '+')}, and none of the readings "
            "that were tried raises it."
        )
    return (
        f"A part of the disagreement is convention: {_reading(best, has_uncertain)} changes the "
        f"mean kappa by {in_sentence(best, 2, '+')}."
    )


def _reading(row: pd.Series, has_uncertain: bool) -> str:
    policy = "negative" if row["policy"] == "zeros" else "positive"
    readings = [f"counting uncertain labels as {policy}"] if has_uncertain else []
    if row["parents"] != GIVEN:
        readings.append("closing the labels upward")
    return " and ".join(readings)


def _scores(scores: pd.DataFrame) -> str:
    rows = scores.set_index(["observation", "quantity"])
    if (MACRO_AVERAGE, "beyond noise") not in rows.index:
        return "The scores have too few cases to be judged."
    mean = rows.loc[MACRO_AVERAGE]
    single = scores.query("quantity == 'beyond noise' and observation != @MACRO_AVERAGE")
    n_more = int((single["low"] > 0).sum())
    shared = f"for {n_more} of {len(single)} findings" if n_more else "for no finding"
    return (
        f"The scores reach a mean AUROC of {in_sentence(mean.loc['by the truth'], 2)} by the truth "
        f"and {in_sentence(mean.loc['by the report labels'], 2, level='')} by the labels; beyond "
        "what random errors of the labels would allow, as a model does that has learned these "
        f"errors, they agree with the labels {shared}."
    )


def _precision(scored: Scored, found: Agreement) -> str:
    row = _row(found, scored.method, "kappa")
    half = (row.high - row.low) / 2
    return (
        f"The sample tells the mean kappa to within {half:.2f}, errors of the tables apart, and "
        "single findings less well, as the last table says."
    )


def _row(found: Agreement, method: str, metric: str) -> pd.Series:
    return pd.Series(found.estimate(method, MACRO_AVERAGE, metric).row())
