"""Vision-language models: items, assembly, tuning in stages, and a benchmark of any of them.

=============== ==============================================================================
items           `Item`: one question about images and texts
config          `TuningConfig`: stages, branches and everything else that decides a training
assembly        `build_model`: image tower, bridger and decoder, in one Llava
language        tokenizer of a small model, and items as its tokens
tuning          one stage after the other
answering       likelihoods of options, and generated answers
job             `TuningJob` for `cxrstudy.trainings`
parsing         `parse`: which option a generated answer names
benchmark       scores of any model that answers items
hub             `HubModel`: one of the Hugging Face hub
process         `ProcessModel`: a program that answers lines of JSON
=============== ==============================================================================
"""
