"""The tokens that every tokenizer trained here begins with.

    row = [BOS, *units.encode("hello"), EOS]

They are special: no text encodes to BOS, EOS or BLANK, and decoding leaves all four out.
"""

from typing import Final

UNKNOWN: Final = 0  # what the vocabulary has no token for
BOS: Final = 1  # before the first token
EOS: Final = 2  # after the last one
BLANK: Final = 3  # nothing: the empty label of CTC

SPECIAL: Final = ("<unk>", "<bos>", "<eos>", "<blank>")  # their names, in the order of their ids
