"""Are the rows of two label tables those of the same studies? Blocks that slipped, and repair."""

from cxrstudy.data.integrity.alignment import find_misaligned_blocks, repair
from cxrstudy.data.integrity.blocks import Block

__all__ = ["Block", "find_misaligned_blocks", "repair"]
