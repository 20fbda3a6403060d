"""Differences that decide claims: what is recorded, and what only shown."""

from dataclasses import replace

import numpy as np
import pytest

from cxrstudy import claims
from cxrstudy.agreement import Resampling
from cxrstudy.claims import read_measurements
from cxrstudy.experiments.contrasts import Contrast, record_contrasts
from cxrstudy.experiments.opacity_scores import opacity_scores

CLAIM = "nlp_expert_gap.short_training"


@pytest.fixture(scope="module")
def scores(draw_image_set):
    images = draw_image_set(300)
    rng = np.random.default_rng(1)
    brightness = images.pixels.mean((1, 2)) / 60
    view = images.images["view"].eq("AP").to_numpy()
    predictions = {
        "blurred image": brightness + rng.normal(0, 3, len(images)),
        "view and hardly the image": 9 * view + 0.3 * brightness + rng.normal(0, 1, len(images)),
        "image": brightness + rng.normal(0, 1, len(images)),
        "noise": rng.normal(0, 1, len(images)),
    }
    return opacity_scores(images, predictions, resampling=Resampling(200))


@pytest.fixture
def contrast(scores) -> Contrast:
    terms = ((1, "image", "expert"), (-1, "noise", "expert"))
    return Contrast(CLAIM, "image minus noise", scores, terms, "drawn images", seeds=1)


def test_what_decides_is_recorded_with_the_pooled_difference(contrast, scores, tmp_path):
    table = record_contrasts(claims.record, str(tmp_path), [contrast])
    (measured,) = read_measurements(tmp_path)
    expected = scores.difference("image", "noise")
    assert measured.estimates[CLAIM].value == pytest.approx(expected.value)
    assert (measured.claim, measured.n) == (CLAIM, expected.n)
    assert measured.estimates[CLAIM].method == "bca"
    pooled = scores.difference("image", "noise", place="pooled").value
    assert f"{pooled:+.3f}" in measured.detail and measured.conditional
    assert table["place"].tolist() == ["Average", "pooled"]
    assert table["estimate"].tolist() == pytest.approx([expected.value, pooled])


def test_what_is_not_the_claims_is_shown_and_left_alone(contrast, tmp_path):
    table = record_contrasts(claims.record, str(tmp_path), [replace(contrast, decides=False)])
    assert len(table) == 2 and not read_measurements(tmp_path)


def test_a_sign_that_turns_with_the_view_is_policy_dependent(contrast, scores):
    """Knowing the view pays when views are pooled, and hardly within them."""
    assert not contrast.is_policy_dependent()
    terms = ((1, "blurred image", "expert"), (-1, "view and hardly the image", "expert"))
    within, pooled = (scores.combine(*terms, place=place).row() for place in ("Average", "pooled"))
    assert within["estimate"] > 0 > pooled["high"]
    assert replace(contrast, terms=terms).is_policy_dependent()
