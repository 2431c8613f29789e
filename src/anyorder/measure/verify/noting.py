"""A subject under watch: what its runs noted, whether or not a law is about it.

watched = Noting(subject)
examine ... (it writes as the subject does)
watched.findings
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from anyorder.measure.notes import failed, told
from anyorder.measure.verify.subject import Ask, Finding, Said, Subject


@dataclass(frozen=True)
class Noting:
    """Satisfies `Subject`. `notes`: those of each text so far."""

    subject: Subject
    notes: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.subject.name

    def write(self, asks: Sequence[Ask]) -> list[Said]:
        """See `Subject.write`."""
        texts = self.subject.write(asks)
        self.notes.extend(said.notes for said in texts)
        return texts

    @property
    def findings(self) -> list[Finding]:
        """One for each note; something that broke does not hold, though each text may be right."""
        return [
            Finding(
                None, False if failed(note) else None, f"{note} ({n} of {len(self.notes)} texts)"
            )
            for note, n in told(self.notes).items()
        ]
