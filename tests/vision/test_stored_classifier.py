"""A classifier comes back from its file as it was, and no other file is taken for one."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torchxrayvision.models import DenseNet

from cxrstudy.data.images import ImageSet
from cxrstudy.studies.frozen_backbone.gallery import fit_stored_classifier
from cxrstudy.vision.backbones import (
    Backbone,
    BackboneName,
    GreyInput,
    PooledDenseNet,
    build_backbone,
)
from cxrstudy.vision.features import compute_features
from cxrstudy.vision.logistic import fit_logistic
from cxrstudy.vision.stored_classifier import (
    ClassifierFileError,
    StoredClassifier,
    load_classifier,
    save_classifier,
)

NAME = BackboneName("mnasnet0_5", "random", seed=3)
N_IMAGES, SIZE = 24, 64


@pytest.fixture(scope="module")
def image_set() -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (N_IMAGES, SIZE, SIZE), np.uint8)
    images = pd.DataFrame(index=pd.Index([f"{n}.png" for n in range(N_IMAGES)], name="image"))
    return ImageSet("noise", "drawn", pixels, images, {}, pd.DataFrame())


@pytest.fixture(scope="module")
def targets(image_set) -> pd.DataFrame:
    drawn = np.random.default_rng(1).integers(0, 2, (N_IMAGES, 2)).astype(np.float32)
    table = pd.DataFrame(drawn, image_set.images.index, ["Lung Opacity", "Pneumothorax"])
    table.iloc[:5, 1] = np.nan
    return table


@pytest.fixture(scope="module")
def features(image_set) -> np.ndarray:
    backbone = build_backbone(NAME, torch.from_numpy(image_set.pixels))
    return compute_features(backbone, image_set.pixels, "cpu")


@pytest.fixture(scope="module")
def classifier(features, targets, image_set) -> StoredClassifier:
    return fit_stored_classifier(features, targets, NAME, image_set, 0.1)


@pytest.fixture(scope="module")
def damaged(classifier, tmp_path_factory):
    """A path, and the bytes of a whole file."""
    path = tmp_path_factory.mktemp("damaged") / "own.safetensors"
    return path, save_classifier(classifier, path).read_bytes()


@pytest.fixture
def stored(classifier, tmp_path):
    return save_classifier(classifier, tmp_path / "models" / "own.safetensors")


def test_probabilities_are_those_of_the_heads(classifier, features, targets, image_set):
    """From pixels to the same numbers as heads fitted and applied to the features directly."""
    heads = fit_logistic(features, targets.to_numpy(), 0.1, standardise=True)
    expected = 1 / (1 + np.exp(-heads.scores(features)))
    predicted = classifier.predict(image_set.pixels)
    assert list(predicted) == list(targets)
    np.testing.assert_allclose(predicted.to_numpy(), expected, atol=1e-5)
    about = classifier.about
    assert (about["images"], about["build"], about["n_images"]) == ("noise", "drawn", N_IMAGES)
    assert about["n_positive"].keys() == {"Lung Opacity", "Pneumothorax"}
    assert about["versions"]["torch"].startswith(torch.__version__.partition("+")[0])


def test_parts_of_other_images_are_refused(features, targets, image_set):
    """Features of another order or backbone, or targets on another index, would fit silently."""
    for parts in (
        (features[::-1], targets, NAME),
        (features, targets[::-1], NAME),
        (features, targets, replace(NAME, seed=4)),
    ):
        with pytest.raises(ValueError, match="targets are not|features are not"):
            fit_stored_classifier(*parts, image_set, 0.1)


def test_a_file_predicts_what_the_classifier_does(classifier, stored, image_set, monkeypatch):
    """To the last bit, and without weights from the registry."""
    monkeypatch.setattr("cxrstudy.vision.backbones.dataset", None)
    loaded = load_classifier(stored)
    expected = classifier.predict(image_set.pixels)
    pd.testing.assert_frame_equal(loaded.predict(image_set.pixels), expected, check_exact=True)
    assert (loaded.name, loaded.about, loaded.image_size) == (NAME, classifier.about, SIZE)
    assert list(stored.parent.iterdir()) == [stored]


def _comes_back(name: BackboneName, backbone: Backbone, pixels: np.ndarray, path):
    """Store the backbone with a head whose logits are about 1; return what is loaded."""
    features = compute_features(backbone, pixels, "cpu")
    head = np.random.default_rng(2).normal(0, 1, (1, backbone.n_features)).astype(np.float32)
    head /= np.linalg.norm(features, axis=1).max()
    classifier = StoredClassifier(
        name, backbone, SIZE, ("Edema",), head, np.zeros(1, np.float32), {}
    )
    loaded = load_classifier(save_classifier(classifier, path))
    kept, given = (part.backbone.body.state_dict() for part in (loaded, classifier))
    assert kept.keys() == given.keys() and all(torch.equal(kept[key], given[key]) for key in kept)
    # Equal weights at other addresses may be summed in another order on one thread.
    predicted = loaded.predict(pixels)
    pd.testing.assert_frame_equal(predicted, classifier.predict(pixels), rtol=1e-5, atol=0)
    assert 0 < predicted["Edema"].min() < predicted["Edema"].max() < 1
    return loaded


def test_the_preparation_of_pixels_is_kept(image_set, tmp_path):
    """Another mean, another spread and the turn by 180 degrees come back."""
    name = BackboneName(NAME.architecture, "imagenet")
    pixels = image_set.pixels[:4]
    body = build_backbone(replace(name, weights="random"), torch.from_numpy(pixels)).body
    normalise = GreyInput((123.7, 116.3, 103.5), (58.4, 57.1, 57.4), rotated=True)
    backbone = Backbone(body, normalise, 1280).eval()
    loaded = _comes_back(name, backbone, pixels, tmp_path / "own.safetensors")
    turned = loaded.predict(pixels[:, ::-1, ::-1])
    assert not np.allclose(loaded.predict(pixels), turned, rtol=1e-3, atol=0)
    kept = loaded.backbone.normalise
    assert kept.rotated
    assert torch.equal(kept.mean, normalise.mean) and torch.equal(kept.std, normalise.std)


def test_a_chest_backbone_comes_back(image_set, tmp_path):
    """Its structure is torchxrayvision's: one channel, normalisation left unfolded."""
    torch.manual_seed(0)
    body = PooledDenseNet(DenseNet().features)
    backbone = Backbone(body, GreyInput((127.5,), (127.5 / 1024,)), 1024).eval()
    name = BackboneName("densenet121", "chest")
    _comes_back(name, backbone, image_set.pixels[:2], tmp_path / "own.safetensors")


def test_a_failed_save_leaves_the_older_file(classifier, stored, monkeypatch):
    before = stored.read_bytes()

    def fail(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("cxrstudy.vision.stored_classifier.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_classifier(classifier, stored)
    assert stored.read_bytes() == before and list(stored.parent.iterdir()) == [stored]


def _refused(path, reason: str) -> None:
    with pytest.raises(ClassifierFileError, match=reason) as caught:
        load_classifier(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    assert "study 06" in message


class _Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


def test_no_file_and_other_files_are_refused(tmp_path):
    """A pickle is not even opened."""
    path, trace = tmp_path / "own.safetensors", tmp_path / "trace"
    _refused(path, "no such file")
    _refused(tmp_path, "no such file")
    for content in (b"", pickle.dumps(_Trap(trace))):
        path.write_bytes(content)
        _refused(path, "not a safetensors file")
    torch.save(_Trap(trace), path)
    _refused(path, "not a safetensors file")
    assert not trace.exists()
    for metadata in (None, {"format": "pt"}):
        save_file({"weight": torch.zeros(2)}, path, metadata)
        _refused(path, "no classifier")


@settings(max_examples=30)
@given(data=st.data())
def test_a_file_that_was_cut_off_or_changed_is_refused(data, damaged):
    path, whole = damaged
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    _refused(path, "not a safetensors file|no classifier")
    header = 8 + int.from_bytes(whole[:8], "little")
    end = data.draw(st.sampled_from([header, len(whole)]))
    place = data.draw(st.integers(0, end - 1))
    changed = bytearray(whole)
    changed[place] ^= data.draw(st.integers(1, 255))
    # White space that fills the header up means nothing.
    assume(changed[place : place + 1].strip() or whole[place : place + 1].strip())
    path.write_bytes(changed)
    _refused(path, "not a safetensors file|no classifier|damaged")


def test_weights_of_another_architecture_are_refused(classifier, tmp_path):
    """As where a later torchvision builds the architecture otherwise."""
    renamed = replace(classifier, name=BackboneName("shufflenet_v2_x0_5", "random"))
    path = save_classifier(renamed, tmp_path / "own.safetensors")
    _refused(path, "do not fit this version's shufflenet_v2_x0_5")


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((2, SIZE, SIZE), np.float32), ((2, SIZE, SIZE // 2), np.uint8), ((SIZE, SIZE), np.uint8)],
)
def test_other_pixels_are_refused(classifier, shape, dtype):
    with pytest.raises(ValueError, match=f"need uint8 of shape .n, {SIZE}, {SIZE}"):
        classifier.predict(np.zeros(shape, dtype))


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("Edema", "Hernia"), "names of the 14"),
        (("Edema", "Edema"), "different names"),
        (("Edema",), "must have shapes"),
    ],
)
def test_parts_that_do_not_fit_are_refused(classifier, names, reason):
    with pytest.raises(ValueError, match=reason):
        replace(classifier, observations=names)
