"""Vision-language models of the Hugging Face hub, asked by name in this process."""

from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm
from transformers import AutoModelForImageTextToText, AutoProcessor

from cxrstudy.multimodal.benchmark import BenchmarkError, item_name
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.parsing import are_letters

_BAR_SECONDS = 5.0


class HubModel:
    """A model of the hub, or in a folder, that reads images and text and writes text.

    The options are listed in the prompt as "A) ... B) ...", unless they are letters. The prompt is
    in the model's chat format, or plain text if it has none. An option's log-likelihood is the sum
    over its tokens after the prompt, without an end of text; one option is computed at a time.
    Texts are generated greedily, in batches that are padded on the left. Weights must be
    safetensors, and a model's own code is not run.

    Parameters
    ----------
    name_or_folder : str or path
        Such as ``"Qwen/Qwen2.5-VL-3B-Instruct"``, or a folder with the model and its processor.
    images : callable of str to numpy.ndarray
        Gives for an image's id its pixels: uint8, shape (height, width), grey.
    device : str, optional
        Such as ``"cuda:0"``; by default the GPU if there is one.
    max_new_tokens : int, default 64
        Tokens at which a generated text is cut.
    revision : str, optional
        Commit, tag or branch of the hub's repository; give a commit to pin the weights.
    batch_size : int, default 4
        Texts generated together.

    Raises
    ------
    BenchmarkError
        If there is no such model, it lacks weights or a processor, or needs code of its own; later,
        if it fails on an item.
    """

    lists_letters = True

    def __init__(
        self,
        name_or_folder: str | Path,
        images: Callable[[str], np.ndarray],
        device: str | None = None,
        max_new_tokens: int = 64,
        revision: str | None = None,
        batch_size: int = 4,
    ) -> None:
        source = str(name_or_folder)
        self._processor = _load_processor(source, revision)
        self._model = _load_model(source, revision)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self._model.to(device).eval()
        except Exception as error:
            raise BenchmarkError(f"{source}: not on device {device!r}: {_line(error)}") from error
        # The commit that was loaded, if it came from the hub.
        commit = getattr(self._model.config, "_commit_hash", None)
        self.name = f"{source}@{commit}" if commit else source
        self._images = images
        self._max_new_tokens = max_new_tokens
        self._batch_size = batch_size
        self._processor.tokenizer.padding_side = "left"
        if self._processor.tokenizer.pad_token is None:
            self._processor.tokenizer.pad_token = self._processor.tokenizer.eos_token

    def likelihoods(self, items: Sequence[Item]) -> list[np.ndarray | None]:
        """Give the log-likelihood of each option: float64, shape (n_options,); None without."""
        found: list[np.ndarray | None] = []
        for place, item in enumerate(self._progress(items, "likelihoods")):
            with _naming(self.name, place, item):
                found.append(self._likelihoods(item) if item.options else None)
        return found

    def token_counts(self, items: Sequence[Item]) -> list[np.ndarray | None]:
        """Count the tokens of each option: int64, shape (n_options,); None without options."""
        found: list[np.ndarray | None] = []
        for place, item in enumerate(items):
            with _naming(self.name, place, item):
                tails = [tail for _, tail in self._tails(item)]
            found.append(np.array([len(tail) for tail in tails]) if tails else None)
        return found

    def generate(self, items: Sequence[Item]) -> list[str]:
        """Answer each item in words."""
        said = [""] * len(items)
        # Items of a batch have as many images as each other.
        order = sorted(range(len(items)), key=lambda place: len(items[place].images))
        for batch in self._progress(list(self._batches(items, order)), "texts"):
            for place, text in zip(batch, self._generate_or_name(items, batch), strict=True):
                said[place] = text
        return said

    def _batches(self, items: Sequence[Item], order: list[int]) -> Iterator[list[int]]:
        batch: list[int] = []
        for place in order:
            full = len(batch) == self._batch_size
            if batch and (full or len(items[batch[0]].images) != len(items[place].images)):
                yield batch
                batch = []
            batch.append(place)
        if batch:
            yield batch

    def _generate_or_name(self, items: Sequence[Item], batch: list[int]) -> list[str]:
        """Answer a batch; if it fails, item by item, so that the error names one.

        A batch for which alone there was too little memory is thereby answered all the same.
        Where the items succeed one by one for no such reason, the batch's error stands.
        """
        failed = None
        if len(batch) > 1:
            try:
                return self._generate([items[place] for place in batch])
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
            except Exception as error:
                failed = error
        said = []
        for place in batch:
            with _naming(self.name, place, items[place]):
                said += self._generate([items[place]])
        if failed:
            raise BenchmarkError(
                f"{self.name}: {len(batch)} items fail together and not one by one, "
                f"{item_name(batch[0], items[batch[0]])} the first: {_line(failed)}"
            ) from failed
        return said

    @torch.inference_mode()
    def _generate(self, items: list[Item]) -> list[str]:
        inputs = self._inputs(items)
        tokens = self._model.generate(
            **inputs,
            max_new_tokens=self._max_new_tokens,
            do_sample=False,
            num_beams=1,
            pad_token_id=self._processor.tokenizer.pad_token_id,
        )
        prompt = inputs["input_ids"]
        width = prompt.shape[1]
        # Every family but a few repeats the prompt before the text.
        if tokens.shape[1] >= width and torch.equal(tokens[:, :width], prompt):
            tokens = tokens[:, width:]
        texts = self._processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [text.strip() for text in texts]

    @torch.inference_mode()
    def _likelihoods(self, item: Item) -> np.ndarray:
        inputs = self._inputs([item])
        sums = []
        for n_dropped, tail in self._tails(item):
            tokens = torch.tensor([tail], device=self._model.device)
            logits = self._model(**_continued(inputs, n_dropped, tokens)).logits
            # The logits of a place are about the token after it.
            of_tail = logits[0, -len(tail) - 1 : -1].float().log_softmax(dim=-1)
            sums.append(float(of_tail.gather(-1, tokens[0, :, None]).double().sum()))
        return np.array(sums)

    def _tails(self, item: Item) -> Iterator[tuple[int, list[int]]]:
        """Give each option's tokens, and how many of the prompt's last ones they replace.

        Prompt and option are tokenized as one text, as the model would read it. Mostly none is
        replaced; a tokenizer may join the last characters of the one and the first of the other.
        """
        prompt = self._prompt(item)
        begun = self._tokens(prompt)
        separator = "" if prompt[-1].isspace() else " "
        for option in item.options:
            whole = self._tokens(prompt + separator + option)
            pairs = zip(begun, whole, strict=False)
            shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            if shared == len(whole):
                raise BenchmarkError(f"the tokenizer knows no part of option {option!r}")
            yield len(begun) - shared, whole[shared:]

    def _tokens(self, text: str) -> list[int]:
        return self._processor.tokenizer(text, add_special_tokens=self._adds_start(text)).input_ids

    def _inputs(self, items: list[Item]) -> dict[str, torch.Tensor]:
        """Tokenize prompts and read their images, as the processor of the family does."""
        prompts = [self._prompt(item) for item in items]
        images = [[self._image(name) for name in item.images] for item in items]
        inputs = self._processor(
            images=images if images[0] else None,
            text=prompts,
            padding=True,
            add_special_tokens=self._adds_start(prompts[0]),
            return_tensors="pt",
        )
        return dict(inputs.to(self._model.device, self._model.dtype))

    def _image(self, name: str) -> Image.Image:
        pixels = np.asarray(self._images(name))
        if pixels.dtype != np.uint8 or pixels.ndim != 2:
            raise BenchmarkError(f"image {name} must be grey pixels: uint8, (height, width)")
        return Image.fromarray(pixels).convert("RGB")

    def _prompt(self, item: Item) -> str:
        asked = item.prompt
        if item.options and not are_letters(item.options):
            asked += "\n" + " ".join(f"{chr(65 + n)}) {o}" for n, o in enumerate(item.options))
        if item.options:
            asked += "\nAnswer with one option."
        if getattr(self._processor, "chat_template", None):
            content = [{"type": "image"} for _ in item.images] + [{"type": "text", "text": asked}]
            chat = [{"role": "user", "content": content}]
            return self._processor.apply_chat_template(
                chat, add_generation_prompt=True, tokenize=False
            )
        # BLIP-2's processor puts the places of one image before the text, itself. The model would
        # read the first of two, and say nothing of the second.
        if hasattr(self._processor, "num_query_tokens"):
            if len(item.images) != 1:
                raise BenchmarkError(
                    f"it reads one image, not {len(item.images)}. Ask other tasks."
                )
            return f"Question: {asked}\nAnswer:"
        image = f"{getattr(self._processor, 'image_token', '<image>')}\n"
        return f"{image * len(item.images)}Question: {asked}\nAnswer:"

    def _adds_start(self, prompt: str) -> bool:
        """Say whether the tokenizer is to add its start: many chat formats write it themselves."""
        start = self._processor.tokenizer.bos_token
        return not (start and prompt.startswith(start))

    def _progress(self, of: Sequence, what: str) -> tqdm:
        return tqdm(of, desc=what, disable=None, mininterval=_BAR_SECONDS)


def _continued(
    inputs: dict[str, torch.Tensor], n_dropped: int, tail: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Append an option's tokens to a prompt, in all that has one entry for each token."""
    shape = inputs["input_ids"].shape
    kept = shape[1] - n_dropped
    continued = {}
    for name, values in inputs.items():
        # Pixels are floats; a grid of patches, [[1, 16, 16]], is shorter than any prompt with it.
        if not torch.is_tensor(values) or values.is_floating_point() or values.shape != shape:
            continued[name] = values
        elif name == "input_ids":
            continued[name] = torch.cat([values[:, :kept], tail], dim=1)
        else:
            # The option is read, "attention_mask", and is text, which is type 0.
            fill = 1 if name == "attention_mask" else 0
            continued[name] = torch.cat([values[:, :kept], torch.full_like(tail, fill)], dim=1)
    return continued


def _load_processor(source: str, revision: str | None):
    try:
        processor = AutoProcessor.from_pretrained(
            source, revision=revision, trust_remote_code=False
        )
    except Exception as error:
        raise BenchmarkError(_not_loaded(source, "processor", error)) from error
    # Without a processor's files a tokenizer, or an image processor, is given alone.
    if not (hasattr(processor, "image_processor") and hasattr(processor, "tokenizer")):
        raise BenchmarkError(
            f"{source}: has no processor for images and text. Save the model's processor with it."
        )
    return processor


def _load_model(source: str, revision: str | None):
    try:
        model, loading = AutoModelForImageTextToText.from_pretrained(
            source,
            revision=revision,
            trust_remote_code=False,
            use_safetensors=True,
            dtype="auto",
            output_loading_info=True,
        )
    except Exception as error:
        raise BenchmarkError(_not_loaded(source, "model", error)) from error
    if missing := sorted(loading["missing_keys"]):
        raise BenchmarkError(
            f"{source}: {len(missing)} weights are missing and would be random, such as "
            f"{missing[0]}. Get the whole model."
        )
    if model.config.get_text_config().is_encoder_decoder:
        raise BenchmarkError(
            f"{source}: its text model has an encoder; use one with a decoder only"
        )
    return model


def _not_loaded(source: str, what: str, error: Exception) -> str:
    hint = "Name a folder or a model of the hub with safetensors"
    if "trust_remote_code" in str(error):
        hint = "It needs code of its own: run it as a process of its own, by --command"
    return f"{source}: no {what} could be loaded. {hint}. ({_line(error)})"


class _naming:
    """Say of an error on which item it arose."""

    def __init__(self, name: str, place: int, item: Item) -> None:
        self._where = f"{name}: failed on {item_name(place, item)}"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, traceback) -> None:
        if isinstance(error, Exception):
            raise BenchmarkError(f"{self._where}: {_line(error)}") from error


def _line(error: BaseException) -> str:
    """Keep to one line what a library says in many, such as ``ValueError: no such file``."""
    words = " ".join(str(error).split())
    short = words if len(words) <= 200 else words[:200] + "..."
    return f"{type(error).__name__}: {short}" if short else type(error).__name__
