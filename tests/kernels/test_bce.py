"""The masked loss where no kernel runs: by hand, against torch, bad input."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from cxrstudy.kernels.bce import masked_bce
from cxrstudy.kernels.dispatch import REFERENCE, watch_paths
from cxrstudy.kernels.one_pass import log1p
from cxrstudy.observations import apply_uncertainty_policy

# Triton keeps the Python function beside its kernel.
LOG1P = getattr(log1p, "fn", log1p)


def test_the_logarithm_is_as_exact_as_float32():
    """Relative to the exact value, so that it also holds where the logarithm vanishes."""
    decay = np.concatenate([np.geomspace(1e-30, 1e-3, 1000), np.linspace(1e-3, 1, 1_000_001)])
    assert np.abs(LOG1P(decay) / np.log1p(decay) - 1).max() < 3.2e-8
    rounded = decay.astype(np.float32)
    found = LOG1P(rounded)
    assert found.dtype == np.float32
    assert np.abs(found / np.log1p(rounded.astype(np.float64)) - 1).max() < 2.5e-7


def test_by_hand():
    """Logit ln 3, so probability 3/4: positive of weight 2, negative, uncertain, left out."""
    logits = torch.full((4, 1), math.log(3), dtype=torch.float64)
    labels = torch.tensor([[1.0], [0.0], [-1.0], [math.nan]], dtype=torch.float64)
    weight = torch.tensor([2.0], dtype=torch.float64)
    positive, negative = math.log(4 / 3), math.log(4)
    expected = {
        "zeros": (2 * positive + 2 * negative) / 3,
        "ones": (4 * positive + negative) / 3,
        "ignore": (2 * positive + negative) / 2,
    }
    for policy, value in expected.items():
        assert masked_bce(logits, labels, weight, policy).item() == pytest.approx(value, abs=1e-12)
    # A positive smoothed by 0.2 is 0.9 positive and 0.1 negative.
    loss = masked_bce(logits, torch.ones_like(logits), smoothing=0.2)
    assert loss.item() == pytest.approx(0.9 * positive + 0.1 * negative, abs=1e-12)


def test_complete_labels_give_torchs_own_loss():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 14, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 2, (50, 14), generator=generator)
    weights = torch.rand(14, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(
        masked_bce(logits, labels, weights),
        functional.binary_cross_entropy_with_logits(logits, labels.double(), pos_weight=weights),
    )


@pytest.mark.parametrize("policy", ["zeros", "ones", "ignore"])
def test_policies_are_those_of_the_label_tables(policy):
    """Raw codes under a policy cost what the table after `apply_uncertainty_policy` costs."""
    generator = np.random.default_rng(0)
    codes = pd.DataFrame(generator.integers(-1, 2, (40, 14)).astype(float))
    logits = torch.from_numpy(generator.normal(size=codes.shape))
    table = torch.from_numpy(apply_uncertainty_policy(codes, policy).to_numpy(copy=True))
    raw = torch.from_numpy(codes.to_numpy(copy=True))
    torch.testing.assert_close(masked_bce(logits, raw, policy=policy), masked_bce(logits, table))


def test_integer_and_float_labels_agree():
    logits = torch.randn(30, 14, generator=torch.Generator().manual_seed(1))
    codes = torch.randint(-2, 2, logits.shape, generator=torch.Generator().manual_seed(2))
    missing = torch.where(codes == -2, math.nan, codes.double())
    for policy in ("zeros", "ones", "ignore"):
        torch.testing.assert_close(
            masked_bce(logits, codes.to(torch.int8), policy=policy),
            masked_bce(logits, missing, policy=policy),
        )


def test_gradient_is_the_numerical_one():
    logits = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    codes = torch.randint(-2, 2, logits.shape, generator=torch.Generator().manual_seed(3))
    weights = torch.rand(5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: masked_bce(x, codes, weights, "ones", 0.1), (logits,))


def test_without_a_gpu_the_reference_runs():
    with watch_paths() as paths:
        masked_bce(torch.zeros(2, 14), torch.zeros(2, 14))
    assert paths == [("bce", REFERENCE)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": torch.zeros(3, 14)}, r"labels have shape \(3, 14\), logits \(2, 14\)"),
        ({"policy": "optimistic"}, "policy 'optimistic' gives no target"),
        ({"smoothing": 1.5}, "smoothing must lie between 0 and 1"),
        ({"positive_weights": torch.ones(2)}, "one weight for each of 14 observations"),
    ],
)
def test_bad_input_is_named(arguments, message):
    good = {"logits": torch.zeros(2, 14), "labels": torch.zeros(2, 14)}
    with pytest.raises(ValueError, match=message):
        masked_bce(**{**good, **arguments})
