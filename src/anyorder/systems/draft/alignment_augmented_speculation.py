"""Alignment-augmented speculative decoding: what the model said of the prompt is in the draft.

    anyorder reproduce alignment-augmented-speculation

Measured on prompts that have a text to work on. Of the paper the abstract is known here, and what
others write of it; which choices are ours is said beside the parts (`AlignmentSampling`, and
`share` of `Lenient`). Prompt copy is given as many cells for a draft, so that a longer acceptance
is due to better guesses. To judge guesses by a threshold takes one call more for each prompt. Texts
with a threshold differ, so tokens a call are compared: a text that ends early has few calls, too.
"""

from anyorder.decode.draft_verify.from_text.alignment_sampling import AlignmentSampling
from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.systems.claims import AtLeast, Claim, Less, More
from anyorder.systems.experiments.prompted import Prompted
from anyorder.systems.system import System

DRAFT = AlignmentSampling(size=10)

SYSTEM = System(
    number=90,
    slug="alignment-augmented-speculation",
    family="draft",
    paper="Wang et al. 2025, arXiv:2505.13204",
    mechanism=(
        "Where the last tokens stood in the text before, the tokens that followed there are "
        "copied, and those that the model itself held likeliest at that place, which the pass over "
        "the prompt has shown, stand beside them in one tree. A guess is kept where its "
        "probability reaches a threshold that falls as the model's doubt grows; without the "
        "threshold the text is that of the model."
    ),
    parts=(AlignmentSampling, Lenient),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/decode/test_alignment_sampling.py::test_without_a_threshold_it_is_exact",
        "tests/decode/test_alignment_sampling.py::test_without_ranks_it_is_prompt_copy",
        "tests/decode/test_alignment_sampling.py::test_no_cell_that_was_left_out_has_better_odds",
        "tests/decode/test_alignment_sampling.py::test_what_is_written_is_as_probable_as_it_says",
    ),
    experiments=(
        Prompted(
            kinds=("edit", "summary", "code"),
            decoders={
                "alignment-augmented-speculation": Lenient(DRAFT, share=0.5),
                "higher threshold": Lenient(DRAFT, share=2.0),
                "lower threshold": Lenient(DRAFT, share=0.1),
                "no threshold": DRAFT,
                "prompt-copy": PromptCopy(width=10),
                "prompt-copy, threshold": Lenient(PromptCopy(width=10), share=0.5),
            },
            repeats=3,
            texts=True,
        ),
    ),
    claims=(
        Claim(
            "Without a threshold the text is that of greedy decoding.",
            AtLeast("same_text", 1.0, of="no threshold"),
        ),
        Claim(
            "With as many cells, its drafts are accepted for longer than copies are.",
            More("tokens_per_call", than="prompt-copy", of="no threshold"),
        ),
        Claim(
            "It is faster than copies, too.",
            More("tokens_per_s", than="prompt-copy", of="no threshold"),
        ),
        Claim(
            "With the threshold a call writes more tokens.",
            More("tokens_per_call", than="no threshold"),
        ),
        Claim(
            "With a lower one more still than with a higher one.",
            More("tokens_per_call", than="higher threshold", of="lower threshold"),
        ),
        Claim(
            "With the same threshold a call writes more tokens than with copies.",
            More("tokens_per_call", than="prompt-copy, threshold"),
        ),
        Claim(
            "What it writes is hardly less probable: a tenth more nats a token at the most.",
            Less("nats_per_token", than="no threshold", times=1.1),
        ),
    ),
    minutes=12,
)
