"""The arms: what each learns and is asked, and that no held-out item is learned from."""

from dataclasses import replace
from typing import get_args

import pytest

from cxrstudy.multimodal.config import Branch, Objective, Part
from cxrstudy.multimodal.tuning import Caption
from cxrstudy.studies.chexagent.arms import (
    BLIND,
    FEW_TASKS,
    FULL,
    HELD_OUT,
    OPEN,
    PERMUTED,
    VARIANTS,
    blind_jobs,
    language_model_jobs,
    lessons,
    stages,
    tuning_config,
    tuning_job,
    variant_jobs,
)
from cxrstudy.studies.chexagent.cohort import POPULATION, SECOND_SITE, load_cohort
from cxrstudy.studies.chexagent.image_items import held_out_images
from cxrstudy.vision.backbones import BackboneName


def groups(items) -> set[str]:
    return {item.group for item in items}


def test_stages_are_read_as_the_file_gives_them():
    config = tuning_config(0, 2.5)
    rows = [*stages()["before"], stages()["last"]]
    found = [*config.stages, config.last]
    assert [(stage.name, stage.objective) for stage in found] == [
        ("language", "next_token"),
        ("encoder", "contrast_and_caption"),
        ("bridger", "caption"),
        ("instructions", "answer"),
    ]
    for stage, row in zip(found, rows, strict=True):
        assert stage.objective in get_args(Objective)
        assert set(stage.trains) <= set(get_args(Part)) and stage.trains == tuple(row["trains"])
        assert isinstance(stage.learning_rate, float) and 0 < stage.learning_rate < 0.1
        assert row["learns"] and row["paper"].startswith("stage ")
    assert [stage.epochs for stage in config.stages] == [row["epochs"] for row in rows[:-1]]
    assert config.last.epochs == 2.5


def test_the_decoder_is_frozen_between_reports_and_instructions():
    trains = {stage.name: stage.trains for stage in tuning_config(0, 1).stages}
    assert trains["language"] == ("language_model",)
    assert "language_model" not in trains["encoder"] + trains["bridger"]
    assert trains["bridger"] == ("bridger",)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_differs_in_what_it_names(variant):
    whole, config = tuning_config(4, 1), tuning_config(4, 1, variant)
    left_out = variant.removeprefix("without_")
    assert config.stages == tuple(stage for stage in whole.stages if stage.name != left_out)
    assert len(config.stages) == len(whole.stages) - (variant != "qformer")
    assert (config.bridger, whole.bridger) == ("qformer" if variant == "qformer" else "mlp", "mlp")
    # All else that decides what is learned is equal; what is asked is less.
    same = replace(
        config, stages=whole.stages, bridger="mlp", asks_before=True, n_composed=whole.n_composed
    )
    assert same == whole
    assert not config.asks_before and config.n_composed == 0


def test_seeds_and_branches_are_passed_on():
    config = tuning_config(7, 1)
    assert config.seed == 7 and config.asks_before and config.n_composed > 0
    assert config.branches == (Branch(FULL), Branch(BLIND, False, asked_with_images=True))
    (only,) = tuning_config(7, 1, branches=[Branch(FULL)]).branches
    assert only.shows_images
    with pytest.raises(ValueError, match="variant must be one of .*not 'without'"):
        tuning_config(7, 1, "without")


def test_lessons_are_of_the_training_side_alone(cohort, home):
    learned = lessons(cohort)
    assert learned.texts == cohort.texts["training"]
    assert learned.items == [item for item in cohort.items if item.split == "training"]
    held_out = dict(zip(home.images.index, held_out_images(home), strict=True))
    assert not any(held_out[caption.image] for caption in learned.captions)
    assert len(learned.captions) == sum(not each for each in held_out.values())
    rows = cohort.captions.set_index("image")
    for caption in learned.captions:
        row = rows.loc[caption.image]
        assert caption == Caption(caption.image, row["sentence"], row["label_set"])


def test_a_training_that_decides_is_asked_everything(cohort):
    job = tuning_job(cohort, tuning_config(0, 1), decides=True)
    held_out = cohort.of("held_out")
    closed = [item for item in held_out if item.options]
    assert dict(job.questions) == {HELD_OUT: closed} and 0 < len(closed) < len(held_out)
    assert list(job.more_questions) == [PERMUTED, OPEN, POPULATION, SECOND_SITE]
    assert job.more_questions[OPEN] == [item for item in held_out if not item.options]
    assert job.more_questions[POPULATION] == cohort.population
    assert job.more_questions[SECOND_SITE] == cohort.second_site
    assert job.generates == [HELD_OUT, OPEN]
    assert job.held_out_texts == cohort.texts["held_out"]
    shown = [item for item in closed if item.images]
    assert 0 < len(shown) < len(closed)
    for item, turned in zip(shown, job.more_questions[PERMUTED], strict=True):
        assert replace(turned, images=item.images) == item and turned.images != item.images
    assert job.images is cohort.images and job.grid is cohort.grid


def test_a_training_that_does_not_decide_is_asked_the_held_out_items_alone(cohort):
    decides = tuning_job(cohort, tuning_config(0, 1), decides=True)
    job = tuning_job(cohort, tuning_config(0, 1, "qformer"), decides=False)
    assert job.questions == decides.questions
    assert dict(job.more_questions) == {} and job.generates == []


def test_sets_without_items_are_not_asked(replaced):
    cohort = load_cohort("", 0, 8, BackboneName(), "cache", n_abroad=-1)
    closed = [item for item in cohort.items if item.options]
    job = tuning_job(replace(cohort, items=closed), tuning_config(0, 1), decides=True)
    assert list(job.more_questions) == [PERMUTED, POPULATION]


def test_permuted_images_are_drawn_by_the_seed(cohort):
    drawn = [
        tuning_job(cohort, tuning_config(seed, 1), decides=True).more_questions[PERMUTED]
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_nothing_that_is_asked_was_learned(cohort):
    for decides in (True, False):
        job = tuning_job(cohort, tuning_config(0, 1), decides)
        asked = [
            item for name, items in [*job.questions.items(), *job.more_questions.items()]
            for item in items if name != SECOND_SITE
        ]  # fmt: skip
        assert groups(asked).isdisjoint(groups(job.lessons.items))
        shown = {image for item in asked for image in item.images}
        seen = {image for item in job.lessons.items for image in item.images}
        assert shown.isdisjoint(seen | {caption.image for caption in job.lessons.captions})
        assert set(job.held_out_texts).isdisjoint(job.lessons.texts)


def test_variants_are_laid_out_by_arm_and_then_by_seed(cohort):
    jobs = variant_jobs(cohort, [3, 8], 1)
    expected = [(name, seed) for name in ("", *VARIANTS) for seed in (3, 8)]
    for job, (name, seed) in zip(jobs, expected, strict=True):
        own = tuning_config(seed, 1, name, (Branch(FULL),))
        # Nothing is drawn in one arm that is not drawn in the others.
        assert job.config == replace(own, asks_before=False, n_composed=0)
        assert not job.more_questions and not job.generates


def test_blind_models_are_asked_what_they_did_not_learn(cohort):
    jobs = blind_jobs(cohort, 2, seed=5)
    judged = [item for _, items in jobs for item in items]
    closed = [item for item in cohort.of("training") if item.options]
    assert len(jobs) == 2 and sorted(judged, key=repr) == sorted(closed, key=repr)
    for job, items in jobs:
        assert items and job.questions == {HELD_OUT: items}
        assert {item.split for item in (*items, *job.lessons.items)} == {"training"}
        assert groups(items).isdisjoint(groups(job.lessons.items))
        assert len(job.lessons.items) > len(closed) / 3
        assert not job.lessons.texts and not job.lessons.captions and not job.more_questions
        assert job.config.branches == (Branch(BLIND, shows_images=False),)
        assert job.config.stages == () and job.config.last.epochs == 2 and job.config.seed == 5
        assert not job.generates and not job.held_out_texts


def test_both_decoders_see_the_same_few_items(cohort):
    jobs = language_model_jobs(cohort, "some_model", 40, 2, seed=1)
    scratch, pretrained = jobs["scratch"], jobs["pretrained"]
    assert list(scratch.lessons.items) == list(pretrained.lessons.items)
    assert len(set(scratch.lessons.items)) == 40
    assert {item.task for item in scratch.lessons.items} == set(FEW_TASKS)
    assert scratch.questions == pretrained.questions
    assert {item.split for item in scratch.lessons.items} == {"training"}
    for item in scratch.questions[HELD_OUT]:
        assert item.task in FEW_TASKS and item.split == "held_out" and item.options
    assert not scratch.config.stages and not scratch.config.pretrained
    assert pretrained.config.pretrained == "some_model"
    assert [stage.objective for stage in pretrained.config.stages] == ["next_token"]
    assert pretrained.lessons.texts == cohort.texts["training"][:2]
    assert pretrained.config.last.trains == scratch.config.last.trains
    assert {item.group for item in scratch.lessons.items}.isdisjoint(
        groups(scratch.questions[HELD_OUT])
    )
    other = language_model_jobs(cohort, "some_model", 40, 2, seed=2)["scratch"]
    assert list(other.lessons.items) != list(scratch.lessons.items)
