"""How fast the training loop is, beside a bare loop and a usual loader in the same run.

The bare loop does what cannot be left out: forward, backward and step, over tensors that lie on
the device. Both take turns, and what is compared is the median. On a GPU all draw random views of
the images, and the usual torchvision pipeline is timed as well: processes that decode PNG files
of 1,024 px, as the NIH ships them, shrink them and draw a view. The files hold the same images,
enlarged. `python -m benchmarks.image_training --record` keeps the table for the page of study 05.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_image, encode_png
from torchvision.transforms import v2

from cxrstudy.data.images import load_nih_block
from cxrstudy.experiments.image_labels import text_mined_targets
from cxrstudy.kernels.augment import Augmentation
from cxrstudy.runs import record_benchmark, study
from cxrstudy.vision.training import TrainingConfig, train
from cxrstudy.vision.training.loop import build_classifier, pick_batch

LOOP, BARE, LOADER = "training loop", "bare loop", "DataLoader of PNG files"
LEAST_SHARE_OF_BARE, LEAST_GAIN_OVER_LOADER = 0.9, 5.0
REPEATS = 5
FILE_SIZE, N_FILES = 1024, 512
"""Edge of the files in pixels, and how many there are; images beyond them share their files."""

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True, eq=False)
class Problem:
    """What every loop trains on.

    Attributes
    ----------
    images : Tensor of uint8, shape (n, size, size)
    targets : Tensor of float32, shape (n, n_targets)
    config : TrainingConfig
    """

    images: Tensor
    targets: Tensor
    config: TrainingConfig


class Stopwatch:
    """Wall time and CPU time of this process, in seconds."""

    wall = cpu = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Add the time of a block, the work of the GPU included."""
        _wait()
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        _wait()
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu


class PngFiles(Dataset):
    """One random view of a grey image and its targets, decoded when it is asked for.

    Parameters
    ----------
    folder : Path
        Is filled with the images.
    problem : Problem
    """

    def __init__(self, folder: Path, problem: Problem) -> None:
        self.paths = [folder / f"{row}.png" for row in range(min(N_FILES, len(problem.images)))]
        self.targets = problem.targets
        enlarge = v2.Resize(FILE_SIZE)
        for path, image in zip(self.paths, problem.images, strict=False):
            path.write_bytes(encode_png(enlarge(image[None])).numpy().tobytes())
        size, views = problem.images.shape[-1], Augmentation()
        moved, zoomed = (views.translation,) * 2, views.scale
        self.transform = v2.Compose(
            [
                v2.Resize(size),
                v2.RandomAffine(views.rotation, moved, zoomed, None, v2.InterpolationMode.BILINEAR),
                v2.ColorJitter(views.brightness, views.contrast),
            ]
        )

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        path = self.paths[row % len(self.paths)]
        return self.transform(decode_image(str(path), ImageReadMode.GRAY))[0], self.targets[row]


def block_problem(n_images: int, size: int, config: TrainingConfig) -> Problem:
    """Take the first images of the NIH block and their text-mined labels."""
    block = load_nih_block()
    images = block.subset(block.images.index[:n_images]).resized(size)
    targets = text_mined_targets(images.labels["nlp"], minimum_positives=1)
    return Problem(
        torch.from_numpy(images.pixels),
        torch.tensor(targets.to_numpy()),
        config,
    )


def time_loop(problem: Problem) -> Stopwatch:
    """Time a whole training, from the building of the model on."""
    watch = Stopwatch()
    with watch.running():
        train(problem.images, problem.targets, problem.config)
    return watch


def time_building(problem: Problem) -> Stopwatch:
    """Time what precedes a training whichever loop it has: the building of the model."""
    watch = Stopwatch()
    with watch.running():
        _build(problem)
    return watch


def time_bare_loop(problem: Problem) -> Stopwatch:
    """Time forward, backward and step alone, over batches picked on the device."""
    images, targets = problem.images.to(DEVICE), problem.targets.to(DEVICE)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(images)).to(DEVICE)
        for number, rows in enumerate(order.split(problem.config.batch_size)):
            first = number * problem.config.batch_size
            yield pick_batch(images, rows, problem.config, first), targets[rows]

    return _time_steps(problem, batches)


def time_loader(problem: Problem) -> Stopwatch:
    """Time the same steps behind a loader with one process for each core."""
    with tempfile.TemporaryDirectory() as folder:
        loader = DataLoader(
            PngFiles(Path(folder), problem),
            problem.config.batch_size,
            shuffle=True,
            num_workers=os.cpu_count(),
            pin_memory=DEVICE.type == "cuda",
            persistent_workers=True,
        )
        # The first pass starts the processes, which a long training does not notice.
        for _ in loader:
            pass
        return _time_steps(problem, lambda: loader)


def speed_table(problem: Problem, repeats: int = REPEATS) -> pd.DataFrame:
    """Time all loops in turn.

    Parameters
    ----------
    problem : Problem
    repeats : int

    Returns
    -------
    DataFrame
        Columns loop, images per second, and images per CPU second of the main process; medians.
        The building of the model is taken off the training loop's time, and nothing else of it.
    """
    timers = {LOOP: time_loop, "building": time_building, BARE: time_bare_loop}
    if DEVICE.type == "cuda":
        timers[LOADER] = time_loader
    for timer in timers.values():
        timer(_small(problem))
    seconds = pd.DataFrame(
        [
            {"loop": name, "turn": turn, "wall": watch.wall, "cpu": watch.cpu}
            for turn in range(repeats)
            for name, timer in timers.items()
            for watch in [timer(problem)]
        ]
    )
    medians = seconds.groupby("loop", sort=False)[["wall", "cpu"]].median()
    medians.loc[LOOP] -= medians.loc["building"]
    speeds = len(problem.images) * problem.config.epochs / medians.drop(index="building")
    names = {"wall": "images per second", "cpu": "images per CPU second"}
    return speeds.rename(columns=names).reset_index()


def verdicts(table: pd.DataFrame) -> list[str]:
    """Say how the training loop compares with the others, against what is demanded of it."""
    speeds = table.set_index("loop")
    share = speeds.loc[LOOP] / speeds.loc[BARE]
    lines = [
        f"{share['images per second']:.0%} of the bare loop's speed by the clock, "
        f"{share['images per CPU second']:.0%} by CPU time; "
        f"at least {LEAST_SHARE_OF_BARE:.0%} is demanded"
    ]
    if LOADER not in speeds.index:
        return [*lines, f"against the {LOADER}: not measured, as there is no GPU"]
    gain = speeds.loc[LOOP, "images per second"] / speeds.loc[LOADER, "images per second"]
    return [
        *lines,
        f"{gain:.1f} times as fast as the {LOADER} with {os.cpu_count()} processes; "
        f"at least {LEAST_GAIN_OVER_LOADER:.0f} times is demanded",
    ]


def _small(problem: Problem) -> Problem:
    """Return a few batches, to warm up."""
    n = 2 * problem.config.batch_size
    return Problem(problem.images[:n], problem.targets[:n], replace(problem.config, epochs=1))


def _build(problem: Problem) -> torch.nn.Module:
    prevalence = problem.targets.mean(dim=0)
    return build_classifier(problem.config, problem.images, prevalence).to(DEVICE)


def _time_steps(problem: Problem, batches: Callable[[], Iterable]) -> Stopwatch:
    model, watch = _build(problem), Stopwatch()
    learning = [tensor for tensor in model.parameters() if tensor.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=problem.config.learning_rate)
    with watch.running():
        for _ in range(problem.config.epochs):
            for images, targets in batches():
                images = images.to(DEVICE, non_blocking=True)
                targets = targets.to(DEVICE, non_blocking=True)
                with torch.autocast(DEVICE.type, torch.bfloat16, enabled=DEVICE.type == "cuda"):
                    logits = model(images)
                loss = binary_cross_entropy_with_logits(logits.float(), targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return watch


def _wait() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def main(record: bool = False) -> None:
    """Measure, print and, if asked, keep the table."""
    on_gpu = DEVICE.type == "cuda"
    n_images, size, epochs = (8192, 128, 3) if on_gpu else (256, 64, 1)
    problem = block_problem(n_images, size, TrainingConfig(epochs=epochs, augmented=on_gpu))
    table = speed_table(problem)
    print(table.round(1).to_string(index=False))
    print(*verdicts(table), sep="\n")
    if record:
        setting = f"{len(problem.images)} images of {problem.images.shape[-1]} px"
        record_benchmark(table.round(1), "image_training_speed", study("epoch_sweep"), setting)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="keep the table in book/recorded")
    main(**vars(parser.parse_args()))
