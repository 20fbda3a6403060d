"""The teacher of a study: the committee of rules, or a language model at an address."""

from collections.abc import Callable, Sequence

import numpy as np

from cxrstudy.text.teachers.rules import SoftRuleTeacher, rule_variants


def teacher_at(
    place: str = "rules", cache_folder: str = "_build/answers"
) -> Callable[[Sequence[str]], np.ndarray]:
    """Choose the teacher whose labels students learn.

    Parameters
    ----------
    place : str
        ``"rules"`` for the committee of rules, or address and model of an OpenAI-compatible
        endpoint with a blank between them.
    cache_folder : str
        Keeps the endpoint's answers, so that a repeated run asks nothing twice.

    Returns
    -------
    callable
        From n texts to probabilities of absent, present and uncertain, shape (n, 13, 3); NaN for
        a report without a valid answer.

    Raises
    ------
    ValueError
        If the place is neither.
    """
    if place == "rules":
        return SoftRuleTeacher(rule_variants())
    if len(place.split()) != 2:
        raise ValueError(
            f"teacher {place!r}: write 'rules', or address and model such as "
            "'http://localhost:8000/v1 llama-3'"
        )
    from cxrstudy.text.teachers.endpoint import EndpointTeacher

    teacher = EndpointTeacher(*place.split(), cache_folder)
    return lambda texts: teacher.label(texts).probabilities
