"""SkipDecode: later tokens run through fewer layers, as many at a place for all texts of a batch.

    anyorder reproduce skipdecode

All rows are read by PyTorch's operators, so that their times can be compared: compiled code, which
reads the model that they begin with, runs through all layers. The paper's models are OPT of 1.3 and
6.7 billion weights; here there are six layers, and texts of about 24 tokens, beyond which the least
depth holds. What is read and not written, a prompt there, is here a source with an encoder.

What was found: to leave out layers in the middle helps (three for every token: 22.3 BLEU, the three
lowest: 21.3), to begin with more of them and end with fewer does not (21.7), at none of three
budgets. The time does fall with the layers.
"""

from anyorder.data.translate import Translate
from anyorder.decode.left_to_right.beam import Beam
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.models.left_to_right.skipping import SkippingSeq2Seq
from anyorder.nets.depths import Depths
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.inside import Inside, LayersRun
from anyorder.systems.experiments.lessons import DEEP
from anyorder.systems.experiments.school import Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import Cosine

RECIPE = Recipe(steps=600, cells=2048, schedule=Cosine(peak=1e-3, warmup=50), check_every=100)


def tuned(paradigm: str) -> Way:
    """The deep model, tuned with fewer layers."""
    return Way(paradigm, begins_with=DEEP, recipe=RECIPE)


TRAINED = Trained(
    Translate("de"),
    {
        "skipdecode": tuned("skip-4"),
        "truncated to 4": tuned("truncated-4"),
        "skipdecode, 3": tuned("skip-3"),
        "truncated to 3": tuned("truncated-3"),
        "evenly 3": tuned("skip-evenly-3"),
        "skipdecode, 2": tuned("skip-2"),
        "truncated to 2": tuned("truncated-2"),
        "all 6": tuned("truncated-6"),
    },
    timed=128,
)

SYSTEM = System(
    number=31,
    slug="skipdecode",
    family="draft",
    paper="Del Corro et al. 2023, arXiv:2307.02628",
    mechanism=(
        "How many layers a token runs through follows from its place, for all texts of a batch, "
        "and never rises along a text. A token runs through the first layer and then through those "
        "on top; those between are left out. So what a layer asks for of earlier tokens is in the "
        "cache, and nothing is computed again. The model is tuned with the layers that it will "
        "have."
    ),
    parts=(SkippingSeq2Seq, Depths, LeftToRight, Beam),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/models/test_skipping.py::test_each_cell_runs_through_its_own_layers",
        "tests/models/test_skipping.py::test_a_cache_changes_nothing_however_a_target_is_cut",
        "tests/models/test_skipping.py::test_at_full_depth_it_is_the_model_that_skips_nothing",
        "tests/models/test_skipping.py::test_decoders_of_language_models_serve_it",
        "tests/models/test_skipping.py::test_no_layer_is_run_that_no_cell_needs",
    ),
    experiments=(TRAINED, Inside(TRAINED, LayersRun())),
    claims=(
        Claim(
            "Four layers a token translate better than the four lowest for every token.",
            More("bleu", than="truncated to 4"),
        ),
        Claim(
            "Three layers a token translate better than the three lowest.",
            More("bleu", than="truncated to 3", of="skipdecode, 3"),
        ),
        Claim(
            "Two layers a token translate better than the two lowest.",
            More("bleu", than="truncated to 2", of="skipdecode, 2"),
        ),
        Claim(
            "It is better to begin with more and end with fewer: as many for all translate worse.",
            More("bleu", than="evenly 3", of="skipdecode, 3"),
        ),
        Claim(
            "Four layers a token cost at most a twentieth more than the four lowest.",
            Less("layers_per_token", than="truncated to 4", times=1.05),
        ),
        Claim(
            "Three cost at most a twentieth more than the three lowest.",
            Less("layers_per_token", than="truncated to 3", times=1.05, of="skipdecode, 3"),
        ),
        Claim(
            "Two cost at most a twentieth more than the two lowest.",
            Less("layers_per_token", than="truncated to 2", times=1.05, of="skipdecode, 2"),
        ),
        Claim(
            "Four layers a token keep 95 % of the BLEU of all six.",
            More("bleu", than="all 6", times=0.95),
        ),
        Claim(
            "Half of the layers take at most 0.7 of the time.",
            Less("latency_ms", than="all 6", times=0.7, of="skipdecode, 3"),
        ),
    ),
    minutes=120,
)
