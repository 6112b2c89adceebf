"""A scene as values of run.json and back, so that an old run can be judged again by later rules.

Rule: every field of ``Scene`` is kept but those that the record has in shapes of its own (the site,
cells, outcomes, judgements and traces); of outcomes those that did not run are kept whole. A mapping
is a list of pairs, in the order of its keys, since JSON has no keys but text. A field that an old
record lacks is as it is where nothing was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from types import GenericAlias
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from matrix.cause import Scene
from matrix.errors import ConfigError
from matrix.probes import NotRun

_NOT_RUN, _ROUNDS, _SCENARIOS = "not_run", "rounds", "scenarios"
_not_run: TypeAdapter[list[NotRun]] = TypeAdapter(list[NotRun])
_ELSEWHERE = frozenset({"topology", "cells", "outcomes", "judgements", "traces", "others", "asked"})


def scene_record(scene: Scene) -> dict[str, Any]:
    """What of the scene is kept, as values of JSON."""
    found: dict[str, Any] = {}
    for name, adapter in _adapters().items():
        value = getattr(scene, name)
        if isinstance(value, Mapping):
            value = sorted(value.items(), key=lambda pair: pair[0])
        found[name] = adapter.dump_python(value, mode="json")
    found[_NOT_RUN] = _not_run.dump_python(
        [one for one in scene.outcomes.values() if isinstance(one, NotRun)], mode="json"
    )
    return found


def rounds_record(
    rounds: Iterable[tuple[tuple[str, ...], Scene | None]],
) -> dict[str, Any] | None:
    """The scenes of a run's rounds, each with the names of its scenarios; that of a single one as it is.

    A round that asked nothing has no scene. None where none has.
    """
    found = [(names, scene) for names, scene in rounds if scene is not None]
    if len(found) == 1:
        names, scene = found[0]
        return {_SCENARIOS: list(names), **scene_record(scene)}
    if not found:
        return None
    return {_ROUNDS: [{_SCENARIOS: list(names), **scene_record(scene)} for names, scene in found]}


def rounds_of(record: Mapping[str, Any]) -> list[tuple[frozenset[str] | None, Mapping[str, Any]]]:
    """The scenes that ``rounds_record`` made, each with its scenarios; None stands for all of them."""
    parts = record.get(_ROUNDS)
    if not isinstance(parts, list):
        return [(None, record)]
    return [(frozenset(map(str, part.get(_SCENARIOS, ()))), part) for part in parts]


def scene_values(record: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """The arguments of ``Scene`` that were kept. ``name`` is for messages.

    Raises:
        ConfigError: they are not what ``scene_record`` made.
    """
    found: dict[str, Any] = {}
    for field, adapter in _adapters().items():
        if field in record:
            value = _read(adapter, record, field, name)
            found[field] = dict(value) if _is_mapping(field) else value
    return found


def not_run(record: Mapping[str, Any], *, name: str) -> dict[str, NotRun]:
    """The outcomes of cells that did not run, by cell id. Raises ConfigError like ``scene_values``."""
    found: list[NotRun] = _read(_not_run, {_NOT_RUN: [], **record}, _NOT_RUN, name)
    return {one.cell: one for one in found}


def _read(adapter: TypeAdapter[Any], record: Mapping[str, Any], field: str, name: str) -> Any:
    try:
        return adapter.validate_python(record[field])
    except ValidationError as error:
        raise ConfigError(
            f"{name}: evidence.{field}: {error.errors()[0]['msg']}; the file was changed by hand "
            "or damaged"
        ) from error


@cache
def _hints() -> dict[str, Any]:
    return get_type_hints(Scene)


def _is_mapping(field: str) -> bool:
    return get_origin(_hints()[field]) is Mapping


@cache
def _adapters() -> dict[str, TypeAdapter[Any]]:
    found: dict[str, TypeAdapter[Any]] = {}
    for name in (field.name for field in fields(Scene) if field.name not in _ELSEWHERE):
        hint = _hints()[name]
        if _is_mapping(name):
            hint = GenericAlias(list, (GenericAlias(tuple, get_args(hint)),))
        found[name] = TypeAdapter(hint)
    return found
