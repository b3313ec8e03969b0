"""Secrets and control characters: in no table, record, log, output or traceback."""

import base64
import json
import os
import pickle
import subprocess
import sys
import urllib.parse
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from leaks import SECRETS, content, leaks

import lakebatch
from lakebatch import errors
from lakebatch._text import SECRET_SETTINGS, escape_controls, learn, one_line, redact
from lakebatch.cli import main
from lakebatch.cli.render import render
from lakebatch.errors import ConfigError, LakebatchError, StorageError
from lakebatch.executor.worker import Outcome

LAKEBATCH = Path(sys.executable).with_name("lakebatch")
LEAKING = Path(__file__).parents[1] / "faults" / "leaking_experiment.py"


def command(*arguments, **environment):
    done = subprocess.run(
        [LAKEBATCH, *arguments],
        env={**os.environ, **SECRETS, **environment},
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout.decode() + done.stderr.decode()


@pytest.fixture
def leaking(tmp_path, monkeypatch):
    """Put the experiment `leak` into the working directory."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "leak.py").write_text(LEAKING.read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def secrets(monkeypatch):
    """Put secrets into the environment of this process."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def test_no_secret_and_no_control_character_reaches_lake_output_or_log(leaking):
    code, said = command("--lake", "lake", "-vv", "run", "leak", "--jobs", "2")
    assert code == 3, said
    assert "ValueError" in said
    assert "Traceback" in said
    assert "[S3_SECRET_KEY withheld]" in said
    for arguments in (("status",), ("sql", "FROM leak.events", "--format", "json")):
        answered, text = command("--lake", "lake", *arguments)
        assert answered == 0, text
        said += text
    lake = lakebatch.open_lake("lake")
    for frame in (
        lake.sql("FROM leak.results", include=("failed",), on_gap="ignore"),
        lake["leak"].history(),
    ):
        said += render(frame, "table") + render(frame, "markdown")
        assert leaks(frame.write_json()) == []
    kept = content("lake")
    assert "withheld" in kept
    assert leaks(said) == []
    assert leaks(kept) == []
    assert "\x1b" not in said
    assert "\x07" not in said


def test_traceback_of_a_bug_holds_no_secret(leaking):
    file = leaking / "experiments" / "leak.py"
    file.write_text(file.read_text().replace("if False:", "if True:"))
    code, said = command("--lake", "lake", "run", "leak")
    assert code == 1
    assert "Traceback (most recent call last)" in said
    assert "withheld" in said
    assert leaks(said) == []


def test_error_about_credentials_does_not_repeat_them(leaking):
    environment = {
        "S3_BUCKET_NAME": "b",
        "S3_ACCESS_KEY": "k",
        "S3_ENDPOINT": "http://me:hidden-word@127.0.0.1:9",
    }
    code, said = command("-vv", "status", **environment, AWS_MAX_ATTEMPTS="1")
    assert code == 1, said
    assert "Check S3_ENDPOINT" in said
    assert "hidden-word" not in said
    assert leaks(said) == []


@pytest.mark.parametrize("name", ["S3_SECRET_KEY", "NTFY_TOKEN"])
def test_config_that_holds_a_secret_is_refused_before_it_is_recorded(leaking, secrets, name):
    lake = lakebatch.open_lake("lake")
    with pytest.raises(ConfigError, match="holds the value of a secret setting") as caught:
        lakebatch.run(lake, "leak", overrides={"note": f"see {SECRETS[name]}!"}, jobs=1)
    assert leaks(str(caught.value)) == []
    assert not Path("lake").exists()
    sys.modules.pop("_experiments_leak", None)


@pytest.mark.parametrize("name", SECRET_SETTINGS)
def test_secret_is_withheld_in_every_form(secrets, name):
    secret = SECRETS[name]
    coded = [base64.b64encode(b"x" * n + secret.encode()).decode() for n in range(3)]
    written = {secret, urllib.parse.quote(secret), json.dumps(secret), repr(secret), secret.encode().hex()}
    for form in {*written, *coded}:
        text = redact(f"before {form} after")
        assert leaks(text) == []
        assert f"[{name} withheld]" in text
        assert text.startswith("before ")
        assert text.endswith(" after")


@given(
    st.binary(max_size=5),
    st.binary(max_size=5),
    st.text(st.characters(codec="utf-8"), min_size=6, max_size=40),
)
def test_secret_inside_base64_is_withheld_at_any_offset(before, after, secret):
    with pytest.MonkeyPatch.context() as patch:
        if "\0" in secret:
            return
        patch.setenv("NTFY_TOKEN", secret)
        coded = base64.b64encode(before + secret.encode() + after).decode()
        assert "[NTFY_TOKEN withheld]" in redact(f"Basic {coded}")


def test_only_the_token_of_a_webhook_address_is_withheld(monkeypatch):
    for url in (
        "https://x.org/services/T00/Zq81kfe72nvbxpq0Lw3s6",
        "https://x.org/a?b=Zq81kfe72nvbxpq0Lw3s6&c",
    ):
        monkeypatch.setenv("LAKEBATCH_WEBHOOK", url)
        assert (
            redact("no Zq81kfe72nvbxpq0Lw3s6 at /services") == "no [LAKEBATCH_WEBHOOK withheld] at /services"
        )


def test_password_of_a_proxy_and_key_of_a_profile_are_withheld(monkeypatch):
    monkeypatch.setattr("lakebatch._text._learned", {})
    monkeypatch.setenv("https_proxy", "http://me:hidden-word@proxy:3128")
    learn("AWS_SECRET_ACCESS_KEY", "from-a-profile")
    assert redact("hidden-word from-a-profile") == "[https_proxy withheld] [AWS_SECRET_ACCESS_KEY withheld]"


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("wJalrXUtnFEMI\n", "wJalrXUtnFEMI"),
        (" wJalrXUtnFEMI ", "wJalrXUtnFEMI"),
        ("first-line-x\nsecond-line", "first-line-x second-line"),
        ("first-line-x\nsecond-line", "first-line-x\r\nsecond-line"),
        ("short\n  a-long-line-of-the-key\n", "a-long-line-of-the-key"),
        ("wJal<rX>U&t'n", "wJal&lt;rX&gt;U&amp;t&#x27;n"),
        ("wJal<rX>U&t'n", "wJal&lt;rX&gt;U&amp;t&#39;n"),
        ("wJalrX'tnFEMI", "wJalrX''tnFEMI"),
        ('wJalrX"tnFEMI', 'wJalrX""tnFEMI'),
        ("pässwörd", "p\\xc3\\xa4ssw\\xc3\\xb6rd"),
    ],
)
def test_secret_with_white_space_or_quoted_by_others_is_withheld(monkeypatch, secret, shown):
    monkeypatch.setenv("S3_SECRET_KEY", secret)
    assert redact(f"before:{shown}:after") == "before:[S3_SECRET_KEY withheld]:after"


@pytest.mark.parametrize(
    "url", ["redis://:hidden-word@host", "https://ghp_0123456789abcdefgh@host", "s3://me:hidden@host"]
)
def test_password_and_token_in_any_url_are_withheld(url):
    assert redact(f"see {url}/x") == f"see {url.partition(':')[0]}://[withheld]@host/x"
    assert redact("ssh://git@host") == "ssh://git@host"


@pytest.mark.parametrize("name", ["S3_ENDPOINT", "LAKEBATCH_WEBHOOK"])
def test_escaped_password_of_a_setting_is_withheld_in_plain(monkeypatch, name):
    monkeypatch.setenv(name, "https://me:hidden-word@host")
    assert redact("a hidden-word") == f"a [{name} withheld]"
    monkeypatch.setenv("S3_ENDPOINT", "https://me:hidden%2Fword%41%42@host")
    assert redact("a hidden/wordAB, not AB") == "a [S3_ENDPOINT withheld], not AB"
    monkeypatch.setenv("S3_ENDPOINT", "https://me:%41%42@host")
    assert redact("not AB") == "not AB"


@pytest.mark.parametrize(
    "setting",
    ["x" * 190 + SECRETS["NTFY_TOKEN"], "evaluation.n_reps=" + "x" * 190 + SECRETS["NTFY_TOKEN"],
     "a=[" + SECRETS["NTFY_TOKEN"] + "," * 10 + "[" * 5000],
)  # fmt: skip
def test_text_is_redacted_before_an_error_cuts_it(secrets, setting):
    done = CliRunner().invoke(main, ["run", "response-noise", "--set", setting])
    assert done.exit_code == 2, done.output
    assert SECRETS["NTFY_TOKEN"][:6] not in done.output


@pytest.mark.parametrize("secret", ["withheld", "NTFY_TOKEN", "TOKEN withheld]"])
def test_redacting_twice_changes_nothing_more(monkeypatch, secret):
    monkeypatch.setenv("NTFY_TOKEN", secret)
    once = redact(f"see {secret} and {secret}")
    assert redact(once) == once


def test_short_and_missing_secrets_change_nothing(monkeypatch):
    for name in SECRET_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("S3_SECRET_KEY", "test")
    assert redact("a test at http://example.org/a:b@c") == "a test at http://example.org/a:b@c"


@pytest.mark.parametrize(
    "kind",
    [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, Exception) and not issubclass(value, Warning)
    ],
)
def test_error_holds_no_secret_and_survives_pickling(secrets, kind):
    error = kind(f"it said {SECRETS['S3_SECRET_KEY']}")
    assert leaks(str(error) + repr(error)) == []
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(again), str(again)) == (kind, str(error))
    assert issubclass(kind, LakebatchError)
    assert str(StorageError()) == ""


def test_outcome_is_one_line_without_control_characters(secrets):
    outcome = Outcome("p", error=f"a\n\x1b[2Jb {SECRETS['NTFY_TOKEN']}", trace="x\n\x9b2J")
    assert outcome.error == "a \\x1b[2Jb [NTFY_TOKEN withheld]"
    assert outcome.trace == "x\n\\x9b2J"


HOSTILE = "\x1b]0;t\x07\x1b[31m[red]a|b\\|c\n<b>[x](javascript:y)\r\u202e\x9b\x00"


def test_table_and_markdown_escape_control_characters():
    frame = pl.DataFrame({HOSTILE: [HOSTILE, None], "list": [[HOSTILE], []]})
    for form in ("table", "markdown"):
        text = render(frame, form)
        assert not [
            sign
            for sign in text
            if sign != "\n" and (ord(sign) < 32 or 127 <= ord(sign) < 160 or sign == "\u202e")
        ]
        assert "[red]" in text


def test_markdown_of_hostile_text_stays_one_row():
    lines = render(pl.DataFrame({"a|b": ["c|d\\|e\n| f |"], "g": ["<script>[x](y)"]}), "markdown").split("\n")
    assert lines == ["| a\\|b | g |", "|---|---|", "| c\\|d\\\\\\|e \\| f \\| | \\<script>[x]\\(y) |"]


@pytest.mark.parametrize(
    "sign", ["\u061c", "\u200b", "\u200f", "\u202e", "\u2069", "\ufeff", "\xad", "\U000e0041"]
)
def test_invisible_character_is_escaped(sign):
    assert escape_controls(f"a{sign}b") == f"a{sign.encode('unicode_escape').decode()}b"
    assert escape_controls("a naïve 日本語 Ωμέγα 🧬") == "a naïve 日本語 Ωμέγα 🧬"


def test_bidirectional_control_in_a_lake_name_is_escaped(leaking):
    lake = "lake\u202etxt"
    for arguments in (
        ("status",), (), ("run", "leak", "--jobs", "1"), ("discard", "leak", "20261123_142230_run001", "--reason", "x"),
        ("optimize",), ("vacuum",), ("doctor",), ("du",), ("import-legacy", "07_v1_x", "."), ("history", "nobody"),
    ):  # fmt: skip
        said = CliRunner().invoke(main, ["--lake", lake, *arguments]).output
        assert "\u202e" not in said, arguments
        assert "\x1b" not in said, arguments


@given(st.text())
def test_visible_text_holds_no_control_character(text):
    shown = escape_controls(text)
    assert escape_controls(shown) == shown
    assert not [sign for sign in shown if sign != "\n" and (ord(sign) < 32 or 127 <= ord(sign) < 160)]
    shown.encode()  # no half of a character is left
    assert "\n" not in one_line(text)


def test_nothing_but_the_importer_unpickles():
    """Processes of one run exchange rows as Arrow; all other input is plain data.

    A class that a user hands over goes to the worker processes of the run, and never to the lake; a value of its cell is
    only pickled to be hashed.
    """
    root = Path(__file__).parents[2]
    found = [
        file.name
        for folder in ("lakebatch", "experiments")
        for file in (root / folder).rglob("*.py")
        if {"pickle", "cloudpickle", "joblib", "marshal", "shelve", "dill"} & set(_imported(file.read_text()))
    ]
    assert set(found) <= {"inert.py", "given.py", "written.py"}
    assert ".load" not in (root / "lakebatch/experiment/written.py").read_text()


def _imported(text):
    import ast

    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]
