"""Folders of encoder-decoders: they are opened whole, and write what `transformers` writes."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from transformers import T5Config, T5EncoderModel

import anyorder as ao
from anyorder.decode.generate import generate
from anyorder.decode.left_to_right.beam import Beam
from anyorder.models.files import tokenizer
from anyorder.models.hugging.translator import HuggingFaceTranslator
from anyorder.models.writer import Writer
from tests.models.made_seq2seq import (
    ENDS,
    EOS,
    KINDS,
    MAIN,
    PAD,
    START,
    V,
    close,
    folder,
    network,
    plain,
)
from tests.units import tokenizers_made_here as tokenizers

TEXTS = ["the cat sat on the mat", "def f(x)", "and then"]
PAIRS = (
    ("source", ["the cat sat", "on the mat", "the mat", "a cat"]),
    ("target", ["die Katze saß", "auf der Matte", "eine Katze", "die Matte"]),
)
main = pytest.mark.parametrize("kind", MAIN)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], HuggingFaceTranslator]:
    """The translators of folders that state nothing of their own, each opened once."""

    @cache
    def of(kind: str) -> HuggingFaceTranslator:
        lm = ao.load(folder(tmp_path_factory.mktemp("made") / kind, kind))
        assert isinstance(lm, HuggingFaceTranslator)
        return lm

    return of


def theirs(lm: HuggingFaceTranslator, texts: list[str], **how: Any) -> list[list[int]]:
    """What `transformers` writes, up to and with the end; without what begins a target."""
    rows = [lm.source_units.encode(text) for text in texts]
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    out = lm.net.model.generate(
        ids,
        attention_mask=mask,
        decoder_start_token_id=START,
        eos_token_id=EOS,
        pad_token_id=PAD,
        do_sample=False,
        **how,
    )
    found = [row[len(lm.frame.begins) :].tolist() for row in out]
    return [row[: row.index(EOS) + 1] if EOS in row else row for row in found]


@main
def test_a_folder_writes_what_transformers_writes(kind, opened):
    lm = opened(kind)
    assert isinstance(lm, Writer)
    assert (lm.name, lm.eos_ids, lm.precision, lm.frame.begins) == (kind, (0,), "float32", (2,))
    wanted = theirs(lm, TEXTS, max_new_tokens=12)
    out = generate(lm, TEXTS, decoder="left-to-right", max_new_tokens=12)
    assert out.tokens == wanted
    assert out.text == [lm.units.decode(row) for row in wanted]
    for text, row in zip(TEXTS, wanted, strict=True):
        assert generate(lm, text, decoder="left-to-right", max_new_tokens=12).tokens == row


@main
@pytest.mark.parametrize(("width", "penalty"), [(3, 1.0), (4, 0.5)])
def test_beams_are_those_of_transformers(kind, width, penalty, opened):
    lm = opened(kind)
    wanted = theirs(lm, TEXTS, max_new_tokens=8, num_beams=width, length_penalty=penalty)
    decoder = Beam(width=width, length_penalty=penalty)
    assert generate(lm, TEXTS, decoder=decoder, max_new_tokens=8).tokens == wanted


@pytest.mark.parametrize("decoder", ["jacobi", "prompt-copy", "token-recycling", "auto"])
@pytest.mark.parametrize("kind", ["marian", "t5"])
def test_exact_decoders_write_the_greedy_text(kind, decoder, opened):
    lm = opened(kind)
    plain_out = generate(lm, TEXTS, decoder="left-to-right", max_new_tokens=12)
    out = generate(lm, TEXTS, decoder=decoder, max_new_tokens=12)
    assert out.tokens == plain_out.tokens


@main
def test_what_a_folder_says_of_its_targets_is_heeded(kind, opened, tmp_path):
    path = folder(tmp_path / kind, kind)
    free = theirs(opened(kind), TEXTS, max_new_tokens=6)
    stated = {
        "forced_bos_token_id": 5,
        "forced_eos_token_id": EOS,
        "bad_words_ids": [[free[0][0]], [free[2][-1]], [EOS], [7, 8]],
    }
    (path / "generation_config.json").write_text(json.dumps(ENDS | stated))
    lm = ao.load(path)
    assert isinstance(lm, HuggingFaceTranslator)
    assert lm.frame.begins == (START, 5)
    assert set(lm.frame.never) == {free[0][0], free[2][-1]} - {EOS}
    out = generate(lm, TEXTS, decoder="left-to-right", max_new_tokens=6)
    assert out.tokens == theirs(lm, TEXTS, max_new_tokens=7, **stated)
    assert out.tokens != free
    assert all(row[-1] == EOS for row in out.tokens)
    assert generate(lm, TEXTS, decoder="jacobi", max_new_tokens=6).tokens == out.tokens


@pytest.mark.parametrize("kind", ["t5", "t5-1.1", "m2m_100"])
def test_what_is_opened_is_what_was_saved(kind, opened):
    """T5's head is the embedding, turned down; that of T5 1.1 is its own."""
    lm = opened(kind)
    model = lm.net.read([[5, 0]])
    ours_BTV = model.extend(torch.tensor([[START, 9]]), model.new_cache(1, 2))
    close(ours_BTV[0, -1], plain(network(kind), [5, 0], [START, 9]))


def test_a_folder_in_half_precision_speaks(tmp_path):
    lm = ao.load(folder(tmp_path / "bart", "bart"), precision="bfloat16")
    assert isinstance(lm, HuggingFaceTranslator)
    assert (lm.precision, lm.net.model.dtype) == ("bfloat16", torch.bfloat16)
    assert len(generate(lm, TEXTS[0], decoder="left-to-right", max_new_tokens=3).tokens) > 0


def test_a_target_is_no_longer_than_its_positions(opened):
    _, canvas = opened("bart").begin(["the cat"], max_new_tokens=500)
    assert canvas.tokens_BN.shape[1] == 32


@pytest.mark.parametrize(
    ("prompts", "says"),
    [
        (["the", "  "], "prompt 2 is empty"),
        ([], "there is no prompt"),
        (["naïve café " * 20], r"the prompt has \d+ tokens; bart reads 32 at most: shorten it"),
    ],
)
def test_a_text_that_can_not_be_read_is_refused(prompts, says, opened):
    lm = opened("bart")
    with pytest.raises(ValueError, match=says):
        lm.begin(prompts, max_new_tokens=4)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"native": True}, "'t5' of a shape that is not native"),
        ({"precision": "int8"}, "int8 needs"),
    ],
)
def test_what_can_not_be_had_is_refused_in_one_sentence(options, says, tmp_path):
    with pytest.raises(ValueError, match=says) as caught:
        ao.load(folder(tmp_path / "t5", "t5"), **options)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    for kind in MAIN:
        network(kind).save_pretrained(tmp_path / kind)
        with pytest.raises(ValueError, match=f"{kind} has no tokenizer"):
            ao.load(tmp_path / kind)


def test_a_folder_that_does_not_say_how_to_begin_is_refused(tmp_path):
    path = folder(tmp_path / "t5", "t5", decoder_start_token_id=None)
    (path / "generation_config.json").unlink()
    with pytest.raises(ValueError, match="t5 does not say which token begins a target: state dec"):
        ao.load(path)


def test_an_encoder_alone_is_refused(tmp_path):
    T5EncoderModel(T5Config(vocab_size=V, **KINDS["t5"][1])).save_pretrained(tmp_path)
    tokenizers.byte_level(vocab_size=V).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="is a 't5', which is no causal language model"):
        ao.load(tmp_path)


def test_a_decoder_that_is_not_there_is_missed(tmp_path):
    path = folder(tmp_path / "t5", "t5")
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"num_decoder_layers": 3}))
    with pytest.raises(ValueError, match=r"t5 lacks decoder\.block\.2\..* it does not fit"):
        ao.load(path)


def test_pieces_that_can_not_be_read_are_named(tmp_path, monkeypatch):
    path = folder(tmp_path / "marian", "marian")
    (path / "tokenizer.json").unlink()
    (path / "source.spm").touch()
    monkeypatch.setattr(tokenizer, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"marian has source\.spm: install sentencepiece"):
        ao.load(path)


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
@pytest.mark.parametrize("shared", [True, False])
def test_marian_has_a_tokenizer_for_each_side(shared, tmp_path):
    """The target's vocabulary is another than the source's, or one that holds both."""
    sentencepiece = pytest.importorskip("sentencepiece")
    vocabularies = []
    for side, words in PAIRS:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(words * 9), model_prefix=str(tmp_path / side), vocab_size=99,
            hard_vocab_limit=False, minloglevel=2,
        )  # fmt: skip
        (tmp_path / f"{side}.model").rename(tmp_path / f"{side}.spm")
        made = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / f"{side}.spm"))
        vocabularies.append([made.id_to_piece(i) for i in range(3, made.vocab_size())])
    specials = ["</s>", "<unk>", "<pad>"]
    rows = [specials + vocabularies[0], ["</s>", "<unk>", *vocabularies[1], "<pad>"]]
    if shared:
        rows = [list(dict.fromkeys(specials + vocabularies[0] + vocabularies[1]))] * 2
    for name, row in zip(("vocab.json", "target_vocab.json"), rows, strict=True):
        (tmp_path / name).write_text(json.dumps({piece: i for i, piece in enumerate(row)}))
    if shared:
        (tmp_path / "target_vocab.json").unlink()
    stated = {"separate_vocabs": not shared, "source_lang": "en", "target_lang": "de"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(stated))
    sizes = {"vocab_size": len(rows[0]), "decoder_vocab_size": len(rows[1])}
    network("marian", share_encoder_decoder_embeddings=shared, **sizes).save_pretrained(tmp_path)

    lm = ao.load(tmp_path)

    assert isinstance(lm, HuggingFaceTranslator)
    assert "".join(rows[0][i] for i in lm.source_units.encode("the cat")) == "▁the▁cat</s>"
    ids = lm.units.encode("die Katze")
    assert "".join(rows[1][i] for i in ids) == "▁die▁Katze</s>"
    assert lm.units.decode(ids) == "die Katze"
    stream = lm.units.stream()
    assert "".join(map(stream.push, ids)) + stream.flush() == "die Katze"
    assert lm.units.piece(ids[0]).startswith(" ")
    out = generate(lm, "the mat", decoder="left-to-right", max_new_tokens=5)
    assert out.text == lm.units.decode(out.tokens)
