"""Locations of lakes, and their settings."""

import pickle
from pathlib import Path

import pytest

from lakebatch.errors import ConfigError, StorageError
from lakebatch.storage import Storage, locate, s3_options

S3 = {
    "S3_ENDPOINT": "http://127.0.0.1:9000",
    "S3_BUCKET_NAME": "bucket",
    "S3_ACCESS_KEY": "the-key",
    "S3_SECRET_KEY": "the-secret",
    "S3_REGION_NAME": "eu-west-3",
    "SAVE_RESULT_PATH": "/study/one/",
}
AWS = {
    "AWS_ENDPOINT_URL": "https://s3.example.org",
    "AWS_BUCKET_NAME": "other",
    "AWS_ACCESS_KEY_ID": "aws-key",
    "AWS_SECRET_ACCESS_KEY": "aws-secret",
    "AWS_SESSION_TOKEN": "token",
    "AWS_DEFAULT_REGION": "eu-north-1",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_lake_is_taken_from_the_first_source_set(project):
    """Argument, LAKEBATCH_LAKE, lakebatch.toml, S3 settings, ./lake: each is found once those before it are gone."""
    environment = S3 | {"LAKEBATCH_LAKE": "from-environment"}
    (project / "lakebatch.toml").write_text('lake = "from-project"\n')
    assert locate("from-argument", environment).uri == str(project / "from-argument")
    assert locate(None, environment).uri == str(project / "from-environment")
    assert locate(None, S3).uri == str(project / "from-project")
    (project / "lakebatch.toml").unlink()
    assert locate(None, S3).uri == "s3://bucket/study/one"
    assert locate(None, {}).uri == str(project / "lake")


def test_project_file_with_a_byte_order_mark_is_read(project):
    (project / "lakebatch.toml").write_bytes('\ufefflake = "é"\n'.encode())
    assert locate(None, {}).uri == str(project / "é")


def test_empty_settings_count_as_not_set(project):
    (project / "lakebatch.toml").write_text("other = 1\n")
    empty = dict.fromkeys([*S3, *AWS, "LAKEBATCH_LAKE"], "")
    assert locate("", empty).uri == str(project / "lake")
    assert s3_options(empty) == {}


def test_environment_is_read_when_a_lake_is_opened(project, monkeypatch):
    monkeypatch.setenv("LAKEBATCH_LAKE", "later")
    assert locate().uri == str(project / "later")


def test_local_lake_is_an_absolute_path(project):
    assert locate(Path("a") / "b").uri == str(project / "a" / "b")
    assert locate("~/a").uri == str(Path.home() / "a")
    assert locate("file:///a/b%20c").uri == locate("FILE://LOCALHOST/a//./b c/").uri == "/a/b c"
    assert locate("file:///data/exp#1/lake").uri == "/data/exp#1/lake"
    assert locate("./s3:/a").uri == str(project / "s3:" / "a")
    assert locate(b"a").uri == str(project / "a")
    assert locate("a").is_local
    assert locate("a", S3).options == {}


def test_parent_folders_of_a_path_are_resolved_as_by_the_system(project):
    """With `..` behind a link, also for the engine, which would resolve the path by its text."""
    (project / "far" / "target").mkdir(parents=True)
    (project / "link").symlink_to(project / "far" / "target")
    assert locate("link/../lake").uri == str(project / "far" / "lake")
    assert locate("none/../lake").uri == str(project / "lake")
    assert locate("link/lake").uri == str(project / "link" / "lake")


def test_absolute_lake_needs_no_working_directory(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert locate(tmp_path / "lake", {}).uri == str(tmp_path / "lake")
    with pytest.raises(StorageError, match=r"Cannot open a lake at 'lake': the working directory is gone"):
        locate(None, {})


def test_s3_lake_takes_the_settings_of_the_environment():
    found = locate("s3://another/prefix/", S3)
    assert found.uri == "s3://another/prefix"
    assert not found.is_local
    assert found.join("03_v1_x", "results") == "s3://another/prefix/03_v1_x/results"
    assert found.options == {
        "retry_timeout": "30s",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_ACCESS_KEY_ID": "the-key",
        "AWS_SECRET_ACCESS_KEY": "the-secret",
        "AWS_REGION": "eu-west-3",
        "AWS_ALLOW_HTTP": "true",
    }


def test_aws_variables_are_read_after_s3_variables(project):
    assert locate(None, AWS).uri == "s3://other"
    assert s3_options(AWS) == {
        "AWS_ENDPOINT_URL": "https://s3.example.org",
        "AWS_ACCESS_KEY_ID": "aws-key",
        "AWS_SECRET_ACCESS_KEY": "aws-secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_REGION": "eu-north-1",
    }
    both = s3_options(AWS | S3)
    assert (both["AWS_ACCESS_KEY_ID"], both["AWS_REGION"]) == ("the-key", "eu-west-3")


def test_http_is_allowed_for_http_endpoints_only():
    assert "AWS_ALLOW_HTTP" not in s3_options({"S3_ENDPOINT": "https://s3.example.org"})
    assert s3_options({"S3_ENDPOINT": "https://s3.example.org"})["AWS_REGION"] == "us-east-1"
    assert s3_options({"S3_ENDPOINT": "http://x"})["AWS_ALLOW_HTTP"] == "true"
    assert s3_options({}) == {}


@pytest.mark.parametrize(
    "uri",
    [
        "s3://key:secret@bucket/x",
        "s3://key@bucket/x",
        "s3://key:sec/ret@b/x",
        "s3:/key:secret@b",
        "gs:key:secret@b",
    ],
)
def test_credentials_in_the_uri_are_refused_and_not_repeated(uri):
    with pytest.raises(ConfigError, match=r"credentials. Set S3_ACCESS_KEY|or keys|whole URI") as caught:
        locate(uri, {})
    assert "ret@" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "fault"),
    [("s3://", "no bucket"), ("s3:///x", "no bucket"), ("gs://bucket", "Expected a folder or s3"), ("a/level=7", "'='"),
     ("a%20b", "'%'"), ("a*", r"'\*'"), ("a?", r"'\?'"), ("a[1]", r"'\['"), ("s3://bucket/a=b", "'='"),
     ("s3:/bucket/x", "neither a folder nor a whole URI"), ("S3:bucket", "whole URI"), (" s3://bucket/x", "whole URI"),
     ("a/s3://bucket", "whole URI"), ("'s3://bucket'", "whole URI"), ("file:/x", "whole URI"), ("x://y", "'x' is not"),
     ("file://data/lake", "Expected file:///data/lake"), ("file://", "no folder"), ("file://localhost", "no folder"),
     ("s3://bucket/a/../b", r"'\.\.'"), ("s3://bucket/./b", r"'\.'"), ("s3://bucket//b", "'//'"),
     ("s3://bucket/b//", "'//'"), ("s3://../x", "no bucket"), ("s3://bucket/a\x85", "x85"), ("s3://bucket/a\nb", r"'\\n'"),
     ("a\x7fb", "x7f"), ("a\0b", "x00"), ("file:///a%00b", "x00"), ("file:///a%ff", "udcff"), ("a\udcff", "UTF-8"),
     ("a/_delta_log/b", "'_delta_log'"), ("s3://bucket/_delta_log", "'_delta_log'"),
     ("file:///a%25b", "'%'"), ("~nobody-of-this-name/x", r"no home folder. Expected .* \./~nobody"),
     ("s3://bucket/" + 90 * "abcdefg/", "731 bytes long. Expected up to 694"), (420 * "abcdefgh/", "bytes long")],
)  # fmt: skip
def test_invalid_lake_is_refused(project, uri, fault):
    with pytest.raises(ConfigError, match=f"Cannot open a lake at .*{fault}"):
        locate(uri, {})


@pytest.mark.parametrize(
    ("text", "fault"),
    [("lake = 3", "'lake' in .*lakebatch.toml is 3"), ("lake = ", "Cannot read .*lakebatch.toml")],
)
def test_faulty_project_file_is_named(project, text, fault):
    (project / "lakebatch.toml").write_text(text)
    with pytest.raises(ConfigError, match=fault):
        locate(None, {})


def test_storage_shows_no_secret():
    found = locate("s3://bucket/x", S3)
    for text in (repr(found), str(found), f"{found}"):
        assert "the-secret" not in text
        assert "the-key" not in text
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301


def test_folders_are_those_directly_in_the_lake(project):
    assert Storage(str(project / "none")).folders() == []
    for name in ("b/inner", "a"):
        (project / name).mkdir(parents=True)
    (project / "file").touch()
    assert Storage(str(project)).folders() == ["a", "b"]


def test_writable_folder_is_created_and_left_empty(project):
    Storage(str(project / "new" / "lake")).check_writable()
    assert list((project / "new" / "lake").iterdir()) == []


def test_unwritable_lake_is_one_clear_line(project):
    (project / "file").touch()
    storage = Storage(str(project / "file" / "lake"))
    with pytest.raises(
        StorageError, match=r"^Cannot write to the lake .*/file/lake: Not a directory\. .* --lake\.$"
    ):
        storage.check_writable()
    assert storage.folders() == []


def test_lake_that_is_a_file_is_one_clear_line(project):
    (project / "file").touch()
    with pytest.raises(
        StorageError, match=r"^Cannot read the lake .*/file: Not a directory\. Expected a readable folder\.$"
    ):
        Storage(str(project / "file")).folders()
    with pytest.raises(StorageError, match=r"Cannot write to the lake .*: File exists"):
        Storage(str(project / "file")).check_writable()


@pytest.mark.parametrize("uri", ["s3://bucket/a?b", "s3://bucket/a#b"])
def test_query_or_fragment_of_an_s3_uri_is_refused(uri):
    with pytest.raises(ConfigError, match="in its path"):
        locate(uri, {})
