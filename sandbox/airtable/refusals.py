"""The errors of the Airtable Web API, in the shapes in which they have been seen.

https://airtable.com/developers/web/api/errors; a missing route or base has a bare string for an error, and the 429
is a list of errors on the wire (https://github.com/PipedreamHQ/pipedream/issues/10130).
"""

from __future__ import annotations

from typing import Any

from sandbox.wire import Answer


class Refused(Exception):
    """A request that ends in an error answer; nothing has been changed."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.answer = Answer(status, body)


class RefusedByEdge(Refused):
    """The same from the server in front of the service, which speaks HTML."""

    def __init__(self, status: int, reason: str) -> None:
        page = f"<html><head><title>{status} {reason}</title></head><body></body></html>".encode()
        super().__init__(status, page)
        self.answer = Answer(status, page, {"Content-Type": "text/html"})


def refused(status: int, kind: str, message: str = "") -> Refused:
    """The usual shape: `{"error":{"type":..., "message":...}}`; some errors come without a message."""
    return Refused(status, {"error": {"type": kind, "message": message} if message else {"type": kind}})


def no_route() -> Refused:
    return Refused(404, {"error": "NOT_FOUND"})


def not_authenticated() -> Refused:
    return refused(401, "AUTHENTICATION_REQUIRED", "Authentication required")


def not_permitted() -> Refused:
    return refused(
        403,
        "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
        "Invalid permissions, or the requested model was not found. Check that both your user and your token have the"
        " required permissions, and that the model names and/or ids are correct.",
    )


def too_many(singular: bool) -> Refused:
    error, message = "RATE_LIMIT_REACHED", "Rate limit exceeded. Please try again later"
    return refused(429, error, message) if singular else Refused(429, _several(error, message))


def quota_spent() -> Refused:
    message = (
        "API billing plan limit exceeded. You've reached the maximum number of requests allowed for this month."
        " Upgrade your plan to make more requests."
    )
    return Refused(429, _several("PUBLIC_API_BILLING_LIMIT_EXCEEDED", message))


def _several(error: str, message: str) -> dict[str, Any]:
    return {"errors": [{"error": error, "message": message}]}


def bad_request() -> Refused:
    return refused(
        422, "INVALID_REQUEST_UNKNOWN", "Invalid request: parameter validation failed. Check your request data."
    )


def bad_body() -> Refused:
    return refused(422, "INVALID_REQUEST_BODY", "Could not parse request body")


def bad_records(message: str) -> Refused:
    return refused(422, "INVALID_RECORDS", message)


def no_such_row(record_id: str) -> Refused:
    return refused(422, "ROW_DOES_NOT_EXIST", f"Record ID {record_id} does not exist in this table")


def no_such_field(name: str) -> Refused:
    return refused(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"')


def bad_value(field: str) -> Refused:
    return refused(422, "INVALID_VALUE_FOR_COLUMN", f'Field "{field}" cannot accept the provided value')


def computed(field: str) -> Refused:
    return refused(
        422, "INVALID_VALUE_FOR_COLUMN", f'Field "{field}" cannot accept a value because the field is computed'
    )


def bad_option(value: str) -> Refused:
    # The doubled quotes are as people saw them (https://github.com/gtalarico/pyairtable/issues/137).
    return refused(
        422, "INVALID_MULTIPLE_CHOICE_OPTIONS", f'Insufficient permissions to create new select option ""{value}""'
    )
