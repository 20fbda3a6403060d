"""Teachers: from report text to absent, present or uncertain for each of 13 findings.

Every teacher has one method, `label`, and gives `TeacherLabels`; what learns from them cannot
tell which teacher it was. A report without a valid answer is counted, never guessed.

=================== ===========================================================================
protocol            `Teacher`, `TeacherLabels`
rules               the rule labeler, and how often variants of it agree
callables           `CallableTeacher`: such functions of texts under the protocol
choice              `teacher_at`: the teacher of a study
endpoint            `EndpointTeacher`: a language model behind an OpenAI-compatible address
language_model      `LanguageModelTeacher`: a causal language model on this machine
noise               teachers with errors that were put in
prompt              the instruction, and the report as data (prompt.yaml)
answers             the JSON that a model must answer, read strictly
completion          what an endpoint sent, as far as it is used and kept
word_probabilities  soft labels from the probabilities of an answer's tokens
replies             one report's reply; the replies of many reports as `TeacherLabels`
=================== ===========================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "callables": ["CallableTeacher"],
        "choice": ["teacher_at"],
        "endpoint": ["EndpointError", "EndpointTeacher"],
        "language_model": ["LanguageModelTeacher"],
        "noise": ["RandomErrors", "SystematicErrors"],
        "protocol": ["Teacher", "TeacherLabels"],
        "rules": ["RuleTeacher", "SoftRuleTeacher", "rule_variants", "variant_table"],
    },
)
