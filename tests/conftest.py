"""Fixtures that several test folders share.

Machines with a GPU may have little more than torch and pytest, so what not every test needs is
imported where it is used.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Small tests on several threads would burn most of their time in waiting for one another. Kernels
# and subprocesses inherit this; studies train in their own process, not in one for each core.
os.environ |= {"OMP_NUM_THREADS": "1", "LOKY_MAX_CPU_COUNT": "1"}

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from cxrstudy.data.chexpert_test import ChexpertTestLabels
    from cxrstudy.data.images import ImageSet
    from cxrstudy.vision.backbones import BackboneName

with suppress(ImportError):
    import hypothesis

    # The same examples in every run; the first call of a compiled function may take its time.
    hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
    hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Folder with the registry's files; tests that need real data ask for it."""
    from cxrstudy.data.registry import MIRROR_VARIABLE

    folder = os.environ.get(MIRROR_VARIABLE)
    if not folder:
        pytest.skip(f"needs the data: name the mirror folder in {MIRROR_VARIABLE}")
    return Path(folder)


@pytest.fixture(scope="module")
def open_page():
    """Open a page of the given options in headless Chromium; `.ci/run` requires one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None and not os.environ.get("CXRSTUDY_REQUIRE_BROWSER"):
        pytest.skip("needs Chromium on the PATH")
    sync_api = pytest.importorskip("playwright.sync_api")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=flags)

        def open_page(**options):
            page = running.new_page(**options)
            # A busy machine may take its time; nothing waits so long but where something is broken.
            page.set_default_timeout(120_000)
            return page

        yield open_page
        running.close()


@pytest.fixture
def no_checkout(monkeypatch) -> None:
    """The package as its wheel installs it, without the repository's folder data."""

    def missing(_):
        raise FileNotFoundError

    monkeypatch.setattr("cxrstudy.data.registry.in_project", missing)


@pytest.fixture(scope="session")
def chexpert(mirror) -> ChexpertTestLabels:
    """The CheXpert test-set labels with the labeler file repaired."""
    from cxrstudy.data import chexpert_test

    return chexpert_test.load()


@pytest.fixture(scope="session")
def chexpert_as_released(mirror) -> ChexpertTestLabels:
    """The CheXpert test-set labels joined by the labeler file's printed ids."""
    from cxrstudy.data import chexpert_test

    return chexpert_test.load("as released")


@pytest.fixture
def rng():
    """Make a generator with a fixed seed."""
    import numpy as np

    return np.random.default_rng(20240607)


@pytest.fixture
def labels(rng):
    """Make truth of varied prevalence and, per method, labels that flip with a given chance."""
    import numpy as np
    import pandas as pd

    def make(n_rows, n_observations, **errors):
        prevalence = rng.uniform(0.15, 0.5, n_observations)
        columns = [f"observation {i}" for i in range(n_observations)]
        truth = (rng.random((n_rows, n_observations)) < prevalence).astype(float)
        methods = {
            name: np.where(rng.random(truth.shape) < error, 1 - truth, truth)
            for name, error in errors.items()
        }
        tables = {name: pd.DataFrame(table, columns=columns) for name, table in methods.items()}
        return pd.DataFrame(truth, columns=columns), tables

    return make


@pytest.fixture
def scores(rng):
    """Make truth and, per method, scores of given separation rounded to create ties."""
    import numpy as np
    import pandas as pd

    def make(n_rows, n_observations, decimals=1, **separations):
        columns = [f"observation {i}" for i in range(n_observations)]
        truth = (rng.random((n_rows, n_observations)) < 0.3).astype(float)
        methods = {
            name: np.round(separation * truth + rng.normal(size=truth.shape), decimals)
            for name, separation in separations.items()
        }
        tables = {name: pd.DataFrame(table, columns=columns) for name, table in methods.items()}
        return pd.DataFrame(truth, columns=columns), tables

    return make


@pytest.fixture(scope="session")
def panel():
    """Four readers of 150 images and a labeler, who agree on one rare observation."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(4)
    truth = pd.DataFrame({"Edema": rng.random(150) < 0.4, "Atelectasis": rng.random(150) < 0.3})
    tables = []
    for error in (0.05, 0.1, 0.15, 0.2, 0.3):
        read = truth ^ (rng.random(truth.shape) < error)
        tables.append(read.assign(Fracture=np.arange(150) < 4).astype(float))
    *readers, labeler = tables
    return {f"r{i}": table for i, table in enumerate(readers)}, {"labeler": labeler}


@pytest.fixture(scope="session")
def small() -> BackboneName:
    """The smallest of torchvision's networks, with random weights."""
    from cxrstudy.vision.backbones import BackboneName

    return BackboneName("shufflenet_v2_x0_5", "random")


@pytest.fixture(scope="session")
def chest() -> Callable[..., np.ndarray]:
    """Draw dark lungs and corners, bright mediastinum and abdomen, and noise of the number."""
    import numpy as np

    def draw(number: int) -> np.ndarray:
        image = np.full((32, 32), 120.0)
        image[:8, :8] = image[:8, -8:] = 10
        image[8:20, 6:13] = image[8:20, -13:-6] = 60
        image[22:, 6:-6] = 200
        image += np.random.default_rng(number).normal(0, 5, image.shape)
        return image.clip(0, 255).astype(np.uint8)

    return draw


@pytest.fixture(scope="session")
def draw_image_set() -> Callable[..., ImageSet]:
    """Images of which bright ones are opaque, as some experts say and reports often say."""
    import numpy as np
    import pandas as pd

    from cxrstudy.data.images import ImageSet
    from cxrstudy.data.nih_experts import NIH_FINDINGS, NO_FINDING

    def draw(n: int = 160, size: int = 8, seed: int = 0) -> ImageSet:
        rng = np.random.default_rng(seed)
        index = pd.Index([f"{number:04}.png" for number in range(n)], name="image")
        ap = rng.random(n) < 0.5
        opaque = rng.random(n) < np.where(ap, 0.6, 0.3)
        pixels = rng.integers(0, 180, (n, size, size)) + 60 * opaque[:, None, None]
        nlp = pd.DataFrame(rng.random((n, 15)) < 0.1, index, [*NIH_FINDINGS, NO_FINDING], float)
        nlp["Infiltration"] = np.where(rng.random(n) < 0.25, ~opaque, opaque).astype(float)
        read = {"rsna": rng.random(n) < 0.8, "google": rng.random(n) < 0.4}
        terms = {"rsna": "Lung Opacity", "google": "Airspace opacity"}
        experts = {
            source: pd.DataFrame({terms[source]: np.where(read[source], opaque, np.nan)}, index)
            for source in read
        }
        images = pd.DataFrame(
            {
                "patient": np.arange(n) // 2,
                "view": np.where(ap, "AP", "PA"),
                "sex": np.where(rng.random(n) < 0.5, "F", "M"),
                "age": rng.integers(20, 90, n).astype(float),
            },
            index,
        )
        return ImageSet(
            name="Small",
            build="drawn",
            pixels=pixels.astype(np.uint8),
            images=images,
            labels={"nlp": nlp} | experts,
            excluded=pd.DataFrame(columns=["image", "reason"]),
        )

    return draw


@pytest.fixture(scope="session")
def teacher():
    """Read a toy language of reports; a finding that is not named is absent."""
    import numpy as np

    findings = ("effusion", "edema", "fracture")
    phrases = ("no {}", "there is {}", "possible {}")

    def read(texts: list[str]) -> np.ndarray:
        classes = [
            [max(k for k, p in enumerate(phrases) if k == 0 or p.format(name) in text)
             for name in findings]
            for text in texts
        ]  # fmt: skip
        return np.eye(3, dtype=np.float32)[np.array(classes, int).reshape(-1, len(findings))]

    return read


@pytest.fixture(scope="session")
def nih():
    """Text-mined labels of all NIH images."""
    from cxrstudy.data.nih_experts import load_nih

    return load_nih()


@pytest.fixture(scope="session")
def google():
    """Google's two sets."""
    from cxrstudy.data.nih_experts import load_google

    return load_google()


@pytest.fixture(scope="session")
def rsna():
    """RSNA's classes under NIH names."""
    from cxrstudy.data.nih_experts import load_rsna

    return load_rsna()


@pytest.fixture(scope="session")
def openi():
    """OpenI's reports."""
    from cxrstudy.data.openi import load_reports

    return load_reports()
