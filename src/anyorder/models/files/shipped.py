"""Small trained models that come with the library: `load("pronounce-ctc")`.

    shipped()                     # {"pronounce-ctc": the folder, ...}
    of_task("pronounce")          # the folders of those that pronounce

They lie in `assets/` of the repository, or inside the installed package. Each folder says in its
README how it was made, of which data, under which licence.
"""

from pathlib import Path

import anyorder


def shipped() -> dict[str, Path]:
    """All of them by name, sorted."""
    package = Path(anyorder.__file__).resolve().parent
    places = (package.parents[1] / "assets", package / "assets")
    found = {
        config.parent.name: config.parent
        for place in places
        for config in sorted(place.glob("*/config.json"))
    }
    return dict(sorted(found.items()))


def of_task(name: str) -> list[Path]:
    """Those of a task, which goes by its own name (`Task.name`). Raises ValueError without any."""
    found = [folder for model, folder in shipped().items() if model.startswith(f"{name}-")]
    if not found:
        raise ValueError(
            f"no model of {name} comes with the library; train one (`anyorder train {name}`) "
            "and name its folder with --model"
        )
    return found
