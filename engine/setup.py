"""The set-up of both sides, examined before the first write: do the table, the List, the fields and the statuses exist?

What is found is kept in the state, so that an ordinary run need not ask again.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clients.airtable import AirtableClient
from clients.clickup import ClickUpClient
from clients.errors import ApiError, AuthError, InvalidRequest, NotFound, QuotaSpent
from config import Settings, binding, fingerprint
from errors import ConfigError
from models import FieldInfo, TableInfo
from status_map import StatusMap, fold
from text import visible

_TEXT_FIELDS = {"singleLineText", "multilineText"}
_COMPUTED_FIELDS = {
    "formula", "rollup", "lookup", "multipleLookupValues", "count", "autoNumber", "createdTime", "createdBy",
    "lastModifiedTime", "lastModifiedBy", "button", "aiText", "externalSyncSource",
}  # fmt: skip
_NO_STATUS_FIELDS = {
    "number", "percent", "currency", "rating", "duration", "checkbox", "date", "dateTime", "multipleSelects",
    "multipleRecordLinks", "multipleAttachments", "singleCollaborator", "multipleCollaborators", "barcode",
}  # fmt: skip
_MARKER_FIELDS = {"short_text", "text"}
_FALLBACK_NAMES = ("Company", "Email")

log = logging.getLogger("sync")


@dataclass(frozen=True)
class Setup:
    """What the examination found: the table's id ("" where the schema may not be read), the fields that exist of those
    that a lead is made from, how each side spells its statuses, and what looks like a mistake.
    """

    table_id: str
    fields: tuple[str, ...]
    task_statuses: tuple[str, ...]
    lead_statuses: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    settings: str = ""

    def task_spelling(self, statuses: StatusMap) -> Mapping[str, str]:
        """Task statuses by their folded names."""
        return _spelling(self.task_statuses, [row.task for row in statuses.rows])

    def lead_spelling(self, statuses: StatusMap) -> Mapping[str, str]:
        """Lead statuses by their folded names."""
        return _spelling(self.lead_statuses, [row.lead for row in statuses.rows])


def _spelling(names: Sequence[str], rows: Iterable[str]) -> Mapping[str, str]:
    """Of names that differ in letter case alone, the one that stands in the status map goes first."""
    return {fold(name): name for name in (*names, *(each for each in rows if each in names))}


def to_text(setup: Setup) -> str:
    """For the state file."""
    return json.dumps(dataclasses.asdict(setup))


def from_text(text: str | None, settings: Settings) -> Setup | None:
    """From the state file; None where nothing is kept, or other settings were examined."""
    if text is None:
        return None
    kept: dict[str, Any] = json.loads(text)
    examined = kept.pop("settings")
    table_id = kept.pop("table_id")
    found = Setup(table_id, **{name: tuple(values) for name, values in kept.items()}, settings=examined)
    return found if examined == _settings_of(settings) else None


def _settings_of(settings: Settings) -> str:
    """What an examination holds for."""
    return fingerprint(settings) + json.dumps(binding(settings), sort_keys=True)


def with_names_found(kept: Setup, airtable: AirtableClient) -> Setup:
    """What was kept, and those fields that can name a lead and were not there; the rest stands as it was found.

    Raises AuthError and QuotaSpent; anything else that goes wrong costs nothing but this look.
    """
    if set(_FALLBACK_NAMES) <= set(kept.fields):
        return kept
    try:
        there = {field.name for field in airtable.schema().fields}
    except (AuthError, QuotaSpent):
        raise
    except ApiError as error:
        log.info("whether the table has a field that names a lead: %s", error)
        return kept
    found = (name for name in _FALLBACK_NAMES if name in there)
    return dataclasses.replace(kept, fields=tuple(dict.fromkeys((*kept.fields, *found))))


def table_id(airtable: AirtableClient) -> str:
    """The id of the table that the settings name; "" where there is none, or the schema may not be read."""
    try:
        return airtable.schema().id
    except (NotFound, InvalidRequest):
        return ""


def examine(settings: Settings, airtable: AirtableClient, clickup: ClickUpClient) -> Setup:
    """Look at both sides, read-only.

    Raises ConfigError with every problem found, each with its cure; AuthError where a token is refused.
    """
    problems: list[str] = []
    warnings: list[str] = []
    table = _table(settings, airtable, problems, warnings)
    task_statuses = _list_statuses(settings, clickup, problems)
    _marker_field(settings, clickup, problems)
    if problems:
        raise ConfigError(problems, "mend the settings named above; nothing was written")
    return Setup(
        table.id if table else "",
        _fields(settings, table),
        task_statuses,
        _choices(settings, table),
        tuple(warnings),
        _settings_of(settings),
    )


def _table(settings: Settings, airtable: AirtableClient, problems: list[str], warnings: list[str]) -> TableInfo | None:
    try:
        table = airtable.schema()
    except AuthError:
        raise
    except NotFound as error:
        if error.status == 403:
            problems.extend(_unreadable(settings, airtable))
            warnings.append(
                "the table's schema cannot be read, so field and status names are not examined; "
                "give the token the scope schema.bases:read"
            )
            return None
        problems.append(f"AIRTABLE_TABLE_NAME or AIRTABLE_BASE_ID: {error.message}; {error.hint}")
        return None
    except InvalidRequest as error:
        problems.append(f"AIRTABLE_BASE_ID: {error.message}; {error.hint}")
        return None
    fields = {field.name: field for field in table.fields}
    _name_field(settings, fields, problems)
    _status_field(settings, fields, problems)
    _task_id_field(settings, fields, problems)
    if settings.view and settings.view not in {part for view in table.views for part in view}:
        problems.append(
            f"AIRTABLE_VIEW: there is no view '{visible(settings.view)}'; "
            f"the table has {_names(name for _, name in table.views)}"
        )
    warnings.extend(left_out(name) for name in settings.detail_fields if name not in fields)
    return table


def left_out(name: str) -> str:
    """What is said of a detail field that the table does not have."""
    return f"AIRTABLE_DETAIL_FIELDS: the table has no field '{visible(name)}'; it is left out"


def _unreadable(settings: Settings, airtable: AirtableClient) -> list[str]:
    """Whether the table itself can be read, where its schema cannot."""
    try:
        next(airtable.list_records(fields=(settings.name_field, settings.status_field, settings.task_id_field)), None)
    except AuthError:
        raise
    except (NotFound, InvalidRequest) as error:
        return [f"AIRTABLE_BASE_ID, AIRTABLE_TABLE_NAME or the token's access: {_said(error)}; {error.hint}"]
    return []


def _name_field(settings: Settings, fields: Mapping[str, FieldInfo], problems: list[str]) -> None:
    if settings.name_field not in fields:
        problems.append(_no_field("AIRTABLE_NAME_FIELD", settings.name_field, fields))


def _status_field(settings: Settings, fields: Mapping[str, FieldInfo], problems: list[str]) -> None:
    field = fields.get(settings.status_field)
    if field is None:
        problems.append(_no_field("AIRTABLE_STATUS_FIELD", settings.status_field, fields))
        return
    if field.type in _COMPUTED_FIELDS and any(row.two_way for row in settings.status_map.rows):
        problems.append(
            f"AIRTABLE_STATUS_FIELD: '{visible(field.name)}' is computed ({field.type}) and cannot be written; "
            "choose a single select or text field, or make every row of STATUS_MAP one-way with >"
        )
    if field.type in _NO_STATUS_FIELDS:
        problems.append(
            f"AIRTABLE_STATUS_FIELD: '{visible(field.name)}' is of type {field.type}, which holds no status; "
            "choose a single select or text field"
        )
    if field.type == "singleSelect":
        choices = {fold(choice) for choice in field.choices}
        missing = [row.lead for row in settings.status_map.rows if fold(row.lead) not in choices]
        if missing:
            problems.append(
                f"STATUS_MAP: '{visible(field.name)}' has no option {_names(missing)}; it has {_names(field.choices)}"
            )


def _task_id_field(settings: Settings, fields: Mapping[str, FieldInfo], problems: list[str]) -> None:
    field = fields.get(settings.task_id_field)
    if field is None:
        problems.append(
            _no_field("AIRTABLE_TASK_ID_FIELD", settings.task_id_field, fields)
            + "; add a single line text field of that name"
        )
    elif field.type not in _TEXT_FIELDS:
        problems.append(
            f"AIRTABLE_TASK_ID_FIELD: '{visible(field.name)}' is of type {field.type}; make it single line text"
        )


def _no_field(setting: str, name: str, fields: Mapping[str, FieldInfo]) -> str:
    return f"{setting}: the table has no field '{visible(name)}'; it has {_names(fields)}"


def _list_statuses(settings: Settings, clickup: ClickUpClient, problems: list[str]) -> tuple[str, ...]:
    try:
        found = clickup.list_info()
    except AuthError:
        raise
    except (NotFound, InvalidRequest) as error:
        problems.append(f"CLICKUP_LIST_ID: {_said(error)}; it is the number after /li/ in the List's address")
        return ()
    if found.deleted or found.archived:
        what = "deleted" if found.deleted else "archived"
        problems.append(f"CLICKUP_LIST_ID: the List '{visible(found.name)}' is {what}; choose another")
    known = {fold(name) for name in found.statuses}
    missing = [row.task for row in settings.status_map.rows if fold(row.task) not in known]
    if missing:
        problems.append(
            f"STATUS_MAP: the List '{visible(found.name)}' has no status {_names(dict.fromkeys(missing))}; "
            f"it has {_names(found.statuses)}"
        )
    return found.statuses


def _marker_field(settings: Settings, clickup: ClickUpClient, problems: list[str]) -> None:
    try:
        fields = clickup.fields()
    except AuthError:
        raise
    except (NotFound, InvalidRequest):
        return  # the List itself is the problem, and named above
    found = next((field for field in fields if field.id == settings.clickup_custom_field_id), None)
    texts = [f"{field.name} ({field.id})" for field in fields if field.type in _MARKER_FIELDS]
    there = f"its text fields are {_names(texts)}" if texts else "it has no text field: add one of type Text"
    if found is None:
        problems.append(f"CLICKUP_CUSTOM_FIELD_ID: the List has no such custom field; {there}")
    elif found.type not in _MARKER_FIELDS:
        problems.append(f"CLICKUP_CUSTOM_FIELD_ID: '{visible(found.name)}' is of type {found.type}; {there}")


def _fields(settings: Settings, table: TableInfo | None) -> tuple[str, ...]:
    """The fields that exist of those that a lead's name and details are made from."""
    if table is None:
        return settings.detail_fields
    there = {field.name for field in table.fields}
    return tuple(name for name in dict.fromkeys((*settings.detail_fields, *_FALLBACK_NAMES)) if name in there)


def _choices(settings: Settings, table: TableInfo | None) -> tuple[str, ...]:
    if table is None:
        return ()
    return next((field.choices for field in table.fields if field.name == settings.status_field), ())


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{visible(name)}'" for name in names) or "none"


def _said(error: ApiError) -> str:
    return f"{error.message} ({error.status} {error.code})"
