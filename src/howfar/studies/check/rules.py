"""Read and check a rules file for `howfar check` (YAML or TOML, one table per rule), and write a template."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from howfar.errors import InputError, MissingPathError, one_line, rule_broken
from howfar.io.atomic import replace_text
from howfar.io.location import absolute
from howfar.settings import nearest
from howfar.significance.sequential_alarm import DROP, HORIZON, RATE

LARGEST: Final = 1 << 16
"""Bytes of a rules file at most."""
DEEPEST: Final = 8
_START: Final = "howfar check --new writes a start"
Severities = Literal["breach", "warn"]


class _Rule(BaseModel):
    """Refuse unknown keys and values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class PerformanceRule(_Rule):
    """Ask for a mean performance of the dataset, estimated or certified."""

    at_least: float = Field(ge=0, le=1)
    bound: Literal["low", "value"] = "low"
    severity: Severities = "breach"


class ShareRule(_Rule):
    """Ask that at most a share of a dataset's images has a fault."""

    at_most_share: float = Field(ge=0, le=1)
    severity: Severities = "breach"


class DistanceRule(ShareRule):
    """Ask that at most a share of the images lies beyond 95 % of the primary's; it can only warn, as distance is no harm."""

    severity: Literal["warn"] = "warn"


class ImagesRule(_Rule):
    """Ask for a number of images that could be scored."""

    at_least: int = Field(ge=1)
    severity: Severities = "breach"


class GateRule(_Rule):
    """Ask that the dataset lies inside the range of the labelled ones."""

    must_be: Literal["inside"] = "inside"
    severity: Severities = "breach"


class AlarmRule(_Rule):
    """Ask that performance has not fallen over the batches of the log."""

    at_least: float | None = Field(None, gt=0, lt=1)
    tolerated_drop: float | None = Field(None, ge=0, lt=1)
    drop: float = Field(DROP, gt=0, lt=1)
    false_alarms: float = Field(RATE, gt=0, lt=1)
    horizon: int = Field(HORIZON, ge=1)
    spread: Literal["any", "in_control"] = "any"
    since: str | None = None
    severity: Severities = "breach"

    @field_validator("since")
    @classmethod
    def _a_date(cls, text: str | None) -> str | None:
        if text is not None:
            moment(text)
        return text

    @model_validator(mode="after")
    def _one_level(self) -> Self:
        if (self.at_least is None) == (self.tolerated_drop is None):
            raise ValueError("give at_least, or tolerated_drop below the mean before `since`, and not both")
        return self

    @property
    def compares(self) -> bool:
        """Return whether the rule needs the batches before `since`, for their mean or spread."""
        return self.tolerated_drop is not None or self.spread == "in_control"


class Rules(_Rule):
    """Hold the rules of one file; a rule that is not in it is not asked for."""

    performance: PerformanceRule | None = None
    failures: ShareRule | None = None
    gate: GateRule | None = None
    distance: DistanceRule | None = None
    unreadable: ShareRule | None = None
    images: ImagesRule | None = None
    alarm: AlarmRule | None = None


def read_rules(given: Rules | Mapping[str, Any] | str | Path) -> Rules:
    """Read rules from a YAML or TOML file, chosen by its ending, or check rules in memory."""
    if isinstance(given, Rules):
        return given
    if isinstance(given, Mapping):
        return _checked(given, "rules")
    if not isinstance(given, (str, Path)):
        raise InputError.of("rules", "must be a file, or its content as a mapping", type(given).__name__, _START)
    text = _text(given)
    name = str(given)
    try:
        written = tomllib.loads(text) if Path(given).suffix.lower() == ".toml" else _yaml(text)
    except (ValueError, RecursionError) as error:
        raise InputError.of(
            "rules", f"must be a YAML or TOML file that can be read ({one_line(error)})", name, _START
        ) from error
    return _checked(written, name)


def moment(text: str) -> datetime:
    """Parse an ISO 8601 date or time, as UTC without a zone; raise `ValueError` for other texts."""
    try:
        read = datetime.fromisoformat(text)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{text!r} is no date: write 2026-01-31") from None


def _text(file: str | Path) -> str:
    path = absolute(file)
    try:
        with path.open("rb") as opened:
            data = opened.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise InputError.of("rules", f"must be a file of at most {LARGEST:,} bytes", str(file))
        return data.decode("utf-8")
    except FileNotFoundError:
        raise MissingPathError(f"rules {str(file)!r} is not there: {_START}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.of("rules", f"must be readable text ({one_line(error)})", str(file)) from error


def _yaml(text: str) -> Any:
    """Read plain YAML: no tags, no repeated keys, and no aliases, with which a small file can expand enormously."""
    import yaml

    try:
        depth = 0
        # Looked at as it is read: a reader of deep nesting takes minutes over some thousand brackets.
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise ValueError(f"it is nested deeper than {DEEPEST} levels, in line {event.start_mark.line + 1}")
            if isinstance(event, yaml.AliasEvent):
                raise ValueError(f"aliases are not read: *{event.anchor} in line {event.start_mark.line + 1}")
        _check_keys(yaml.compose(text, yaml.SafeLoader))
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _check_keys(node: Any) -> None:
    """Raise `ValueError` for a repeated key in a YAML mapping, of which YAML would keep the last."""
    pairs = node.value if node is not None and node.id == "mapping" else []
    names = [str(key.value) for key, _ in pairs]
    twice = next((key for key, _ in pairs if names.count(str(key.value)) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice.value} stands there twice, first in line {twice.start_mark.line + 1}")
    for _, value in pairs:
        _check_keys(value)


def _checked(written: Any, name: str) -> Rules:
    if not isinstance(written, Mapping) or not written:
        what = "nothing" if written in (None, {}, "") else type(written).__name__
        raise InputError.of("rules", "must hold at least one rule by name", what, _START)
    gate = written.get("gate", "inside")
    if not isinstance(gate, Mapping) and gate not in ("inside", None):
        raise InputError.of("gate", "must be inside", gate, "write gate: inside, or leave the rule out")
    values = {key: {"must_be": value} if key == "gate" and isinstance(value, str) else value for key, value in written.items()}
    none = next((key for key, value in values.items() if value is None), None)
    if none in Rules.model_fields:
        raise InputError.of(f"rule {none}", "must have a value", None, _START)
    try:
        return Rules.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        # An unknown key is often the reason for one that is missing.
        raise _refused(min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError.of("rules", f"must hold plain values ({one_line(error)})", name, _START) from error


def _refused(error: Any) -> InputError:
    location = [str(part) for part in error["loc"]]
    place = ".".join(location)
    if error["type"] == "extra_forbidden":
        known = (
            Rules.model_fields if len(location) == 1 else get_args(Rules.model_fields[location[0]].annotation)[0].model_fields
        )
        above = "rules" if len(location) == 1 else f"rule {location[0]}"
        return InputError.of(f"key of {above}", "must be a known one", location[-1], nearest(location[-1], list(known), "keys"))
    if error["type"] == "missing":
        return InputError(f"{place} must be given in the rules, and is missing: {_START}")
    if place == "distance.severity":
        return InputError.of(place, "must be warn", error["input"], "distance is no harm: put a rule on performance beside it")
    return InputError.of(place, rule_broken(error), error["input"])


TEMPLATE: Final = Path(__file__).with_name("start.yaml")


def write_start(file: str | Path) -> Path:
    """Write a commented template of rules as YAML, and return the path; an existing file is not replaced."""
    path = absolute(file)
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise InputError.of("rules", "must end in .yaml or .yml for a start", str(file))
    if path.exists():
        raise InputError.of("rules", "must not be there yet", str(file), "name another, or delete it")
    if not path.parent.is_dir():
        raise InputError.of("rules", "must be in a folder that is there", str(file))
    replace_text(path, TEMPLATE.read_text(encoding="utf-8"))
    return path
