"""The ways to write, as a reader finds them."""

from pathlib import Path

import pytest

from anyorder.train.paradigms import paradigms

PAGE = (Path(__file__).parents[2] / "docs" / "train.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("name", paradigms())
def test_each_has_a_row_on_the_page_about_training(name: str) -> None:
    assert len([row for row in ROWS if row.startswith(f"| `{name}` |")]) == 1


def test_sizes_are_what_one_asks_for() -> None:
    made = paradigms()["ctc"].resized(channels=128, encoder_layers=2, decoder_layers=1, spread=2)
    net = made.net(source_vocab=9, target_vocab=9)
    sizes = net.sizes
    assert (sizes.encoder_layers, sizes.decoder_layers, sizes.spread) == (2, 1, 2)  # type: ignore[union-attr]
    assert (sizes.width.channels, sizes.width.heads, sizes.width.middle) == (128, 2, 512)
    assert paradigms()["ctc"].resized() == paradigms()["ctc"]
    assert paradigms()["dag"].resized(channels=96).width.heads == 2
    with pytest.raises(ValueError, match="7 channels can't be cut into heads"):
        paradigms()["ctc"].resized(channels=7)
    with pytest.raises(ValueError, match=r"\(seq2seq\) has no spread; leave it out"):
        paradigms()["deep-shallow"].resized(spread=2)
    with pytest.raises(ValueError, match=r"\(masked-lm\) has no decoder_layers"):
        paradigms()["masked-lm"].resized(decoder_layers=2)
