"""Images that are said in a few letters: what is seen, how noisy it is, what an error is."""

import numpy as np
import pytest

from anyorder.data.sprites import Sprites

TASK = Sprites(size=6, levels=12, pairs=60)


def rows(source: str, task: Sprites = TASK) -> list[str]:
    return ["".join("#" if cell > 3 else "." for cell in row) for row in task.image(source)]


def test_what_is_to_be_seen() -> None:
    assert rows("dccbia") == ["..#...", ".###..", "#####.", ".###..", "..#...", "......"]
    assert rows("scbaia") == ["......", "###...", "###...", "###...", "......", "......"]
    assert rows("cddbia") == ["......", "...#..", "...#..", ".#####", "...#..", "...#.."]


def test_images_are_noisy_and_each_source_comes_once() -> None:
    splits = TASK.splits()
    every = [*splits.train, *splits.valid, *splits.test]
    assert len({example.source for example in every}) == len(every) == 60
    apart = [
        np.array(["abcdefghijkl".index(cell) for cell in example.targets[0]]).reshape(6, 6)
        - TASK.image(example.source)
        for example in every
    ]
    assert 0.7 < np.std(apart) < 1.1  # cut off at the darkest and the lightest
    assert all(len(example.targets[0]) == 36 for example in every)
    assert TASK.splits() == splits
    assert Sprites(size=6, levels=12, pairs=60, seed=1).splits() != splits


def test_errors_are_levels() -> None:
    (example, *_) = TASK.splits().test
    clean = "".join("abcdefghijkl"[cell] for cell in TASK.image(example.source).flatten())
    beside = "".join(chr(ord(cell) + 1) for cell in clean)
    assert TASK.scores([clean], [example]) == {"error": 0.0, "whole": 1.0}
    assert TASK.scores([beside], [example])["error"] == 1.0
    assert TASK.scores([clean[:-9]], [example]) == {"error": 12 * 0.5, "whole": 0.0}
    assert TASK.scores([clean + "a" * 9], [example])["error"] == 6.0


def test_units_know_every_level() -> None:
    source, target = TASK.units(TASK.splits().train)
    assert len(target.encode("abcdefghijkl")) == 12
    assert len(source.encode("dccbia")) == 6


@pytest.mark.parametrize("wrong", [{"size": 3}, {"levels": 27}, {"pairs": 10**6}])
def test_what_there_cannot_be(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="there can be"):
        Sprites(**wrong)
