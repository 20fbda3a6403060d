"""The 14 observations, their hierarchy and codes."""

from cxrstudy.observations import (
    COMPETITION_OBSERVATIONS,
    DEFINITIONS,
    LABEL_CODES,
    OBSERVATIONS,
    PARENTS,
    UNCERTAINTY_POLICIES,
)
from cxrstudy.observations.definitions import ancestors


def test_the_names_in_chexperts_column_order():
    assert OBSERVATIONS == (
        "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion",
        "Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
        "Pleural Other", "Fracture", "Support Devices",
    )  # fmt: skip


def test_the_hierarchy_of_figure_1():
    """Six observations have a parent, as in Irvin et al. 2019, Figure 1."""
    assert PARENTS == {
        "Cardiomegaly": "Enlarged Cardiomediastinum",
        "Lung Lesion": "Lung Opacity",
        "Edema": "Lung Opacity",
        "Consolidation": "Lung Opacity",
        "Pneumonia": "Consolidation",
        "Atelectasis": "Lung Opacity",
    }
    # Ancestors come nearest first.
    assert ancestors("Pneumonia") == ("Consolidation", "Lung Opacity")
    assert ancestors("Edema") == ("Lung Opacity",)
    assert ancestors("Lung Opacity") == ancestors("No Finding") == ()


def test_scored_findings_definitions_codes_and_policies():
    assert set(COMPETITION_OBSERVATIONS) == {
        "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion",
    }  # fmt: skip
    assert tuple(DEFINITIONS) == OBSERVATIONS and len(set(DEFINITIONS.values())) == 14
    assert LABEL_CODES == {1: "positive", 0: "negative", -1: "uncertain", None: "blank"}
    assert tuple(UNCERTAINTY_POLICIES) == ("zeros", "ones", "ignore", "optimistic", "pessimistic")
