"""Train a head for a language model, on what the model writes itself.

    head = fit_head("smollm2", Lessons(prompts), recipe, Path("my-head"))
    lm = load("smollm2", head="my-head")

Everything is kept in the folder: the texts, the training, and then the head; a run that was stopped
goes on with the same call. The model itself stays as it is.
Shapes: B rows, N cells, C channels, U frequent tokens, V vocabulary.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from anyorder.models.files.checkpoint import Checkpoint, read
from anyorder.models.files.fetch import MODELS, fetch
from anyorder.models.files.head_file import mark_of, save_head
from anyorder.models.files.shipped import shipped
from anyorder.models.files.tokenizer import units_of
from anyorder.models.left_to_right.recursive import most_frequent
from anyorder.models.load import settled
from anyorder.models.onward_head import OnwardHead
from anyorder.models.translator import is_ours
from anyorder.nets.native import build, supports
from anyorder.objectives.batch import Batch
from anyorder.objectives.onward import Onward
from anyorder.train.batches import Rows
from anyorder.train.fit import refused
from anyorder.train.job import keep_job
from anyorder.train.loop import OnStep, Trained, train
from anyorder.train.own_texts import OwnTexts, written
from anyorder.train.recipe import Recipe

HELD_OUT = 0.03  # of the texts
SHORTEST = 8  # tokens of a text from which is learnt


class OfItsTexts(nn.Module):
    """A head, and the texts that it learns from: see `objectives.onward.KnowsItsTexts`."""

    embedding_VC: Tensor
    place_V: Tensor

    def __init__(self, head: OnwardHead, embedding_VC: Float[Tensor, "V C"], texts: OwnTexts):
        super().__init__()
        self.head, self.texts = head, texts
        place_V = torch.full((len(embedding_VC),), -1)
        place_V[head.frequent_U] = torch.arange(len(head.frequent_U))
        self.register_buffer("embedding_VC", embedding_VC, persistent=False)
        self.register_buffer("place_V", place_V, persistent=False)

    def known(
        self, batch: Batch
    ) -> tuple[Float[Tensor, "B N C"], Float[Tensor, "B N C"], Int[Tensor, "B N"]]:
        """See `KnowsItsTexts.known`."""
        features_BNC = self.embedding_VC.new_zeros(
            *batch.target_BN.shape, self.embedding_VC.shape[1]
        )
        for row, text in enumerate(batch.source_BS[:, 0].tolist()):
            cells = self.texts.features(text)
            features_BNC[row, : len(cells)] = cells
        return features_BNC, self.embedding_VC[batch.target_BN], self.place_V[batch.target_BN]


@dataclass(frozen=True)
class Lessons:
    """What is written before the training: after which prompts, how much, with which weights."""

    prompts: Sequence[str] = field(repr=False)
    new: int = 224
    precision: str = "int8"
    frequent: int = 6144
    of: str = field(init=False)  # tells these prompts from others

    def __post_init__(self) -> None:
        digest = hashlib.sha256("\n".join(self.prompts).encode()).hexdigest()
        object.__setattr__(self, "of", digest[:16])


def fit_head(
    source: str | Path,
    lessons: Lessons,
    recipe: Recipe,
    folder: Path,
    *,
    objective: Onward | None = None,
    on_text: Callable[[int], None] | None = None,
    on_step: OnStep | None = None,
    on_remark: Callable[[str], None] | None = None,
) -> Trained:
    """Let a model write, train a head for it, and write the head into `folder`.

    Raises ValueError as `load` does, for a model that is not native or not Llama-like, for prompts
    that leave nothing to learn from, and where `folder` holds another head's training.
    """
    if is_ours(Path(shipped().get(str(source), source))):
        raise ValueError(f"{source} is a translator; heads are made for Llama-like models")
    checkpoint = read(fetch(str(source)) if str(source) in MODELS else source)
    if not supports(checkpoint.config) or checkpoint.config["model_type"] == "gpt2":
        kind = checkpoint.config.get("model_type")
        raise ValueError(f"{checkpoint.name} is a {kind!r}; heads are made for Llama-like models")
    objective = objective or Onward()
    begun_now = not (folder / "training").exists()
    folder.mkdir(parents=True, exist_ok=True)
    job = [mark_of(checkpoint), repr(lessons), repr(objective), repr(recipe)]
    names = ("model's weights", "lessons", "objective", "recipe")
    keep_job(folder / "training" / "job.json", job, names=names)
    with refused(folder, begun_now):
        texts = _texts(checkpoint, lessons, folder / "texts", on_text, on_remark)
        rows, held_out = _rows(texts)
    tensors = checkpoint.tensors
    vocab = len(tensors["model.embed_tokens.weight"])
    frequent_U = most_frequent(rows.targets, vocab, lessons.frequent)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        head = OnwardHead(checkpoint.config, tensors, frequent_U)
    model = OfItsTexts(head, tensors["model.embed_tokens.weight"].float(), texts)
    trained = train(model, objective, rows, held_out, recipe, folder / "training", on_step=on_step)
    tokens = sum(map(len, rows.targets))
    facts = {"steps": trained.steps, "held_out": round(trained.held_out, 4), "tokens": tokens}
    save_head(head.kept(), checkpoint, facts, folder)
    return trained


def _texts(
    checkpoint: Checkpoint,
    lessons: Lessons,
    folder: Path,
    on_text: Callable[[int], None] | None,
    on_remark: Callable[[str], None] | None,
) -> OwnTexts:
    units, precision = units_of(checkpoint), settled(lessons.precision)
    network = build(checkpoint.config, checkpoint.tensors, precision, features=True)
    longest = network.max_length - SHORTEST
    rows = [units.encode(prompt, chat=units.has_chat) for prompt in lessons.prompts if prompt]
    fitting = [row for row in rows if 0 < len(row) < longest]
    if on_remark and (left := len(lessons.prompts) - len(fitting)):
        on_remark(
            f"{left} of {len(lessons.prompts)} prompts are left out: empty, or longer than the "
            f"{longest - 1} tokens after which the model has room to write"
        )
    return written(network, fitting, units.eos_ids, folder, new=lessons.new, on_text=on_text)


def _rows(texts: OwnTexts) -> tuple[Rows, Rows]:
    """What is learnt, and what is held out: every so many texts one."""
    long = [i for i, row in enumerate(texts.rows) if len(row) >= SHORTEST]
    every = max(2, round(1 / HELD_OUT))
    held_out = set(long[::every])
    if len(long) < 2:
        raise ValueError(
            f"there are {len(long)} texts of {SHORTEST} tokens or more to learn from: give more "
            "prompts"
        )
    parts = ([i for i in long if i not in held_out], sorted(held_out))
    made = [Rows(tuple((i,) for i in part), tuple(texts.rows[i] for i in part)) for part in parts]
    return made[0], made[1]
