# SPDX-License-Identifier: Apache-2.0
"""What the server answers, and that nothing a page may send ends it."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

import cv2
import numpy as np
import pytest

from tack_cli.inspection.api import Api
from tack_cli.inspection.server import SCRIPTS, Server, page
from tack_cli.inspection.shelf import Extent, Shelf
from tack_perception.errors import InvalidInputError

CLICK = {"class": "tile", "picture": 0, "u": 15, "v": 14.5}


def ask(
    server: Server, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    sent = body if body is None or isinstance(body, bytes | str) else json.dumps(body)
    connection.request(method, path, sent, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def post(server: Server, what: str, body: Any) -> Any:
    status, content = ask(server, "POST", f"/api/{what}", body)
    assert status == 200, content
    return json.loads(content)


def test_the_page_and_its_scripts_need_nothing_from_elsewhere(server: Server) -> None:
    status, content = ask(server, "GET", "/")
    assert status == 200
    assert content.decode() == page()
    for name in SCRIPTS:
        assert f'src="/{name}"'.encode() in content
        status, script = ask(server, "GET", f"/{name}")
        assert status == 200
        assert b"http:" not in script
        assert b"https:" not in script
    assert b"$style" not in content


def test_an_album_is_described_and_shown(server: Server) -> None:
    about = json.loads(ask(server, "GET", "/api/about")[1])
    assert about["classes"] == ["tile"]
    assert about["first"] == "tile"
    album = json.loads(ask(server, "GET", "/api/album?class=tile")[1])
    assert len(album["pictures"]) == 8
    assert album["heads"] == ["tack", "don"]
    for number in range(8):
        data = ask(server, "GET", f"/api/picture?class=tile&picture={number}")[1]
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (album["sharp"], album["sharp"], 3)
        data = ask(server, "GET", f"/api/places?class=tile&picture={number}")[1]
        colors = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert set(np.unique(colors[..., 3])) == {0, 255}


def test_descriptors_come_as_levels(server: Server, api: Api) -> None:
    data = ask(server, "GET", "/api/descriptors?class=tile")[1]
    step = np.frombuffer(data[:4], "<f4")[0]
    levels = np.frombuffer(data[4:], "<i2").reshape(8, 16, 16, 6)
    exact = api.shelf.look("tile").descriptors.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(levels * step, exact, atol=1e-4)


def test_a_click_is_answered_on_every_picture(server: Server) -> None:
    answer = post(server, "point", CLICK)
    assert len(answer["code"]) == 3
    assert len(answer["pixels"]) == len(answer["seen"]) == len(answer["truth"]) == 8
    assert answer["truth"][0] == [15, 14.5]
    found = post(server, "saliency", {**CLICK, "on": 3})
    assert 0 <= found["on_object"] <= 1
    path = post(server, "path", {**CLICK, "u2": 20, "v2": 18, "steps": 5})
    assert np.shape(path["pixels"]) == (8, 5, 2)
    straight = post(server, "path", {**CLICK, "u2": 20, "v2": 18, "steps": 5, "way": "straight"})
    assert straight["pixels"][0][0] == path["pixels"][0][0]
    spread = post(server, "spread", {"class": "tile", "trials": 2})
    assert spread["instances"] == 5
    space = json.loads(ask(server, "GET", "/api/map?class=tile&head=don")[1])
    assert len(space["axes"]) == len(space["colors"]) == len(space["picture"])


@pytest.mark.parametrize(
    ("what", "body", "sentence"),
    [
        ("point", {**CLICK, "class": "spoon"}, "'spoon': there are tile"),
        ("point", {}, "there are tile"),
        ("point", {"class": "tile"}, "picture = None: a number"),
        ("point", {**CLICK, "picture": 99}, "0 to 7"),
        ("point", {**CLICK, "picture": -1}, "0 to 7"),
        ("point", {**CLICK, "picture": 1.5}, "a whole number"),
        ("point", {**CLICK, "picture": 1e400}, "a number"),
        ("point", {**CLICK, "u": "left"}, "u = 'left'"),
        ("point", {**CLICK, "u": [1]}, "a number is expected"),
        ("point", {**CLICK, "u": True}, "a number is expected"),
        ("point", {**CLICK, "u": 5000}, "in this picture of 32 px"),
        ("point", '{"class": "tile", "picture": 0, "u": NaN, "v": 1}', "a number"),
        ("point", b"\xff\xfe", "not JSON"),
        ("point", "[1, 2]", "a JSON object"),
        ("point", "[" * 4000, "not JSON"),
        ("point", "x" * 5000, "up to 4096 bytes"),
        ("saliency", CLICK, "on = None"),
        ("path", {**CLICK, "u2": 1, "v2": 1, "steps": 1}, "2 to 33"),
        ("path", CLICK, "u2 = None"),
        ("path", {**CLICK, "u2": 1, "v2": 1, "way": "up"}, "'up': surface or straight"),
        ("spread", {"class": "tile", "trials": 100000}, "1 to 400"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_in_a_sentence(
    server: Server, what: str, body: Any, sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    status, content = ask(server, "POST", f"/api/{what}", body)
    assert status == 400
    assert sentence in json.loads(content)["error"]
    assert "Traceback" not in capfd.readouterr().err
    assert post(server, "point", CLICK)["code"]


@pytest.mark.parametrize("path", ["/api/map?class=tile&head=sparse", "/api/picture?class=tile"])
def test_a_wrong_query_is_refused(server: Server, path: str) -> None:
    assert ask(server, "GET", path)[0] == 400


def test_other_paths_methods_and_sites_are_refused(server: Server) -> None:
    assert ask(server, "GET", "/api/nothing")[0] == 404
    assert ask(server, "GET", "/../server.py")[0] == 404
    assert ask(server, "POST", "/", {})[0] == 404
    assert ask(server, "DELETE", "/api/point")[0] == 501
    assert ask(server, "GET", "/", Host="evil.example")[0] == 403
    assert ask(server, "POST", "/api/point", CLICK, Origin="http://evil.example")[0] == 403
    assert ask(server, "POST", "/api/point", CLICK, Origin=server.address)[0] == 200


def test_a_connection_that_is_dropped_or_says_nonsense_does_no_harm(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    for sent in (
        b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/point HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /api/point HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
    ):  # fmt: skip
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as line:
            line.sendall(sent)
    assert post(server, "point", CLICK)["code"]
    assert "Traceback" not in capfd.readouterr().err


def test_a_taken_port_is_told(server: Server, api: Api) -> None:
    with pytest.raises(InvalidInputError, match=r"is taken.*--port"):
        Server(api, server.server_port)
    with pytest.raises(InvalidInputError, match="0 to 65535"):
        Server(api, 70000)


@pytest.mark.parametrize(
    ("heads", "refused"), [(("tack",), "/api/descriptors?class=tile"), (("don",), "point")]
)
def test_a_model_with_one_head_answers_what_it_can(
    tiles_folder, tmp_path, heads: tuple[str, ...], refused: str
) -> None:
    from tiny_inspection import write_model

    api = Api(Shelf(str(write_model(tmp_path / "model", heads)), tiles_folder, Extent(2, 1)))
    assert api.album({"class": "tile"})["heads"] == list(heads)
    with pytest.raises(InvalidInputError, match="this model has no"):
        api.point(CLICK) if refused == "point" else api.descriptors({"class": "tile"})
    assert api.map({"class": "tile", "head": heads[0]})["head"] == heads[0]
