"""The state of an unfinished run: everything comes back, and a file is whole or absent."""

import copy
import os

import pytest
import torch
from torch import nn

from cxrstudy.vision.training.checkpoint import Checkpoint, CheckpointError, Progress
from cxrstudy.vision.training.config import TrainingConfig

PROGRESS = Progress([torch.tensor(0.7), torch.tensor(0.5)], [torch.ones(2, 3), torch.zeros(2, 3)])
DATA = torch.ones(3, 4), torch.eye(3), torch.zeros(0, 4)


def file_at(path, **changes) -> Checkpoint:
    return Checkpoint(path, TrainingConfig(**changes), *DATA)


def build(seed: int = 0, dtype: torch.dtype = torch.float32):
    """A convolution in channels-last order and a frozen layer, with AdamW on what learns."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    model = model.to(memory_format=torch.channels_last, dtype=dtype)
    model[2].bias.requires_grad_(False)
    learning = [tensor for tensor in model.parameters() if tensor.requires_grad]
    return model, torch.optim.AdamW(learning, lr=0.1)


def step(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    inputs = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    model(inputs.to(memory_format=torch.channels_last)).square().sum().backward()
    optimizer.step()


@pytest.fixture
def trained():
    model, optimizer = build()
    for seed in range(3):
        step(model, optimizer, seed)
    return model, optimizer


def test_model_optimizer_and_progress_come_back(trained, tmp_path):
    """Weights, both moments, the number of steps, and what was predicted; bit for bit."""
    model, optimizer = trained
    path = tmp_path / "run.checkpoint"
    file_at(path).save(PROGRESS, model, optimizer)
    other, its_optimizer = build(seed=1)
    progress = file_at(path).load(other, its_optimizer)
    for ours, theirs in ((PROGRESS.losses, progress.losses), (PROGRESS.logits, progress.logits)):
        assert len(ours) == len(theirs) == 2
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    states = [each.state_dict()["state"] for each in (optimizer, its_optimizer)]
    assert states[0].keys() == states[1].keys() == {0, 1, 2}
    for number, moments in states[0].items():
        assert set(moments) == {"step", "exp_avg", "exp_avg_sq"}
        for name, tensor in moments.items():
            assert torch.equal(tensor, states[1][number][name]), (number, name)
    # Convolutions lie channels last; a fused optimiser reads moments in the same order.
    kernel = other[0].weight
    assert not kernel.is_contiguous()
    for name in ("exp_avg", "exp_avg_sq"):
        assert its_optimizer.state[kernel][name].stride() == kernel.stride()


def test_nothing_kept_changes_nothing(trained, tmp_path):
    model, optimizer = trained
    before = copy.deepcopy(model.state_dict())
    assert file_at(tmp_path / "none").load(model, optimizer).losses == []
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_file_that_would_run_code_is_refused(trained, tmp_path):
    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    path = tmp_path / "run.checkpoint"
    torch.save({"run": Harmful()}, path)
    with pytest.raises(CheckpointError, match=r"run\.checkpoint: damaged"):
        file_at(path).load(*trained)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("content", [b"", b"half of a file", None])
def test_a_damaged_file_is_named(content, trained, tmp_path):
    path = tmp_path / "run.checkpoint"
    file_at(path).save(PROGRESS, *trained)
    path.write_bytes(path.read_bytes()[:-10] if content is None else content)
    with pytest.raises(CheckpointError, match=r"run\.checkpoint: damaged .* Delete it"):
        file_at(path).load(*trained)


def test_a_file_of_another_run_is_refused(trained, tmp_path):
    path = tmp_path / "run.checkpoint"
    file_at(path).save(PROGRESS, *trained)
    inputs, targets, watched = DATA
    for other in (
        file_at(path, seed=1),
        file_at(path, epochs=9),
        Checkpoint(path, TrainingConfig(), 2 * inputs, targets, watched),
        Checkpoint(path, TrainingConfig(), inputs, 1 - targets, watched),
        Checkpoint(path, TrainingConfig(), inputs, targets, inputs),
    ):
        with pytest.raises(CheckpointError, match="belongs to a training with another"):
            other.load(*trained)
