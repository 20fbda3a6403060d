"""Every kernel compiles for an H100 without one, and no register spills to memory."""

from __future__ import annotations

import pytest

from cxrstudy.paths import project_root

pytest.importorskip("triton")

from cxrstudy.kernels.offline import Specimen, compile_offline, compile_report

from cxrstudy.kernels import specimens
from cxrstudy.kernels.compiler import jit, tl


def test_no_kernel_spills():
    """The report is kept for a reader of the build."""
    report = compile_report(specimens.specimens())
    folder = project_root() / "_build" / "kernels"
    folder.mkdir(parents=True, exist_ok=True)
    report.to_csv(folder / "sm_90.csv", index=False, lineterminator="\n")
    assert (report["registers"] > 0).all() and (report["instructions"] > 0).all()
    assert not report.loc[report["spilled_bytes"] > 0, ["kernel", "spilled_bytes"]].to_dict(
        "records"
    )


def test_specimens_say_no_more_than_a_launch_shows():
    """Triton looks whether 16 divides a number only where the kernel lets it."""
    for specimen in specimens.specimens():
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
