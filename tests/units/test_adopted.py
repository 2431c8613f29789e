"""Units of a model from elsewhere: framed for sources, bare for targets, kept in files."""

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizer

from anyorder.units.adopted import adopted
from anyorder.units.text import TextUnits
from anyorder.units.training import load_units, save_units
from tests.models import made_masked

every = pytest.mark.parametrize("kind", made_masked.TOKENIZERS)


@every
def test_a_file_keeps_them(kind: str, tmp_path: Path) -> None:
    tokenizer = made_masked.TOKENIZERS[kind]()
    both = adopted(TextUnits(tokenizer), hole=tokenizer.mask_token)
    for units, around in zip(both, (2, 0), strict=True):
        save_units(units, tmp_path / "units.json")
        again = load_units(tmp_path / "units.json")
        assert again.encode("12 und 3") == units.encode("12 und 3")
        assert len(again.encode("12 und 3")) == len(tokenizer.encode("12 und 3")) - 2 + around
        assert (again.around, again.vocab_size) == (around, len(tokenizer))
        assert again.eos_ids == (), "nothing ends a target but its last cell"
        assert again.decode(tokenizer.encode("12 und 3")) == "12 und 3"
        for name in tokenizer.all_special_tokens:
            assert tokenizer.convert_tokens_to_ids(name) not in again.shown_ids


@every
def test_no_text_holds_a_hole(kind: str) -> None:
    tokenizer = made_masked.TOKENIZERS[kind]()
    assert tokenizer.mask_token_id in tokenizer.encode(f"1 {tokenizer.mask_token} 2")
    for units in adopted(TextUnits(tokenizer), hole=tokenizer.mask_token):
        assert tokenizer.mask_token_id not in units.encode(f"1 {tokenizer.mask_token} 2")


def test_a_tokenizer_of_another_library_is_refused() -> None:
    class Another(PreTrainedTokenizer):
        vocab_size = 0

        def get_vocab(self) -> dict[str, int]:
            return {}

    with pytest.raises(ValueError, match="of the `tokenizers` library"):
        adopted(TextUnits(Another()), hole="<mask>")
