"""What is uncertain about Airtable, asked of the live test's own leads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote as percent

from clients.airtable import all_of, any_of, changed_since, is_one_of, status_newer_than
from clients.errors import ApiError, InvalidRequest, NotFound
from live_test.ground import Ground

# Apart enough that not each of three times falls on a whole second.
_APART_SECONDS = 1.137
_QUIET_SECONDS = 5.0
_MOST_APART = 2
_LOOKED_FOR = 64
_NO_RECORDS = [f"recLiveTest0000{number:02d}" for number in range(11)]


class AirtableProbes:
    """Asks with three leads, none of which is synced any more."""

    def __init__(self, ground: Ground, leads: list[str]) -> None:
        self._ground = ground
        self._settings = ground.settings
        self._client = ground.tools.airtable
        self._findings = ground.findings
        self._leads = leads
        # Seconds by which the header Date is ahead of the times of records, where they are apart.
        self._ahead = 0

    def run(self) -> None:
        """Everything that needs the leads to be there."""
        attempt = self._ground.attempt
        attempt(["resolution", "airtable_clock"], self._resolution)
        attempt(["equal_cells"], self._equal_cells)
        attempt(["field_times"], self._field_times)
        attempt(["more_than_ten"], self._more_than_ten)

    def end(self) -> None:
        """What is asked by deleting the first of them."""
        self._ground.attempt(["paging", "missing_record"], self._delete_between_pages)

    # --- times

    def _rename(self, lead: str, more: str) -> None:
        name = f"{self._ground.made.leads[lead]}, {more}"
        self._ground.made.leads[lead] = name
        self._client.update([(lead, {self._settings.name_field: name})])

    def _resolution(self) -> None:
        """The second up to which a modification counts as later, and whether that is its whole second already."""
        dates: dict[str, int] = {}
        for lead in self._leads:
            self._ground.wait(_APART_SECONDS)
            self._rename(lead, "again")
            dates[lead] = int(self._client.now())
        self._ground.see({each: {self._settings.name_field: self._ground.made.leads[each]} for each in self._leads})
        reached = self._reached(dates)
        apart = max(abs(reached[lead] - date) for lead, date in dates.items())
        if apart >= _LOOKED_FOR - 1:
            self._findings.differs("airtable_clock", "they are more than a minute apart")
            self._findings.unknown("resolution", "the times of the records and the header Date are too far apart")
            return
        if apart > _MOST_APART:
            self._ahead = min(date - reached[lead] for lead, date in dates.items())
            self._findings.differs("airtable_clock", f"they are {apart} s apart")
        else:
            self._findings.ok("airtable_clock", f"they are less than {_MOST_APART} s apart")
        whole = self._later({lead: moment - 0.001 for lead, moment in reached.items()}) == reached.keys()
        self._findings.ok("resolution", "whole seconds" if whole else "milliseconds")

    def _reached(self, dates: Mapping[str, int]) -> dict[str, int]:
        """For each lead the first whole second that its modification is not later than."""
        before = {lead: date - _LOOKED_FOR for lead, date in dates.items()}
        reached = {lead: date + _LOOKED_FOR for lead, date in dates.items()}
        while any(reached[lead] - before[lead] > 1 for lead in dates):
            middle = {lead: (before[lead] + reached[lead]) // 2 for lead in dates}
            later = self._later(middle)
            before |= {lead: moment for lead, moment in middle.items() if lead in later}
            reached |= {lead: moment for lead, moment in middle.items() if lead not in later}
        return reached

    def _later(self, moments: Mapping[str, float]) -> set[str]:
        """Those of the leads that were modified later than the moment given for each, in Unix seconds."""
        each = (all_of(is_one_of([lead]), changed_since(moment)) for lead, moment in sorted(moments.items()))
        formula = any_of(*each)
        return self._ground.leads_for(formula) if formula else set()

    def _equal_cells(self) -> None:
        """Write what is there already; a real write to another lead afterwards tells when the answer is certain."""
        same, other = self._leads[0], self._leads[1]
        row = self._ground.leads([same]).get(same)
        if row is None:
            self._findings.unknown("equal_cells", "the lead is not listed any more")
            return
        self._ground.wait(_QUIET_SECONDS)
        since = self._client.now() - self._ahead - _QUIET_SECONDS / 2
        if self._later({same: since}):
            self._findings.unknown("equal_cells", "the time of the write before could not be told apart")
            return
        self._client.update([(same, {self._settings.status_field: row.fields.get(self._settings.status_field)})])
        self._rename(other, "and again")
        if self._ground.until(lambda: bool(self._later({other: since}))) is None:
            self._findings.unknown("equal_cells", "not even a write of another value moves it")
            return
        moved = bool(self._later({same: since}))
        self._findings.ok("equal_cells", "it moves it" if moved else "it does not")

    def _field_times(self) -> None:
        """Rename a lead: the time of its status must not move with that."""
        lead, status = self._leads[0], self._settings.status_field
        self._ground.wait(_QUIET_SECONDS)
        since = self._client.now() - self._ahead - _QUIET_SECONDS / 2
        self._rename(lead, "once more")
        if self._ground.until(lambda: bool(self._later({lead: since}))) is None:
            self._findings.unknown("field_times", "not even the time of the record moves")
            return
        try:
            known = bool(self._ground.leads_for(status_newer_than(lead, status, 0)))
            moved = bool(self._ground.leads_for(status_newer_than(lead, status, since)))
        except InvalidRequest as error:
            self._findings.differs("field_times", f"the formula is refused ({error.status} {error.code})")
            return
        alone = known and not moved
        told = "it does" if alone else "it moves with another field" if moved else "it knows of no change"
        self._findings.either("field_times", alone, told)

    # --- refusals

    def _more_than_ten(self) -> None:
        """Eleven records that do not exist, so that nothing can be written: which of the two is refused first?"""
        body = {"records": [{"id": each, "fields": {}} for each in _NO_RECORDS], "typecast": False}
        try:
            self._client.http.send("PATCH", self._path(), body=body, replayable=True)
        except (InvalidRequest, NotFound) as error:
            if error.code == "INVALID_RECORDS":
                self._findings.ok("more_than_ten", f"eleven are refused ({error.status} {error.code})")
            elif error.code == "ROW_DOES_NOT_EXIST":
                self._findings.ok("more_than_ten", "eleven are not refused for being so many")
            else:
                self._findings.unknown("more_than_ten", str(error))
            return
        self._findings.ok("more_than_ten", "eleven are not refused for being so many")

    def _path(self) -> str:
        return "/" + "/".join(
            percent(part, safe="") for part in (self._settings.airtable_base_id, self._settings.airtable_table_name)
        )

    def _delete_between_pages(self) -> None:
        pages = self._client.list_records(
            fields=[self._settings.name_field], formula=is_one_of(self._leads), page_size=1
        )
        first = next((record.id for page in pages for record in page.rows), "")
        if not first:
            self._findings.unknown("paging", "the leads are not listed any more")
            return
        self._client.delete([first])
        del self._ground.made.leads[first]
        rest = {record.id for page in pages for record in page.rows} - {first}
        hidden = len(self._leads) - 1 - len(rest)
        self._findings.ok(
            "paging",
            "a row deleted between two pages hides another" if hidden else "a row deleted between two pages hides none",
        )
        self._missing_record(first)

    def _missing_record(self, gone: str) -> None:
        if self._ground.until(lambda: not self._ground.leads([gone])) is None:
            self._findings.failed("missing_record", "a deleted record is listed two minutes later")
            return
        read = self._refusal(lambda: self._client.http.send("GET", f"{self._path()}/{gone}", replayable=True))
        name = {self._settings.name_field: f"{self._ground.stamp}gone"}
        written = self._refusal(lambda: self._client.update([(gone, name)]))
        found = f"not listed; {read or 'still there'} when read, {written or 'taken'} when written"
        self._findings.either("missing_record", bool(read and written), found)

    def _refusal(self, ask: Callable[[], object]) -> str:
        """The status and the code of a refusal; "" where there was none."""
        try:
            ask()
        except (InvalidRequest, NotFound) as error:
            return _said(error)
        return ""


def _said(error: ApiError) -> str:
    return f"{error.status} {error.code}".strip()
