"""Reading a study file: plain YAML, overrides from the command line, and one line for whatever is wrong."""

from __future__ import annotations

import copy
import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ValidationError

from igbatch.errors import InputError, one_line
from igbatch.study import Study
from igbatch.study.section import kinds_of

MAX_STUDY_BYTES = 256 * 1024


@dataclass(frozen=True)
class LoadedStudy:
    """A study with the place that its relative paths start from."""

    study: Study
    base: Path

    def locate(self, path: str) -> str:
        """Return `path` as a URI or absolute path; relative ones start at the study file's folder."""
        return path if "://" in path else str((self.base / os.path.expanduser(path)).resolve())


def load_study(path: str | Path, overrides: Sequence[str] = ()) -> LoadedStudy:
    """Read a study file and apply `key=value` overrides (dotted keys, YAML values, paths from here).

    Raises:
        InputError: the file is missing, is no plain YAML, or holds an unknown key or a bad value.
    """
    path = Path(path)
    content = _parse_yaml(_read_text(path), str(path))
    if not isinstance(content, dict):
        raise InputError(f"{path}: a study is a mapping of keys to values; see docs/study.md")
    return LoadedStudy(override_study(content, overrides, str(path)), path.resolve().parent)


def override_study(content: Mapping[str, Any], overrides: Sequence[str], origin: str) -> Study:
    """Validate a study after `key=value` overrides; `origin` names it in messages.

    Raises:
        InputError: an override is wrong, or the study is none of this igbatch.
    """
    changed = copy.deepcopy(dict(content))
    for override in overrides:
        _override(changed, override)
    return parse_study(changed, origin)


def kept_study(content: Mapping[str, Any], origin: str) -> Study:
    """Validate a study as the output of any igbatch keeps it: keys that are not known are left out.

    Raises:
        InputError: a value is none that this igbatch knows.
    """
    return _validate(content, origin, extra="ignore")


def parse_study(content: Mapping[str, Any], origin: str) -> Study:
    """Validate the content of a study; `origin` names it in messages.

    Raises:
        InputError: one line that names the key, the value and the fix.
    """
    study = _validate(content, origin, extra="forbid")
    steps = {variant.steps or study.attribution.steps for variant in study.variants}
    if study.attribution.rule == "trapezoid" and 1 in steps:
        raise InputError(
            f"{origin}: attribution.rule: trapezoid with 1 step: it takes both ends; give 2 steps or more"
        )
    return study


def _validate(content: Mapping[str, Any], origin: str, extra: Literal["forbid", "ignore"]) -> Study:
    try:
        return Study.model_validate(content, extra=extra)
    except ValidationError as error:
        raise InputError(one_line(f"{origin}: {_explain(error, content)}")) from None


def _read_text(path: Path) -> str:
    try:
        if not path.is_file():
            raise InputError(f"{path}: there is no such study file; check the path")
        if path.stat().st_size > MAX_STUDY_BYTES:
            raise InputError(
                f"{path}: larger than {MAX_STUDY_BYTES} bytes; list images in a manifest CSV instead"
            )
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a YAML file (it is not UTF-8 text); save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases, which make a few lines endlessly large, and without a key twice in a mapping."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, f"`*{event.anchor}` is an alias; write it out", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key.value!r} stands twice; remove one", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _parse_yaml(text: str, origin: str) -> Any:
    try:
        return yaml.load(text, _PlainLoader)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        # PyYAML meets odd tags and numbers with exceptions of many classes.
        reason = one_line(error, limit=300) or type(error).__name__
        raise InputError(one_line(f"{origin}: not plain YAML ({reason}); correct it")) from None


def _override(content: dict[str, Any], override: str) -> None:
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise InputError(f"--set {override}: write it as key=value, for instance attribution.steps=100")
    value = _parse_yaml(text, f"--set {override}")
    node: Any = content
    *parents, last = key.split(".")
    for depth, part in enumerate(parents, 1):
        if isinstance(node, dict) and node.get(part) is None:
            node[part] = {}  # a section that is null, as an output keeps what a study leaves out, begins here
        if parents[:depth] == ["images", "boxes"] and isinstance(node, dict) and isinstance(node[part], str):
            node[part] = {"path": node[part]}  # a path alone is a section by itself
        node = node[part] if isinstance(node, dict) else None
        if not isinstance(node, dict):
            raise InputError(f"--set {override}: {part} is not a mapping in the study; set it as a whole")
    node[last] = _from_here(key, value)


def _from_here(key: str, value: Any) -> Any:
    """Make a path given on the command line absolute: it starts at the current folder, not the study's."""
    prefix = ""
    if not isinstance(value, str):
        return value
    if key.startswith("models.") and key.endswith(".weights"):
        if value in ("bundled", "pretrained"):
            return value
        prefix = "local-dir:" if value.startswith("local-dir:") else ""
    elif key not in ("images.root", "images.manifest", "images.boxes", "images.boxes.path"):
        return value
    path = value.removeprefix(prefix)
    return value if "://" in path else prefix + str(Path(os.path.expanduser(path)).absolute())


def _explain(error: ValidationError, content: Mapping[str, Any]) -> str:
    """Say the most telling of pydantic's errors: where, what was found, and what would do."""
    problems = sorted(error.errors(), key=lambda e: (e["type"] != "extra_forbidden", -len(e["loc"])))
    first = problems[0]
    keys = _keys(first, content)
    where = ".".join(keys) or "the study"
    if first["type"] == "extra_forbidden":
        known = _known_keys(keys[:-1])
        close = difflib.get_close_matches(keys[-1], known, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"known keys here: {', '.join(sorted(known))}"
        return f"{where}: unknown key; {hint}"
    if first["type"] == "missing":
        return f"{where}: missing; add it (docs/study.md)"
    alternatives = dict.fromkeys(_plain(e["msg"]) for e in problems if _keys(e, content) == keys)
    message, *others = alternatives
    message += "".join(f", or {other.removeprefix('should be ')}" for other in others)
    return f"{where}: {_shown(first['input'])}: {message}"


def _keys(problem: Any, content: Any) -> list[str]:
    """Return the path of a problem in the file: pydantic's without the names of union members in it."""
    keys = []
    node = content
    for part in problem["loc"]:
        try:
            node = node[part]
        except (LookupError, TypeError):
            if problem["type"] != "missing" or part != problem["loc"][-1]:
                continue
        keys.append(str(part))
    return keys


def _plain(message: str) -> str:
    """Put pydantic's message into the words of a YAML file."""
    message = message.removeprefix("Value error, ")
    message = re.sub(r"^Input | or instance of \w+| after validation, not \d+", "", message)
    message = message[:1].lower() + message[1:]
    return message.replace("dictionary", "mapping").replace("tuple", "list")


def _shown(value: Any) -> str:
    try:
        text = "null" if value is None else repr(value)
    except ValueError:  # Python does not write out whole numbers of thousands of digits
        text = f"a number of {value.bit_length()} bits" if isinstance(value, int) else "a value"
    return text if len(text) < 80 else text[:77] + "..."


def _known_keys(location: Sequence[str]) -> list[str]:
    """Return the keys that the section at a place in the file may have."""
    section: type[BaseModel] = Study
    for name in location:
        if name in section.model_fields:  # else a place in a list, or a name that the study gives
            kinds = kinds_of(section.model_fields[name].annotation)
            section = next((kind for kind in kinds if isinstance(kind, type(BaseModel))), section)
    return list(section.model_fields)
