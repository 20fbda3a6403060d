"""Image models: backbones, features, heads, one training loop, and the studies that use them.

==================== =========================================================================
backbones            networks by name, from grey images to features
batch_norm           statistics measured once, then folded into the convolutions
grey_input           from grey bytes to what a pretrained network expects
chest_weights        torchxrayvision's DenseNet, read without unpickling freely
features             features of a frozen backbone, computed once
metadata             view, sex and age: what is known without looking
targets              what models learn: text-mined terms as observations, with flipped labels
classifier           a backbone with a head
probes               many logistic regressions on the same features at once
training             one plain loop, resumable; many trainings, each kept
cross_fitting        train on each half of the patients and predict the other
scoring              `LabelScores`: experts and report labels on the same images, within views
memorisation         wrong labels repeated in training against held out
saliency             what a score rests on, by covering patches
stored_classifier    a classifier as one file
predict_folder       `cxrstudy predict`: a folder of images to a table
==================== =========================================================================

Studies: `study_images` and `epoch_sweep` (05), `frozen_backbone`, `frozen_linear` and `gallery`
(06), `validation_draws`, `metric_optimisation`, `regularization` and `checkpoint_choice` (07).
"""
