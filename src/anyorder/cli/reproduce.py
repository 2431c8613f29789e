"""`anyorder reproduce`: does a paper's claim hold here?"""

from typing import Annotated

import typer


def reproduce(
    system: Annotated[str, typer.Argument(help="Its slug, see `anyorder systems`.")],
    quick: Annotated[bool, typer.Option("--quick", help="The whole path, in seconds.")] = False,
) -> None:
    """Measure whether a system does what its paper claims."""
    from anyorder.systems.reproduce import reproduce as run

    run(system, quick=quick)
