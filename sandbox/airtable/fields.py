"""Columns: their types, their select options, and how the schema shows them.

https://airtable.com/developers/web/api/field-model
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.airtable.ids import Ids
from sandbox.airtable.refusals import bad_request

TEXT = frozenset({"singleLineText", "multilineText", "richText", "email", "url", "phoneNumber"})
NUMBERS = frozenset({"number", "percent", "currency", "rating", "duration"})
SELECTS = frozenset({"singleSelect", "multipleSelects"})
PEOPLE = frozenset({"singleCollaborator", "multipleCollaborators"})
OTHERS = frozenset({"checkbox", "date", "dateTime", "multipleAttachments", "multipleRecordLinks", "barcode"})
WRITABLE = TEXT | NUMBERS | SELECTS | PEOPLE | OTHERS
MERGEABLE = frozenset({"number", "singleLineText", "multilineText", "singleSelect", "multipleSelects", "date"})
TIMES = frozenset({"date", "dateTime", "createdTime", "lastModifiedTime"})

_COLORS = ("blueLight2", "cyanLight2", "tealLight2", "greenLight2", "yellowLight2", "orangeLight2", "redLight2")
_DATE = {"dateFormat": {"name": "iso", "format": "YYYY-MM-DD"}}
_DATE_TIME = {**_DATE, "timeFormat": {"name": "24hour", "format": "HH:mm"}, "timeZone": "utc"}
_DEFAULT_OPTIONS: dict[str, dict[str, Any]] = {
    "number": {"precision": 2},
    "percent": {"precision": 2},
    "currency": {"precision": 2, "symbol": "$"},
    "rating": {"icon": "star", "max": 5, "color": "yellowBright"},
    "duration": {"durationFormat": "h:mm:ss"},
    "checkbox": {"icon": "check", "color": "greenBright"},
    "date": _DATE,
    "dateTime": _DATE_TIME,
    "createdTime": {"result": {"type": "dateTime", "options": _DATE_TIME}},
    "lastModifiedTime": {
        "isValid": True,
        "referencedFieldIds": [],
        "result": {"type": "dateTime", "options": _DATE_TIME},
    },
    "multipleAttachments": {"isReversed": False},
    "multipleRecordLinks": {"linkedTableId": "", "isReversed": False, "prefersSingleRecordLink": False},
    "formula": {"isValid": True, "formula": "", "referencedFieldIds": [], "result": {"type": "singleLineText"}},
    "count": {"isValid": True, "recordLinkFieldId": None},
    "rollup": {"isValid": True, "recordLinkFieldId": None, "fieldIdInLinkedTable": None, "referencedFieldIds": [],
               "result": {"type": "number", "options": {"precision": 2}}},
    "multipleLookupValues": {"isValid": True, "recordLinkFieldId": None, "fieldIdInLinkedTable": None, "result": None},
}  # fmt: skip


@dataclass
class Choice:
    """One option of a select field."""

    id: str
    name: str
    color: str


@dataclass
class Field:
    """One column. `value` is what a computed one shows: a fixed JSON value, or a callable of the record's other cells
    by name. `references` are the columns that a last-modified-time field watches; none means all."""

    id: str
    name: str
    type: str
    options: dict[str, Any] = field(default_factory=dict)
    choices: list[Choice] = field(default_factory=list)
    description: str = ""
    value: Any = None
    references: tuple[str, ...] = ()

    @property
    def computed(self) -> bool:
        """Whether nobody may write it; types that this stand-in does not know are read-only as well."""
        return self.type not in WRITABLE

    def choice(self, name: object) -> Choice | None:
        """The option of exactly this name, letter for letter."""
        return next((choice for choice in self.choices if choice.name == name), None)

    def add_choice(self, name: str, ids: Ids) -> None:
        self.choices.append(Choice(ids.new("sel"), name, _COLORS[len(self.choices) % len(_COLORS)]))

    def schema(self) -> dict[str, Any]:
        """The column as the schema shows it."""
        options = dict(self.options)
        if self.type in SELECTS:
            options["choices"] = [{"id": c.id, "name": c.name, "color": c.color} for c in self.choices]
        if self.type == "lastModifiedTime":
            options["referencedFieldIds"] = list(self.references)
        shown: dict[str, Any] = {"type": self.type, "options": options} if options else {"type": self.type}
        shown |= {"id": self.id, "name": self.name}
        return shown | ({"description": self.description} if self.description else {})


def new_field(ids: Ids, name: str, type_: str, choices: tuple[str, ...] = (), field_id: str = "") -> Field:
    """A column with the options that its type has by default."""
    made = Field(field_id or ids.new("fld"), name, type_, dict(_DEFAULT_OPTIONS.get(type_, {})))
    for choice in choices:
        made.add_choice(choice, ids)
    return made


def field_from_body(ids: Ids, body: Mapping[str, Any]) -> Field:
    """A column from the body of "create field" (https://airtable.com/developers/web/api/create-field), where a type
    with options has to bring them. Raises Refused."""
    name, type_, options = body.get("name"), body.get("type"), body.get("options", {})
    if not set(body) <= {"name", "type", "description", "options"} or not isinstance(options, dict):
        raise bad_request()
    if not isinstance(name, str) or not name.strip() or type_ not in WRITABLE:
        raise bad_request()
    if not options and (type_ in SELECTS or (type_ in _DEFAULT_OPTIONS and type_ != "multipleAttachments")):
        raise bad_request()
    choices = options.get("choices", [])
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise bad_request()
    names = [choice["name"] for choice in choices if isinstance(choice.get("name"), str) and choice["name"]]
    if len(set(names)) != len(choices):
        raise bad_request()
    made = new_field(ids, name, type_, tuple(names))
    made.options.update({key: value for key, value in options.items() if key != "choices"})
    made.description = str(body.get("description") or "")
    return made
