"""From a name, a folder or a file to a model that speaks; the two networks say the same."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import anyorder as ao
from anyorder.models import load as loading
from anyorder.models.capability import CausalLM
from anyorder.models.hugging.adapter import HuggingFaceLM
from anyorder.models.load import load, settled
from anyorder.nets.compiled.network import Compiled
from anyorder.nets.graphed.network import Graphed
from tests.models import made, made_seq2seq


def logits(lm: ao.LanguageModel, text: str) -> torch.Tensor:
    ids = torch.tensor([lm.units.encode(text)])
    return lm.model.extend(ids, lm.model.new_cache(1, 64))


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "gpt2"])
def test_the_native_network_and_transformers_say_the_same(kind, tmp_path):
    folder = made.folder(tmp_path / kind, kind)
    native, adapted = load(folder, native=True), load(folder, native=False)
    assert isinstance(adapted.model, HuggingFaceLM)
    assert not isinstance(native.model, HuggingFaceLM)
    text = "the cat sat on the mat"
    torch.testing.assert_close(logits(native, text), logits(adapted, text), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
def test_a_gguf_file_speaks_in_both(kind, tmp_path):
    path = made.gguf_file(tmp_path / "made.gguf", kind)
    native, adapted = load(path), load(str(path), native=False)
    torch.testing.assert_close(
        logits(native, "the cat"), logits(adapted, "the cat"), rtol=0, atol=1e-4
    )
    assert native.name == "made"


@pytest.mark.parametrize("kind", ["opt", "gemma", "gpt_neox"])
def test_what_is_not_native_goes_through_the_adapter(kind, tmp_path):
    folder = made.folder(tmp_path / kind, kind)
    lm = load(folder)
    assert isinstance(lm.model, CausalLM)
    ids = torch.tensor([lm.units.encode("the cat sat")])
    with torch.no_grad():
        expected = made.network(kind)(input_ids=ids).logits
    torch.testing.assert_close(logits(lm, "the cat sat"), expected, rtol=0, atol=1e-5)


def test_what_is_loaded_is_complete(tmp_path):
    lm = ao.load(made.folder(tmp_path / "tiny"))
    assert (lm.name, lm.eos_ids, lm.precision) == ("tiny", (0,), "float32")
    assert lm.units.eos_ids == (0,)
    assert lm.units.has_chat
    assert len(repr(lm)) < 200


def test_bfloat16_weights(tmp_path):
    folder = made.folder(tmp_path / "opt", "opt")
    lm = load(folder, precision="bfloat16")
    assert isinstance(lm.model, HuggingFaceLM)
    assert lm.model.model.dtype == torch.bfloat16
    assert lm.precision == "bfloat16"


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_bits_are_promised_where_compiled_code_computes(precision, tmp_path):
    folder = made.folder(tmp_path / "tiny")
    assert load(folder, precision=precision, exactness="bitwise").same_bits
    assert isinstance(load(folder, precision=precision).model, Compiled)


def test_no_bit_is_promised_by_the_kernels_of_others(tmp_path):
    for kind, options in (("opt", {}), ("llama", {"native": False})):
        folder = made.folder(tmp_path / kind, kind)
        assert not load(folder, **options).same_bits
        with pytest.raises(ValueError, match="no bit can be promised for " + kind):
            load(folder, exactness="bitwise", **options)
    with pytest.raises(ValueError, match="no exactness 'exact'; there is usual, bitwise"):
        load(tmp_path, exactness="exact")


def test_a_known_name_is_fetched(tmp_path, monkeypatch):
    path = made.gguf_file(tmp_path / "made.gguf")
    monkeypatch.setattr(loading, "fetch", lambda name: path)
    assert load("smollm2").name == "smollm2"


def test_threads_are_settled_once(tmp_path, monkeypatch):
    chosen = []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    load(made.folder(tmp_path / "tiny"), threads=3)
    assert chosen == [3]


def test_an_unknown_precision_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="no precision 'float8'; there is auto, float32, bf"):
        settled("float8")


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        ("llama", {"threads": 0}, "0 threads"),
        ("opt", {"native": True}, "'opt' of a shape that is not native"),
        ("opt", {"precision": "int8"}, "int8 needs a native network"),
        ("mamba", {}, "a 'mamba' model can't be used"),
        ("t5", {}, "'t5', which is no causal language model"),
    ],
)
def test_what_can_not_be_had_is_refused_in_one_sentence(kind, options, says, tmp_path):
    folder = tmp_path / kind
    if kind == "t5":
        of_no_use(folder)
    else:
        sizes = {"hidden_size": 32, "num_hidden_layers": 1} if kind == "mamba" else {}
        made.folder(folder, kind, tokenizer=True, **sizes)
    with pytest.raises(ValueError, match=says) as caught:
        load(folder, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        (
            ["model.layers.1.self_attn.q_norm.weight"],
            r"tiny lacks model\.layers\.1\.self_attn\.q_n",
        ),
        (["lm_head.weight", "model.norm.weight"], r"tiny lacks lm_head\.weight and 1 more"),
    ],
)
def test_no_weight_is_drawn_at_random(lost, says, tmp_path):
    folder = made.folder(tmp_path / "tiny", "qwen3")
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if name not in lost}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=says):
        load(folder, native=False)


def test_a_tied_head_is_not_missed(tmp_path):
    folder = made.folder(tmp_path / "tiny", "qwen3", tie_word_embeddings=True)
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    assert logits(load(folder, native=False), "the cat").isfinite().all()


def of_no_use(folder: Path) -> None:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(vocab_size=made.V, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    T5EncoderModel(config).save_pretrained(folder)  # half of it
    made.tokenizers.byte_level(vocab_size=made.V).save_pretrained(folder)


@pytest.mark.slow
def test_smollm2_speaks():
    lm = load("smollm2")
    ids = lm.units.encode("What is the capital of France?", chat=True)
    cache = lm.model.new_cache(1, 100)
    written = []
    while len(written) < 12 and (not written or written[-1] not in lm.eos_ids):
        logits_BSV = lm.model.extend(torch.tensor([ids]), cache)
        cache.keep(torch.arange(len(ids))[None], torch.tensor([len(ids)]))
        ids = [int(logits_BSV[0, -1].argmax())]
        written += ids
    assert "Paris" in lm.units.decode(written)


@pytest.fixture
def elsewhere(monkeypatch) -> torch.device:
    """What `cuda` leads to."""
    device = torch.device("cuda" if torch.cuda.is_available() else "meta")
    monkeypatch.setattr(loading, "device_of", lambda name: device)
    return device


def test_a_device_gets_the_network_that_is_made_for_it(tmp_path, elsewhere):
    folder = made.folder(tmp_path / "llama")
    lm = load(folder, device="cuda")
    assert isinstance(lm, ao.LanguageModel)
    assert isinstance(lm.model, Graphed)
    assert lm.model.device.type == lm.model.weights.head.weight_OI.device.type == elsewhere.type
    assert not lm.same_bits


def test_bits_are_promised_there_where_the_kernels_work(tmp_path, elsewhere):
    folder = made.folder(tmp_path / "llama")
    if elsewhere.type == "cuda":
        assert load(folder, device="cuda", exactness="bitwise").same_bits
    else:
        with pytest.raises(ValueError, match="no bit can be promised"):
            load(folder, device="cuda", exactness="bitwise")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"precision": "int8"}, "int8 is for the CPU; on .* take float32 or bfloat16"),
        ({"precision": "own"}, "own is llama.cpp, which runs here on the CPU alone"),
        ({"head": "anything"}, "a model with a head runs on the CPU alone: leave device out"),
    ],
)
def test_what_a_device_can_not_do_is_said(options, says, tmp_path, elsewhere):
    with pytest.raises(ValueError, match=says):
        load(made.folder(tmp_path / "llama"), device="cuda", **options)


def test_models_of_ours_and_with_an_encoder_run_on_the_cpu(tmp_path, elsewhere):
    with pytest.raises(ValueError, match="which anyorder trained, runs on the CPU alone"):
        load("translate-en-de-ar", device="cuda")
    with pytest.raises(ValueError, match="has an encoder, and such models run on the CPU alone"):
        load(made_seq2seq.folder(tmp_path / "t5", "t5"), device="cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_a_device_that_is_not_there_is_said(tmp_path):
    folder = made.folder(tmp_path / "llama")
    with pytest.raises(ValueError, match="there is no cuda here"):
        load(folder, device="cuda")
    with pytest.raises(ValueError, match="'tpu' is no device: say cpu, cuda, or cuda:1"):
        load(folder, device="tpu")
