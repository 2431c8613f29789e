"""Small trained models that come with the library: `load("pronounce-ctc")`.

    shipped()                     # {"pronounce-ctc": the folder, ...}

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
