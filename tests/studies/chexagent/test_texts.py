"""Texts: whole sentences, sides that share nothing, and captions of exactly the image's labels."""

import pandas as pd
import pytest

from cxrstudy.data.openi import load_reports
from cxrstudy.studies.chexagent import texts


def _reports(*pairs) -> pd.DataFrame:
    index = [f"R{number}" for number in range(len(pairs))]
    return pd.DataFrame(pairs, index, ["findings", "impression"])


def _with_side(side: str, findings: str, impression: str) -> tuple[str, str]:
    """Number the impression's end until the report's hash lies on the wanted side."""
    for number in range(100):
        pair = (findings, f"{impression} Seen {number} times.")
        if texts.text_split("\n".join(pair)) == side:
            return pair
    raise AssertionError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Clear lungs. No effusion", ["Clear lungs.", "No effusion"]),
        ("1. Clear lungs; no mass. 2. Edema!", ["Clear lungs; no mass.", "Edema!"]),
        ("A 1.5 cm nodule vs. scar. (Old film.)", ["A 1.5 cm nodule vs. scar.", "(Old film.)"]),
        ("Left apex.There is edema.", ["Left apex.", "There is edema."]),
        ("Größe normal. Œdème \N{EN DASH} mild.", ["Größe normal.", "Œdème \N{EN DASH} mild."]),
        (" \n", []),
    ],
)
def test_sentences_stay_as_they_were_written(text, expected):
    assert texts.split_sentences(text) == expected


def test_near_means_the_same_letters_or_nine_tenths_of_the_words():
    known = ["No pneumothorax at T8.", "one two three four five six seven eight nine ten"]
    asked = {
        "no  pneumothorax, at T9": True,
        "at T no pneumothorax": True,  # the same words
        "No pneumothorax.": False,
        "one two three four five six seven eight nine ten eleven": True,  # 10 / 11
        "one two three four five six seven eight": False,  # 8 / 10
        "one two three four five six seven eight nine": True,  # 9 / 10
        "123": False,
    }
    assert texts.near_any(list(asked), known).tolist() == list(asked.values())
    assert not texts.near_any(["anything"], []).any()


def test_a_sentence_of_any_training_report_is_training():
    shared, own = "There is a small effusion.", "Moderate pulmonary edema."
    reports = _reports(
        _with_side("held_out", f"{shared} {own}", "Stable."),
        _with_side("training", shared.upper(), "Unchanged."),
    )
    table = texts.sentences(reports).set_index("sentence")
    assert table.loc[shared, "split"] == "training"
    assert table.loc[own, "split"] == "held_out"
    assert table.loc[own, "label_set"] == "Edema"


def test_sentences_with_removed_words_or_doubt_are_left_out():
    reports = _reports(("Edema XXXX seen. Small effusion. Possible pneumonia.", "No xxxx."))
    assert texts.sentences(reports)["sentence"].tolist() == ["Small effusion."]
    assert texts.report_texts(texts.text_split("\n".join(reports.iloc[0])), reports) == []


def test_no_finding_is_what_an_impression_says_alone():
    reports = _reports(("The trachea is midline. Edema.", "No acute disease."))
    sets = texts.sentences(reports).set_index("sentence")["label_set"]
    assert sets.to_dict() == {
        "The trachea is midline.": "", "Edema.": "Edema", "No acute disease.": "No Finding",
    }  # fmt: skip


def test_the_whole_section_is_left_where_the_other_one_lacks_a_word():
    reports = _reports(("Normal XXXX.", "Edema."), ("Clear.", "Normal."), ("", "Mass."))
    sides = [texts.text_split("\n".join(pair)) for pair in reports.to_numpy()]
    found = {(side, text) for side in set(sides) for text in texts.report_texts(side, reports)}
    assert found == set(zip(sides, ["Edema.", "Clear.\nNormal.", "Mass."], strict=True))


def test_a_held_out_report_like_a_training_one_is_dropped():
    pairs = [_with_side(side, "Clear lungs.", "Normal.") for side in ("training", "held_out")]
    reports = _reports(*pairs)  # they differ in a number alone
    assert len(texts.report_texts("training", reports)) == 1
    assert texts.report_texts("held_out", reports) == []
    assert texts.summaries("held_out", reports).empty
    assert texts.summaries("training", reports)["findings"].tolist() == ["Clear lungs."]


@pytest.fixture(scope="module")
def matched(draw_image_set):
    image_set = draw_image_set(400)
    sets = ["Lung Opacity", "No Finding", "Edema", "Lung Opacity, Edema", ""]
    corpus = pd.DataFrame(
        [(f"{name} {split} {n}", split, name)
         for name in sets for split in ("training", "held_out") for n in range(3)],
        columns=["sentence", "split", "label_set"],
    )  # fmt: skip
    return image_set, corpus, *texts.label_matched_captions(image_set, 1, corpus)


def test_captions_state_exactly_the_labels_and_keep_to_their_side(matched):
    image_set, corpus, captions, _ = matched
    labels = texts.image_label_sets(image_set)
    sides = texts.image_split(image_set)
    said = corpus.set_index("sentence")
    assert len(captions) and captions["image"].is_unique
    for row in captions.itertuples():
        assert labels[row.image] == said.loc[row.sentence, "label_set"] == row.label_set != ""
        assert sides[row.image] == said.loc[row.sentence, "split"] == row.split
    by_patient = captions.groupby("patient")["split"].nunique()
    assert by_patient.max() == 1


def test_normal_images_are_at_most_half_and_sentences_take_turns(matched):
    _, _, captions, counts = matched
    for split, mine in captions.groupby("split"):
        assert (mine["label_set"] == "No Finding").sum() * 2 <= len(mine)
        uses = mine.groupby("label_set")["sentence"].value_counts()
        assert (uses.groupby(level=0).max() - uses.groupby(level=0).min()).max() <= 1
        assert counts.loc[split, "captions"] == len(mine)
        assert counts.loc[split, "images"] >= counts.loc[split, "images matched"] >= len(mine)


def test_the_same_seed_gives_the_same_captions_and_another_one_others(matched):
    image_set, corpus, captions, _ = matched
    again, _ = texts.label_matched_captions(image_set, 1, corpus)
    other, _ = texts.label_matched_captions(image_set, 2, corpus)
    assert again.equals(captions) and not other.equals(captions)


def test_an_image_with_a_hernia_alone_has_no_label_set(draw_image_set):
    image_set = draw_image_set(2)
    labels = image_set.labels["nlp"]
    labels.loc[:, :] = 0.0
    labels.loc[labels.index[0], "Hernia"] = 1.0
    labels.loc[labels.index[1], "No Finding"] = 1.0
    assert texts.image_label_sets(image_set).tolist() == ["", "No Finding"]


def test_openi_sentences_are_whole_and_share_nothing_between_sides(mirror):
    reports = load_reports()
    table = texts.sentences()
    everything = "\n".join(reports["findings"]) + "\n".join(reports["impression"])
    assert all(text in everything for text in table["sentence"][::7])
    assert not table["sentence"].str.contains("XXXX", case=False).any()
    held_out, training = (table[table["split"] == side]["sentence"] for side in
                          ("held_out", "training"))  # fmt: skip
    assert min(len(held_out), len(training)) > 1000
    assert not texts.near_any(held_out.tolist(), training.tolist()).any()
    # Not even within a report that a model reads.
    read = {texts.text_key(sentence) for text in texts.report_texts("training")
            for sentence in texts.split_sentences(text)}  # fmt: skip
    assert not read & set(held_out.map(texts.text_key))
    assert table["label_set"].value_counts()["Edema"] > 10
