"""API keys: who has one may ask. Only hashes lie on the disk.

    key, line = made()                    # the line goes into the file, the key to whoever asks
    keys = Keys.of(Path("keys"))
    keys.knows("ao-...")

A key has 256 random bits, so a plain hash of it can't be searched for.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LINE: Final = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Keys:
    """The hashes of all keys."""

    hashes: tuple[str, ...]

    @staticmethod
    def of(path: Path) -> "Keys":
        """Read a file: a hash a line; empty lines and those that begin with # are passed over.

        Raises ValueError for anything else, and for a file without a key.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeError) as error:
            why = (getattr(error, "strerror", None) or str(error)).lower()
            raise ValueError(f"the API keys in {path} can't be read: {why}") from error
        hashes = []
        for number, line in enumerate(lines, 1):
            word = line.partition("#")[0].strip()
            if not word:
                continue
            found = _LINE.fullmatch(word)
            if found is None:
                raise ValueError(
                    f"{path}, line {number}: this is no hashed key; "
                    "`anyorder serve --hash-key` makes one"
                )
            hashes.append(found[1])
        if not hashes:
            raise ValueError(f"{path} has no API key; `anyorder serve --hash-key` makes one")
        return Keys(tuple(hashes))

    def knows(self, key: str) -> bool:
        """Whether this is one of the keys; takes as long for any."""
        said = hashed(key)
        return any([hmac.compare_digest(said, known) for known in self.hashes])


def hashed(key: str) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def made() -> tuple[str, str]:
    """A new key, and the line of the file for it."""
    key = f"ao-{secrets.token_urlsafe(32)}"
    return key, f"sha256:{hashed(key)}"
