"""A student as a folder: weights as safetensors, configurations as JSON, and its tokenizer."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors.torch import load_model, save_model
from transformers import AutoConfig, AutoTokenizer

from cxrstudy.text.students.config import StudentConfig
from cxrstudy.text.students.fingerprint import training_key
from cxrstudy.text.students.model import empty_classifier
from cxrstudy.text.students.train import TrainedStudent, train_student

_WEIGHTS = "model.safetensors"
_STUDENT = "student.json"
_ENCODER = "encoder"
_TOKENIZER = "tokenizer"


def save_student(student: TrainedStudent, folder: str | Path) -> Path:
    """Write a student to a new folder.

    The folder appears under its name only when it is complete.

    Parameters
    ----------
    student : TrainedStudent
    folder : path
        Must not exist; its parent is made when missing.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileExistsError
        If the folder exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists: name a new folder, or remove this one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        save_model(student.model, str(unfinished / _WEIGHTS))
        student.model.encoder.config.save_pretrained(unfinished / _ENCODER)
        student.tokenizer.save_pretrained(unfinished / _TOKENIZER)
        described = {
            "config": asdict(student.config),
            "n_findings": student.model.n_findings,
            "training_loss": student.training_loss,
            "seconds": student.seconds,
        }
        (unfinished / _STUDENT).write_text(json.dumps(described, indent=1) + "\n", "utf-8")
        unfinished.chmod(0o755)
        return unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def load_student(folder: str | Path) -> TrainedStudent:
    """Read a student from its folder; nothing is unpickled.

    Parameters
    ----------
    folder : path
        As `save_student` wrote it.

    Returns
    -------
    TrainedStudent

    Raises
    ------
    FileNotFoundError
        If the folder holds no student.
    """
    folder = Path(folder)
    if not (folder / _STUDENT).is_file():
        raise FileNotFoundError(f"{folder} holds no {_STUDENT}: train a student and save it there")
    described = json.loads((folder / _STUDENT).read_text("utf-8"))
    config = StudentConfig(**described["config"])
    model = empty_classifier(
        config, described["n_findings"], AutoConfig.from_pretrained(folder / _ENCODER)
    )
    load_model(model, folder / _WEIGHTS)
    return TrainedStudent(
        config,
        AutoTokenizer.from_pretrained(folder / _TOKENIZER),
        model.eval(),
        described["training_loss"],
        described["seconds"],
    )


def train_or_load(
    folder: str | Path,
    texts: Sequence[str],
    targets: np.ndarray,
    config: StudentConfig,
    held_out_texts: Sequence[str] = (),
) -> TrainedStudent:
    """Return the student of these data and this configuration, trained at the first call only.

    Parameters
    ----------
    folder : path
        Holds one subfolder for each student, named by `training_key`.
    texts, targets, config, held_out_texts
        As `train_student` takes them.

    Returns
    -------
    TrainedStudent
    """
    kept = Path(folder) / training_key(texts, targets, config, held_out_texts)
    if not kept.exists():
        save_student(train_student(texts, targets, config, held_out_texts), kept)
    return load_student(kept)
