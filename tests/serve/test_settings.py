"""Settings: a flag is stronger than the environment, which is stronger than the file."""

from dataclasses import fields
from pathlib import Path

import pytest

from anyorder.cli.main import main
from anyorder.cli.serve import serve
from anyorder.serve.settings import PREFIX, Settings

DOCS = Path(__file__).parents[2] / "docs" / "serve.md"


def test_who_is_stronger(tmp_path: Path) -> None:
    file = tmp_path / "serve.toml"
    file.write_text('port = 1\nseats = 2\ntimeout = 3\nallowed_hosts = ["a"]\nlog_prompts = true')
    environment = {
        f"{PREFIX}PORT": "4",
        f"{PREFIX}SEATS": "5",
        f"{PREFIX}CORS_ORIGINS": "x, y",
        f"{PREFIX}LOG_PROMPTS": "no",
        "PATH": "whatever",
    }
    found = Settings.of(flags={"port": 6, "model": None}, environment=environment, file=file)
    assert found == Settings(
        port=6, seats=5, timeout=3.0, allowed_hosts=("a",), cors_origins=("x", "y")
    )
    assert Settings.of(flags={}, environment={}) == Settings()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prot = 1", "there is no setting 'prot'"),
        ("port = 'x'", "port is a whole number, not 'x'"),
        ("port = true", "port is a whole number, not True"),
        ("port = 1.5", "port is a whole number"),
        ("allowed_hosts = 'a'", "allowed_hosts is a list of texts"),
        ("timeout = 0", "timeout is 0"),
        ("grace = nan", "grace is nan"),
        ("port = 70000", "65535 or less"),
        ("= 1", "is no TOML"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "serve.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        Settings.of(flags={}, environment={}, file=file)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("PROT", "1", "there is no setting ANYORDER_SERVE_PROT; there is: .*ANYORDER_SERVE_PORT"),
        ("PORT", "x", "ANYORDER_SERVE_PORT is a whole number, not 'x'"),
        ("LOG_PROMPTS", "perhaps", "is true or false"),
        ("TIMEOUT", "long", "is a number"),
    ],
)
def test_a_wrong_environment_is_one_sentence(name: str, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Settings.of(flags={}, environment={PREFIX + name: text})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        Settings.of(flags={}, environment={}, file=tmp_path / "none.toml")


def test_each_setting_is_a_flag_with_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    for one in fields(Settings):
        assert f"--{one.name.replace('_', '-')}" in words
        assert one.metadata["help"].endswith(".")
        assert " ".join(one.metadata["help"].split()) in words


def test_wrong_flags_are_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    for flags, sentence in (
        (["--host", "0.0.0.0"], "name an --api-keys-file"),
        (["--seats", "0"], "seats is 0; it must be 1 or more"),
        (["--port", "x"], "port"),
        (["--api-keys-file", "nowhere"], "can't be read"),
    ):
        assert main(["serve", *flags]) != 0
        said = capsys.readouterr().err
        assert sentence in said
        assert said.count("\n") == 1


def test_a_key_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    serve(hash_key=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-1].startswith("ao-")
    assert lines[1].split()[-1].startswith("sha256:")


def test_the_docs_have_all_settings() -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `--")]
    for one in fields(Settings):
        flag, variable = f"--{one.name.replace('_', '-')}", PREFIX + one.name.upper()
        default = "" if one.default in (None, (), False) else f"`{one.default}`"
        row = f"| `{flag}` | `{variable}` | `{one.name}` | {default} | {one.metadata['help']} |"
        assert row in rows
    assert len(rows) == len(fields(Settings))
