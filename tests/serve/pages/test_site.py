"""The page's files: nothing comes from elsewhere, and what they say is what the results say."""

import json
import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from anyorder.decode.generate import generate
from anyorder.models.files.shipped import shipped
from anyorder.models.load import load
from anyorder.serve.pages.about import about
from anyorder.serve.pages.evidence import evidence
from anyorder.serve.pages.site import OWN, assets, router
from anyorder.serve.ways import way
from anyorder.systems.catalogue import result, system
from anyorder.systems.frontier import charts
from tests.models.made import folder
from tests.show.node import run_text


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    path = folder(tmp_path_factory.mktemp("model"), "llama", max_position_embeddings=64)
    app = FastAPI()
    lm = load(path, native=True)
    app.include_router(router(lambda: about(lm)))
    return TestClient(app)


def test_every_file_is_served_and_may_load_nothing_from_elsewhere(client: TestClient) -> None:
    for path, asset in assets().items():
        answer = client.get(path)
        assert answer.content == asset.body
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_no_file_of_ours_names_another_place() -> None:
    ours = [asset.body.decode() for path, asset in assets().items() if "d3" not in path]
    for text in ours:
        text = text.replace('"http://www.w3.org/2000/svg"', "")  # the name of a kind of elements
        assert not re.search(r"https?://|@import|url\(|innerHTML|insertAdjacent|eval\(", text)


def test_the_page_has_neither_script_nor_style_in_it() -> None:
    page = assets()["/"].body.decode()
    assert not re.search(r"<script(?! src)|<style|style=|\son\w+=", page)
    wanted = re.findall(r'(?:src|href)="(page/[^"]+)"', page)
    assert {f"/{path}" for path in wanted} <= set(assets())


def test_what_is_vendored_has_its_licence(client: TestClient) -> None:
    assert "Mike Bostock" in client.get("/page/d3.LICENSE").text
    assert client.get("/page/d3.js").text.startswith("// https://d3js.org v7.9.")


def test_the_scripts_stand_together_and_are_strict_javascript() -> None:
    code = assets()["/page/player.js"].body.decode() + assets()["/page/app.js"].body.decode()
    assert code.count('"use strict";') == 2
    classes = "[typeof Player, typeof Form, typeof Writing]"
    assert run_text(code.removesuffix("openApp();\n"), ask=classes, input=0) == ["function"] * 3


def test_what_fits_the_model_is_told_and_why_the_others_do_not(client: TestClient) -> None:
    told = client.get("/page/about.json").json()
    lacks = {one["name"]: one["lacks"] for one in told["decoders"]}
    assert lacks["left-to-right"] == ""
    assert lacks["ctc-greedy"] == "needs a CTCModel"
    assert "draft_model" in lacks["speculative"]
    assert all(one["does"].endswith(".") for one in told["decoders"])
    assert {"story", "code"} <= {one["name"] for one in told["examples"]}


def test_a_model_that_is_no_language_model_gets_its_own_decoders_and_sources() -> None:
    told = about(load(shipped()["pronounce-dag"]))
    fits = {one["name"] for one in told["decoders"] if not one["lacks"]}
    assert {"dag-greedy", "dag-lookahead"} <= fits
    assert "left-to-right" not in fits
    assert told["fills"] is False
    assert told["examples"][0] == {"name": "rhythmically", "prompt": "rhythmically"}


@pytest.mark.parametrize("name", shipped())
def test_the_decoders_that_are_offered_write(name: str) -> None:
    """Also its own, which stands first; a list that fits is a promise."""
    lm = load(shipped()[name])
    told = about(lm)
    assert told["decoder"] == lm.decoder == told["decoders"][0]["name"]
    for one in told["decoders"]:
        if not one["lacks"]:
            source = told["examples"][0]["prompt"]
            out = generate(lm, source, decoder=way(one["name"]), max_new_tokens=8, seed=0)
            assert out.text, one["name"]


def test_a_decoder_with_options_that_the_server_has_stands_first(client: TestClient) -> None:
    lm = load(shipped()["pronounce-ar"])
    (first, *others) = about(lm, decoder="jacobi:block=3")["decoders"]
    assert (first["name"], first["exact"], first["lacks"]) == ("jacobi:block=3", True, "")
    assert "jacobi" in {one["name"] for one in others}


def test_while_the_model_is_loaded_the_page_is_told_so() -> None:
    app = FastAPI()
    app.include_router(router(lambda: None))
    answer = TestClient(app).get("/page/about.json")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "being loaded" in answer.json()["error"]["message"]


def test_systems_are_told_as_their_files_and_results_have_them(client: TestClient) -> None:
    told = client.get("/page/evidence.json").json()
    assert told == json.loads(json.dumps(evidence()))
    (ctc,) = (one for one in told["systems"] if one["slug"] == "ctc-nat")
    measured = result("ctc-nat")
    assert measured is not None
    assert ctc["mechanism"] == system("ctc-nat").mechanism
    assert [claim["verdict"] for claim in ctc["claims"]] == [c.verdict for c in measured.claims]
    assert sum(len(table["rows"]) for table in ctc["tables"]) == len(measured.rows)


def test_every_point_stands_in_one_result_and_leads_to_a_system_that_works() -> None:
    works = {one["slug"] for one in evidence()["systems"] if one["works"]}
    for chart in charts():
        measured = result(chart.slug)
        assert measured is not None
        rows = {row.system: row.metric for row in measured.rows}
        for point in chart.points:
            values = rows[point.row][chart.quality.metric]
            assert point.quality == pytest.approx(sum(values) / len(values))
            assert point.milliseconds > 0
            assert point.slug in works


def holes(ask: str, input: object) -> object:
    code = (assets()["/page/player.js"].body + assets()["/page/app.js"].body).decode()
    first, last = code.index("const HOLE"), code.index("/* The form:")
    return run_text(code[first:last], ask=ask, input=input)


def test_holes_are_found_and_sized() -> None:
    assert len(OWN) == 6
    assert holes("segmentsOf(input, 6)", "A ____ cat ___:12.") == [
        *({"text": "A "}, {"hole": 6}, {"text": " cat "}, {"hole": 12}, {"text": "."}),
    ]
    assert holes("segmentsOf(input, 6)", "no __ hole") == [{"text": "no __ hole"}]
    assert holes("segmentsOf(input, 6)", "___:2:30") == [{"hole": 2}, {"text": "30"}]
    assert holes("segmentsOf(input, 2)", "______") == [{"hole": 2}]


def test_what_is_written_again_goes_around_what_is_locked() -> None:
    cells = [{"token": n, "origin": "given" if n in (0, 4) else "own"} for n in range(6)]
    ask = "around(input, 1, new Set([2, 3]), input.map((_, n) => `<${n}>`))"
    assert holes(ask, cells) == [{"hole": 1}, {"text": "<2><3><4>"}, {"hole": 1}]
