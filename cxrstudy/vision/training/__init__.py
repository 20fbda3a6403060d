"""Image classifiers and their training: one plain loop for every image study.

=============== ==============================================================================
config          `TrainingConfig`: everything that decides a training but the data
loop            `train`, its schedule and its random views
checkpoint      the state of an unfinished run
job             `ImageJob` for `cxrstudy.trainings`
=============== ==============================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["TrainingConfig"],
        "job": ["ImageJob"],
        "loop": ["Training", "predict_logits", "train"],
    },
)
