"""The loop: what decides a training, what does not, and what a kill costs."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from cxrstudy.vision.backbones import BackboneName
from cxrstudy.vision.training import TrainingConfig, checkpoint, loop, predict_logits, train

EPOCHS, N_IMAGES, BATCH = 3, 24, 8

KILLS = {
    "before the first step": [(loop, "pick_batch", 1, False)],
    "in the second epoch": [(loop, "pick_batch", 5, False)],
    "between two steps of the last epoch": [(loop, "masked_bce", 8, True)],
    "while it looks at the watched images": [(loop, "predict_logits", 2, False)],
    "with a checkpoint half written": [(torch, "save", 2, True)],
    "right after the first checkpoint": [(checkpoint.Checkpoint, "save", 1, True)],
    "right after the last checkpoint": [(checkpoint.Checkpoint, "save", 2, True)],
    "after the last epoch": [(loop, "predict_logits", 3, True)],
    "twice": [(loop, "pick_batch", 5, False), (loop, "pick_batch", 5, False)],
}
"""Moment to module, function and number of the call at whose start or end the process dies."""


def image_problem() -> tuple[Tensor, Tensor, TrainingConfig]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (N_IMAGES, 32, 32), generator=generator, dtype=torch.uint8)
    targets = torch.randint(0, 2, (N_IMAGES, 2), generator=generator).float()
    config = TrainingConfig(
        BackboneName("shufflenet_v2_x0_5", "random"), epochs=EPOCHS, batch_size=BATCH
    )
    return images, targets, config


def run_image_problem(path: str | Path | None = None) -> loop.Training:
    images, targets, config = image_problem()
    return train(images, targets, config, images[:5], path)


def die_at_call(module, name: str, number: int, after: bool) -> None:
    function, calls = getattr(module, name), itertools.count(1)

    def dying(*args, **kwargs):
        now = next(calls) == number
        if not (now and not after):
            result = function(*args, **kwargs)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, name, dying)


def die_at_every_moment(folder: str) -> None:
    """Run the training once or twice for each moment, in a child that is killed there."""
    for moment, kills in KILLS.items():
        for kill in kills:
            child = os.fork()
            if not child:
                die_at_call(*kill)
                run_image_problem(Path(folder) / moment)
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, moment


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """Folder with what the killed trainings left; each checkpoint bears its moment's name."""
    folder = tmp_path_factory.mktemp("killed")
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['die_at_every_moment'](sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, __file__, str(folder)], check=True)
    return folder


def copy_kept(killed: Path, moment: str, folder: Path) -> Path:
    """Copy what a killed training left, as resuming uses it up."""
    path = folder / "run"
    if (killed / moment).exists():
        shutil.copy(killed / moment, path)
    return path


@pytest.fixture(scope="module")
def uninterrupted() -> loop.Training:
    return run_image_problem()


def assert_same_training(first: loop.Training, second: loop.Training) -> None:
    assert torch.equal(first.logits, second.logits)
    assert torch.equal(first.losses, second.losses)
    assert_same_weights(first.model, second.model)


def assert_same_weights(first: torch.nn.Module, second: torch.nn.Module) -> None:
    weights, others = first.state_dict(), second.state_dict()
    assert weights.keys() == others.keys()
    for name, tensor in weights.items():
        assert torch.equal(tensor, others[name]), name


@pytest.mark.parametrize("moment", KILLS)
def test_a_killed_run_ends_as_if_it_had_not_been(moment, killed, uninterrupted, tmp_path):
    path = copy_kept(killed, moment, tmp_path)
    assert path.exists() == (moment != "before the first step")
    resumed = run_image_problem(path)
    assert_same_training(resumed, uninterrupted)
    # The caller removes the file once the result is safe; until then nothing is trained again.
    assert_same_training(run_image_problem(path), uninterrupted)


@pytest.mark.parametrize(
    ("moment", "left"), [("in the second epoch", 2), ("twice", 1), ("after the last epoch", 1)]
)
def test_a_resumed_run_does_only_what_is_left(moment, left, killed, tmp_path, monkeypatch):
    path = copy_kept(killed, moment, tmp_path)
    epochs = []
    train_epoch = loop._train_epoch

    def counting(*arguments):
        epochs.append(arguments[-1])
        return train_epoch(*arguments)

    monkeypatch.setattr(loop, "_train_epoch", counting)
    run_image_problem(path)
    assert epochs == list(range(EPOCHS))[-left:]


def test_equal_seeds_give_equal_weights(features, config):
    """The caller's random numbers are left alone."""
    inputs, targets = features
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = train(inputs, targets, config, inputs)
    assert torch.equal(torch.rand(3), expected)
    assert_same_training(first, train(inputs, targets, config, inputs))
    other = train(inputs, targets, replace(config, seed=1), inputs)
    assert not torch.equal(first.logits, other.logits)


def test_it_equals_a_bare_loop(features):
    """One batch for each epoch: torch's own loss, AdamW and a cosine written out."""
    inputs, targets = features
    config = TrainingConfig(epochs=5, batch_size=40, head_learning_rate=0.05, warmup_fraction=0.4)
    untrained = train(inputs, targets, replace(config, head_learning_rate=0.0)).model.head
    head = torch.nn.Linear(6, 3)
    head.load_state_dict(untrained.state_dict())
    optimizer = torch.optim.AdamW(head.parameters(), weight_decay=config.weight_decay)
    losses = []
    for factor in (0.5, 1.0, 1.0, 0.75, 0.25):
        optimizer.param_groups[0]["lr"] = 0.05 * factor
        loss = binary_cross_entropy_with_logits(head(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    training = train(inputs, targets, config)
    torch.testing.assert_close(training.losses, torch.stack(losses))
    torch.testing.assert_close(training.model.head.weight, head.weight)
    torch.testing.assert_close(training.model.head.bias, head.bias)


def test_every_input_is_taken_once_in_each_epoch(features, config, monkeypatch):
    inputs, targets = features
    taken = []

    def picking(inputs, rows, config, first):
        taken.append((first, rows))
        return inputs[rows]

    monkeypatch.setattr(loop, "pick_batch", picking)
    train(inputs, targets, replace(config, batch_size=12))
    orders = torch.cat([rows for _, rows in taken]).split(40)
    assert [first for first, _ in taken] == [40 * e + 12 * b for e in range(3) for b in range(4)]
    assert len(taken) == 3 * 4
    for order in orders:
        assert torch.equal(order.sort().values, torch.arange(40))
    assert not torch.equal(orders[0], orders[1])


def test_watched_inputs_decide_nothing(features, config):
    inputs, targets = features
    unwatched = train(inputs, targets, config)
    watched = train(inputs, targets, config, torch.full((3, 6), 1e3))
    assert_same_weights(unwatched.model, watched.model)
    assert torch.equal(unwatched.losses, watched.losses)
    assert unwatched.logits.shape == (3, 0, 3) and watched.logits.shape == (3, 3, 3)


def test_predictions_are_the_final_models_whatever_the_batches(features, config, monkeypatch):
    inputs, targets = features
    training = train(inputs, targets, config, inputs)
    whole = predict_logits(training.model, inputs)
    assert torch.equal(training.logits[-1], whole)
    monkeypatch.setattr(loop, "_PREDICTION_BATCH", 7)
    torch.testing.assert_close(predict_logits(training.model, inputs), whole)
    assert predict_logits(training.model, inputs[:0]).shape == (0, 3)


def test_a_schedule_belongs_to_the_length_of_the_run(features, config):
    """Three epochs are no part of six: already the first one ends elsewhere."""
    inputs, targets = features
    short = train(inputs, targets, config, inputs)
    long = train(inputs, targets, replace(config, epochs=6), inputs)
    assert short.logits.shape == (3, 40, 3) and long.losses.shape == (6,)
    assert not torch.equal(short.logits[0], long.logits[0])
    assert not torch.allclose(short.logits[2], long.logits[2], atol=1e-3)


def test_missing_labels_teach_nothing(features, config):
    """Whole rows of them, or some of a target, which is taught by its own labels."""
    inputs, targets = features
    config = replace(config, batch_size=40)
    without = train(inputs[:30], targets[:30], config)
    blank = torch.arange(40)[:, None] >= 30
    masked = train(inputs, targets.where(~blank, torch.nan), config)
    torch.testing.assert_close(masked.model.head.weight, without.model.head.weight)
    assert torch.isfinite(masked.losses).all()
    config = replace(config, batch_size=8, epochs=40)
    targets[20:, 0] = torch.nan
    targets[:20, 1] = torch.nan
    logits = predict_logits(train(inputs, targets, config).model, inputs)
    known = ~torch.isnan(targets)
    right = (logits > 0) == (targets > 0.5)
    assert all(right[known[:, column], column].float().mean() > 0.7 for column in range(3))


def test_label_smoothing_moves_the_targets(features, config):
    """Smoothing by 0.2 is training on 0.1 and 0.9; half of these targets are positive."""
    inputs, targets = features
    smoothed = train(inputs, targets, replace(config, label_smoothing=0.2), inputs)
    moved = train(inputs, 0.8 * targets + 0.1, config, inputs)
    torch.testing.assert_close(smoothed.logits, moved.logits)
    plain = train(inputs, targets, config, inputs)
    assert (plain.logits[-1].abs().mean() > smoothed.logits[-1].abs().mean()).item()


@pytest.mark.parametrize(
    ("trainable", "share"), [("head", 0.0), ("last third", 1 / 3), ("all", 1.0)]
)
def test_frozen_tensors_stay_to_the_bit(trainable, share):
    """The head alone leaves the backbone, the last third the rest; all moves every kernel."""
    images, targets, config = image_problem()
    config = replace(config, trainable=trainable, epochs=1)
    still = replace(config, learning_rate=0.0, head_learning_rate=0.0)
    before, after = (train(images, targets, each).model for each in (still, config))
    tensors = list(zip(before.backbone.parameters(), after.backbone.parameters(), strict=True))
    first = len(tensors) - int(share * len(tensors))
    assert all(torch.equal(old, new) for old, new in tensors[:first])
    kernels = [pair for pair in tensors[first:] if pair[0].ndim == 4]
    # Batch normalisation, folded into these biases, stays as it was.
    assert all(torch.equal(old, new) for old, new in tensors if old.ndim == 1)
    assert not any(torch.equal(old, new) for old, new in kernels)
    assert not torch.equal(before.head.weight, after.head.weight)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda inputs, targets: (inputs[:-1], targets), "39 inputs and 40 rows"),
        (lambda inputs, targets: (inputs[:0], targets[:0]), "0 inputs and 0 rows"),
        (
            lambda inputs, targets: (inputs, torch.where(torch.arange(3) == 1, torch.nan, targets)),
            "target 1 has no label at all",
        ),
    ],
)
def test_data_that_do_not_fit_are_refused(spoil, message, features, config):
    with pytest.raises(ValueError, match=message):
        train(*spoil(*features), config)


def test_an_augmented_run_sees_other_views_in_every_epoch(features):
    images, targets, config = image_problem()
    augmented = replace(config, augmented=True, epochs=1)
    first, second, plain = (
        train(images, targets, each, images[:5]).logits
        for each in (augmented, augmented, replace(augmented, augmented=False))
    )
    assert torch.equal(first, second) and not torch.allclose(first, plain)
    rows = torch.arange(4)
    views = [loop.pick_batch(images, rows, augmented, first=n) for n in (0, 0, N_IMAGES)]
    assert torch.equal(views[0], views[1]) and not torch.allclose(views[0], views[2])
    assert views[0].shape == (4, 32, 32) and views[0].min() >= 0 and views[0].max() <= 255.001
    moved = (views[0] - images[rows].float()).abs().mean()
    assert 1 < moved < 100
    assert torch.equal(loop.pick_batch(features[0], rows, augmented, 0), features[0][rows])
