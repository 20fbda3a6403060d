"""Students: small report classifiers that learn a teacher's labels of findings.

The targets are probabilities of absent, present and uncertain for each report and finding,
whichever teacher they come from.

=============== ==============================================================================
config          `StudentConfig`: everything that decides a training but the data
model           `ReportClassifier`: word pieces, BERT or DeBERTa encoder, pooling, heads
train           `train_student` and `predict`
job             `StudentJob` for `cxrstudy.trainings`
=============== ==============================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["StudentConfig"],
        "job": ["StudentJob"],
        "model": ["SIZES", "ReportClassifier", "build_classifier"],
        "train": ["TrainedStudent", "predict", "train_student"],
    },
)
