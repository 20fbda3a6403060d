"""Compile kernels for a GPU that is not there, and read what the compiler made of them.

Registers that do not suffice spill to memory, which a kernel pays for in every iteration and no
test of its numbers notices. Triton brings its own assembler, so this needs no GPU and no CUDA.
"""

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

ARCHITECTURE = 90
"""Ten times the compute capability 9.0: H100 and H200."""

_THREADS_PER_WARP = 32


@dataclass(frozen=True, eq=False)
class Specimen:
    """A kernel with the types and block sizes of one of its launches."""

    family: str  # module of the kernel
    kernel: object  # triton.JITFunction
    types: Mapping[str, str]  # of each run-time argument, such as "*fp32" or "i32"
    # Value of each compile-time argument, and of run-time ones that are 1: Triton makes constants
    # of those.
    constants: Mapping[str, object] = field(default_factory=dict)
    divisible: tuple[str, ...] = ()  # whole numbers that Triton sees to be multiples of 16
    warps: int = 4
    variant: str = ""  # what distinguishes it from other specimens of the same kernel

    @property
    def name(self) -> str:
        """Kernel and variant."""
        return " ".join(part for part in (self.kernel.__name__, self.variant) if part)


@dataclass(frozen=True)
class Compiled:
    """What a compiled kernel takes, per thread unless it says otherwise."""

    registers: int
    spilled_bytes: int  # stored to local memory and loaded from it for want of registers
    stack_bytes: int  # local memory: what was spilled, and arrays of a library function
    shared_bytes: int  # shared memory of one block
    instructions: int  # machine instructions in the code, loops counted once


def compile_offline(specimen: Specimen, architecture: int = ARCHITECTURE) -> Compiled:
    """Compile a kernel down to machine code and read its resources."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.backends.nvidia.compiler import get_ptxas
    from triton.compiler import ASTSource

    arguments = specimen.kernel.arg_names
    source = ASTSource(
        specimen.kernel,
        {name: specimen.types.get(name, "constexpr") for name in arguments},
        {(arguments.index(name),): value for name, value in specimen.constants.items()},
        # Tensors that torch allocates begin at multiples of 16 bytes.
        {
            (arguments.index(name),): [["tt.divisibility", 16]]
            for name, kind in specimen.types.items()
            if kind.startswith("*") or name in specimen.divisible
        },
    )
    target = GPUTarget("cuda", architecture, _THREADS_PER_WARP)
    options = {"num_warps": specimen.warps, "enable_fp_fusion": True}
    compiled = triton.compile(source, target, options)
    spilled = _spilled_bytes(compiled.asm["ptx"], get_ptxas(architecture).path)
    return _resources(
        compiled.asm["cubin"],
        triton.knobs.nvidia.cuobjdump.path,
        spilled,
        # The machine code does not know of what is asked for at launch.
        shared=compiled.metadata.shared,
    )


def _spilled_bytes(ptx: str, ptxas: str) -> int:
    """Assemble once more, for what the assembler says of its registers."""
    architecture = re.search(r"^\.target (\w+)", ptx, re.MULTILINE)[1]
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder) / "kernel.ptx", Path(folder) / "kernel.cubin"
        source.write_text(ptx)
        command = [ptxas, "-v", f"--gpu-name={architecture}", source, "-o", binary]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return sum(map(int, re.findall(r"(\d+) bytes spill (?:stores|loads)", said)))


def _resources(cubin: bytes, cuobjdump: str, spilled: int, shared: int) -> Compiled:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(cubin)
        usage, code = (
            subprocess.run([cuobjdump, option, path], capture_output=True, text=True, check=True)
            for option in ("--dump-resource-usage", "--dump-sass")
        )
    found = dict(re.findall(r"\b(REG|STACK):(\d+)", usage.stdout))
    return Compiled(
        registers=int(found["REG"]),
        spilled_bytes=spilled,
        stack_bytes=int(found["STACK"]),
        shared_bytes=shared,
        instructions=len(re.findall(r"^\s+/\*[0-9a-f]{4,}\*/", code.stdout, re.MULTILINE)),
    )


def compile_report(specimens: list[Specimen], architecture: int = ARCHITECTURE) -> pd.DataFrame:
    """Compile kernels; columns family, kernel, warps, and the fields of `Compiled`."""
    return pd.DataFrame(
        {
            "family": specimen.family,
            "kernel": specimen.name,
            "warps": specimen.warps,
            **vars(compile_offline(specimen, architecture)),
        }
        for specimen in specimens
    )
