"""Kernels of the losses compile for one cell, whose size Triton makes a constant."""

from dataclasses import replace

import pytest

pytest.importorskip("triton")

from cxrstudy.kernels.offline import Specimen, compile_offline
from cxrstudy.kernels.specimens import specimens

SIZES = ("size", "n_cells")


def _of_one_cell(specimen: Specimen) -> Specimen:
    """Take the sizes for constants, as a launch does with an integer of 1."""
    types = {name: kind for name, kind in specimen.types.items() if name not in SIZES}
    sizes = {name: 1 for name in SIZES if name in specimen.types}
    constants = {**specimen.constants, **sizes}
    return replace(specimen, types=types, constants=constants, divisible=())


@pytest.mark.parametrize("family", ["one_pass", "bce", "distill"])
def test_a_size_of_one(family):
    """The interpreter cannot show this: it passes every number as it is."""
    kernels = {found.kernel: found for found in specimens() if found.family == family}
    for specimen in kernels.values():
        compiled = compile_offline(_of_one_cell(specimen))
        assert compiled.instructions > 0 and compiled.spilled_bytes == 0
