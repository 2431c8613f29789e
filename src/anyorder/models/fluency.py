"""What a CTC decoder knows of fluency: a language model of targets, and the weights of features.

    fluency.save(Path("fluency"))
    fluency = opened_fluency(Path("fluency"))

The folder has `ngrams.safetensors` and `fluency.json`. `train.fluency` makes one.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from anyorder.align.ctc_fluency import Weights
from anyorder.models.ngram_lm import NGramModel, opened_ngrams

FORMAT: Final = 1  # of the folder


@dataclass(frozen=True, eq=False)
class Fluency:
    """A language model over the ids of targets, and how much it and the blanks count."""

    language_model: NGramModel = field(repr=False)
    weights: Weights
    name: str = "fluency"

    def save(self, folder: Path) -> None:
        """Write the folder that `opened_fluency` reads."""
        self.language_model.save(folder / "ngrams.safetensors")
        facts = {"fluency": FORMAT, "weights": asdict(self.weights)}
        (folder / "fluency.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def opened_fluency(folder: Path) -> Fluency:
    """What a folder holds. Raises ValueError for one of another kind or version, or damaged."""
    try:
        facts = json.loads((folder / "fluency.json").read_text(encoding="utf-8"))
        version, weights = facts["fluency"], Weights(**facts["weights"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder} is no folder of fluency, or it is damaged: {error}") from error
    if version != FORMAT:
        raise ValueError(f"{folder} has format {version!r}, and this version reads {FORMAT}")
    return Fluency(opened_ngrams(folder / "ngrams.safetensors"), weights, folder.name)
