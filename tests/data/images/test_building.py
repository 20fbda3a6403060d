"""Arrays in the cache: what is left out and why, and builds that are killed."""

from functools import partial

import numpy as np
import pytest

from cxrstudy.data.images import building
from cxrstudy.data.images.building import NamedImage, build_pixels
from cxrstudy.data.images.reading import ImageReadError, to_square


@pytest.fixture
def sources(cache, chest, encode, monkeypatch):
    """Ten images in chunks of four; reading them is noted."""
    monkeypatch.setattr(building, "CHUNK_IMAGES", 4)
    monkeypatch.setattr(building, "_BATCH", 2)
    read = []

    def content(number: int) -> bytes:
        read.append(number)
        return encode(chest(number))

    images = [NamedImage(f"i{n}", f"i{n}.png", partial(content, n)) for n in range(10)]
    return images, read


def _reading(content):
    def read():
        if isinstance(content, BaseException):
            raise content
        return content

    return read


def test_every_image_is_shrunken_and_kept_in_order(sources, chest):
    images, _ = sources
    built = build_pixels(iter(images), "own", 8, len(images))
    assert built.images.tolist() == [f"i{n}" for n in range(10)] and built.excluded.empty
    assert isinstance(built.pixels, np.memmap) and not built.pixels.flags.writeable
    expected = np.array([to_square(chest(n), 8) for n in range(10)])
    assert (built.pixels == expected).all()


def test_a_finished_array_is_opened_without_its_sources(sources):
    images, read = sources
    first = build_pixels(images, "own", 8, 10)
    again = build_pixels(_never(), "own", 8, 10)
    assert (again.pixels == first.pixels).all() and again.images.equals(first.images)
    assert again.excluded.equals(first.excluded) and len(read) == 10
    assert build_pixels(images, "own", 4, 10).pixels.shape == (10, 4, 4)
    with pytest.raises(AssertionError, match="asked"):
        build_pixels(_never(), "other", 8, 10)


def _never():
    raise AssertionError("asked")
    yield


def test_a_killed_build_goes_on_after_its_last_chunk(sources, cache):
    images, read = sources
    killed = [*images[:6], NamedImage("i6", "i6.png", _reading(KeyboardInterrupt())), *images[7:]]
    with pytest.raises(KeyboardInterrupt):
        build_pixels(killed, "own", 8, 10)
    assert not [path for path in cache.glob("images/*") if not path.name.startswith(".")]
    assert read == [0, 1, 2, 3, 4, 5]
    resumed = build_pixels(images, "own", 8, 10)
    assert read[6:] == [4, 5, 6, 7, 8, 9]
    whole = build_pixels(images, "whole", 8, 10)
    assert (resumed.pixels == whole.pixels).all() and resumed.images.equals(whole.images)
    left = sorted(path.name for path in cache.glob("images/*") if "lock" not in path.name)
    assert left == ["own-8px-r1", "whole-8px-r1"]


def test_an_archive_is_read_from_front_to_back(sources, encode, chest):
    images, _ = sources
    at = []

    def archive(broken: bool):
        for number, image in enumerate(images):
            at.append(number)

            def read(number=number):
                assert at[-1] == number
                if broken and number == 7:
                    raise KeyboardInterrupt
                return encode(chest(number))

            yield NamedImage(image.image, image.where, read)

    with pytest.raises(KeyboardInterrupt):
        build_pixels(archive(broken=True), "own", 8, 10)
    assert len(build_pixels(archive(broken=False), "own", 8, 10).images) == 10


def test_what_cannot_be_used_is_named_and_left_out(sources, chest, encode):
    good, _ = sources
    odd = {
        "missing": (FileNotFoundError(2, "No such file or directory"), "No such file"),
        "damaged": (encode(chest(20))[:100], "damaged"),
        "even": (encode(np.full((9, 9), 5, np.uint8)), "one grey level"),
        "inverted": (encode(255 - chest(21)), "looks inverted"),
        "i1": (encode(chest(22)), "listed more than once; the first is used"),
        "copy": (encode(chest(2)), "same pixels as i2"),
    }
    listed = [NamedImage(name, f"{name}.png", _reading(what)) for name, (what, _) in odd.items()]
    built = build_pixels([*good[:5], *listed, *good[5:]], "own", 8, 16)
    assert built.images.tolist() == [f"i{n}" for n in range(10)]
    reasons = dict(built.excluded.itertuples(index=False))
    assert list(built.excluded) == ["image", "reason"] and set(reasons) == set(odd)
    for name, (_, reason) in odd.items():
        assert reason in reasons[name], name
    assert all(f"{name}.png: " in reasons[name] for name in odd if name != "copy")


def test_inverted_images_stay_if_they_are_meant_to(sources, chest, encode):
    inverted = NamedImage("inverted", "x", _reading(encode(255 - chest(0))))
    built = build_pixels([inverted], "own", 8, 1, check_inversion=False)
    assert built.images.tolist() == ["inverted"] and built.pixels[0].mean() > 0


def test_a_set_without_any_usable_image_is_an_error(cache):
    with pytest.raises(ImageReadError, match="no image can be used; the first one: x.png: "):
        build_pixels([NamedImage("x", "x.png", _reading(b"no"))], "own", 8, 1)
    with pytest.raises(ImageReadError, match="no image is listed"):
        build_pixels([], "other", 8, 0)
