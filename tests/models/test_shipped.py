"""Which models come along for a task."""

from pathlib import Path

import pytest

from anyorder.models.files import shipped


def test_those_of_a_task_have_its_name_before_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("pronounce-ctc", "translate-en-de-ctc", "translate-en-de-dag", "translate-en-fr-ctc")
    monkeypatch.setattr(shipped, "shipped", lambda: {name: Path(name) for name in names})
    assert shipped.of_task("translate-en-de") == [Path(names[1]), Path(names[2])]
    with pytest.raises(ValueError, match="no model of copy-or-reverse comes with the library"):
        shipped.of_task("copy-or-reverse")
