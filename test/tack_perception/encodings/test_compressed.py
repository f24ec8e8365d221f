# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tack_perception.encodings import (
    CompressedImage,
    decode_compressed_color,
    decode_compressed_depth,
    encode_compressed_color,
    encode_compressed_depth,
    rvl,
)
from tack_perception.errors import InvalidInputError


@pytest.fixture
def color():
    v, u = np.mgrid[0:48, 0:64]
    return np.stack([4 * u, 5 * v, 200 - u - v], axis=-1).astype(np.uint8)


@pytest.fixture
def depth():
    v, u = np.mgrid[0:48, 0:64]
    metres = (0.3 + 0.002 * u + 0.1 * (v > 20)).astype(np.float32)
    metres[10:15, 10:30] = np.nan
    return metres


def png(pixels):
    return cv2.imencode(".png", pixels)[1].tobytes()


def test_png_colour_is_exact(color):
    message = encode_compressed_color(color, "png")
    assert message.format == "rgb8; png compressed bgr8"
    np.testing.assert_array_equal(decode_compressed_color(message), color)


def test_jpeg_colour_is_near_and_repeatable(color):
    message = encode_compressed_color(color)
    assert message.format == "rgb8; jpeg compressed bgr8"
    error = np.abs(decode_compressed_color(message).astype(int) - color)
    assert error.mean() < 2
    assert encode_compressed_color(color).data == message.data


@pytest.mark.parametrize(
    "text", ["png", "bgr8; png compressed bgr8", "rgb8; png compressed bgr8", "rgb8;png"]
)
def test_channel_order_is_that_of_the_file(color, text):
    data = png(cv2.cvtColor(color, cv2.COLOR_RGB2BGR))
    np.testing.assert_array_equal(decode_compressed_color(CompressedImage(text, data)), color)


def test_unswapped_channels_are_recognised(color):
    message = CompressedImage("rgb8; png compressed rgb8", png(color))
    np.testing.assert_array_equal(decode_compressed_color(message), color)


def test_alpha_and_grey(color):
    with_alpha = png(cv2.cvtColor(color, cv2.COLOR_RGB2BGRA))
    np.testing.assert_array_equal(
        decode_compressed_color(CompressedImage("png", with_alpha)), color
    )
    grey = decode_compressed_color(CompressedImage("mono8; png compressed ", png(color[..., 0])))
    np.testing.assert_array_equal(grey, np.repeat(color[..., :1], 3, axis=-1))


@pytest.mark.parametrize("codec", ["jpeg", "png"])
@pytest.mark.parametrize("keep", [0.0, 0.1, 0.6, 0.98])
def test_truncated_colour_is_refused(color, codec, keep):
    message = encode_compressed_color(color, codec)
    cut = CompressedImage(message.format, message.data[: int(len(message.data) * keep)])
    with pytest.raises(InvalidInputError, match="cut off"):
        decode_compressed_color(cut)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("h264", "known are JPEG and PNG"),
        ("", "known are JPEG and PNG"),
        ("16UC1; compressedDepth png", "is depth, not colour"),
    ],
)
def test_unknown_colour_formats_are_refused(text, match):
    with pytest.raises(InvalidInputError, match=match):
        decode_compressed_color(CompressedImage(text, b"123"))


def test_garbage_is_refused():
    with pytest.raises(InvalidInputError, match="damaged"):
        decode_compressed_color(CompressedImage("jpeg", b"no image at all\xff\xd9"))


def test_sixteen_bit_colour_is_refused():
    data = png(np.zeros((4, 4, 3), np.uint16))
    with pytest.raises(InvalidInputError, match="8 bits are expected"):
        decode_compressed_color(CompressedImage("png", data))


@pytest.mark.parametrize("codec", ["png", "rvl"])
def test_compressed_depth_rounds_to_the_unit(depth, codec):
    message = encode_compressed_depth(depth, codec=codec)
    assert message.format == f"16UC1; compressedDepth {codec}"
    back = decode_compressed_depth(message)
    np.testing.assert_array_equal(np.isnan(back), np.isnan(depth))
    assert np.nanmax(np.abs(back - depth)) <= 0.00051


@pytest.mark.parametrize("codec", ["png", "rvl"])
def test_inverse_depth_error_grows_with_the_square(codec):
    depth = np.linspace(0.17, 9.9, 500, dtype=np.float32).reshape(10, 50)
    back = decode_compressed_depth(encode_compressed_depth(depth, "32FC1", codec))
    assert (np.abs(back - depth) <= 0.51 * depth**2 / 10100 + 1e-6).all()


def test_inverse_depth_outside_its_range_is_unknown():
    depth = np.array([[0.1, 11.0, np.nan, 1.0]], np.float32)
    back = decode_compressed_depth(encode_compressed_depth(depth, "32FC1"))
    np.testing.assert_array_equal(np.isnan(back), [[True, True, True, False]])


def test_inverse_depth_follows_the_header():
    # depth = A / (q - B), q = 0 unknown, and a negative depth is none.
    header = struct.pack("<iff", 0, 100.0, 10.0)
    values = np.array([[0, 5, 60, 110]], np.uint16)
    message = CompressedImage("32FC1; compressedDepth png", header + png(values))
    np.testing.assert_allclose(
        decode_compressed_depth(message), [[np.nan, np.nan, 2.0, 1.0]], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("16UC1; compressedDepth png", bytes(12)),
        ("16UC1; compressedDepth", bytes(12)),
        ("16UC1", bytes(12)),
        ("mono16; compressedDepth png", bytes(12)),
        ("16UC1; png compressed ", b""),
        ("png", b""),
    ],
)
def test_depth_formats(text, prefix):
    values = np.array([[0, 1500]], np.uint16)
    back = decode_compressed_depth(CompressedImage(text, prefix + png(values)))
    np.testing.assert_allclose(back, [[np.nan, 1.5]], rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "data", "match"),
    [
        ("16UC1; jpeg compressed ", b"", "JPEG destroys depth"),
        ("16UC1; compressedDepth zstd", bytes(40), "known are"),
        ("rgb8; png compressed bgr8", b"", "known are"),
        ("16UC1; compressedDepth png", bytes(12), "its header alone has 12"),
        ("16UC1; compressedDepth png", bytes(40), "damaged"),
        ("16UC1; compressedDepth rvl", bytes(18), "its size alone takes 8"),
        ("16UC1; compressedDepth rvl", bytes(12) + b"\xff" * 8, "damaged"),
        ("16UC1; compressedDepth rvl", bytes(12) + struct.pack("<II", 4, 4), "ends at pixel 0"),
        ("16UC1; png compressed", png(np.zeros((2, 2), np.uint8)), "16 bits is expected"),
        (
            "32FC1; compressedDepth png",
            struct.pack("<iff", 0, float("nan"), 0) + png(np.ones((2, 2), np.uint16)),
            "A = nan",
        ),
    ],
)
def test_wrong_depth_is_refused(text, data, match):
    with pytest.raises(InvalidInputError, match=match):
        decode_compressed_depth(CompressedImage(text, data))


@pytest.mark.parametrize("codec", ["png", "rvl"])
def test_truncated_depth_is_refused(depth, codec):
    message = encode_compressed_depth(depth, codec=codec)
    cut = CompressedImage(message.format, message.data[: len(message.data) // 2])
    with pytest.raises(InvalidInputError):
        decode_compressed_depth(cut)


@pytest.mark.parametrize(("encoding", "codec"), [("8UC1", "png"), ("16UC1", "jpeg")])
def test_unknown_depth_encodings_are_not_written(depth, encoding, codec):
    with pytest.raises(InvalidInputError, match="known are"):
        encode_compressed_depth(depth, encoding, codec)


def test_unknown_colour_codec_is_not_written(color):
    with pytest.raises(InvalidInputError, match="known are jpeg, png"):
        encode_compressed_color(color, "webp")


def test_rvl_by_hand():
    # Pixels 0 0 5 3: two zeros, two values, +5 → 10 (nibbles A|1), -2 → 3.
    #   numbers 2, 2, 10, 3 → nibbles 2 2 A 1 3 0 0 0 → word 0x22A13000, little-endian.
    stream = bytes.fromhex("0030a122")
    assert rvl.encode(np.array([0, 0, 5, 3], np.uint16)) == stream
    np.testing.assert_array_equal(rvl.decode(np.frombuffer(stream, np.uint8), 4), [0, 0, 5, 3])


@settings(max_examples=200)
@given(st.lists(st.one_of(st.just(0), st.integers(0, 65535)), min_size=1, max_size=60))
def test_rvl_round_trip(values):
    pixels = np.array(values, np.uint16)
    stream = np.frombuffer(rvl.encode(pixels), np.uint8)
    np.testing.assert_array_equal(rvl.decode(stream, pixels.size), pixels)


@given(st.binary(max_size=64), st.integers(1, 50))
def test_rvl_garbage_is_refused_or_decoded_but_never_crashes(data, size):
    stream = np.frombuffer(data, np.uint8)
    try:
        assert rvl.decode(stream, size).shape == (size,)
    except InvalidInputError as error:
        assert "RVL" in str(error)  # noqa: PT017 - both ways out are right
