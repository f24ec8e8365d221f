# SPDX-License-Identifier: Apache-2.0
"""The hand-crafted detector on pictures whose truth is a known map."""

import cv2
import numpy as np
import pytest

from tack_perception.annotation import Annotation
from tack_perception.camera import CameraIntrinsics
from tack_perception.detectors import DenseDescriptorConfig, DenseDescriptorDetector
from tack_perception.detectors.base import KeypointDetector
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame

WIDTH, HEIGHT = 320, 240
CLICK = (150.0, 110.0)


def texture(seed, width=WIDTH, height=HEIGHT):
    """Blobs of all sizes and colours, (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 120.0)
    for sigma in (2, 4, 8, 16):
        noise = cv2.GaussianBlur(rng.normal(size=(height, width, 3)), (0, 0), sigma)
        image += noise / noise.std() * 18
    return np.clip(image, 0, 255).astype(np.uint8)


def frame_of(color, depth=0.5, focal=300.0):
    height, width = color.shape[:2]
    camera = CameraIntrinsics(width, height, focal, focal, width / 2, height / 2)
    if np.ndim(depth) == 0:
        depth = np.full((height, width), depth)
    return RGBDFrame(color, np.asarray(depth, np.float32), camera, 0, "camera")


def moved(color, angle=0.0, scale=1.0, shift=(0.0, 0.0), gain=1.0):
    """The picture after a similarity about the click, and where the click is then."""
    matrix = cv2.getRotationMatrix2D(CLICK, -angle, scale)
    matrix[:, 2] += shift
    image = cv2.warpAffine(color, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    return np.clip(image * gain, 0, 255).astype(np.uint8), matrix @ [*CLICK, 1.0]


def enrolled(*frames, label="point", config=None):
    detector = DenseDescriptorDetector(config)
    detector.enroll([Annotation(label, *CLICK, frame) for frame in frames])
    return detector


def distance(keypoint, truth):
    return float(np.hypot(keypoint.u - truth[0], keypoint.v - truth[1]))


def test_it_stands_behind_the_port():
    assert isinstance(DenseDescriptorDetector(), KeypointDetector)
    assert DenseDescriptorDetector().detect(frame_of(texture(0))) == []


@pytest.mark.parametrize("depth", [0.5, np.nan], ids=["depth", "no depth"])
@pytest.mark.parametrize(
    "motion",
    [
        {},
        {"shift": (23.0, -17.0)},
        {"angle": 20.0},
        {"angle": -30.0, "shift": (30.0, 10.0)},
        {"scale": 1.35},
        {"scale": 0.75, "angle": 10.0, "shift": (-20.0, 5.0)},
        {"gain": 0.6, "shift": (9.0, 9.0)},
    ],
    ids=str,
)
def test_it_follows_shift_roll_size_and_light(motion, depth):
    color = texture(1)
    detector = enrolled(frame_of(color, depth))
    image, truth = moved(color, **motion)
    (found,) = detector.detect(frame_of(image, depth))
    assert distance(found, truth) < 2.0
    assert found.visible
    assert found.confidence > 0.8
    assert np.isfinite(found.pixel_covariance).all()
    assert distance(found, truth) < 4 * np.sqrt(found.pixel_covariance[0, 0])


def test_any_roll_can_be_asked_for():
    color = texture(2)
    config = DenseDescriptorConfig(roll_deg=180.0, scale=1.0)
    detector = enrolled(frame_of(color), config=config)
    for angle in (100.0, 180.0, -130.0):
        image, truth = moved(color, angle=angle)
        (found,) = detector.detect(frame_of(image))
        assert distance(found, truth) < 2.0, angle


def test_another_camera_and_size():
    color = texture(3)
    detector = enrolled(frame_of(color))
    large = cv2.resize(color, None, fx=1.3, fy=1.3, interpolation=cv2.INTER_CUBIC)[:, 40:]
    truth = (np.array(CLICK) + 0.5) * 1.3 - 0.5 - [40, 0]
    (found,) = detector.detect(frame_of(np.ascontiguousarray(large), focal=390.0))
    assert distance(found, truth) < 2.0


def test_what_is_absent_or_covered_is_not_believed():
    color = texture(4)
    detector = enrolled(frame_of(color))
    covered = color.copy()
    cv2.circle(covered, (150, 110), 75, (90, 90, 90), -1)
    for image in (texture(5), covered, np.full_like(color, 128)):
        (found,) = detector.detect(frame_of(image))
        assert not found.visible
        assert found.confidence < 0.5


def test_a_point_on_an_object_moves_with_the_object_and_not_with_the_background():
    thing, wall = texture(6), texture(7)

    def scene(left):
        image, depth = wall.copy(), np.full((HEIGHT, WIDTH), 0.9)
        image[70:150, left : left + 90] = thing[70:150, 70:160]
        depth[70:150, left : left + 90] = 0.5
        depth[70:150, left - 4 : left] = np.nan
        return frame_of(image, depth)

    detector = DenseDescriptorDetector()
    detector.enroll([Annotation("corner", 84.0, 80.0, scene(80))])
    (found,) = detector.detect(scene(170))
    assert distance(found, (174.0, 80.0)) < 2.0


def test_several_shots_of_a_label_are_used_together():
    front, back = texture(8), texture(9)
    detector = enrolled(frame_of(front), frame_of(back))
    assert detector.labels == ("point",)
    for side in (front, back):
        image, truth = moved(side, shift=(14.0, 6.0))
        (found,) = detector.detect(frame_of(image))
        assert found.visible
        assert distance(found, truth) < 2.0


def test_labels_keep_their_order_and_can_be_forgotten():
    frame = frame_of(texture(10))
    detector = DenseDescriptorDetector()
    detector.enroll([Annotation("b", 100, 100, frame), Annotation("a", 200, 120, frame)])
    assert detector.labels == ("b", "a")
    assert [keypoint.label for keypoint in detector.detect(frame)] == ["b", "a"]
    detector.forget("b")
    assert detector.labels == ("a",)
    with pytest.raises(InvalidInputError, match="'b' is not enrolled; enrolled are: a"):
        detector.forget("b")
    detector.forget()
    assert detector.labels == ()


def test_a_click_without_texture_is_refused_and_nothing_of_that_call_is_enrolled():
    good, blank = frame_of(texture(11)), frame_of(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    detector = DenseDescriptorDetector()
    with pytest.raises(InvalidInputError, match=r"blank: the image around .* has no texture"):
        detector.enroll([Annotation("good", *CLICK, good), Annotation("blank", *CLICK, blank)])
    assert detector.labels == ()


@pytest.mark.parametrize("click", [(0.0, 0.0), (319.4, 239.4), (-0.5, 120.0)])
def test_a_click_at_the_border_works(click):
    frame = frame_of(texture(12))
    detector = DenseDescriptorDetector()
    detector.enroll([Annotation("edge", *click, frame)])
    (found,) = detector.detect(frame)
    assert frame.intrinsics.contains(found.u, found.v)
    assert distance(found, click) < 6.0


def test_a_small_picture_is_searched_and_a_tiny_one_refused():
    detector = enrolled(frame_of(texture(13)))
    (found,) = detector.detect(frame_of(texture(13, 48, 36)))
    assert not found.visible
    with pytest.raises(InvalidInputError, match="8×8 px"):
        detector.detect(frame_of(texture(13, 8, 8)))


def test_results_are_the_same_to_the_bit_whatever_the_threads():
    color = texture(14)
    image, _ = moved(color, angle=8.0, scale=1.1)
    threads = cv2.getNumThreads()
    results = set()
    try:
        for count in (1, 4, 4):
            cv2.setNumThreads(count)
            (found,) = enrolled(frame_of(color)).detect(frame_of(image))
            results.add((found.u, found.v, found.confidence, found.pixel_covariance.tobytes()))
    finally:
        cv2.setNumThreads(threads)
    assert len(results) == 1
