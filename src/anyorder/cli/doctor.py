"""`anyorder doctor`: what this machine and this installation have to offer."""


def doctor() -> None:
    """Show versions, threads, memory, fast precisions, extras, cache."""
