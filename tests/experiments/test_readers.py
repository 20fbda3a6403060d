"""Readers against the majority of the others: scikit-learn on the same resamples."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

from cxrstudy.agreement import Resampling
from cxrstudy.experiments.readers import READER, compare_with_peers, majority


def _reader(*answers):
    return pd.DataFrame({"Edema": answers}, dtype=float)


def test_a_panel_that_could_tie_is_refused():
    with pytest.raises(ValueError, match="2 readers can tie"):
        majority({"a": _reader(1), "b": _reader(0)})


def test_readers_must_answer_every_study():
    with pytest.raises(ValueError, match="'b' must answer"):
        majority({"a": _reader(1), "b": _reader(np.nan), "c": _reader(1)})
    with pytest.raises(ValueError, match="'b' has other studies"):
        majority({"a": _reader(1), "b": _reader(1, 0), "c": _reader(1)})


def test_each_reader_meets_the_majority_of_the_others(panel):
    """Values, means and their replicates are scikit-learn's against leave-one-out majorities."""
    readers, others = panel
    found = compare_with_peers(readers, others, resampling=Resampling(5, 2))
    weights = Resampling(5, 2).drawn(150)
    for metric, score in (("f1", f1_score), ("kappa", cohen_kappa_score)):
        own, labeler, drawn = [], [], []
        for name, table in readers.items():
            peers = [t["Edema"] for n, t in readers.items() if n != name]
            truth = (sum(peers) >= 2).astype(int)
            own.append(score(truth, table["Edema"]))
            labeler.append(score(truth, others["labeler"]["Edema"]))
            drawn.append([score(truth, table["Edema"], sample_weight=w) for w in weights])
            assert found.estimate(name, "Edema", metric).value == pytest.approx(own[-1])
        mean = found.estimate(READER, "Edema", metric)
        assert mean.value == pytest.approx(np.mean(own))
        np.testing.assert_allclose(mean.replicates, np.mean(drawn, axis=0))
        difference = found.estimate(f"{READER} - labeler", "Edema", metric)
        assert difference.value == pytest.approx(np.mean(own) - np.mean(labeler))


def test_rare_observations_are_flagged_and_leave_the_averages(panel):
    """Four positives are too few: counts are shown and the average runs over the other two."""
    found = compare_with_peers(*panel, resampling=Resampling(3))
    table = found.table().query("metric == 'f1'").set_index(["method", "observation"])
    assert table.loc[(READER, "Fracture"), "too_few"]
    assert table.loc[(f"{READER} - labeler", "Fracture"), "too_few"]
    two = [table.loc[(READER, name), "estimate"] for name in ("Edema", "Atelectasis")]
    assert table.loc[(READER, "Average"), "estimate"] == pytest.approx(np.mean(two))
