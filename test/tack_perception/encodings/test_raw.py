# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import array
import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tack_perception.encodings import (
    COLOR_ENCODINGS,
    RawImage,
    decode_color,
    decode_depth,
    encode_color,
    encode_depth,
)
from tack_perception.errors import InvalidInputError

RGB = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]]], np.uint8)


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30]),
        ("bgr8", [0, 0, 255, 0, 255, 0, 255, 0, 0, 30, 20, 10]),
        ("8UC3", [0, 0, 255, 0, 255, 0, 255, 0, 0, 30, 20, 10]),
        ("rgba8", [255, 0, 0, 9, 0, 255, 0, 9, 0, 0, 255, 9, 10, 20, 30, 9]),
        ("bgra8", [0, 0, 255, 9, 0, 255, 0, 9, 255, 0, 0, 9, 30, 20, 10, 9]),
    ],
)
def test_channel_orders(encoding, pixels):
    channels = len(pixels) // 4
    image = RawImage(2, 2, encoding, 2 * channels, bytes(pixels))
    np.testing.assert_array_equal(decode_color(image), RGB)


def test_grey_is_repeated():
    image = RawImage(1, 2, "mono8", 2, bytes([7, 200]))
    np.testing.assert_array_equal(decode_color(image), [[[7] * 3, [200] * 3]])


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("yuv422", [128, 81, 128, 145]),
        ("uyvy", [128, 81, 128, 145]),
        ("yuv422_yuy2", [81, 128, 145, 128]),
        ("yuyv", [81, 128, 145, 128]),
    ],
)
def test_yuv_puts_luma_and_chroma_in_their_places(encoding, data):
    # Neutral chroma makes grey: R = G = B = 1.164 (Y - 16).
    grey = decode_color(RawImage(1, 2, encoding, 4, bytes(data)))
    np.testing.assert_allclose(grey[0], [[76] * 3, [150] * 3], atol=1)


def test_yuv_red_is_red():
    # BT.601 red is Y 81, U 90, V 240.
    red = decode_color(RawImage(1, 2, "yuv422", 4, bytes([90, 81, 240, 81])))
    np.testing.assert_allclose(red[0], [[255, 0, 0]] * 2, atol=3)


@given(
    encoding=st.sampled_from(["rgb8", "bgr8", "rgba8", "bgra8", "8UC3"]),
    height=st.integers(1, 5),
    width=st.integers(1, 7),
    padding=st.integers(0, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_colour_round_trip_with_padding(encoding, height, width, padding, seed):
    color = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    message = encode_color(color, encoding)
    rows = np.frombuffer(message.data, np.uint8).reshape(height, message.step)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    image = RawImage(height, width, encoding, message.step + padding, padded.tobytes())
    np.testing.assert_array_equal(decode_color(image), color)


@pytest.mark.parametrize("encoding", COLOR_ENCODINGS)
def test_every_encoding_can_be_written_and_read(encoding):
    grey = np.full((4, 6, 3), 120, np.uint8)
    np.testing.assert_allclose(decode_color(encode_color(grey, encoding)), grey, atol=2)


def test_rgb8_is_not_copied():
    data = np.zeros(12, np.uint8)
    assert np.shares_memory(decode_color(RawImage(2, 2, "rgb8", 6, data)), data)


def test_depth_units_and_byte_order():
    little = np.array([[0, 1], [500, 65535]], "<u2")
    expected = np.array([[np.nan, 0.001], [0.5, 65.535]], np.float32)
    for big, data in ((0, little), (1, little.astype(">u2"))):
        for encoding in ("16UC1", "mono16"):
            image = RawImage(2, 2, encoding, 4, data.tobytes(), big)
            np.testing.assert_allclose(decode_depth(image), expected, rtol=1e-6)
    tenth = decode_depth(RawImage(2, 2, "16UC1", 4, little.tobytes()), unit=0.0001)
    np.testing.assert_allclose(tenth, expected / 10, rtol=1e-6)


def test_float_depth_knows_only_distances():
    values = np.array([[0, -1, np.inf], [-np.inf, np.nan, 1.25]], "<f4")
    expected = np.array([[np.nan] * 3, [np.nan, np.nan, 1.25]], np.float32)
    np.testing.assert_array_equal(
        decode_depth(RawImage(2, 3, "32FC1", 12, values.tobytes())), expected
    )
    big = RawImage(2, 3, "32FC1", 12, values.astype(">f4").tobytes(), 1)
    np.testing.assert_array_equal(decode_depth(big), expected)


def test_depth_with_a_step_that_is_not_a_multiple_of_the_value():
    rows = np.array([[1, 2], [3, 4]], "<u2").view(np.uint8)
    padded = np.pad(rows, ((0, 0), (0, 3)))
    image = RawImage(2, 2, "16UC1", 7, padded.tobytes())
    np.testing.assert_allclose(decode_depth(image), [[0.001, 0.002], [0.003, 0.004]], rtol=1e-6)


@given(
    steps=st.lists(st.integers(0, 65535), min_size=1, max_size=20),
    unit=st.sampled_from([0.001, 0.0001, 0.00025]),
)
def test_sixteen_bit_depth_round_trip(steps, unit):
    raw = np.array([steps], "<u2")
    image = RawImage(1, len(steps), "16UC1", 2 * len(steps), raw.tobytes())
    back = encode_depth(decode_depth(image, unit), "16UC1", unit)
    np.testing.assert_array_equal(np.frombuffer(back.data, "<u2"), raw[0])


def test_depth_out_of_range_becomes_unknown():
    depth = np.array([[65.536, 0.0004, 65.535, np.nan]], np.float32)
    values = np.frombuffer(encode_depth(depth).data, "<u2")
    np.testing.assert_array_equal(values, [0, 0, 65535, 0])


def test_float_depth_round_trip_is_exact():
    depth = np.array([[0.123456, np.nan, 9.87]], np.float32)
    np.testing.assert_array_equal(decode_depth(encode_depth(depth, "32FC1")), depth)


def test_data_may_be_an_array_of_rclpy():
    image = RawImage(1, 1, "rgb8", 3, array.array("B", [1, 2, 3]))
    np.testing.assert_array_equal(decode_color(image), [[[1, 2, 3]]])


GOOD = RawImage(2, 2, "rgb8", 6, bytes(12))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoding": "bayer_rggb8"}, "'bayer_rggb8': known are rgb8, bgr8"),
        ({"encoding": "16UC1"}, "known are rgb8"),
        ({"encoding": ""}, "colour encoding ''"),
        ({"data": bytes(11)}, "11 bytes of data, 12 expected"),
        ({"data": bytes(13)}, "13 bytes of data"),
        ({"data": b""}, "0 bytes of data"),
        ({"step": 5}, "step is 5 bytes, a row needs 6"),
        ({"width": 0}, "no pixels"),
        ({"height": 0, "data": b""}, "no pixels"),
        ({"encoding": "yuv422", "width": 3, "step": 6}, "odd width 3"),
    ],
)
def test_wrong_colour_images_are_refused(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        decode_color(dataclasses.replace(GOOD, **changes))


@pytest.mark.parametrize("unit", [0.0, -0.001, float("nan"), float("inf")])
def test_wrong_units_are_refused(unit):
    with pytest.raises(InvalidInputError, match="depth unit"):
        decode_depth(RawImage(1, 1, "16UC1", 2, bytes(2)), unit)


def test_wrong_depth_encoding_is_refused_with_the_known_ones():
    with pytest.raises(InvalidInputError, match="'rgb8': known are 16UC1, mono16, 32FC1"):
        decode_depth(GOOD)


@pytest.mark.parametrize(
    "color",
    [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3), np.float32), np.zeros((0, 2, 3), "u1")],
)
def test_wrong_arrays_are_not_written(color):
    with pytest.raises(InvalidInputError, match="colour array"):
        encode_color(color)


def test_wrong_depth_arrays_are_not_written():
    with pytest.raises(InvalidInputError, match="float32"):
        encode_depth(np.zeros((2, 2), np.float64))
