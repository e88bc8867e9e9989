"""Settings are read from two places, checked all at once, and never shown where they must not be."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
import status_map
from config import DEFAULTS, NAMES, REQUIRED, Settings, binding, fingerprint
from errors import ConfigError

AIRTABLE_TOKEN = "patTESTTESTTEST00.0123456789abcdef"
CLICKUP_TOKEN = "pk_1234567_ABCDEFGHIJ"
GOOD = {
    "AIRTABLE_API_KEY": AIRTABLE_TOKEN,
    "AIRTABLE_BASE_ID": "appAbCdEfGhIjKl12",
    "AIRTABLE_TABLE_NAME": "Leads",
    "CLICKUP_API_KEY": CLICKUP_TOKEN,
    "CLICKUP_LIST_ID": "901234567890",
    "CLICKUP_CUSTOM_FIELD_ID": "1A2b3c4d-1a2b-1a2b-1a2b-1a2b3c4d5e6f",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, so that nobody's own .env is read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(environ: Mapping[str, str], env_file: Path | None = None) -> Settings:
    """What the program makes of an environment and a file."""
    return config.load(config.read(environ, env_file))


def problems(**changed: str) -> tuple[str, ...]:
    """What is said about the good settings with these changes; () if nothing."""
    try:
        load({**GOOD, **changed})
    except ConfigError as error:
        return error.problems
    return ()


def test_six_settings_are_enough_and_the_rest_has_defaults() -> None:
    settings = load(GOOD)
    assert settings.airtable_table_name == "Leads"
    assert settings.clickup_custom_field_id == "1a2b3c4d-1a2b-1a2b-1a2b-1a2b3c4d5e6f"
    assert (settings.name_field, settings.status_field, settings.task_id_field) == ("Name", "Status", "ClickUp Task ID")
    assert settings.detail_fields == ("Email", "Source")
    assert settings.view == ""
    assert settings.status_map == status_map.DEFAULT
    assert settings.ignored_statuses == frozenset()
    assert (settings.conflict_winner, settings.missing_task) == ("airtable", "report")
    assert settings.state_file == Path(".sync-state.sqlite3")
    assert (settings.full_every_hours, settings.create_doubt_seconds) == (24, 120)
    assert (settings.http_timeout_seconds, settings.retry_wait_seconds) == (65, 1)
    assert settings.time_budget_seconds is None
    assert (settings.airtable_monthly_calls, settings.clickup_monthly_calls) == (None, None)
    assert settings.healthcheck_url == ""
    assert settings.airtable_api_url == "https://api.airtable.com/v0"
    assert settings.clickup_api_url == "https://api.clickup.com/api/v2"
    assert settings.warnings == ()


def test_every_setting_can_be_set() -> None:
    settings = load(
        {
            **GOOD,
            "AIRTABLE_NAME_FIELD": "Full name",
            "AIRTABLE_STATUS_FIELD": "Stage",
            "AIRTABLE_TASK_ID_FIELD": "Task",
            "AIRTABLE_DETAIL_FIELDS": 'Email, "Company, legal", Email,',
            "AIRTABLE_VIEW": "Ready",
            "STATUS_MAP": "open = Doing\nwon > Done",
            "IGNORED_STATUSES": "Parked, BLOCKED",
            "CONFLICT_WINNER": "ClickUp",
            "MISSING_TASK": "recreate",
            "SYNC_STATE_FILE": "other.sqlite3",
            "SYNC_FULL_EVERY_HOURS": "0.5",
            "SYNC_CREATE_DOUBT_SECONDS": "0",
            "SYNC_HTTP_TIMEOUT_SECONDS": "5",
            "SYNC_RETRY_WAIT_SECONDS": "0.25",
            "SYNC_TIME_BUDGET_SECONDS": "240",
            "AIRTABLE_MONTHLY_CALLS": "1000",
            "CLICKUP_MONTHLY_CALLS": "4000000",
            "HEALTHCHECK_URL": "https://hc.example/ping/abc/",
            "AIRTABLE_API_URL": "http://127.0.0.1:8080/v0/",
            "CLICKUP_API_URL": "http://[::1]:8080/api/v2",
        }
    )
    assert (settings.name_field, settings.status_field, settings.task_id_field) == ("Full name", "Stage", "Task")
    assert settings.detail_fields == ("Email", "Company, legal")
    assert settings.view == "Ready"
    assert settings.status_map.forward("WON") == "Done"
    assert settings.ignored_statuses == {"parked", "blocked"}
    assert (settings.conflict_winner, settings.missing_task) == ("clickup", "recreate")
    assert settings.state_file == Path("other.sqlite3")
    assert (settings.full_every_hours, settings.create_doubt_seconds) == (0.5, 0)
    assert (settings.http_timeout_seconds, settings.retry_wait_seconds) == (5, 0.25)
    assert settings.time_budget_seconds == 240
    assert (settings.airtable_monthly_calls, settings.clickup_monthly_calls) == (1000, 4_000_000)
    assert settings.healthcheck_url == "https://hc.example/ping/abc"
    assert settings.airtable_api_url == "http://127.0.0.1:8080/v0"
    assert settings.clickup_api_url == "http://[::1]:8080/api/v2"


def test_all_missing_settings_are_named_at_once_each_with_its_cure() -> None:
    with pytest.raises(ConfigError) as caught:
        load({})
    assert len(caught.value.problems) == len(REQUIRED) == 6
    for problem, (name, cure) in zip(caught.value.problems, REQUIRED.items(), strict=True):
        assert problem == f"{name}: it is missing; {cure}"
    assert ".env" in caught.value.hint


def test_faults_of_every_kind_are_named_at_once() -> None:
    said = problems(
        AIRTABLE_API_KEY=" ",
        CLICKUP_LIST_ID="Sales",
        STATUS_MAP="NEW",
        SYNC_HTTP_TIMEOUT_SECONDS="0",
        AIRTABLE_DETAIL_FIELDS="a{b, c}d",
        AIRTABLE_API_URL="ftp://example.com",
    )
    names = sorted(problem.split(":")[0] for problem in said)
    assert names == [
        "AIRTABLE_API_KEY",
        "AIRTABLE_API_URL",
        "AIRTABLE_DETAIL_FIELDS",
        "AIRTABLE_DETAIL_FIELDS",
        "CLICKUP_LIST_ID",
        "STATUS_MAP",
        "SYNC_HTTP_TIMEOUT_SECONDS",
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AIRTABLE_API_KEY", "keyABCDEFGHIJKLMN", "no longer work; create a personal access token"),
        ("AIRTABLE_API_KEY", "pk_1234567_ABC", "looks like a ClickUp token"),
        ("AIRTABLE_API_KEY", "Bearer patABC.def", "leave out the word Bearer"),
        ("AIRTABLE_API_KEY", "patABC. def", "copy the whole token once more"),
        ("AIRTABLE_API_KEY", "patABC…", "copy the whole token once more"),
        ("CLICKUP_API_KEY", "Bearer pk_1234567_ABC", "leave out the word Bearer"),
        ("CLICKUP_API_KEY", "pk_123\n4567", "copy the whole token once more"),
        ("CLICKUP_API_KEY", "pk_1234\x1b567", "control characters"),
        ("CLICKUP_API_KEY", AIRTABLE_TOKEN, "looks like an Airtable token"),
        ("AIRTABLE_BASE_ID", "https://airtable.com/appAbCdEfGhIjKl12/tblAbCdEfGhIjKl12", "alone: appAbCdEfGhIjKl12"),
        ("AIRTABLE_BASE_ID", "tblAbCdEfGhIjKl12", "something else"),
        ("AIRTABLE_BASE_ID", "Sales", "app and 14"),
        ("AIRTABLE_TABLE_NAME", "https://airtable.com/appA/tblAbCdEfGhIjKl12/viwB", "alone: tblAbCdEfGhIjKl12"),
        ("AIRTABLE_TABLE_NAME", "https://airtable.com/shr1", "not an address"),
        ("AIRTABLE_TABLE_NAME", "Leads\udcff", "not UTF-8"),
        ("CLICKUP_LIST_ID", "https://app.clickup.com/9012/v/li/901234567890", "give 901234567890"),
        ("CLICKUP_LIST_ID", "Leads", "after /li/"),
        ("CLICKUP_LIST_ID", "٣٤", "digits only"),
        ("CLICKUP_CUSTOM_FIELD_ID", "Airtable Record ID", "its name will not do"),
        ("AIRTABLE_NAME_FIELD", "Na{me", "rename the field"),
        ("AIRTABLE_STATUS_FIELD", " name ", "two of them name one field"),
        ("AIRTABLE_DETAIL_FIELDS", '"Email', "double quote"),
        ("STATUS_MAP", "NEW -> To Do", "arrow"),
        ("STATUS_MAP", "A = X, B = X", "write it like NEW > To Do"),
        ("CONFLICT_WINNER", "newest", "airtable or clickup"),
        ("MISSING_TASK", "delete", "report or recreate"),
        ("SYNC_FULL_EVERY_HOURS", "0", "above 0"),
        ("SYNC_FULL_EVERY_HOURS", "daily", "a number"),
        ("SYNC_CREATE_DOUBT_SECONDS", "-1", "from 0"),
        ("SYNC_HTTP_TIMEOUT_SECONDS", "inf", "a number"),
        ("SYNC_HTTP_TIMEOUT_SECONDS", "1e300", "up to 86,400"),
        ("SYNC_RETRY_WAIT_SECONDS", "nan", "a number"),
        ("SYNC_TIME_BUDGET_SECONDS", "0", "above 0"),
        ("AIRTABLE_MONTHLY_CALLS", "0", "above 0"),
        ("AIRTABLE_MONTHLY_CALLS", "1,000", "digits only"),
        ("AIRTABLE_MONTHLY_CALLS", "1e3", "digits only"),
        ("CLICKUP_MONTHLY_CALLS", "-5", "above 0"),
        ("CLICKUP_MONTHLY_CALLS", "9999999999999", "up to 1,000,000,000"),
        ("CLICKUP_MONTHLY_CALLS", "\u0663\u0664", "digits only"),
        ("SYNC_STATE_FILE", ".", "is a folder"),
        ("SYNC_STATE_FILE", "no/such/folder/state.sqlite3", "does not exist"),
        ("SYNC_STATE_FILE", "x" * 5000, "write another"),
        ("SYNC_STATE_FILE", "x" * 201, "longer than 200 bytes"),
        ("AIRTABLE_STATUS_FIELD", "fldqCjrs1UhXgHUIc", "write the field's name"),
        ("AIRTABLE_DETAIL_FIELDS", "Email, fldqCjrs1UhXgHUIc", "write the field's name"),
        ("SYNC_STATE_FILE", "state.sqlite3.lock", "beside another state file"),
        ("SYNC_STATE_FILE", "state.sqlite3-wal", "beside another state file"),
        ("HEALTHCHECK_URL", "http://hc.example/ping", "use https"),
        ("HEALTHCHECK_URL", "hc.example/ping", "not an address"),
        ("AIRTABLE_API_URL", "http://api.airtable.com/v0", "use https"),
        ("AIRTABLE_API_URL", "http://127.0.0.1.example.com/v0", "use https"),
        ("AIRTABLE_API_URL", "http://localhost@example.com/v0", "user name"),
        ("AIRTABLE_API_URL", "https://user:secret@example.com/v0", "user name"),
        ("CLICKUP_API_URL", "https://example.com/api?x=1", "without ?"),
        ("CLICKUP_API_URL", "https://example.com/api#", "without ?"),
        ("CLICKUP_API_URL", "https://example.com:port/api", "not an address"),
        ("CLICKUP_API_URL", "https://exam ple.com/api", "a space"),
        ("CLICKUP_API_URL", "https://", "not an address"),
    ],
)
def test_what_is_wrong_is_said_with_the_cure(name: str, value: str, said: str) -> None:
    found = problems(**{name: value})
    assert len(found) == 1
    assert name in found[0]
    assert said in found[0]


def test_a_path_that_sqlite_would_not_open_is_said_with_the_cure(folder: Path) -> None:
    deep = folder.joinpath(*["x" * 99] * 5)
    deep.mkdir(parents=True)
    (found,) = problems(SYNC_STATE_FILE=str(deep / "state"))
    assert "longer than 480 bytes" in found


@pytest.mark.parametrize("address", ["http://127.8.9.10/v0", "http://localhost:1/v0", "https://proxy.example/airtable"])
def test_https_anywhere_and_plain_http_to_this_machine_are_allowed(address: str) -> None:
    assert load({**GOOD, "AIRTABLE_API_URL": address}).airtable_api_url == address


@given(
    st.sampled_from(NAMES), st.text(st.characters()), st.sampled_from(["", "https://", "http://[", "app", "~", "A="])
)
def test_no_value_of_any_setting_ends_in_anything_but_settings_or_named_faults(name: str, end: str, start: str) -> None:
    assert all(name in problem for problem in problems(**{name: start + end}))


SECRET_ENDS = st.text(st.characters(codec="utf-8"), min_size=0, max_size=10)


@given(SECRET_ENDS, st.sampled_from(["AIRTABLE_API_KEY", "CLICKUP_API_KEY"]))
def test_no_message_and_no_repr_shows_a_token(end: str, name: str) -> None:
    secret = "s3cr3tS3CR3T"
    for start in ("pat", "pk_", "key", "Bearer ", "patABCDEFGHIJKLMN."):
        try:
            shown = repr(load({**GOOD, name: f"{start}{secret}{end}"}))
        except ConfigError as error:
            shown = f"{error!r} {error} {error.problems} {error.hint}"
        assert secret not in shown


def test_the_repr_of_settings_shows_neither_token() -> None:
    settings = load({**GOOD, "HEALTHCHECK_URL": "https://hc.example/ping/s3cr3t"})
    for secret in (AIRTABLE_TOKEN, CLICKUP_TOKEN, "s3cr3t"):
        assert secret not in repr(settings)


def env_file(folder: Path, text: str, name: str = ".env") -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8"))
    path.chmod(0o600)
    return path


def lines(values: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


def test_the_env_file_of_the_current_folder_is_read(folder: Path) -> None:
    env_file(folder, lines(GOOD))
    assert load({}).airtable_base_id == GOOD["AIRTABLE_BASE_ID"]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(folder: Path) -> None:
    env_file(folder, "\ufeff" + lines(GOOD).replace("\n", "\r\n"))
    assert load({}).airtable_api_key == AIRTABLE_TOKEN


def test_dollar_signs_are_letters_and_quoted_values_keep_their_hash_sign(folder: Path) -> None:
    env_file(folder, lines({**GOOD, "AIRTABLE_TABLE_NAME": '"Leads #1 ${HOME} $5"'}))
    assert load({"HOME": "/nowhere"}).airtable_table_name == "Leads #1 ${HOME} $5"


def test_the_environment_goes_before_the_file_unless_it_is_blank(folder: Path) -> None:
    env_file(folder, lines({**GOOD, "AIRTABLE_VIEW": "Ready"}))
    settings = load({"AIRTABLE_TABLE_NAME": "Others", "AIRTABLE_VIEW": "", "CLICKUP_LIST_ID": " "})
    assert (settings.airtable_table_name, settings.view) == ("Others", "Ready")
    assert settings.clickup_list_id == GOOD["CLICKUP_LIST_ID"]


def test_another_file_can_be_named_and_must_exist(folder: Path) -> None:
    path = env_file(folder, lines(GOOD), "sandbox.env")
    assert load({}, path).clickup_api_key == CLICKUP_TOKEN
    with pytest.raises(ConfigError, match="no such file"):
        load(GOOD, folder / "missing.env")


def test_a_virtual_environment_named_dot_env_is_no_env_file(folder: Path) -> None:
    (folder / ".env").mkdir()
    assert load(GOOD).warnings == ()


def test_a_line_that_cannot_be_read_is_an_error_and_not_a_default(folder: Path) -> None:
    """The danger: a broken STATUS_MAP line is passed over, and the default map writes statuses nobody asked for."""
    env_file(folder, lines(GOOD) + "\n\nSTATUS_MAP NEW > Done\nAIRTABLE_VIEW='open\n")
    with pytest.raises(ConfigError) as caught:
        load({})
    assert [problem.split(";")[0] for problem in caught.value.problems] == [
        ".env: line 9 cannot be read",
        ".env: line 10 cannot be read",
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("MISSING_TASK\n", "cannot be read"),
        ("MISSING_TASK=\nMISSING_TASK=report\nMISSING_TASK=recreate\n", "sets MISSING_TASK once more"),
        ("CONFLICT_WINNER=clickup\nexport CONFLICT_WINNER=airtable\n", "sets CONFLICT_WINNER once more"),
        ('AIRTABLE_VIEW="Hot\nMISSING_TASK=recreate\nIGNORED_STATUSES="\n', "go on to the line of MISSING_TASK"),
    ],
)
def test_a_setting_that_would_be_lost_on_the_way_is_an_error(folder: Path, wrong: str, said: str) -> None:
    env_file(folder, lines(GOOD) + wrong)
    with pytest.raises(ConfigError) as caught:
        load({})
    assert any(said in problem for problem in caught.value.problems), caught.value.problems


def test_blank_lines_equal_values_and_what_is_none_of_our_settings_do_no_harm(folder: Path) -> None:
    views = "AIRTABLE_VIEW=\nAIRTABLE_VIEW=Hot\nexport AIRTABLE_VIEW\nAIRTABLE_VIEW='Hot '\nAIRTABLE_VIEW=\n"
    env_file(folder, lines(GOOD) + "A\nB=1\nB=2\nC='1\nD=2\n'\n" + views)
    assert load({}).view == "Hot"


def test_a_file_that_is_no_text_is_an_error(folder: Path) -> None:
    (folder / ".env").write_bytes(lines(GOOD).encode("utf-16"))
    with pytest.raises(ConfigError, match="save it as UTF-8"):
        load({})


@pytest.mark.skipif(os.name != "posix", reason="permissions of this kind are POSIX's")
def test_a_file_that_others_can_read_is_warned_about(folder: Path) -> None:
    path = env_file(folder, lines(GOOD))
    assert load({}).warnings == ()
    path.chmod(0o644)
    assert load({}).warnings == (".env holds tokens and other users of this machine can read it: chmod 600 .env",)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("STATUSMAP", "did you mean STATUS_MAP?"),
        ("IGNORE_STATUSES", "did you mean IGNORED_STATUSES?"),
        ("HEALTH_CHECK_URL", "did you mean HEALTHCHECK_URL?"),
        ("status_map", "did you mean STATUS_MAP?"),
        ("CLICKUP_TEAM", "no effect"),
        ("SYNC_VERBOSE", "no effect"),
    ],
)
def test_a_setting_that_does_not_exist_is_warned_about(name: str, said: str) -> None:
    (warning,) = load({**GOOD, name: "x"}).warnings
    assert warning.startswith(f"{name} is not a setting")
    assert said in warning


@pytest.mark.parametrize("token", ["pk_183001_LFXCTNCSBPCDP3EIW8UO9B4KFEL3GUXN", AIRTABLE_TOKEN])
@pytest.mark.parametrize("name", ["CLICKUP_API_KEY_", "AIRTABLE_API_KEY", "SYNC_", "airtable_api_key"])
def test_danger_a_token_that_sticks_to_a_settings_name_is_shown(folder: Path, name: str, token: str) -> None:
    env_file(folder, f"{lines(GOOD)}{name}{token}=x\n")
    for warning in load({}).warnings:
        assert warning.startswith(f"{name}*** is not a setting")
        assert token[12:] not in warning


@pytest.mark.parametrize(
    ("state_file", "there"), [(".env", True), ("link", True), ("hard", True), (".env", False), ("link", False)]
)
def test_danger_the_settings_file_is_taken_for_the_state_file(folder: Path, state_file: str, there: bool) -> None:
    """With --force it would be set aside, tokens and all; where there is none yet, the state would be read as one."""
    if there:
        env_file(folder, lines(GOOD))
        (folder / "hard").hardlink_to(folder / ".env")
    (folder / "link").symlink_to(".env")
    (problem,) = problems(SYNC_STATE_FILE=state_file)
    assert problem.startswith("SYNC_STATE_FILE: this is the file with your settings")


def test_the_rest_of_the_environment_is_nobodys_business() -> None:
    assert (
        load({**GOOD, "PATH": "/bin", "LANG": "C", "TZ": "UTC", "HTTPS_PROXY": "http://p", "LIST": "1"}).warnings == ()
    )


def test_an_ignored_status_that_the_map_holds_is_warned_about() -> None:
    leads, tasks = load({**GOOD, "IGNORED_STATUSES": "lost, New, parked, to do"}).warnings
    assert "lost, New, which STATUS_MAP holds for leads" in leads
    assert "to do, which STATUS_MAP holds for tasks" in tasks


CHANGES: list[dict[str, object]] = [
    {"status_map": status_map.parse("NEW = To Do")},
    {"ignored_statuses": frozenset({"parked"})},
    {"name_field": "Other"},
    {"status_field": "Other"},
    {"task_id_field": "Other"},
    {"detail_fields": ("Email",)},
    {"view": "Ready"},
]


def changed(settings: Settings, change: dict[str, object]) -> Settings:
    return dataclasses.replace(settings, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", CHANGES, ids=[next(iter(change)) for change in CHANGES])
def test_the_fingerprint_changes_with_what_makes_a_full_run_needed(change: dict[str, object]) -> None:
    settings = load(GOOD)
    assert fingerprint(changed(settings, change)) != fingerprint(settings)


def test_the_fingerprint_stays_when_anything_else_changes() -> None:
    settings = load({**GOOD, "IGNORED_STATUSES": "a,b,c,d"})
    again = load({**GOOD, "IGNORED_STATUSES": "d,C,b,a", "CLICKUP_API_KEY": "pk_2", "SYNC_RETRY_WAIT_SECONDS": "3"})
    assert fingerprint(again) == fingerprint(settings)


def test_a_state_file_is_bound_to_the_four_places_it_speaks_of() -> None:
    assert binding(load(GOOD)) == {
        "base": "appAbCdEfGhIjKl12",
        "table": "Leads",
        "list": "901234567890",
        "field": "1a2b3c4d-1a2b-1a2b-1a2b-1a2b3c4d5e6f",
    }


def test_every_default_is_a_value_that_may_be_set() -> None:
    assert problems(**DEFAULTS) == ()
    assert load({**GOOD, **DEFAULTS}) == load(GOOD)
    assert len(NAMES) == len(set(NAMES)) == 26


def test_a_required_setting_whose_name_is_mistyped_is_told_with_the_typo() -> None:
    """Danger: somebody makes a new token, since the one that is there seems to be missing."""
    wrong = {name: value for name, value in GOOD.items() if name != "AIRTABLE_API_KEY"}
    with pytest.raises(ConfigError) as caught:
        load({**wrong, "AIRTABLE_API_KYE": AIRTABLE_TOKEN})
    assert any("did you mean AIRTABLE_API_KEY" in problem for problem in caught.value.problems)
    assert AIRTABLE_TOKEN not in str(caught.value.problems)
