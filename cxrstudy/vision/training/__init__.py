"""Training: one plain loop for every image study.

=============== ==============================================================================
config          `TrainingConfig`: everything that decides a training but the data
schedule        optimiser and learning rates
loop            `train`
checkpoint      the state of an unfinished run, as safetensors
fingerprint     a key that tells one training from every other
grid            `train_many`: many trainings, each kept, so that a stopped study resumes
=============== ==============================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["TrainingConfig"],
        "grid": ["Job", "KeptTraining", "train_many"],
        "loop": ["Training", "predict_logits", "train"],
    },
)
