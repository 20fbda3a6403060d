"""The state of an unfinished run: everything comes back, and a file is whole or absent."""

import copy

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from cxrstudy.vision.training import checkpoint
from cxrstudy.vision.training.checkpoint import Progress, load_checkpoint, save_checkpoint

PROGRESS = Progress(2, torch.tensor([0.7, 0.5]), torch.arange(12.0).view(2, 2, 3))


def build(seed: int = 0, dtype: torch.dtype = torch.float32):
    """A convolution in channels-last order and a frozen layer, with AdamW on what learns."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    model = model.to(memory_format=torch.channels_last, dtype=dtype)
    model[2].bias.requires_grad_(False)
    learning = [tensor for tensor in model.parameters() if tensor.requires_grad]
    return model, torch.optim.AdamW(learning, lr=0.1)


def step(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    """Take one step on an input of its own."""
    inputs = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    model(inputs.to(memory_format=torch.channels_last)).square().sum().backward()
    optimizer.step()


@pytest.fixture
def trained():
    """A model and its optimizer after three steps."""
    model, optimizer = build()
    for seed in range(3):
        step(model, optimizer, seed)
    return model, optimizer


def test_model_optimizer_and_progress_come_back(trained, tmp_path):
    """Weights, both moments, the number of steps, and what was predicted; bit for bit."""
    model, optimizer = trained
    path = tmp_path / "run.checkpoint"
    save_checkpoint(path, PROGRESS, model, optimizer)
    other, its_optimizer = build(seed=1)
    progress = load_checkpoint(path, other, its_optimizer)
    assert progress.epochs == 2
    assert torch.equal(progress.losses, PROGRESS.losses)
    assert torch.equal(progress.logits, PROGRESS.logits)
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    states = [each.state_dict()["state"] for each in (optimizer, its_optimizer)]
    assert states[0].keys() == states[1].keys() == {0, 1, 2}
    for number, moments in states[0].items():
        assert set(moments) == {"step", "exp_avg", "exp_avg_sq"}
        for name, tensor in moments.items():
            assert torch.equal(tensor, states[1][number][name]), (number, name)


def test_the_next_steps_are_the_same(trained, tmp_path):
    """Memory order does not come back with the moments, and must make no difference."""
    path = tmp_path / "run.checkpoint"
    save_checkpoint(path, PROGRESS, *trained)
    resumed = build(seed=1)
    load_checkpoint(path, *resumed)
    for seed in range(3, 8):
        step(*trained, seed)
        step(*resumed, seed)
    for ours, theirs in zip(trained[0].parameters(), resumed[0].parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_nothing_kept_changes_nothing(trained, tmp_path):
    """Without a file the run starts where it is."""
    model, optimizer = trained
    before = copy.deepcopy(model.state_dict())
    assert load_checkpoint(tmp_path / "none", model, optimizer) is None
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_every_value_is_a_tensor_in_one_safe_file(trained, tmp_path):
    """Another reader of the format finds the same names; nothing is pickled."""
    path = tmp_path / "run.checkpoint"
    save_checkpoint(path, PROGRESS, *trained)
    kept = load_file(path)
    assert {name.partition(".")[0] for name in kept} == {"progress", "model", "optimizer"}
    assert torch.equal(kept["model.0.weight"], trained[0][0].weight)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_previous_checkpoint(trained, tmp_path, monkeypatch):
    """A full disk half-way costs one epoch; no temporary file stays."""
    path = tmp_path / "run.checkpoint"
    save_checkpoint(path, PROGRESS, *trained)
    before = path.read_bytes()

    def full_disk(tensors, file, metadata):
        file.write_bytes(before[:100])
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full_disk)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(path, PROGRESS, *trained)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
