"""`anyorder verify`: what is examined, what is said, and the exit status."""

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, sentence
from tests.measure.verify.llamas import install
from tests.measure.verify.served import serving
from tests.models import made
from tests.units import tokenizers_made_here as tokenizers

STUTTER = '''
from dataclasses import dataclass, replace
from anyorder.decode.left_to_right.plain import LeftToRight

@dataclass(frozen=True)
class Deaf(LeftToRight):
    """Begins with another token than it should."""

    def step(self, model, state, sampler):
        first = sampler.options.temperature == 0 and int(state.canvas.frontier_B[0]) % 7 == 0
        after = super().step(model, state, sampler)
        if not first:
            return after
        tokens_BN = after.canvas.tokens_BN.clone()
        tokens_BN[0, int(after.canvas.frontier_B[0]) - 1] = 7
        return replace(after, canvas=replace(after.canvas, tokens_BN=tokens_BN))
'''

EVEN = '''
from dataclasses import dataclass, replace
from anyorder.canvas import GIVEN
from anyorder.decode.left_to_right.plain import LeftToRight

@dataclass(frozen=True)
class Even(LeftToRight):
    """Writes even tokens alone."""

    def step(self, model, state, sampler):
        after = super().step(model, state, sampler)
        tokens_BN, ours_BN = after.canvas.tokens_BN, after.canvas.status_BN != GIVEN
        tokens_BN = tokens_BN - tokens_BN % 2 * ours_BN
        return replace(after, canvas=replace(after.canvas, tokens_BN=tokens_BN))

'''


def words(done) -> list[str]:
    return [line[:17].split()[2] for line in done.out.splitlines()]


def last_line(done) -> str:
    return done.out.splitlines()[-1]


def test_an_exact_decoder_passes(invoke: Invoke, folder: Path) -> None:
    done = invoke("verify", "token-recycling", "-m", folder, "-n", 12, "--draws", 20)
    assert done.code == 0, done
    assert words(done) == ["holds"] * 5
    assert "5 of 5 greedy texts are the same" in done.out


def test_a_wrong_decoder_of_ones_own_fails(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "deaf.py").write_text(STUTTER)
    done = invoke("verify", "deaf.py:Deaf", "-m", folder, "-n", 12, "--draws", 0)
    assert done.code == 1
    assert done.out.startswith("law 1  FAILS")


@pytest.mark.parametrize(("exact", "said"), [(True, "FAILS"), (False, "not offered")])
def test_what_declares_itself_not_exact_may_be_so(
    invoke: Invoke, folder: Path, tmp_path: Path, exact: bool, said: str
) -> None:
    (tmp_path / "even.py").write_text(EVEN + f"    exact = {exact}\n")
    done = invoke("verify", "even.py:Even", "-m", folder, "-n", 12, "--draws", 20)
    assert done.code == exact, done
    first, *others, last = done.out.splitlines()
    for line, law in ((first, 1), (last, 2)):
        assert line.startswith(f"law {law}  {said}")
        assert ("it declares itself not exact: " in line) != exact
    assert not any(line[7:12] == "FAILS" for line in others)


@pytest.mark.filterwarnings("ignore:Stutter failed")
def test_a_drafter_that_breaks_does_not_pass(invoke: Invoke, folder: Path, stutter: str) -> None:
    done = invoke("verify", stutter, "-m", folder, "-n", 6, "--draws", 4)
    assert done.code == 1
    assert [line.split()[:3] for line in done.out.splitlines()[:-1]] == [
        ["law", n, "holds"] for n in "13662"
    ]
    told = "Stutter failed, and the text goes on left to right: KeyError: 'nothing here'"
    assert re.fullmatch(rf"notes  FAILED       {told} \(\d+ of \d+ texts\)", last_line(done))


def test_a_drafter_that_finds_nothing_to_guess_is_no_fault(invoke: Invoke, folder: Path) -> None:
    done = invoke("verify", "prompt-copy:ngram=9,shortest=9", "-m", folder, "-n", 40, "--draws", 0)
    assert done.code == 0, done
    assert last_line(done).startswith("notes  no fault     prompt-copy has found nothing to draft")


def test_a_model_that_promises_no_bit_is_refused(invoke: Invoke, tmp_path: Path) -> None:
    opt = made.folder(tmp_path / "opt", "opt")
    done = invoke("verify", "prompt-copy", "-m", opt, "--exactness", "bitwise")
    assert "no bit can be promised for opt" in sentence(done)


def test_transformers_is_examined(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "two.jsonl").write_text('{"prompt": "one two one two"}\n{"prompt": "ab"}\nno\n')
    done = invoke(
        *("verify", "transformers", "-m", folder, "-n", 8, "--draws", 4, "--no-chat"),
        *("--with", "prompt_lookup_num_tokens=4", "--prompts", "two.jsonl"),
    )
    assert "2 of 2 greedy texts are the same" in done.out
    assert "line 3" in done.err
    assert words(done)[1] == "not"


def test_an_assistant_drafts(invoke: Invoke, folder: Path) -> None:
    done = invoke(
        *("verify", "transformers", "-m", folder, "--assistant", folder, "-n", 8, "--draws", 0)
    )
    assert "5 of 5 greedy texts are the same" in done.out


def test_an_assistant_may_have_another_tokenizer(
    invoke: Invoke, folder: Path, tmp_path: Path
) -> None:
    other = made.folder(tmp_path / "other", max_position_embeddings=256, vocab_size=290)
    tokenizers.byte_level(vocab_size=290).save_pretrained(other)
    asked = ("verify", "transformers", "-m", folder, "--assistant", other, "-n", 6)
    done = invoke(*asked, "--draws", 0)
    assert "5 of 5 greedy texts are the same" in done.out, done


@pytest.mark.parametrize(("fault", "code"), [("", 0), ("trusts", 1)])
def test_llama_cpp_is_examined(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, code: int
) -> None:
    install(monkeypatch, fault)
    (tmp_path / "made.gguf").write_bytes(b"GGUF")
    (tmp_path / "two.jsonl").write_text('{"prompt": "abcabc"}\n{"prompt": "hgfehgfe"}\n')
    done = invoke(
        *("verify", "llama.cpp", "-m", "made.gguf", "-n", 12, "--draws", 40, "--no-chat"),
        *("--with", "num_pred_tokens=4", "--prompts", "two.jsonl", "--precision", "own"),
    )
    assert done.code == code, done
    assert words(done) == (["FAILS"] if fault else ["holds"]) + words(done)[1:]
    assert words(done)[1:4] == ["not", "holds", "holds"]


@pytest.mark.parametrize(("fault", "code"), [("", 0), ("other", 1)])
def test_a_server_is_examined(invoke: Invoke, fault: str, code: int) -> None:
    with serving(fault) as url:
        done = invoke("verify", url, "-m", "words", "-n", 8, "--draws", 2)
    assert done.code == code, done


def test_a_server_beside_one_without_drafts(invoke: Invoke) -> None:
    with serving("other") as url, serving() as plain:
        done = invoke("verify", url, "-m", "words", "-n", 8, "--draws", 0, "--plain", plain)
    assert done.out.startswith("law 1  FAILS")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("auto", "--with", "a"), "--with takes NAME=VALUE"),
        (("auto", "--with", "top_k=3"), "--with is for transformers"),
        (("transformers", "--head", "x"), "--head is for a decoder of anyorder"),
        (("llama.cpp", "--exactness", "bitwise"), "--exactness is for a decoder of anyorder"),
        (("auto", "--assistant", "x"), "--assistant is for transformers"),
        (("transformers", "--plain", "http://x"), "--plain is for a server"),
        (("http://127.0.0.1:9/v1",), "does not answer"),
        (("no-such",), "no-such"),
        (("transformers", "--with", "num_beans=3"), "num_beans"),
        (("llama.cpp", "--with", "num_beans=3"), "not with 'num_beans'"),
        (("llama.cpp", "--precision", "int8"), "computes as the file is packed"),
        (("llama.cpp",), "llama.cpp reads GGUF files"),
    ],
)
def test_bad_input_is_one_sentence(invoke: Invoke, folder: Path, given, told: str) -> None:
    assert told in sentence(invoke("verify", *given, "-m", folder))
