"""Image models: backbones, features, heads, one training loop, and what is stored of them.

==================== =========================================================================
backbones            networks by name, from grey images to features; batch normalisation folded
features             features of a frozen backbone, computed once
logistic             many logistic regressions on the same features at once
probes               the same, each row scored by heads that never saw its fold
training             one plain loop, resumable; many trainings, each kept
stored_classifier    a classifier as one file
predict_folder       `cxrstudy predict`: a folder of images to a table
==================== =========================================================================
"""
