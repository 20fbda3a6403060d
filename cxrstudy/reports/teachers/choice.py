"""The teacher of a study: the committee of rules, or a language model at an address."""

from collections.abc import Callable, Sequence

import numpy as np

from cxrstudy.reports.teachers.rules import SoftRuleTeacher, rule_variants


def teacher_at(
    base_url: str = "", model: str = "", cache_folder: str = "_build/answers"
) -> Callable[[Sequence[str]], np.ndarray]:
    """Choose the teacher whose labels students learn.

    Parameters
    ----------
    base_url : str
        Address of an OpenAI-compatible endpoint; empty for the committee of rules.
    model : str
        The model's name at the endpoint.
    cache_folder : str
        Folder that keeps the endpoint's answers, so that a repeated run asks nothing twice.

    Returns
    -------
    callable
        From n texts to probabilities of absent, present and uncertain, shape (n, 13, 3); NaN for
        a report without a valid answer.
    """
    if not base_url:
        return SoftRuleTeacher(rule_variants())
    from cxrstudy.reports.teachers.endpoint import EndpointTeacher

    teacher = EndpointTeacher(base_url, model, cache_folder)
    return lambda texts: teacher.label(texts).probabilities
