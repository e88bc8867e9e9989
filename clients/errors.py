"""What a service can answer instead of what was asked, typed by what the reader can do about it."""

from __future__ import annotations

from errors import SyncError


class ApiError(SyncError):
    """A request that did not succeed, with its evidence.

    `path` is the path below the service's address, never with a token in it. `status` is the HTTP status, or
    None where no answer came. `code` is the service's own word (`ITEM_013`, `ROW_DOES_NOT_EXIST`), or "".
    `outcome_unknown` is true where the request may have been carried out all the same.
    """

    def __init__(
        self,
        message: str,
        *,
        service: str,
        method: str,
        path: str,
        status: int | None = None,
        code: str = "",
        attempts: int = 1,
        outcome_unknown: bool = False,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint)
        self.service = service
        self.method = method
        self.path = path
        self.status = status
        self.code = code
        self.attempts = attempts
        self.outcome_unknown = outcome_unknown

    def __str__(self) -> str:
        said = " ".join(str(part) for part in (self.status, self.code) if part)
        return f"{self.service} {self.method} {self.path}: {said + ': ' if said else ''}{self.message}"


class AuthError(ApiError):
    """The token is refused altogether: the run stops."""


class RateLimited(ApiError):
    """Refused for asking too often, longer than we were ready to wait. It was not carried out."""


class QuotaSpent(ApiError):
    """A limit that waiting does not lift: the month's calls, or the plan's custom-field uses."""


class InvalidRequest(ApiError):
    """The service refuses this request as it stands (4xx about its content)."""


class NotFound(ApiError):
    """The object is deleted, does not exist, or may not be seen; `code` tells which as far as the service does."""


class ServiceError(ApiError):
    """The service failed (5xx)."""


class TransportError(ApiError):
    """No answer: never connected, connection lost, or too slow."""


class BadAnswer(ApiError):
    """An answer that is not what the service documents: cut, empty, not JSON, the wrong shape, a redirect."""


class Withheld(Exception):
    """Raised by an `announce` that wants its request not to be sent after all.

    `Http.fetch` sets `outcome_unknown` if an earlier attempt may have been carried out, `refusals` to how often the
    service has refused it for asking too often, and `failure` to how an attempt failed otherwise, the last one, if any
    did; that took `seconds` in all.
    """

    outcome_unknown = False
    refusals = 0
    failure: ApiError | None = None
    seconds = 0.0
