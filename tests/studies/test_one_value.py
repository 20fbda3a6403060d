"""One quantity has one sign and one value, in all tables of all pages, recorded and built."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrstudy.claims import read_measurements
from cxrstudy.paths import in_project, recorded_folder
from cxrstudy.recorded import PROVENANCE

NUMBERS = ["estimate", "low", "high"]
SIDES = {"auroc_report": "report", "auroc_expert": "expert"}
BUILT = [in_project("_build/results")] if in_project("_build/html").is_dir() else []


def _tables(folder: Path) -> dict[Path, pd.DataFrame]:
    """Tables of estimates with their limits."""
    tables = {path: pd.read_csv(path) for path in sorted(folder.rglob("*.csv"))}
    # Of "too few" a page prints the count alone.
    shown = {
        path: table[~table["too_few"].fillna(False).astype(bool)] if "too_few" in table else table
        for path, table in tables.items()
    }
    return {path: table for path, table in shown.items() if {*NUMBERS} <= {*table}}


def _keys(table: pd.DataFrame) -> list[str]:
    """Columns that say what a row is about."""
    texts = table.drop(columns=[*PROVENANCE, "undefined"], errors="ignore")
    return sorted({*texts.select_dtypes(["object", "string"])} | {*texts} & {"epochs", "size"})


@pytest.fixture(scope="module", params=[recorded_folder(), *BUILT], ids=lambda path: path.name)
def folder(request) -> Path:
    return request.param


def test_a_gap_is_reports_minus_experts(folder):
    """Study 03 says so first; no table turns it round."""
    checked = 0
    for path, table in _tables(folder).items():
        for column in {"quantity", "measure"} & {*table}:
            named = table.assign(**{column: table[column].replace(SIDES)})
            of_three = named[named[column].isin(["report", "expert", "gap"])]
            keys = [key for key in _keys(table) if key != column]
            keys += [key for key in ("labels_flipped", "seeds") if key in table]
            wide = of_three.pivot_table("estimate", keys, column)
            if {"report", "expert", "gap"} <= {*wide}:
                error = (wide["report"] - wide["expert"] - wide["gap"]).abs()
                assert (error.dropna() < 1e-5).all(), path
                checked += len(error.dropna())
    assert checked >= 50


def test_no_table_gives_the_number_of_a_claim_the_other_sign(folder):
    """Neither of its own study nor of another: a difference is taken one way round."""
    tables = _tables(folder)
    decided = [m for m in read_measurements(folder) if len(m.estimates) == 1]
    # A book that was built without CheXpert's labels has fewer of its own.
    assert len(decided) >= (15 if folder == recorded_folder() else 5)
    for measurement in decided:
        (estimate,) = measurement.estimates.values()
        low, high = estimate.interval()
        turned = np.array([-estimate.value, -high, -low])
        for path, table in tables.items():
            same = np.isclose(table[NUMBERS].to_numpy(), turned, atol=2e-4).all(axis=1)
            assert estimate.value == 0 or not same.any(), (measurement.claim, path)


def test_a_figure_draws_the_numbers_of_its_table(folder):
    """`x_figure` beside `x`: a row has the estimate and limits of one with its words."""
    compared = 0
    for path, drawn in _tables(folder).items():
        source = path.with_stem(path.stem.removesuffix("_figure"))
        if source == path or not source.exists():
            continue
        table = pd.read_csv(source)
        keys = [key for key in _keys(drawn) if key in table]
        if not keys:
            continue  # Study 05's run lengths are drawn of several tables.
        both = drawn.reset_index().merge(table, on=keys, suffixes=("", "_b"))
        twice = both[[f"{name}_b" for name in NUMBERS]].to_numpy()
        same = np.isclose(both[NUMBERS], twice, atol=1e-6, equal_nan=True).all(axis=1)
        # Where a figure leaves a column out, a row of it has several in the table.
        assert pd.Series(same).groupby(both["index"]).any().all(), path
        compared += both["index"].nunique()
    assert compared >= 50
