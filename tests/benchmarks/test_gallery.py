"""The gallery of the docs: the recordings in the player as it is, small enough to be sent."""

import json

from anyorder.show.provenance import story
from anyorder.trace import Trace, fold
from benchmarks.gallery import DECODERS, PAGE, SHOWN, SOURCES, data_in, page


def test_the_gallery_has_the_player_as_it_is_now() -> None:
    html = PAGE.read_text(encoding="utf-8")
    assert page(data_in(html)) == html, "run `python -m benchmarks.gallery --again`"


def test_it_is_small_and_has_no_table_of_speeds() -> None:
    html = PAGE.read_text(encoding="utf-8")
    assert len(html.encode()) < 1_500_000
    assert 'id="results"' not in html


def test_what_was_recorded_is_all_there_and_can_be_read(tmp_path) -> None:
    data = data_in(PAGE.read_text(encoding="utf-8"))
    assert len(data["groups"]) == len(SHOWN) + sum(map(len, SOURCES.values()))
    for group in data["groups"]:
        for run in group["runs"]:
            path = tmp_path / "trace.jsonl"
            path.write_text("\n".join(map(json.dumps, run["trace"])), encoding="utf-8")
            trace = Trace.load(path)
            frames = story(trace, run["row"])
            assert [cell.token for cell in frames[-1].cells] == fold(trace).tokens_BN[0].tolist()
    told = {run["decoder"] for group in data["groups"] for run in group["runs"]}
    assert set(DECODERS) < told
    assert {"pronounce-ctc, ctc-greedy", "translate-en-de-ctc, ctc-greedy"} < told
    kinds = [
        run["trace"][-1]["facts"]["lattice"][0]["kind"]
        for group in data["groups"]
        for run in group["runs"]
        if "lattice" in run["trace"][-1]["facts"]
    ]
    assert {"ctc", "dag"} == set(kinds)
