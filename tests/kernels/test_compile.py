"""Every kernel compiles for an H100 without one, and no register spills to memory."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version

import pandas as pd
import pytest

pytest.importorskip("triton")

from benchmarks.kernels.offline import Specimen, compile_offline, compile_report
from benchmarks.kernels.specimens import specimens
from benchmarks.kernels.workloads import workloads
from cxrstudy.kernels.dispatch import jit, tl
from cxrstudy.recorded import load_recorded
from cxrstudy.studies.kernels import COMPILED, WORKLOADS

SIZES = ("size", "n_cells")


@pytest.fixture(scope="module")
def report() -> pd.DataFrame:
    return compile_report(specimens())


def test_no_kernel_spills(report):
    assert (report["registers"] > 0).all() and (report["instructions"] > 0).all()
    spilled = report.loc[report["spilled_bytes"] > 0, ["kernel", "spilled_bytes"]]
    assert spilled.empty, spilled


def test_the_recorded_report_is_that_of_these_kernels(report):
    """A changed kernel has another floor: its recorded counts must change with it."""
    recorded = load_recorded(COMPILED)
    if f"triton {version('triton')}" not in recorded["versions"][0]:
        pytest.skip(f"the record was made with {recorded['versions'][0]}")
    pd.testing.assert_frame_equal(recorded[report.columns], report, check_dtype=False)
    works = workloads(report)
    pd.testing.assert_frame_equal(load_recorded(WORKLOADS)[works.columns], works)


def test_specimens_say_no_more_than_a_launch_shows():
    """Triton looks whether 16 divides a number only where the kernel lets it."""
    for specimen in specimens():
        hidden = {specimen.kernel.arg_names[i] if isinstance(i, int) else i
                  for i in specimen.kernel.do_not_specialize or ()}  # fmt: skip
        whole = {name for name, kind in specimen.types.items() if kind.startswith("i")}
        assert set(specimen.divisible) <= whole - hidden, specimen.name
        assert not {name for name in specimen.constants if name.islower()} & hidden, specimen.name
        named = {*specimen.types, *specimen.constants}
        assert named == set(specimen.kernel.arg_names), specimen.name


@jit
def hungry_kernel(values_ptr, N: tl.constexpr):
    """Hold 256 values in each thread until their sum is known."""
    at = tl.arange(0, N)
    values = tl.load(values_ptr + at)
    tl.store(values_ptr + at, values * tl.sum(values, 0))


def test_a_kernel_that_spills_is_found():
    """The test above can fail."""
    specimen = Specimen("test", hungry_kernel, {"values_ptr": "*fp32"}, {"N": 8192}, warps=1)
    assert compile_offline(specimen).spilled_bytes > 0


@pytest.mark.parametrize("family", ["one_pass", "bce", "distill"])
def test_a_size_of_one(family):
    """Triton makes a constant of an integer of 1; the interpreter passes every number as it is."""
    kernels = {found.kernel: found for found in specimens() if found.family == family}
    for specimen in kernels.values():
        types = {name: kind for name, kind in specimen.types.items() if name not in SIZES}
        sizes = {name: 1 for name in SIZES if name in specimen.types}
        constants = {**specimen.constants, **sizes}
        single = replace(specimen, types=types, constants=constants, divisible=())
        compiled = compile_offline(single)
        assert compiled.instructions > 0 and compiled.spilled_bytes == 0
