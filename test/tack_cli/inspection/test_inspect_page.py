# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: a click and a mouse that moves change what is painted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tack_cli.inspection.server import Server

MODES = ("heat", "distance", "saliency", "path", "places")


@pytest.fixture
def page(browser: Any, server: Server) -> Any:
    browser.open(server.address)
    browser.until("document.body.dataset.ready === 'tile'")
    return browser


def middle(page: Any, number: int, share: tuple[float, float] = (0.5, 0.5)) -> tuple[float, float]:
    """A place of a picture on the page, px; the page is scrolled so that it can be reached."""
    page.evaluate(f"state.tiles[{number}].canvas.scrollIntoView({{block: 'center'}})")
    box = page.evaluate(
        f"(({{left, top, width, height}}) => [left, top, width, height])"
        f"(state.tiles[{number}].canvas.getBoundingClientRect())"
    )
    return box[0] + share[0] * box[2], box[1] + share[1] * box[3]


def painted(page: Any, number: int) -> np.ndarray:
    """(N,) values of what is painted on a picture, thinned."""
    page.evaluate("draw()")
    return np.array(
        page.evaluate(
            f"Array.from(state.tiles[{number}].context.getImageData(0, 0, 384, 384).data)"
            ".filter((_, i) => i % 41 === 0)"
        )
    )


def show(page: Any, mode: str) -> None:
    page.evaluate(f"document.querySelector('[data-mode={mode}]').click()")
    page.until(f"document.querySelector('[data-mode={mode}]').ariaSelected === 'true'")


def test_a_click_changes_the_heat_of_other_pictures(page: Any) -> None:
    assert page.evaluate("document.querySelectorAll('#tiles canvas').length") == 8
    before = painted(page, 5)
    first = page.evaluate("document.getElementById('readout').textContent")
    page.click(*middle(page, 3, (0.4, 0.6)))
    page.until("state.click.picture === 3 && state.answer.truth[3] !== null")
    assert np.abs(painted(page, 5) - before).max() > 20
    assert page.evaluate("document.getElementById('readout').textContent") != first
    assert page.evaluate("state.tiles[3].figure.classList.contains('chosen')")
    u, v = page.evaluate("state.click.pixel")
    assert (u, v) == pytest.approx((0.4 * 32 - 0.5, 0.6 * 32 - 0.5), abs=0.3)


def test_the_mouse_changes_the_distances(page: Any) -> None:
    show(page, "distance")
    page.hover(*middle(page, 0, (0.5, 0.5)))
    before, said = painted(page, 6), page.evaluate("state.tiles[6].note.textContent")
    page.hover(*middle(page, 0, (0.1, 0.1)))
    page.until(f"state.tiles[6].note.textContent !== {said!r}")
    assert np.abs(painted(page, 6) - before).max() > 20
    # What the browser computes is what the network says.
    nearest = page.evaluate("state.nearest")
    picture, pixel = page.evaluate("[state.hover.picture, state.hover.pixel]")
    assert picture == 0
    from tack_perception.inspection.look import best_cells

    look = page_look(page)
    _, expected = best_cells(look.distances(0, pixel), 2)
    np.testing.assert_allclose(nearest, expected, atol=2e-3)


def page_look(page: Any) -> Any:
    return page.server.api.shelf.look("tile")


@pytest.fixture(autouse=True)
def _told(browser: Any, server: Server) -> None:
    browser.server = server


def test_every_mode_shows_something_of_its_own(page: Any, server: Server) -> None:
    seen = []
    for mode in MODES:
        show(page, mode)
        if mode == "saliency":
            page.until("state.salient.filter(Boolean).length === 8")
        seen.append(painted(page, 1))
        assert seen[-1].std() > 5, mode
        assert page.evaluate("document.getElementById('trouble').hidden")
    for i, one in enumerate(seen):
        for other in seen[:i]:
            assert np.abs(one - other).mean() > 0.5
    picture = page.picture()
    assert picture.std() > 20
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 500
    assert page.foreign(server.address) == []


def test_two_clicks_make_a_way(page: Any) -> None:
    show(page, "path")
    before = page.evaluate("JSON.stringify(state.path.pixels)")
    page.click(*middle(page, 2, (0.4, 0.4)))
    page.until("state.ends.length === 1")
    page.click(*middle(page, 2, (0.6, 0.6)))
    page.until("state.path !== null")
    assert page.evaluate("JSON.stringify(state.path.pixels)") != before
    page.evaluate("document.querySelector('#measure').click()")
    page.until("/wanted/.test(document.getElementById('readout').textContent)")
    page.evaluate("document.querySelectorAll('#ways button')[1].click()")
    page.until("state.way === 'straight' && state.path !== null")
    assert page.evaluate("document.querySelector('#measure') !== null")  # of the other way


def test_the_map_points_back_at_the_pictures(page: Any) -> None:
    page.evaluate("document.getElementById('space').scrollIntoView()")
    for canvas in ("flat", "solid"):
        count = page.evaluate(
            f"((c) => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width,"
            f" c.height).data.buffer)).size)(document.getElementById('{canvas}'))"
        )
        assert count > 50, canvas
    x, y = page.evaluate(
        "((c) => { const b = c.getBoundingClientRect(), p = cloud.placed(c)[7];"
        " const k = b.width / c.width; return [b.left + p[0] * k, b.top + p[1] * k]; })"
        "(document.getElementById('flat'))"
    )
    page.hover(x, y)
    page.until("state.pointed && state.pointed.picture >= 0")
    page.evaluate("document.querySelectorAll('#heads button')[1].click()")
    page.until("state.space.don !== undefined")
    page.evaluate("document.querySelectorAll('#paints button')[1].click()")
    page.until("cloud.inks.includes(HUES[0])")


def test_what_the_server_refuses_is_said_on_the_page(page: Any) -> None:
    page.evaluate("load('spoon')")
    page.until("!document.getElementById('trouble').hidden")
    assert "spoon" in page.evaluate("document.getElementById('trouble').textContent")
