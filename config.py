"""The settings, from the environment and an `.env` file: read once, checked all at once, frozen."""

from __future__ import annotations

import contextlib
import difflib
import io
import ipaddress
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from dotenv.parser import parse_stream

from errors import ConfigError
from status_map import DEFAULT, StatusMap, fold, parse, parse_names
from text import digest, visible

REQUIRED: Mapping[str, str] = {
    "AIRTABLE_API_KEY": "create a personal access token at https://airtable.com/create/tokens",
    "AIRTABLE_BASE_ID": "it is the part that begins with app in the address of your base",
    "AIRTABLE_TABLE_NAME": "the name or the id of the table with the leads",
    "CLICKUP_API_KEY": "create a personal token in ClickUp under Settings, Apps",
    "CLICKUP_LIST_ID": "it is the number after /li/ in the List's address",
    "CLICKUP_CUSTOM_FIELD_ID": "the id of the List's text field for the record id; the README shows how to find it",
}
_TIMEOUT = "SYNC_HTTP_TIMEOUT_SECONDS"
DEFAULTS: Mapping[str, str] = {
    "AIRTABLE_NAME_FIELD": "Name",
    "AIRTABLE_STATUS_FIELD": "Status",
    "AIRTABLE_TASK_ID_FIELD": "ClickUp Task ID",
    "AIRTABLE_DETAIL_FIELDS": "Email,Source",
    "AIRTABLE_VIEW": "",
    "STATUS_MAP": str(DEFAULT),
    "IGNORED_STATUSES": "",
    "CONFLICT_WINNER": "airtable",
    "MISSING_TASK": "report",
    "SYNC_STATE_FILE": ".sync-state.sqlite3",
    "SYNC_FULL_EVERY_HOURS": "24",
    "SYNC_CREATE_DOUBT_SECONDS": "120",
    _TIMEOUT: "65",
    "SYNC_RETRY_WAIT_SECONDS": "1",
    "SYNC_TIME_BUDGET_SECONDS": "",
    "AIRTABLE_MONTHLY_CALLS": "",
    "CLICKUP_MONTHLY_CALLS": "",
    "HEALTHCHECK_URL": "",
    "AIRTABLE_API_URL": "https://api.airtable.com/v0",
    "CLICKUP_API_URL": "https://api.clickup.com/api/v2",
}
NAMES = (*REQUIRED, *DEFAULTS)

_ENV_FILE = Path(".env")
_OUR_PREFIXES = ("AIRTABLE_", "CLICKUP_", "SYNC_")
_SHORTEST_TOKEN = 16
_LONGEST_SECONDS = 86_400.0
_LONGEST_HOURS = 8_760.0
_LONGEST_FILE_NAME = 200
_LONGEST_PATH = 480
_BESIDE_A_STATE_FILE = (".lock", "-journal", "-wal", "-shm")
_MOST_CALLS = 1_000_000_000
_NO_SETTING = "is not a setting and has no effect"
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_NAME_AT_A_BEGINNING = re.compile(r"\n[ \t]*(?:export[ \t]+)?([A-Z_]+)[ \t]*=")
_TOKENS = ("AIRTABLE_API_KEY", "CLICKUP_API_KEY")
_FIELD_ID = re.compile(r"fld[0-9A-Za-z]{14}")
# Airtable's are pat, 14 letters or digits, a point and 64 hexadecimal digits; ClickUp's pk_, the user's number and 32
# capitals or digits: https://airtable.com/developers/web/guides/personal-access-tokens,
# https://developer.clickup.com/docs/authentication. One that was cut while it was copied is one all the same.
_EITHER_KIND = r"(?:pat[0-9A-Za-z]{14}\.[0-9A-Za-z]{8}|pk_[0-9]+_[0-9A-Z]{8})"
_LOOKS_LIKE_TOKEN = re.compile(rf"(?<![0-9A-Za-z]){_EITHER_KIND}")
_TOKEN_IN_A_NAME = re.compile(r"(pat[0-9A-Za-z]{14}|pk_[0-9]+_).*", re.DOTALL)
_Choice = TypeVar("_Choice", bound=str)


@dataclass(frozen=True)
class Settings:
    """Everything a run can be told. `warnings` are what looks like a mistake and stops nothing.

    Status names in `ignored_statuses` are folded. `healthcheck_url` and `view` are "" where they are not set.
    Addresses carry no slash at their end.
    """

    airtable_api_key: str = field(repr=False)
    airtable_base_id: str
    airtable_table_name: str
    clickup_api_key: str = field(repr=False)
    clickup_list_id: str
    clickup_custom_field_id: str
    name_field: str
    status_field: str
    task_id_field: str
    detail_fields: tuple[str, ...]
    view: str
    status_map: StatusMap
    ignored_statuses: frozenset[str]
    conflict_winner: Literal["airtable", "clickup"]
    missing_task: Literal["report", "recreate"]
    state_file: Path
    full_every_hours: float
    create_doubt_seconds: float
    http_timeout_seconds: float
    retry_wait_seconds: float
    time_budget_seconds: float | None
    airtable_monthly_calls: int | None
    clickup_monthly_calls: int | None
    healthcheck_url: str = field(repr=False)
    airtable_api_url: str
    clickup_api_url: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Given:
    """What the environment and the settings file say, and what was wrong with reading that."""

    env_file: Path
    values: Mapping[str, str] = field(repr=False)
    problems: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def state_file(self) -> Path:
        """The path that is set for it, whatever else is wrong with the settings."""
        state_file = Path(self.values.get("SYNC_STATE_FILE", DEFAULTS["SYNC_STATE_FILE"]))
        with contextlib.suppress(RuntimeError):
            state_file = state_file.expanduser()
        return state_file


def holds_token(text: str) -> bool:
    """Whether something in a text looks like an access token of one of the two services, be it glued to a flag."""
    return bool(re.search(_EITHER_KIND, text))


def read(environ: Mapping[str, str], env_file: Path | None = None) -> Given:
    """The settings as they are given; a variable of the environment goes before the file's.

    Without `env_file` the file is `.env` in the current folder, if there is one. It is read once, so that it may be a
    pipe. A blank value counts as not set. Raises nothing: what is wrong is among the problems, which `load` raises.
    """
    problems: list[str] = []
    warnings: list[str] = []
    values = {**_not_blank(_read_file(env_file, problems, warnings)), **_not_blank(environ)}
    return Given(env_file or _ENV_FILE, values, tuple(problems), tuple(warnings))


def load(given: Given) -> Settings:
    """The settings that are given. Raises ConfigError with every fault at once; no message shows a token."""
    problems = list(given.problems)
    warnings = [*given.warnings, *_strangers(given.values)]
    settings = _Reader(given.values, problems, warnings).settings()
    if same_file(settings.state_file, given.env_file):
        problems.append(
            "SYNC_STATE_FILE: this is the file with your settings; give the path of another, or of none yet"
        )
    if problems:
        # A name with a typo looks as if it were missing.
        problems.extend(each for each in warnings if _NO_SETTING in each)
        hint = f"Set them in the environment or in {visible(str(given.env_file))}; .env.example explains each one."
        raise ConfigError(problems, hint)
    return settings


def fingerprint(settings: Settings) -> str:
    """A short text that changes when a setting does that makes earlier decisions about leads worth looking at again."""
    chosen = [
        str(settings.status_map),
        sorted(settings.ignored_statuses),
        settings.name_field,
        settings.status_field,
        settings.task_id_field,
        settings.detail_fields,
        settings.view,
    ]
    return digest(json.dumps(chosen))


def binding(settings: Settings) -> dict[str, str]:
    """What a state file belongs to: the base, the table, the List and the custom field for the record id."""
    return {
        "base": settings.airtable_base_id,
        "table": settings.airtable_table_name,
        "list": settings.clickup_list_id,
        "field": settings.clickup_custom_field_id,
    }


def base_and_list(settings: Settings) -> str:
    """Which base and List a run is for, in one word. A table may be renamed; `State.bind` looks at that."""
    return f"{settings.airtable_base_id}/{settings.clickup_list_id}"


def same_file(path: Path, other: Path) -> bool:
    """Whether two paths lead to one file. Of files that exist the file system says it, which may ignore letter case."""
    try:
        return path.resolve() == other.resolve() or path.samefile(other)
    except (OSError, RuntimeError, ValueError):
        return False  # one of them is not there, or no usable path, which the settings tell


def _not_blank(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value.strip() for name, value in values.items() if value and value.strip()}


def _read_file(env_file: Path | None, problems: list[str], warnings: list[str]) -> dict[str, str]:
    path = env_file or _ENV_FILE
    try:
        if env_file is None and path.is_dir():
            return {}
        raw = path.read_bytes()
        mode = path.stat().st_mode
    except FileNotFoundError:
        if env_file:
            problems.append(f"{path}: there is no such file; give --env-file the path of your settings")
        return {}
    except OSError as error:
        problems.append(f"{path}: it cannot be read ({error.strerror}); look at its permissions")
        return {}
    if os.name == "posix" and mode & (stat.S_IRGRP | stat.S_IROTH):
        warnings.append(f"{path} holds tokens and other users of this machine can read it: chmod 600 {path}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        problems.append(f"{path}: it is not UTF-8 text; save it as UTF-8")
        return {}
    return _parse_file(path, text, problems)


def _parse_file(path: Path, text: str, problems: list[str]) -> dict[str, str]:
    """The file's variables as python-dotenv reads them, with `$` as an ordinary letter.

    The parser is asked itself, since `dotenv_values` passes over a line that it cannot read, and a setting lost on
    the way must not turn into its default.
    """
    values: dict[str, str] = {}
    for found in parse_stream(io.StringIO(text)):
        statement, value = found.original.string, (found.value or "").strip()
        line = found.original.line + statement.count("\n", 0, len(statement) - len(statement.lstrip()))
        if found.error or (found.key in NAMES and found.value is None and found.key not in values):
            problems.append(f"{path}: line {line} cannot be read; write NAME=value, and quote a value with ' or \"")
        elif found.key is not None and value:
            inside = [name for name in _NAME_AT_A_BEGINNING.findall(found.value or "") if name in NAMES]
            if inside:
                problems.append(f"{path}: line {line}: its quotes go on to the line of {inside[0]}; is one missing?")
            if found.key in NAMES and values.get(found.key, value) != value:
                problems.append(f"{path}: line {line} sets {found.key} once more, to another value; keep one of them")
            values[found.key] = value
    return values


def _strangers(values: Iterable[str]) -> list[str]:
    """Warnings about variables that are none of ours and look as if they were meant to be."""
    warnings = []
    for name in sorted(set(values) - set(NAMES)):
        shown = _TOKEN_IN_A_NAME.sub("***", name)
        near = difflib.get_close_matches(shown.upper(), NAMES, n=1, cutoff=0.85)
        if near:
            warnings.append(f"{shown} {_NO_SETTING}; did you mean {near[0]}?")
        elif name.startswith(_OUR_PREFIXES):
            warnings.append(f"{shown} {_NO_SETTING}; .env.example lists them all")
    return warnings


class _Reader:
    """Takes one value after another, and notes what is wrong with it instead of stopping."""

    def __init__(self, values: Mapping[str, str], problems: list[str], warnings: list[str]) -> None:
        self._values = {name: value for name, value in values.items() if name in NAMES}
        self._problems = problems
        self._warnings = warnings

    def settings(self) -> Settings:
        """All settings; where a value was wrong, its problem is noted and what stands here must not be used."""
        name_field, status_field, task_id_field = self._fields()
        status_map = self._status_map()
        timeout = self._number(_TIMEOUT, zero=False)
        return Settings(
            airtable_api_key=self._checked("AIRTABLE_API_KEY", _airtable_token_fault),
            airtable_base_id=self._checked("AIRTABLE_BASE_ID", _base_id_fault),
            airtable_table_name=self._checked("AIRTABLE_TABLE_NAME", _table_fault),
            clickup_api_key=self._checked("CLICKUP_API_KEY", _clickup_token_fault),
            clickup_list_id=self._checked("CLICKUP_LIST_ID", _list_id_fault),
            clickup_custom_field_id=self._checked("CLICKUP_CUSTOM_FIELD_ID", _field_id_fault).lower(),
            name_field=name_field,
            status_field=status_field,
            task_id_field=task_id_field,
            detail_fields=self._detail_fields(),
            view=self._text("AIRTABLE_VIEW"),
            status_map=status_map,
            ignored_statuses=self._ignored(status_map),
            conflict_winner=self._choice("CONFLICT_WINNER", ("airtable", "clickup")),
            missing_task=self._choice("MISSING_TASK", ("report", "recreate")),
            state_file=Path(self._checked("SYNC_STATE_FILE", _state_file_fault)).expanduser(),
            full_every_hours=self._number("SYNC_FULL_EVERY_HOURS", longest=_LONGEST_HOURS, zero=False),
            create_doubt_seconds=self._number("SYNC_CREATE_DOUBT_SECONDS") + _beyond_the_default(timeout),
            http_timeout_seconds=timeout,
            retry_wait_seconds=self._number("SYNC_RETRY_WAIT_SECONDS"),
            time_budget_seconds=self._time_budget(),
            airtable_monthly_calls=self._calls("AIRTABLE_MONTHLY_CALLS"),
            clickup_monthly_calls=self._calls("CLICKUP_MONTHLY_CALLS"),
            healthcheck_url=self._checked("HEALTHCHECK_URL", _address_fault).rstrip("/"),
            airtable_api_url=self._checked("AIRTABLE_API_URL", _address_fault).rstrip("/"),
            clickup_api_url=self._checked("CLICKUP_API_URL", _address_fault).rstrip("/"),
            warnings=tuple(self._warnings),
        )

    def _wrong(self, name: str, what: str) -> None:
        self._problems.append(f"{name}: {what}")

    def _text(self, name: str) -> str:
        """The value, or the default; "" with a problem noted where there is none that can be used."""
        value = self._values.get(name, DEFAULTS.get(name, ""))
        if not value and name in REQUIRED:
            self._wrong(name, f"it is missing; {REQUIRED[name]}")
        if name not in _TOKENS and self._shows_token(value):
            # Not only must no message show it: it would also be sent to a service as a name, in an address.
            self._wrong(name, "it holds an access token, which belongs into AIRTABLE_API_KEY or CLICKUP_API_KEY alone")
            return DEFAULTS.get(name, "")
        if _UNPRINTABLE.search(value):
            self._wrong(name, "it holds control characters or bytes that are not UTF-8; type it anew")
            return DEFAULTS.get(name, "")
        return value

    def _shows_token(self, value: str) -> bool:
        """Whether a value holds what looks like a token, or one of those configured."""
        tokens = [self._values[name] for name in _TOKENS if self._values.get(name)]
        held = any(token in value for token in tokens if len(token) >= _SHORTEST_TOKEN)
        return held or value in tokens or bool(_LOOKS_LIKE_TOKEN.search(value))

    def _checked(self, name: str, fault_of: Callable[[str], str]) -> str:
        value = self._text(name)
        fault = fault_of(value) if value else ""
        if fault:
            self._wrong(name, fault)
            return DEFAULTS.get(name, "")
        return value

    def _fields(self) -> tuple[str, str, str]:
        settings = ("AIRTABLE_NAME_FIELD", "AIRTABLE_STATUS_FIELD", "AIRTABLE_TASK_ID_FIELD")
        name, status, task_id = (self._checked(setting, _field_fault) for setting in settings)
        if len({fold(name), fold(status), fold(task_id)}) < len(settings):
            self._wrong(", ".join(settings), "two of them name one field; each needs a field of its own")
        return name, status, task_id

    def _names(self, setting: str) -> tuple[str, ...]:
        try:
            return parse_names(self._text(setting))
        except ValueError as error:
            self._wrong(setting, str(error))
            return ()

    def _detail_fields(self) -> tuple[str, ...]:
        setting = "AIRTABLE_DETAIL_FIELDS"
        names = tuple(dict.fromkeys(self._names(setting)))
        for fault in filter(None, map(_field_fault, names)):
            self._wrong(setting, fault)
        return names

    def _status_map(self) -> StatusMap:
        try:
            return parse(self._text("STATUS_MAP"))
        except ValueError as error:
            self._wrong("STATUS_MAP", f"{error}; write it like {DEFAULT}")
            return DEFAULT

    def _ignored(self, status_map: StatusMap) -> frozenset[str]:
        names = self._names("IGNORED_STATUSES")
        for side, has_row in (
            ("leads", lambda name: status_map.forward(name) is not None),
            ("tasks", status_map.has_task),
        ):
            mapped = ", ".join(name for name in names if has_row(name))
            if mapped:
                self._warnings.append(
                    f"IGNORED_STATUSES names {mapped}, which STATUS_MAP holds for {side}; there the map goes first"
                )
        return frozenset(fold(name) for name in names)

    def _choice(self, name: str, choices: tuple[_Choice, ...]) -> _Choice:
        value = self._text(name).casefold()
        for choice in choices:
            if value == choice:
                return choice
        self._wrong(name, f"it must be {' or '.join(choices)}")
        return choices[0]

    def _number(self, name: str, *, longest: float = _LONGEST_SECONDS, zero: bool = True) -> float:
        try:
            value = float(self._text(name))
        except ValueError:
            value = math.nan
        if not (0 <= value <= longest) or (value == 0 and not zero):
            least = "from 0" if zero else "above 0 and"
            self._wrong(name, f"it must be a number {least} up to {longest:,.0f}")
        return value

    def _time_budget(self) -> float | None:
        name = "SYNC_TIME_BUDGET_SECONDS"
        return self._number(name, zero=False) if name in self._values else None

    def _calls(self, name: str) -> int | None:
        text = self._text(name)
        if not text:
            return None
        calls = int(text) if re.fullmatch(r"[0-9]{1,12}", text) else 0
        if not 0 < calls <= _MOST_CALLS:
            self._wrong(name, f"it must be a whole number above 0 and up to {_MOST_CALLS:,}, digits only")
        return calls


def _beyond_the_default(timeout: float) -> float:
    """A request that may take so much longer may be carried out so much later."""
    return max(0.0, timeout - float(DEFAULTS[_TIMEOUT]))


# Each of these says what is wrong with a value and what to do about it, or "". None repeats a token.


def _token_fault(value: str) -> str:
    if value.lower().startswith("bearer "):
        return "leave out the word Bearer; give the token alone"
    if not re.fullmatch(r"[!-~]+", value):
        # It goes into a header, which holds plain ASCII only.
        return "it holds a space or a letter that no token has; copy the whole token once more"
    return ""


def _airtable_token_fault(value: str) -> str:
    if value.startswith("key"):
        # https://support.airtable.com/docs/airtable-api-key-deprecation-notice
        return f"API keys of the old kind (key...) no longer work; {REQUIRED['AIRTABLE_API_KEY']}"
    if value.startswith("pk_"):
        return "this looks like a ClickUp token; Airtable's begin with pat"
    return _token_fault(value)


def _clickup_token_fault(value: str) -> str:
    if re.match(r"pat[0-9A-Za-z]{14}\.", value):
        return "this looks like an Airtable token; ClickUp's begin with pk_"
    return _token_fault(value)


def _base_id_fault(value: str) -> str:
    if re.fullmatch(r"app[0-9A-Za-z]{14}", value):
        return ""
    inside = re.search(r"\bapp[0-9A-Za-z]{14}\b", value)
    if inside:
        return f"give the base id alone: {inside[0]}"
    if re.fullmatch(r"(tbl|viw|rec|fld)[0-9A-Za-z]{14}", value):
        return "this is the id of something else in the base; a base id begins with app"
    return f"a base id is app and 14 letters or digits; {REQUIRED['AIRTABLE_BASE_ID']}"


def _table_fault(value: str) -> str:
    if not re.match(r"https?://", value):
        return ""
    inside = re.search(r"\btbl[0-9A-Za-z]{14}\b", value)
    return f"give the table id alone: {inside[0]}" if inside else "give the table's name or id, not an address"


def _list_id_fault(value: str) -> str:
    if re.fullmatch(r"[0-9]+", value):
        return ""
    inside = re.search(r"/li/([0-9]+)", value)
    return f"a List id has digits only; {f'give {inside[1]}' if inside else REQUIRED['CLICKUP_LIST_ID']}"


def _field_id_fault(value: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value):
        return ""
    return (
        "a custom field's id looks like 1a2b3c4d-1a2b-1a2b-1a2b-1a2b3c4d5e6f, and its name will not do; "
        "the README shows how to find it"
    )


def _field_fault(name: str) -> str:
    if _FIELD_ID.fullmatch(name):
        return f"{name} is a field's id, but Airtable's answers give fields by name; write the field's name"
    # The name has to stand in a formula as {name}, and a brace in it has no spelling there that can be relied on.
    return f"the field name {name!r} has a brace in it; rename the field" if "{" in name or "}" in name else ""


def _state_file_fault(value: str) -> str:
    try:
        path = Path(value).expanduser()
        if path.is_dir():
            return f"{path} is a folder; give the path of a file"
        if path.exists() and not path.is_file():
            return f"{path} is a device or a pipe; give the path of a file"
        if not path.parent.is_dir():
            return f"the folder {path.parent} does not exist; create it"
        if not path.is_absolute() and not _current_folder_exists():
            return "the current folder was deleted; start it in another, or give the whole path"
        return _file_name_fault(Path(os.path.realpath(path)))
    except (OSError, RuntimeError, UnicodeError) as error:  # the last: a letter that the locale cannot write
        return f"this is no usable path ({error}); write another"


def _file_name_fault(path: Path) -> str:
    if len(os.fsencode(path.name)) > _LONGEST_FILE_NAME:
        return f"the file's name is longer than {_LONGEST_FILE_NAME} bytes, and longer ones come beside it; shorten it"
    if len(os.fsencode(path)) > _LONGEST_PATH:
        return f"the whole path is longer than {_LONGEST_PATH} bytes, which SQLite does not open; shorten it"
    if path.name.endswith(_BESIDE_A_STATE_FILE):
        return f"a name like {path.name} is that of a file beside another state file; choose another"
    return ""


def _current_folder_exists() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def _address_fault(value: str) -> str:
    if re.search(r"[\s\\]", value):
        return "the address holds a space or a backslash"
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "this is not an address; write it like https://example.com/path"
    if parts.scheme not in ("http", "https") or not host:
        return "this is not an address; write it like https://example.com/path"
    if parts.username is not None or parts.password is not None:
        return "the address must not hold a user name or a password"
    if parts.query or parts.fragment or "?" in value or "#" in value:
        return "the address must end with its path, without ? or #"
    if parts.scheme == "http" and not _is_loopback(host):
        return "plain http is allowed only to this machine (127.0.0.1, ::1, localhost); use https"
    return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in _LOOPBACK if address.version == 4 else address == ipaddress.IPv6Address("::1")
