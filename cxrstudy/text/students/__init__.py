"""Students: small report classifiers that learn a teacher's labels of findings.

The targets are probabilities of absent, present and uncertain for each report and finding,
whichever teacher they come from.

=============== ==============================================================================
config          `StudentConfig`: everything that decides a training but the data
tokenizer       a word-piece vocabulary trained on the training reports
model           `ReportClassifier`: BERT or DeBERTa encoder, pooling, one head for each finding
frequencies     how often each class occurs, and the weights that follow from it
sentences       reports as sentences; which reports share none with the training
augment         sentences and spliced reports as further training samples
checks          reports, targets and held-out reports that fit together
fingerprint     a key that tells one training from every other
isolation       a training leaves the random generators as they were
train           `train_student`
predict         `predict`: probabilities for new reports
store           a student as a folder of safetensors, JSON and its tokenizer
grid            `train_many`: many trainings, each kept, so that a stopped study resumes
=============== ==============================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "augment": ["augment_reports"],
        "config": ["StudentConfig"],
        "grid": ["HeldOutPrediction", "Job", "train_many"],
        "model": ["SIZES", "ReportClassifier", "build_classifier"],
        "predict": ["predict"],
        "sentences": ["new_sentences", "shares_sentence", "split_sentences"],
        "store": ["load_student", "save_student", "train_or_load"],
        "train": ["TrainedStudent", "train_student"],
    },
)
