"""Study 02b: hand-made votes, statsmodels on the same resamples, and Figure 3."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss_kappa

from cxrstudy.agreement import Resampling
from cxrstudy.published import compare_cells, published_table
from cxrstudy.studies import reader_panel as study


def test_fleiss_kappa_of_perfect_and_opposed_readers():
    """Full agreement is 1; two readers who always differ reach -1; a constant panel has none."""
    votes = np.array([[2, 1, 2], [0, 1, 2]])
    perfect, opposed, constant = study.fleiss_kappa(votes, 2, np.ones((1, 2)))[0]
    assert (perfect, opposed) == (1.0, -1.0) and np.isnan(constant)


def test_fleiss_kappa_equals_statsmodels_on_the_same_resamples(panel):
    """Value, replicates and leave-one-out values are statsmodels' on the repeated rows."""
    votes = sum(table["Edema"] for table in panel[0].values()).to_numpy()
    weights = np.vstack([np.ones((1, 150)), Resampling(6, 3).drawn(150), 1 - np.eye(150)[:4]])
    found = study.fleiss_kappa(votes[:, None], 4, weights)[:, 0]
    counts = np.column_stack([4 - votes, votes])
    expected = [statsmodels_fleiss_kappa(np.repeat(counts, w.astype(int), axis=0)) for w in weights]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_fleiss_table_leaves_rare_observations_out_of_its_average(panel):
    """The average is that of the two frequent observations, inside its interval."""
    table = study.fleiss_kappas(panel[0], Resampling(1500)).set_index("observation")
    assert table["too_few"].to_dict() == {
        "Edema": False, "Atelectasis": False, "Fracture": True, "Average": False,
    }  # fmt: skip
    mean = table.loc[["Edema", "Atelectasis"], "estimate"].mean()
    assert table.loc["Average", "estimate"] == pytest.approx(mean)
    assert ((table["low"] <= table["estimate"]) & (table["estimate"] <= table["high"])).all()


def test_an_operating_point_is_two_rates_of_a_two_by_two_table():
    """One false alarm of four negatives, two hits of three positives."""
    truth = pd.DataFrame({"Edema": [1.0, 1, 1, 0, 0, 0, 0]})
    labels = pd.DataFrame({"Edema": [1.0, 1, 0, 1, 0, 0, 0]})
    points = study.operating_points(truth, {"a": labels}, Resampling(200))
    rates = points.set_index("rate")
    assert rates["estimate"].to_dict() == pytest.approx({"fpr": 1 / 4, "tpr": 2 / 3})
    assert ((points["low"] <= points["estimate"]) & (points["estimate"] <= points["high"])).all()


def test_figure_3_is_met_except_for_the_labelers_cardiomegaly(chexpert):
    """All 40 reader coordinates agree; of the labeler's 20 only Cardiomegaly's four differ."""
    points = study.operating_points(chexpert.truth, study.figure3_sources(chexpert), Resampling(2))
    published = published_table("chexpert", "reader_points")
    cells = compare_cells(study.points_as_printed(points), published)
    cells = cells.rename(columns={"row": "point", "column": "observation"})
    wrong = cells[~cells["agrees"]]
    assert len(wrong) == 4 and set(wrong["observation"]) == {"Cardiomegaly"}
    measured = study.figure3_measurements(cells)
    counted = {claim: (m["matching"], m["cells"]) for claim, m in measured.items()}
    assert counted == {"chexpert.reader_points": (40, 40), "chexpert.labeler_points": (16, 20)}
    assert measured["chexpert.labeler_points"]["detail"] == "Exceptions: Cardiomegaly."
