"""What a model writes itself is its greedy text, and the features are those of one reading."""

from pathlib import Path

import torch

from anyorder.nets.native import build
from anyorder.train.own_texts import OwnTexts, written
from tests.models.made_onward import CONFIG, VOCAB, tensors

PROMPTS = [[3], [7, 8, 9, 4, 11, 20], [5, 5], [30, 31, 32]]


@torch.no_grad()
def test_texts_and_features_are_those_of_each_row_alone(tmp_path: Path) -> None:
    net = build(CONFIG, tensors(), "float32", features=True)
    eos = 17
    texts = written(net, PROMPTS, [eos], tmp_path, new=12)
    assert sorted(map(len, texts.rows))[-1] > 4
    for prompt in PROMPTS:
        wanted, told = list(prompt), []
        while len(wanted) < len(prompt) + 12 and wanted[-1] != eos:
            cache = net.new_cache(1, len(wanted))
            last_X = net.extend(torch.tensor([wanted]), cache)[0, -1]
            told.append(last_X[VOCAB:])
            wanted.append(int(last_X[:VOCAB].argmax()))
        found = [i for i, row in enumerate(texts.rows) if list(row) == wanted[len(prompt) :]]
        assert found, f"what follows {prompt} is not there"
        near = [
            torch.allclose(texts.features(i), torch.stack(told), atol=2e-2, rtol=1e-2)
            for i in found
        ]
        assert any(near)
    again = OwnTexts.opened(tmp_path, net.shape.channels)
    assert again.rows == texts.rows
