"""What can be said of a method's file without running the method: errors that name file, line and remedy."""

from __future__ import annotations

import ast
import re
import types
import typing
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import annotated_types
from pydantic.fields import FieldInfo

from fpc import extensions
from fpc.core.errors import ConfigError
from fpc.retention.interface import MethodOptions, Need, RetentionMethod
from fpc.retention.registry import load_method
from fpc.workflow.extending import in_words, place_in

COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
HEAVY = ("torch", "numpy", "pandas", "scipy")
BOUNDED = (
    annotated_types.Ge,
    annotated_types.Gt,
    annotated_types.Le,
    annotated_types.Lt,
    annotated_types.Interval,
)


def check_text(path: Path) -> ast.Module:
    """Parse a method's file.

    Raises:
        ConfigError: it cannot be read or parsed, imports something slow at once, or defines no single method.
    """
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"{path}: give the Python file of one retention method (*.py)")
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError as error:
        line = error.lineno or 1
        if "unicodeescape" in error.msg:
            raise ConfigError(
                f"{path}:{line}: is not Python: {error.msg}; write a text with backslashes as r'...'"
            ) from error
        if "codec" in error.msg:
            raise ConfigError(
                f"{path}:{line}: is not text in UTF-8: {error.msg}; save it as UTF-8"
            ) from error
        raise ConfigError(f"{path}:{line}: is not Python: {error.msg}; correct this line") from error
    for node in tree.body:
        if found := sorted(set(_imported(node)) & set(HEAVY)):
            raise ConfigError(
                f"{path}:{node.lineno}: imports {found[0]} when it is read, which makes every command slow; "
                "import it inside the functions that use it, or under `if TYPE_CHECKING:`"
            )
    return tree


def method_of(path: Path, name: str, tree: ast.Module) -> type[RetentionMethod]:
    """The class that a file in use as an extension defines, with its attributes checked.

    Args:
        path: the file.
        name: the method's name.
        tree: the file's content, from ``check_text``.

    Raises:
        ConfigError: the file cannot be imported, or it defines no retention method, or more than one, or one
            that is not complete.
    """
    try:
        method = load_method(name)
    except (Exception, SystemExit) as error:
        raise ConfigError(_not_imported(path, tree, error)) from error
    line = _line_of_class(tree, method.__name__)
    abstract = sorted(method.__abstractmethods__)
    if abstract:
        raise ConfigError(f"{path}:{line}: {method.__name__} does not define {abstract[0]}; add it")
    for attribute, problem in _wrong_attributes(method):
        raise ConfigError(f"{path}:{line}: {method.__name__}.{attribute} {problem}")
    for option, problem in _wrong_options(method.Options):
        at = _line_of_field(tree, method.Options.__name__, option) or line
        raise ConfigError(f"{path}:{at}: option {option} {problem}")
    return method


def _not_imported(path: Path, tree: ast.Module, error: BaseException) -> str:
    """The message about what was raised while a file was imported, or its method was looked for."""
    place = place_in(error, [path])
    if place is not None:
        remedy = _remedy_of_name(tree, error) if isinstance(error, NameError) else remedy_of(error)
        return f"{place}: cannot be imported: {in_words(error)}; {remedy}"
    if isinstance(error, ValueError):  # the registry has no such method
        return _none_defined(path, tree)
    classes = [node.lineno for node in tree.body if isinstance(node, ast.ClassDef)]
    text = in_words(error, with_type=False).removeprefix(f"{path.resolve()} ")
    return f"{path}:{classes[-1] if classes else 1}: {text}"


def remedy_of(error: BaseException, otherwise: str = "correct this line") -> str:
    """What to do about an exception that a method's file raises; ``otherwise`` if it does not say."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        if package != "fpc":
            return (
                f"install the package that has it (such as `pip install {package}`); or if it is a file of "
                "yours, move what you use of it into this one, as a method is one file"
            )
    if isinstance(error, RuntimeError) and re.search(r"dtype|scalar type", str(error)):
        return (
            "give your own tensors and layers the policy's type and device, as in "
            "torch.zeros(n, dtype=batch.outputs.dtype, device=batch.outputs.device) or "
            "layer.to(batch.outputs): "
            "policies are float32 in runs and float64 in most of these checks"
        )
    return otherwise


def _remedy_of_name(tree: ast.Module, error: NameError) -> str:
    """What to do about a name that is unknown when the file is read."""
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    if error.name not in imported:
        return f"define or import {error.name}"
    if "annotations" not in imported:
        return (
            "make `from __future__ import annotations` the file's first import, as names under "
            "`if TYPE_CHECKING:` do not exist when it is read"
        )
    return f"use {error.name} in annotations or inside functions alone, and import it there"


def _imported(node: ast.stmt) -> Iterator[str]:
    """Top-level packages that a statement of a module imports when it is read."""
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield (node.module or "").partition(".")[0]


def _none_defined(path: Path, tree: ast.Module) -> str:
    """The message about a file without a method."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    line = classes[-1].lineno if classes else 1
    defined = ", ".join(node.name for node in classes) or "no class"
    return (
        f"{path}:{line}: defines {defined}, but no subclass of fpc.retention.interface.RetentionMethod; "
        "derive the method's class from it"
    )


def _wrong_attributes(method: type[RetentionMethod]) -> Iterator[tuple[str, str]]:
    label, colour = getattr(method, "label", None), getattr(method, "colour", None)
    if not isinstance(label, str) or not label.strip():
        yield "label", "is missing; give its short name in figures, such as label = 'L2'"
    elif problem := _undrawable(label):
        yield "label", f"cannot be drawn by matplotlib: {problem}; correct it (a dollar sign itself is \\$)"
    if not isinstance(colour, str) or not COLOUR.fullmatch(colour):
        yield "colour", f"is {colour!r}; give six hexadecimal digits, such as colour = '#56B4E9'"
    if not isinstance(method.needs, frozenset) or not method.needs <= set(Need):
        yield "needs", f"must be a frozenset of {', '.join(f'Need.{need.name}' for need in Need)}"
    if not (isinstance(method.Options, type) and issubclass(method.Options, MethodOptions)):
        yield "Options", "must be a subclass of fpc.retention.interface.MethodOptions"


def _undrawable(label: str) -> str | None:
    """What is wrong with a label's mathematics, as matplotlib says it; None if figures can show it."""
    from matplotlib.cbook import is_math_text
    from matplotlib.mathtext import MathTextParser

    if any(unicodedata.category(character) == "Cc" for character in label):
        return "it has a line break, a tab or another control character"
    if not is_math_text(label):
        return None
    try:
        MathTextParser("path").parse(label)
    except ValueError as error:
        return str(error).strip().splitlines()[-1]
    return None


def _wrong_options(options: type[MethodOptions]) -> Iterator[tuple[str, str]]:
    for name, field in options.model_fields.items():
        if name in MethodOptions.model_fields:
            continue
        if _is_number(field.annotation) and not _is_bounded(field):
            yield (
                name,
                "has no bound; use NonNegativeFloat, Fraction or PositiveInt of fpc.config.base, "
                "or Field(ge=...)",
            )
        if not field.description:
            yield name, "has no description, which error messages and tables show; add Field(description=...)"


def _parts(annotation: Any) -> list[Any]:
    """The types of a union, and those inside Annotated."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [part for one in typing.get_args(annotation) for part in _parts(one)]
    if typing.get_origin(annotation) is typing.Annotated:
        return [annotation, *_parts(typing.get_args(annotation)[0])]
    return [annotation]


def _is_number(annotation: Any) -> bool:
    return any(part in (int, float) for part in _parts(annotation))


def _is_bounded(field: FieldInfo) -> bool:
    metadata = [*field.metadata]
    for part in _parts(field.annotation):
        metadata += getattr(part, "__metadata__", ())
    return any(isinstance(item, BOUNDED) for item in _flat(metadata))


def _flat(metadata: list[Any]) -> Iterator[Any]:
    """Bounds, also those given by pydantic's Field inside Annotated."""
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)


def _line_of_class(tree: ast.Module, name: str) -> int:
    return next(
        (node.lineno for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), 1
    )


def _line_of_field(tree: ast.Module, name: str, field: str) -> int | None:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and ast.unparse(item.target) == field:
                    return item.lineno
    return None


def used(path: Path) -> str:
    """Put a method's file into use; its name.

    Raises:
        ConfigError: the file's name is taken, or is not a name of Python.
    """
    try:
        extensions.use([path.as_posix()])
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return path.stem


def options_by_domain(
    method: type[RetentionMethod], texts: Mapping[str, Mapping[str, str]]
) -> dict[str, MethodOptions]:
    """The method's options in each domain, from ``--option name=value`` and ``--option domain:name=value``.

    Args:
        method: the method.
        texts: domain -> name -> value.

    Raises:
        ConfigError: a name is unknown, a value does not fit, or one is missing; the text names the domains if
            it is not so in all of them.
    """
    found, wrong = {}, dict[str, list[str]]()
    for domain, own in texts.items():
        try:
            found[domain] = _options(method, own)
        except ConfigError as error:
            wrong.setdefault(str(error), []).append(domain)
    if wrong:
        raise ConfigError(
            "\n".join(
                text if len(domains) == len(texts) else f"for {', '.join(domains)}: {text}"
                for text, domains in wrong.items()
            )
        )
    return found


def _options(method: type[RetentionMethod], texts: Mapping[str, str]) -> MethodOptions:
    from pydantic import ValidationError
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from fpc.core.errors import describe

    values = {}
    for name, text in texts.items():
        try:
            values[name] = YAML(typ="safe").load(text)
        # A number, date or tag that is none ends in Python's own errors.
        except (YAMLError, ValueError, KeyError, RecursionError) as error:
            raise ConfigError(f"--option {name}={text}: is not YAML; put it in quotes") from error
    try:
        return method.Options.model_validate(values)
    except ValidationError as error:
        lines = [f"--option {'.'.join(at)}: {text}" for at, text in describe(error, method.Options)]
        raise ConfigError("\n".join(lines)) from error
