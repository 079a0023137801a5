"""Turns violations of the schema into problems, each at its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

from assembler.core.name_rules import PUBLIC
from assembler.core.problems import Guesses, Known, Problem
from assembler.spec.schema import LINE_END, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from assembler.core.problems import Mark
    from assembler.core.values import Value
    from assembler.spec.yaml_text import Document, KeyPath

# JSON Schema takes 18.0 for a whole number; no code after the schema does.
_Validator = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)

#: How many keys the path of a source has.
_SOURCE = 2
#: How many values of a list are shown.
_MOST_LISTED = 24


@dataclass(frozen=True, slots=True)
class _Names:
    """The names that a wrong name may have meant.

    Attributes:
        kinds: The kinds of part.
        forms: The forms of source.
        guesses: How many comparisons for guesses are left.
    """

    kinds: Known
    forms: tuple[str, ...]
    guesses: Guesses


def schema_problems(
    document: Document, schema: Mapping[str, Value], kinds: Iterable[str], forms: Iterable[str]
) -> list[Problem]:
    """Return every violation of the schema, each at its place (S001 to S005)."""
    validator = _Validator(cast("dict[str, object]", schema))
    names = _Names(Known(kinds), tuple(forms), Guesses())
    problems: list[Problem] = []
    for error in validator.iter_errors(document.root):
        for leaf in _leaves(error):
            problems.extend(_problems(leaf, document, names))
    return problems


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """Follow `if`/`then` and `allOf` down to the actual violation; of alternatives, take the one that fits best."""
    if error.validator in {"if", "allOf"} and error.context:
        for child in error.context:
            yield from _leaves(child)
    elif error.validator in {"anyOf", "oneOf"} and error.context:
        best = best_match([error])
        yield best if best is not None else error
    else:
        yield error


def _path(error: ValidationError) -> KeyPath:
    return tuple(error.absolute_path)


def _problems(error: ValidationError, document: Document, names: _Names) -> Iterator[Problem]:
    path = _path(error)
    where = _where(path)
    if error.validator == "additionalProperties":
        yield from _unknown_keys(error, document, path, names)
    elif error.validator == "required":
        yield from _missing_key(error, document, path, names)
    elif path and path[-1] == "kind" and error.validator in {"enum", "type"}:
        got = error.instance
        hint = names.guesses.suggest(str(got), names.kinds, what="known kinds")
        yield Problem.at(document.mark(path), "S005", f"{where}: there is no kind {_show(got)}", hint)
    elif error.validator == "type":
        message = f"{where}: got {_describe(error.instance)}, expected {_expected(error.validator_value)}"
        yield Problem.at(document.mark(path), "S003", message)
    else:
        mark = _value_mark(error, document, path)
        yield Problem.at(mark, "S004", f"{where}: {_rule(error)}", _rule_hint(error, names.guesses))


def _value_mark(error: ValidationError, document: Document, path: KeyPath) -> Mark:
    is_name = "propertyNames" in error.absolute_schema_path
    if is_name and isinstance(error.instance, str):
        return document.key_mark((*path, error.instance))
    return document.mark(path)


def _unknown_keys(error: ValidationError, document: Document, path: KeyPath, names: _Names) -> Iterator[Problem]:
    schema = cast("dict[str, dict[str, Value]]", error.schema)
    known = schema.get("properties", {})
    given = cast("dict[str, Value]", error.instance)
    meant = Known([*known, *(names.forms if _is_formless(path, given, names.forms) else ())])
    where = _where(path)
    for key in given:
        if key not in known and not re.match("^x-", key):
            mark = document.key_mark((*path, key))
            hint = names.guesses.suggest(key, meant, what="keys here") + " (keys that begin with 'x-' are free)"
            yield Problem.at(mark, "S001", f"{where}: unknown key '{key}'", hint)


def _missing_key(error: ValidationError, document: Document, path: KeyPath, names: _Names) -> Iterator[Problem]:
    required = cast("list[str]", error.validator_value)
    schema = cast("dict[str, dict[str, dict[str, Value]]]", error.schema)
    for key in required:
        if key not in cast("dict[str, Value]", error.instance) and f"{key!r}" in error.message:
            example = schema.get("properties", {}).get(key, {}).get("examples")
            hint = f"for example: {key}: {_show(example[0])}" if isinstance(example, list) and example else None
            message = f"{_where(path)}: the key '{key}' is missing"
            if _is_formless(path, cast("dict[str, Value]", error.instance), names.forms):
                message = f"{_where(path)}: needs a key {' or '.join(map(repr, names.forms))}"
            yield Problem.at(document.key_mark(path), "S002", message, hint)


def _is_formless(path: KeyPath, given: Mapping[str, Value], forms: Iterable[str]) -> bool:
    """Return whether a place is a source without the key of any form."""
    return len(path) == _SOURCE and path[0] == "sources" and not any(form in given for form in forms)


def _where(path: KeyPath) -> str:
    return f"'{_dotted(path)}'" if path else "the spec"


def _dotted(path: KeyPath) -> str:
    return ".".join(str(part) for part in path)


def _show(value: object) -> str:
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004 - what fits a line


def _describe(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "a boolean", type(None): "nothing"}
    name = names.get(type(value), "a number")
    return name if isinstance(value, dict | list | None) else f"{name} ({_show(value)})"


def _expected(types: object) -> str:
    names = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number"}
    listed = types if isinstance(types, list) else [types]
    return " or ".join(names.get(str(name), f"a {name}") for name in listed)


def _rule(error: ValidationError) -> str:  # noqa: PLR0911 - one return for each rule
    got, rule = _show(error.instance), error.validator_value
    if error.validator == "const":
        return f"got {got}, expected {_show(rule)}"
    if error.validator == "enum":
        known = [str(item) for item in cast("list[Value]", rule)]
        more = ", …" if len(known) > _MOST_LISTED else ""
        return f"got {got}, expected one of {', '.join(known[:_MOST_LISTED])}{more}"
    if error.validator == "pattern":
        return f"got {got}, which does not fit the pattern {str(rule).replace(LINE_END, '')}"
    if error.validator in {"minimum", "maximum", "exclusiveMinimum"}:
        words = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}
        return f"got {got}, expected {words[str(error.validator)]} {rule}"
    if error.validator in {"minProperties", "minItems"}:
        count = len(cast("list[Value]", error.instance))
        return f"got {count} {'entry' if count == 1 else 'entries'}, expected at least {rule}"
    if error.validator in {"maxItems", "maxLength"}:
        return f"got {len(cast('list[Value]', error.instance))}, expected at most {rule}"
    return error.message


def _rule_hint(error: ValidationError, guesses: Guesses) -> str | None:
    if error.validator == "enum" and list(error.absolute_path) == ["profile"]:
        return None  # the message lists them, and the nearest name is a bad guess: 'gpu' looks like 'cpu'
    if error.validator == "enum" and isinstance(error.instance, str):
        return guesses.suggest(error.instance, Known(str(item) for item in cast("list[Value]", error.validator_value)))
    if error.validator == "pattern" and error.validator_value == PUBLIC:
        names = "propertyNames" in error.absolute_schema_path
        return "names of inputs and outputs are one line of text" if names else "write part.port, or an input's name"
    if error.validator == "pattern" and "propertyNames" in error.absolute_schema_path:
        return "names are letters, digits and underscores, and begin with no digit"
    if error.validator == "pattern" and error.validator_value == REFERENCE:
        return "write a source, or source.path.to.part"
    return None
