"""Chest X-ray images: pixels, who and how was imaged, and labels by source, behind one interface.

========== ===================================================================================
image_set  `ImageSet`: pixels in one array, tables on the same index, folds by patient
reading    `read_image`: PNG, JPEG and DICOM to grey, bright = dense; `to_square`;
           `looks_inverted`: files whose air is bright are named, never changed in silence
building   `build_pixels`: named images to one array in the cache; resumes after a kill
nih_block  `load_nih_block`: 9,998 images of the NIH's archive ``images_002``; `nih_tables`
folders    `load_images`: the block, or a folder of NIH images that the user holds
reported   `load_reported_images`: CheXpert Plus, MIMIC-CXR or OpenI, each image with its report
========== ===================================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "building": ["BuiltPixels", "NamedImage", "build_pixels"],
        "folders": ["load_images"],
        "image_set": ["ImageSet"],
        "nih_block": ["load_nih_block"],
        "reading": ["ImageReadError", "looks_inverted", "read_image", "to_square"],
    },
)
