"""One's own pairs are read as they are; what can't be is named with its file and line."""

import json
import random
import sys
from pathlib import Path

import pytest

from anyorder.data.own import Fields, OwnPairs, read
from anyorder.data.pairs import Example


def written(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def jsonl(path: Path, *rows: object) -> str:
    return written(path, "".join(json.dumps(row) + "\n" for row in rows))


def test_json_lines_with_one_target_or_several(tmp_path):
    rows = [
        {"source": "a", "target": "b"},
        {"source": "c", "target": ["d", "e", "d"]},
        {"source": "a", "target": "f"},
    ]
    task = OwnPairs(jsonl(tmp_path / "p.jsonl", *rows))
    assert task.all() == (Example("a", ("b", "f"), "a"), Example("c", ("d", "e"), "c"))
    assert task.remarks == ()


def test_fields_may_have_other_names_and_lie_deeper(tmp_path):
    row = {"translation": {"en": "cat", "de": "Katze"}, "book": 7, "a.b": "x"}
    place = jsonl(tmp_path / "p.jsonl", row)
    fields = Fields("translation.en", "translation.de", group="book")
    assert OwnPairs(place, fields).all() == (Example("cat", ("Katze",), "7"),)
    assert OwnPairs(place, Fields("a.b", "translation.de")).all()[0].source == "x"


def test_tabs_part_columns_and_the_third_is_the_group(tmp_path):
    place = written(tmp_path / "p.tsv", '\ufeffa "x"\tb\tg\r\nc\td\n\n')
    assert OwnPairs(place).all() == (Example('a "x"', ("b",), "g"), Example("c", ("d",), "c"))


def test_a_header_with_the_names_of_the_fields_is_none_of_the_pairs(tmp_path):
    place = written(tmp_path / "p.tsv", "en\tde\ncat\tKatze\n")
    assert len(OwnPairs(place, Fields("en", "de")).all()) == 1
    assert len(OwnPairs(place).all()) == 2


def test_the_same_source_in_two_groups_stays_with_both(tmp_path):
    place = written(tmp_path / "p.tsv", "a\tb\t1\na\tc\t2\n")
    assert OwnPairs(place).all() == (Example("a", ("b",), "1"), Example("a", ("c",), "2"))


def test_empty_sides_are_counted_and_the_first_is_named(tmp_path):
    place = written(tmp_path / "p.tsv", "a\tb\n\tb\nc\t \n")
    task = OwnPairs(place)
    assert len(task.all()) == 1
    (remark,) = task.remarks
    assert remark.startswith("2 pairs have an empty source or target")
    assert "p.tsv, line 2" in remark
    rows = [{"source": "a", "target": None}, {"source": "b", "target": "c"}]
    (remark,) = OwnPairs(jsonl(tmp_path / "p.jsonl", *rows)).remarks
    assert remark.startswith("1 pair has")
    assert OwnPairs(jsonl(tmp_path / "q.jsonl", {"source": "a", "target": []})).remarks


GOOD = '{"source": "a", "target": "b"}\n'


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("p.jsonl", GOOD + "\n" + GOOD, "p.jsonl, line 2: the line is empty"),
        ("p.jsonl", GOOD + "{'source'}", "p.jsonl, line 2: this is no JSON"),
        ("p.jsonl", "[1]", "p.jsonl, line 1: this is no object"),
        ("p.jsonl", '{"source": "a"}', "line 1: there is no field 'target'; there is source"),
        ("p.jsonl", "{}", "line 1: there is no field 'source'; there is none"),
        ("p.jsonl", '{"source": 1, "target": "b"}', "line 1: 'source' and 'target' must be texts"),
        ("p.jsonl", '{"source": "a", "target": [["b"]]}', "line 1: .* must be texts"),
        ("p.jsonl", '{"source": "\\ud800", "target": "b"}', "line 1: .* half a character"),
        ("p.jsonl", GOOD.encode() + b'{"source": "\xfc"}', "p.jsonl, line 2: this is no UTF-8"),
        ("p.tsv", "a\tb\nc\n", "p.tsv, line 2: one column alone; there must be source and target"),
        ("p.tsv", "a\tb\tc\td\n", "p.tsv, line 1: 4 columns"),
        ("p.tsv", "a\tb".encode("utf-16"), "p.tsv, line 1: this is no UTF-8 text"),
        ("p.csv", "a,b", "p.csv is of no kind that can be read: .jsonl, .tsv, .parquet"),
    ],
)
def test_what_is_no_pair_is_named_with_its_line(name, content, says, tmp_path):
    with pytest.raises(ValueError, match=says) as caught:
        OwnPairs(written(tmp_path / name, content)).splits()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "\n\n", "\tb\n"])
def test_a_file_without_pairs_is_refused(content, tmp_path):
    with pytest.raises(ValueError, match=r"p\.tsv has no pairs"):
        OwnPairs(written(tmp_path / "p.tsv", content)).splits()


def many(path: Path) -> OwnPairs:
    return OwnPairs(written(path, "".join(f"word {i}\tWort {i}\n" for i in range(60))))


def test_a_file_is_shared_out(tmp_path):
    splits = many(tmp_path / "p.tsv").splits()
    assert len(splits.train) + len(splits.valid) + len(splits.test) == 60
    assert splits.valid
    assert splits.test


def test_units_are_learned_from_both_sides(tmp_path):
    task = many(tmp_path / "p.tsv")
    source, target = task.units(task.splits().train)
    assert source.decode(source.encode("word 日")) == "word 日"
    assert len(target.encode("Wort")) < len(source.encode("Wort"))


def test_scores_need_no_extra_but_have_more_with_it(tmp_path, monkeypatch):
    task, pairs = OwnPairs("p.tsv"), [Example("a", ("the cat sat on a mat",), "a")]
    monkeypatch.setattr("anyorder.measure.quality.find_spec", lambda _: None)
    scores = task.scores(["the cat sat on the mat"], pairs)
    assert scores == {"exact": 0, "edit_rate": 1 / 6, "repeated_rate": 0}
    pytest.importorskip("sacrebleu")
    monkeypatch.undo()
    assert set(task.scores(["the cat"], pairs)) == {*scores, "bleu", "chrf"}


@pytest.mark.parametrize("place", ["p.parquet", "owner/pairs"])
def test_without_the_extra_it_is_named(place, tmp_path, monkeypatch):
    for name in ("datasets", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    where = written(tmp_path / place, "x") if place == "p.parquet" else place
    with pytest.raises(ValueError, match=r"pip install 'anyorder\[train\]'"):
        OwnPairs(where).splits()


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "p.parquet"
    columns = {"source": ["a", None], "target": [["b", "c"], ["d"]]}
    parquet.write_table(pyarrow.table(columns), path)
    task = OwnPairs(str(path))
    assert task.all() == (Example("a", ("b", "c"), "a"),)
    assert "p.parquet, row 2" in task.remarks[0]
    with pytest.raises(ValueError, match=r"p\.parquet, row 1: there is no field 'x'"):
        OwnPairs(str(path), Fields("x")).all()
    path.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"p\.parquet is no Parquet file"):
        OwnPairs(str(path)).all()


def rows(*texts: str) -> dict[str, list[str]]:
    return {"source": list(texts), "target": [text.upper() for text in texts]}


def test_a_data_set_keeps_its_own_parts(tmp_path):
    datasets = pytest.importorskip("datasets")
    parts = {"train": rows(*"abcdefgh"), "test": rows("y", "z")}
    made = {name: datasets.Dataset.from_dict(part) for name, part in parts.items()}
    place = str(tmp_path / "set")
    datasets.DatasetDict(made).save_to_disk(place)
    splits = OwnPairs(place).splits()
    assert [example.source for example in splits.test] == ["y", "z"]
    assert {e.source for e in (*splits.train, *splits.valid)} == set("abcdefgh")
    assert len(splits.valid) >= 1
    assert len(OwnPairs(place).all()) == 10
    assert list(read(place, Fields())) == ["train", "test"]


def test_a_data_set_of_one_part_is_shared_out(tmp_path):
    datasets = pytest.importorskip("datasets")
    place = str(tmp_path / "set")
    datasets.Dataset.from_dict(rows(*"abcdefgh", " ")).save_to_disk(place)
    task = OwnPairs(place)
    assert len(task.all()) == 8
    assert "row 9" in task.remarks[0]
    assert task.splits().test


def test_a_folder_that_is_no_data_set_is_refused(tmp_path):
    pytest.importorskip("datasets")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="is no file, and no data set that can be read"):
        OwnPairs(str(tmp_path / "empty")).splits()


def test_very_long_texts_are_counted_and_the_first_is_named(tmp_path):
    place = written(tmp_path / "p.tsv", "a\tb\n" + "x " * 5000 + "\ty\nc\t" + "d" * 4001 + "\n")
    (remark,) = OwnPairs(place).remarks
    assert remark.startswith("2 pairs have a text of more than 4000 characters")
    assert "p.tsv, line 2" in remark
    assert "counts as not translated" in remark
    assert len(OwnPairs(place).all()) == 3
    assert OwnPairs(written(tmp_path / "q.tsv", "a\t" + "d" * 4000 + "\n")).remarks == ()


def test_a_pair_keeps_its_part_when_the_file_is_shuffled_or_grows(tmp_path):
    lines = [f"word {i}\tWort {i}\n" for i in range(400)]
    before = OwnPairs(written(tmp_path / "p.tsv", "".join(lines[:300]))).splits()
    random.Random(0).shuffle(lines)
    after = OwnPairs(written(tmp_path / "q.tsv", "".join(lines))).splits()
    for name in ("train", "valid", "test"):
        assert set(getattr(before, name)) < set(getattr(after, name))
