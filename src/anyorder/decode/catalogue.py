"""Which decoders exist, and how a word on the command line names one.

    decoders()["jacobi"]                        # every decoder class under anyorder.decode
    parse("jacobi:block=16,sliding=true")
    parse("my_decoder.py:Toy")                  # a class in the user's own file

A decoder is found because its file lies in the folder; nobody registers one.
"""

import dataclasses
import difflib
import importlib
import importlib.util
import inspect
import itertools
import pkgutil
import re
import sys
import traceback
import types
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import anyorder.decode
from anyorder.decode.run import Decoder

OWN = itertools.count()  # of users' own files, which may be called as they like
ACTS = ("exact", "needs", "start", "step", "most_calls")


@cache
def decoders() -> dict[str, type]:
    """All decoder classes by their names (`TokenRecycling` is `token-recycling`), sorted."""
    found: dict[str, type] = {}
    for module in pkgutil.walk_packages(anyorder.decode.__path__, "anyorder.decode."):
        for kind in vars(importlib.import_module(module.name)).values():
            if is_decoder(kind):
                found[kebab(kind.__name__)] = kind
    return dict(sorted(found.items()))


def is_decoder(kind: object) -> bool:
    """A concrete dataclass that has all that the loop asks of a decoder."""
    return (
        inspect.isclass(kind)
        and dataclasses.is_dataclass(kind)
        and not inspect.isabstract(kind)
        and is_way(kind)
    )


def is_way(kind: type) -> bool:
    """Whether decoders are of this kind, which may be abstract."""
    return all(hasattr(kind, act) for act in ACTS)


def kebab(name: str) -> str:
    """
    >>> kebab("LeftToRight"), kebab("CTCGreedy")
    ('left-to-right', 'ctc-greedy')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def describe(kind: type) -> str:
    """The first sentence of a decoder's docstring."""
    return (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")


def parse(text: str, *, load_model: Callable[[str], Any] | None = None) -> Decoder:
    """A decoder from `name`, `name:option=value,...`, or `file.py:Class:option=value,...`.

    A decoder within another stands in brackets: `lenient:by=(jacobi:block=8,sliding=true),top=3`.

    `load_model` makes a model of the value of an option that holds one (`draft_model`).
    Raises ValueError with the names that exist, or the options that the decoder has.
    """
    kind, options = _named(text)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.repr}
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for option in split_options(options):
        name, equals, value = option.partition("=")
        name = name.strip().replace("-", "_")
        if name not in fields:
            known = ", ".join(fields) or "none"
            raise ValueError(f"{kebab(kind.__name__)} has no option {name!r}; it has: {known}")
        if name in values:
            raise ValueError(f"{kebab(kind.__name__)} is given {name} twice; give it once")
        if not equals:
            raise ValueError(f"the option {name} needs a value: {kebab(kind.__name__)}:{name}=...")
        values[name] = _value(name, value.strip(), hints[name], load_model)
    required = [
        field.name
        for field in fields.values()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    for name in required:
        if name not in values:
            raise ValueError(
                f"{kebab(kind.__name__)} needs {name}: write {kebab(kind.__name__)}:{name}=..."
            )
    return kind(**values)


def split_options(options: str) -> list[str]:
    """`name=value` for each: cut at the commas, but for those within brackets.

    Raises ValueError for a bracket alone.

    >>> split_options("by=(jacobi:block=8,sliding=true),top=3")
    ['by=(jacobi:block=8,sliding=true)', 'top=3']
    """
    parts, depth = [""], 0
    for sign in options:
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            raise ValueError(f"{options!r} closes a bracket that it did not open")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    if depth:
        raise ValueError(f"{options!r} opens a bracket that it does not close; add a )")
    return [part for part in parts if part]


def within_brackets(value: str) -> str:
    """The spec of a decoder within another, with or without its brackets.

    >>> within_brackets("(jacobi:block=8)"), within_brackets("jacobi")
    ('jacobi:block=8', 'jacobi')
    """
    return value[1:-1] if value.startswith("(") and value.endswith(")") else value


def no_such(name: str) -> str:
    """What is said of a decoder that does not exist: the nearest name, or all of them.

    >>> no_such("prompt_coppy")
    "there is no decoder 'prompt_coppy'; did you mean 'prompt-copy'?"
    """
    near = difflib.get_close_matches(kebab(name).replace("_", "-"), decoders(), 1)
    told = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(decoders())}"
    return f"there is no decoder {name!r}; {told}"


def in_words(kind: type) -> dict[str, bool]:
    """A decoder's options, and whether they can be given in words; the others are for Python.

    >>> in_words(decoders()["auto"])
    {'costs': False}
    """
    hints = get_type_hints(kind)
    return {
        field.name: hints[field.name] is Any
        or (inspect.isclass(hints[field.name]) and is_way(hints[field.name]))
        or any(word in _kinds(hints[field.name]) for word in (bool, int, float, str))
        for field in dataclasses.fields(kind)
        if field.repr
    }


def label(decoder: Decoder) -> str:
    """A decoder's name with the options that differ from its defaults; models by their names.

    >>> from anyorder.decode import Jacobi
    >>> label(Jacobi(block=8))
    'jacobi:block=8'
    """
    options = []
    for field in dataclasses.fields(decoder):  # type: ignore[arg-type]
        value = getattr(decoder, field.name)
        if field.repr and (field.default is dataclasses.MISSING or value != field.default):
            shown = f"({label(value)})" if is_way(type(value)) else getattr(value, "name", value)
            options.append(f"{field.name}={shown}")
    return ":".join([kebab(type(decoder).__name__), *filter(None, [",".join(options)])])


def _named(text: str) -> tuple[type, str]:
    in_file = re.fullmatch(r"(.+\.py):(\w+)(?::(.*))?", text)
    if in_file:
        return _from_file(Path(in_file[1]), in_file[2]), in_file[3] or ""
    name, _, options = text.partition(":")
    if name.endswith(".py"):
        raise ValueError(f"name the class, too: {name}:NameOfTheDecoder")
    if name not in decoders():
        raise ValueError(no_such(name))
    return decoders()[name], options


def _from_file(path: Path, name: str) -> type:
    if not path.is_file():
        raise ValueError(f"{path} does not exist, so no decoder {name} can be read from it")
    kind = getattr(_imported(path), name, None)
    if not inspect.isclass(kind):
        raise ValueError(f"{path} has no class {name}")
    if not is_decoder(kind):
        lacks = sorted(getattr(kind, "__abstractmethods__", ())) or [
            act for act in ACTS if not hasattr(kind, act)
        ]
        what = f"lacks {', '.join(lacks)}" if lacks else "is no @dataclass"
        raise ValueError(f"{name} in {path} is no decoder yet: it {what}")
    return kind


def _imported(path: Path) -> types.ModuleType:
    """The user's file as a module of a name that no other has: dataclasses look it up there."""
    name = f"_anyorder_own_{next(OWN)}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        line = _line(error, str(spec.origin))
        why = error.msg if isinstance(error, SyntaxError) else error
        raise ValueError(f"{path}{line} fails: {type(error).__name__}: {why}") from error
    return module


def _line(error: BaseException, file: str) -> str:
    """Where in `file` an error came up, if it is known."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return f", line {error.lineno},"
    inside = [at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == file]
    return f", line {inside[-1]}," if inside else ""


def _value(name: str, value: str, hint: Any, load_model: Callable[[str], Any] | None) -> Any:
    """`value` as the option's type."""
    if inspect.isclass(hint) and is_way(hint):
        spec = within_brackets(value)
        try:
            inner = parse(spec, load_model=load_model)
        except ValueError as error:
            raise ValueError(f"within {name}=({spec}): {error}") from error
        if not isinstance(inner, hint):
            raise ValueError(f"{name} is a {kebab(hint.__name__)} decoder; {value} is none")
        return inner
    if hint is Any:
        if load_model is None:
            raise ValueError(f"{name} names a model, and none can be loaded here")
        return load_model(value)
    kinds = _kinds(hint)
    if type(None) in kinds and value.lower() == "none":
        return None
    if bool in kinds:
        if value.lower() not in ("true", "false"):
            raise ValueError(f"{name} is true or false, not {value!r}")
        return value.lower() == "true"
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(value)
            except ValueError:
                raise ValueError(f"{name} is a number, not {value!r}") from None
    if str in kinds:
        return value
    raise ValueError(f"{name} can't be given in words; use Python for it")


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
