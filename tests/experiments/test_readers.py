"""Reader panels: hand-made votes, statsmodels and scikit-learn on the same resamples, Figure 3."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss_kappa

from cxrstudy.agreement import Resampling, resample_weights
from cxrstudy.data import chexpert_test
from cxrstudy.experiments.readers import (
    READER,
    compare_with_peers,
    fleiss_kappa,
    fleiss_kappas,
    majority,
    operating_points,
    points_as_printed,
)
from cxrstudy.observations import COMPETITION_OBSERVATIONS, apply_uncertainty_policy
from cxrstudy.published import compare_cells, published_table


def _reader(*answers):
    return pd.DataFrame({"Edema": answers}, dtype=float)


@pytest.fixture(scope="module")
def panel():
    """Simulate four readers of 150 images and a labeler, with one rare observation."""
    rng = np.random.default_rng(4)
    truth = pd.DataFrame(
        {"Edema": rng.random(150) < 0.4, "Fracture": np.arange(150) < 4, "Atelectasis": True}
    )
    truth["Atelectasis"] = rng.random(150) < 0.3

    def read(error):
        return (truth ^ (rng.random(truth.shape) < error)).astype(float)

    readers = {f"r{i}": read(error) for i, error in enumerate((0.05, 0.1, 0.15, 0.2))}
    for table in readers.values():
        table["Fracture"] = truth["Fracture"].astype(float)
    return readers, {"labeler": read(0.3)}


def test_a_majority_is_what_most_readers_say():
    """Two of three decide, study by study."""
    readers = {"a": _reader(1, 1, 0), "b": _reader(1, 0, 0), "c": _reader(0, 1, 0)}
    assert majority(readers)["Edema"].tolist() == [1.0, 1.0, 0.0]


def test_a_panel_that_could_tie_is_refused():
    """An even number of readers has no majority rule here."""
    with pytest.raises(ValueError, match="2 readers can tie"):
        majority({"a": _reader(1), "b": _reader(0)})


def test_readers_must_answer_every_study():
    """A blank or an unlike table is named."""
    with pytest.raises(ValueError, match="'b' must answer"):
        majority({"a": _reader(1), "b": _reader(np.nan), "c": _reader(1)})
    with pytest.raises(ValueError, match="'b' has other studies"):
        majority({"a": _reader(1), "b": _reader(1, 0), "c": _reader(1)})


def test_each_reader_meets_the_majority_of_the_others(panel):
    """Values, means and their replicates are scikit-learn's against leave-one-out majorities."""
    readers, others = panel
    found = compare_with_peers(readers, others, resampling=Resampling(5, 2))
    weights = resample_weights(150, 5, 2)
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


def test_fleiss_kappa_of_perfect_and_opposed_readers():
    """Full agreement is 1; two readers who always differ reach -1; a constant panel has none."""
    votes = np.array([[2, 1, 2], [0, 1, 2]])
    perfect, opposed, constant = fleiss_kappa(votes, 2, np.ones((1, 2)))[0]
    assert (perfect, opposed) == (1.0, -1.0) and np.isnan(constant)


def test_fleiss_kappa_equals_statsmodels_on_the_same_resamples(panel):
    """Value, replicates and leave-one-out values are statsmodels' on the repeated rows."""
    votes = sum(table["Edema"] for table in panel[0].values()).to_numpy()
    weights = np.vstack([np.ones((1, 150)), resample_weights(150, 6, 3), 1 - np.eye(150)[:4]])
    found = fleiss_kappa(votes[:, None], 4, weights)[:, 0]
    counts = np.column_stack([4 - votes, votes])
    expected = [statsmodels_fleiss_kappa(np.repeat(counts, w.astype(int), axis=0)) for w in weights]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_fleiss_table_leaves_rare_observations_out_of_its_average(panel):
    """The average is that of the two frequent observations, inside its interval."""
    table = fleiss_kappas(panel[0], resampling=Resampling(1500)).set_index("observation")
    assert table["too_few"].to_dict() == {
        "Edema": False, "Fracture": True, "Atelectasis": False, "Average": False,
    }  # fmt: skip
    mean = table.loc[["Edema", "Atelectasis"], "estimate"].mean()
    assert table.loc["Average", "estimate"] == pytest.approx(mean)
    assert ((table["low"] <= table["estimate"]) & (table["estimate"] <= table["high"])).all()


def test_an_operating_point_is_two_rates_of_a_two_by_two_table():
    """One false alarm of four negatives, two hits of three positives."""
    truth, labels = _reader(1, 1, 1, 0, 0, 0, 0), _reader(1, 1, 0, 1, 0, 0, 0)
    points = operating_points(truth, {"a": labels}, resampling=Resampling(200))
    assert points_as_printed(points)["Edema"].to_dict() == pytest.approx(
        {"a fpr": 1 / 4, "a tpr": 2 / 3}
    )
    assert (points["low"] <= points["estimate"]).all()
    assert (points["estimate"] <= points["high"]).all()


def test_figure_3_is_met_except_for_the_labelers_cardiomegaly(chexpert):
    """All 40 reader coordinates agree; of the labeler's 20 only Cardiomegaly's four differ."""
    five = list(COMPETITION_OBSERVATIONS)
    benchmark = {
        f"rad{i}": chexpert.readers[name]
        for i, name in enumerate(chexpert_test.BENCHMARK_READERS, start=1)
    }
    sources = {**benchmark, "majority": majority(benchmark)}
    for policy in ("pessimistic", "optimistic"):
        sources[f"labeler_{policy}"] = apply_uncertainty_policy(
            chexpert.labeler, policy, chexpert.truth
        )
    points = operating_points(
        chexpert.truth[five],
        {name: table[five] for name, table in sources.items()},
        resampling=Resampling(2),
    )
    cells = compare_cells(points_as_printed(points), published_table("chexpert", "reader_points"))
    assert len(cells) == 60
    wrong = cells[~cells["agrees"]]
    assert len(wrong) == 4 and set(wrong["column"]) == {"Cardiomegaly"}
    assert wrong["row"].str.startswith("labeler").all()


def test_the_truth_is_the_majority_of_its_five_readers(chexpert):
    """The released ground truth follows from the released readers."""
    five = {name: chexpert.readers[name] for name in chexpert_test.TRUTH_READERS}
    pd.testing.assert_frame_equal(majority(five), chexpert.truth, check_dtype=False)
