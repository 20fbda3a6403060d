"""Image models: backbones, features, heads, one training loop.

==================== =========================================================================
backbones            networks by name, from grey images to features
batch_norm           statistics measured once, then folded into the convolutions
grey_input           from grey bytes to what a pretrained network expects
chest_weights        torchxrayvision's DenseNet, read without unpickling freely
features             features of a frozen backbone, computed once
probes               many logistic regressions on the same features at once
training             a backbone with a head, and one plain loop, resumable
stored_classifier    a classifier as one file
predict_folder       `cxrstudy predict`: a folder of images to a table
==================== =========================================================================
"""
