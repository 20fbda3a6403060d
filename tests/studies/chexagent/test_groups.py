"""Findings by sex and age and at a second site, against counts by hand and scikit-learn."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from cxrstudy.agreement import Resampling
from cxrstudy.data.images.sites import JUDGED, load_kermany
from cxrstudy.experiments.image_labels import LUNG_OPACITY
from cxrstudy.experiments.subgroups import agree_by_subgroup
from cxrstudy.multimodal.items import Item
from cxrstudy.studies.chexagent.arms import FULL
from cxrstudy.studies.chexagent.cohort import POPULATION, SECOND_SITE
from cxrstudy.studies.chexagent.groups import (
    LEVELS,
    WITHIN,
    fewest_positives,
    gap,
    gaps_table,
    groups_table,
    margins,
    population_scores,
    second_site_table,
    training_shares,
)
from cxrstudy.trainings.job import Kept

FEW = Resampling(20)
FINDINGS = ("Effusion", "Cardiomegaly", LUNG_OPACITY)


def preferring(yes, asked: str) -> Kept:
    """Keep log-likelihoods whose margin for yes is as given."""
    yes = np.asarray(yes, np.float32)
    likelihoods = np.stack([yes - 7, np.full_like(yes, -7)], axis=1)
    return Kept(Path(), {f"likelihood.{FULL}.{asked}": likelihoods}, {})


def opacity(name: str, answer: str, options=("yes", "no")) -> Item:
    return Item("x", "Does the image show it?", answer, options, (name,), group=name)


def test_margins_are_log_odds_of_yes():
    items = [opacity("a", "yes"), opacity("b", "no")]
    assert margins(items, preferring([1.5, -2], "x"), "x").tolist() == [1.5, -2]


def test_margins_of_other_items_are_refused():
    kept = preferring([1.5, -2], "x")
    with pytest.raises(ValueError, match="x: kept for other items"):
        margins([opacity("a", "yes")], kept, "x")
    turned = [opacity("a", "yes"), opacity("b", "no", ("no", "yes"))]
    with pytest.raises(ValueError, match="x: kept for other items"):
        margins(turned, kept, "x")
    with pytest.raises(KeyError, match=r"likelihood\.full\.y"):
        margins(turned, kept, "y")


@pytest.fixture(scope="module")
def by_hand():
    """Two men, called both of whom one has it; three women, all right; nobody's age matters.

    F1 is 2/3 for men, with one right and one false call, and 1 for women.
    """
    index = pd.Index(list("abcde"))
    truth = pd.DataFrame({"Effusion": [1.0, 0, 1, 1, 0]}, index)
    called = pd.DataFrame({"Effusion": [1.0, 1, 1, 1, 0]}, index)
    missed = pd.DataFrame({"Effusion": [0.0, 1, 1, 1, 0]}, index)
    groups = pd.DataFrame({"sex": ["men"] * 2 + ["women"] * 3, "age": "under 65"}, index)

    def agree(**predictions):
        return agree_by_subgroup(truth, predictions, groups, metrics=("f1",), resampling=FEW)

    return {"one": agree(**{"0": called}), "two": agree(**{"0": called, "1": missed})}


def test_a_gap_is_the_first_level_minus_the_second(by_hand):
    assert LEVELS["sex"] == ("men", "women")
    assert gap(by_hand["one"], "Effusion", "sex", "f1", 0).value == pytest.approx(2 / 3 - 1)
    assert fewest_positives(by_hand["one"], "Effusion", "sex") == 1
    # The second seed misses the man who has it: F1 is 0 for men.
    found = gap(by_hand["two"], "Effusion", "sex", "f1", 0)
    assert found.value == pytest.approx((-1 / 3 - 1) / 2)
    assert found.method == "percentile" and (found.n, found.positives) == (2, 1)


def test_a_gap_to_nobody_is_undefined(by_hand):
    for scores in by_hand.values():
        found = gap(scores, "Effusion", "age", "f1", 0)
        assert np.isnan([found.value, *found.interval()]).all()
        assert (found.n, found.positives) == (0, 0)
        assert fewest_positives(scores, "Effusion", "age") == 0


@pytest.fixture
def truths(cohort):
    """Labels of the held-out images, and the share of positives among all others."""
    nlp = cohort.home.labels["nlp"]
    terms = {LUNG_OPACITY: ["Pneumonia", "Consolidation", "Infiltration"]}
    labels = pd.DataFrame({f: nlp[terms.get(f, [f])].any(axis=1) for f in FINDINGS}).astype(float)
    held_out = labels.index.isin(cohort.asked_of_all)
    return labels[held_out], labels[~held_out].mean()


def test_as_many_are_called_as_training_patients_make_expect(cohort, truths, rng):
    truth, shares = truths
    pd.testing.assert_series_equal(training_shares(cohort), shares, check_names=False)
    n_images = len(truth)
    drawn = [rng.permutation(3 * n_images) for _ in range(2)]
    trainings = [preferring(each, POPULATION) for each in drawn]
    scores = population_scores(cohort, trainings, FEW)
    assert list(scores) == ["f1", "auroc"]
    images = cohort.home.images.loc[truth.index]
    members = {
        ("all", "all"): images["age"] > 0,
        ("age", "65 and older"): images["age"] >= 65,
        ("age", "under 65"): images["age"] < 65,
        ("sex", "men"): images["sex"] == "M",
        ("sex", "women"): images["sex"] == "F",
    }
    # Questions come finding by finding.
    margin = {f"{seed}": each.reshape(3, n_images) for seed, each in enumerate(drawn)}
    compared = 0
    for name, (finding, group, level) in scores["f1"].cells.items():
        of_level = members[group, level].to_numpy()
        y = truth.loc[of_level, finding]
        for seed in margin:
            own = margin[seed][FINDINGS.index(finding)]
            n_called = round(shares[finding] * n_images)
            called = np.isin(own, np.sort(own)[n_images - n_called :])
            assert called.sum() == n_called > 0
            expected = f1_score(y, called[of_level], zero_division=np.nan)
            found = scores["f1"].agreement.estimate(seed, name, "f1")
            assert found.value == pytest.approx(expected, nan_ok=True)
            assert (found.n, found.positives) == (of_level.sum(), y.sum())
            auroc = scores["auroc"].agreement.estimate(seed, name, "auroc").value
            assert auroc == pytest.approx(roc_auc_score(y, own[of_level]))
            compared += 1
    assert compared == 3 * len(members) * 2

    table = groups_table(scores, 0).set_index(["finding", "group", "quantity"])
    for (finding, group, quantity), row in table.iterrows():
        y = truth.loc[next(of for (_, level), of in members.items() if level == group), finding]
        if quantity == "prevalence":
            assert row["estimate"] == pytest.approx(y.mean())
        if quantity == "f1_always_yes":
            assert row["estimate"] == pytest.approx(f1_score(y, np.ones(len(y))))
        few = min(y.sum(), len(y) - y.sum()) < 10
        assert row["too_few"] == (few and quantity in ("f1", "auroc"))
        assert row["n"] == len(y)
    means = [
        np.mean([scores[m].agreement.estimate(s, "Effusion | all | all", m).value for s in margin])
        for m in scores
    ]
    assert table.loc[[("Effusion", "all", m) for m in scores], "estimate"].tolist() == means
    assert {True, False} <= set(table["too_few"]) and len(table) == 15 * 4

    gaps = gaps_table(scores, 0)
    assert gaps["gap"].unique().tolist() == ["65 and older minus under 65", "men minus women"]
    assert len(gaps) == 3 * 2 * 2
    by_level = table.xs("Effusion").swaplevel()
    for row in gaps[gaps["finding"] == "Effusion"].itertuples():
        first, second = (by_level.loc[(row.metric, each)] for each in row.gap.split(" minus "))
        assert row.estimate == pytest.approx(first["estimate"] - second["estimate"])
        assert row.too_few == (first["too_few"] or second["too_few"])
        assert row.positives == min(first["positives"], second["positives"])


def test_images_that_are_equally_likely_are_called_in_their_order(cohort, truths):
    truth, shares = truths
    undecided = preferring(np.zeros(3 * len(truth)), POPULATION)
    scores = population_scores(cohort, [undecided], FEW)
    for finding in FINDINGS:
        n_called = round(shares[finding] * len(truth))
        expected = f1_score(truth[finding], np.arange(len(truth)) < n_called)
        name = f"{finding} | all | all"
        assert scores["f1"].agreement.estimate("0", name, "f1").value == pytest.approx(expected)
        assert scores["auroc"].agreement.estimate("0", name, "auroc").value == 0.5


def test_few_images_of_young_patients_have_no_gap_by_age(cohort):
    ages = cohort.home.images["age"].clip(upper=64)
    home = replace(cohort.home, images=cohort.home.images.assign(age=ages))
    young = replace(cohort, home=home)
    kept = preferring(np.arange(len(young.population)), POPULATION)
    scores = population_scores(young, [kept], FEW)
    gaps = gaps_table(scores, 0).set_index("gap")
    by_age = gaps.loc["65 and older minus under 65"]
    assert by_age[["estimate", "low", "high"]].isna().all(axis=None) and by_age["too_few"].all()
    assert (by_age["n"] == 0).all()
    assert gaps.loc["men minus women", "estimate"].notna().all()
    assert "65 and older" not in set(groups_table(scores, 0)["group"])


def away(n_bytes, ill) -> SimpleNamespace:
    """Make a second site of files so large, with pneumonia or not, one of each patient."""
    names = [f"{number:04}.png" for number in range(len(ill))]
    images = pd.DataFrame({"patient": names, "bytes": n_bytes}, names)
    items = [opacity(name, "yes" if each else "no") for name, each in zip(names, ill, strict=True)]
    return SimpleNamespace(second_site=items, abroad=SimpleNamespace(images=images))


def by_place(table: pd.DataFrame) -> dict:
    return table.set_index(["method", "place"])["estimate"].to_dict()


def test_fewer_bytes_are_a_control_by_hand():
    # Of four pairs the ill one is smaller in three; the model is right in two, then in all.
    cohort = away([10, 20, 30, 40], [True, False, True, False])
    half, right = (preferring(each, SECOND_SITE) for each in ([1, 2, 4, 3], [3, 1, 4, 2]))
    table = second_site_table(cohort, [half, right], FEW)
    assert table[["method", "place"]].apply(tuple, axis=1).tolist() == [
        (FULL, "all"), (FULL, WITHIN), ("bytes", "all"), ("bytes", WITHIN),
    ]  # fmt: skip
    found = by_place(table)
    assert found[FULL, "all"] == (0.5 + 1) / 2 and found["bytes", "all"] == 0.75
    # No decile has ten of each.
    assert np.isnan(found[FULL, WITHIN]) and np.isnan(found["bytes", WITHIN])


def test_within_deciles_a_score_that_repeats_bytes_is_worth_nothing():
    n_bytes = np.arange(500)
    decile = n_bytes // 50
    # In each decile fewer are ill than in the one before, 38 to 11 of 50, evenly among sizes.
    ill = (n_bytes % 50 * 7) % 50 < 38 - 3 * decile
    assert [int(ill[decile == k].sum()) for k in range(10)] == list(range(38, 10, -3))
    signs = preferring(10 * ill - decile, SECOND_SITE)
    found = by_place(second_site_table(away(n_bytes, ill), [preferring(-decile, SECOND_SITE)], FEW))
    assert found[FULL, "all"] == pytest.approx(roc_auc_score(ill, -decile)) and (
        found[FULL, "all"] > 0.65
    )
    assert found[FULL, WITHIN] == 0.5  # ties throughout
    assert found["bytes", "all"] == pytest.approx(roc_auc_score(ill, -n_bytes))
    assert abs(found["bytes", WITHIN] - 0.5) < 0.05
    # What sees the illness keeps its worth.
    seen = by_place(second_site_table(away(n_bytes, ill), [signs], FEW))
    assert seen[FULL, WITHIN] == 1 and seen[FULL, "all"] > found[FULL, "all"]


def test_kermanys_children_with_pneumonia_have_the_smaller_files():
    """On the test split, which the repository holds."""
    site = load_kermany(whole=False)
    ill, n_bytes = site.labels[JUDGED][JUDGED], site.images["bytes"]
    assert n_bytes[ill == 1].median() < n_bytes[ill == 0].median()
    cohort = away(n_bytes.to_numpy(), ill.to_numpy() == 1)
    found = by_place(second_site_table(cohort, [preferring(ill - 0.5, SECOND_SITE)], FEW))
    assert found["bytes", "all"] == pytest.approx(roc_auc_score(ill, -n_bytes)) and (
        found["bytes", "all"] > 0.8
    )
    assert found["bytes", WITHIN] < 0.7 and found[FULL, "all"] == found[FULL, WITHIN] == 1
