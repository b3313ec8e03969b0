"""The project of a working directory: settings, lake, experiments and queries are found from its subfolders."""

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch import settings
from lakebatch.cli import main
from lakebatch.experiment import registry
from lakebatch.sql import named
from lakebatch.storage import locate


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a project; the working directory is two folders below it."""
    folder = tmp_path / "study"
    (folder / "notebooks" / "drafts").mkdir(parents=True)
    (folder / "lakebatch.toml").write_text('lake = "data/rows"\nmodels = ["my_models"]\n')
    monkeypatch.chdir(folder / "notebooks" / "drafts")
    return folder


def test_lake_is_found_from_a_subfolder(project):
    assert locate(None, {}).uri == str(project / "data" / "rows")
    assert locate("typed", {}).uri == str(project / "notebooks" / "drafts" / "typed")
    (project / "lakebatch.toml").write_text("")
    assert locate(None, {}).uri == str(project / "lake")
    assert lakebatch.open_lake().storage.uri == str(project / "lake")


@pytest.mark.parametrize("lake", ["s3://bucket/prefix", "/data/lake"])
def test_absolute_place_of_a_lake_stays_as_it_is(project, lake):
    (project / "lakebatch.toml").write_text(f"lake = {lake!r}\n")
    assert locate(None, {}).uri == lake


def test_experiments_and_queries_are_found_from_a_subfolder(project):
    for folder, name, text in (
        ("queries", "mine.sql", "-- Mine.\nSELECT 1"),
        ("experiments", "toy.py", None),
    ):
        (project / folder).mkdir()
        (project / folder / name).write_text(
            text or (Path(__file__).parents[1] / "toy_experiment.py").read_text()
        )
    assert registry.get("toy").file == project / "experiments" / "toy.py"
    assert "mine" in named.find()


def test_new_experiment_of_a_subfolder_is_written_into_the_project(project):
    done = CliRunner().invoke(main, ["new", "batch-effect"])
    assert done.exit_code == 0, done.output
    assert f"Wrote {project}/experiments/batch_effect.py" in done.output
    assert "batch-effect" in registry.find()


@pytest.mark.parametrize("own", ["lake", "experiments"])
def test_folder_with_a_lake_or_experiments_of_its_own_is_its_own_project(project, own):
    Path(own).mkdir()
    assert settings.project_folder() == Path.cwd()
    assert locate(None, {}).uri == str(Path.cwd() / "lake")


def test_nearest_settings_count(project):
    (project / "notebooks" / "lakebatch.toml").write_text("")
    assert settings.project_folder() == project / "notebooks"
    Path("lakebatch.toml").write_text("")
    assert settings.project_folder() == Path.cwd()


@pytest.mark.parametrize("home", [".", "notebooks"])
def test_search_ends_below_the_home_folder(project, monkeypatch, home):
    monkeypatch.setenv("HOME", str(project / home))
    assert settings.project_folder() == Path.cwd()
    monkeypatch.chdir(project / home)
    assert settings.project_folder() == Path.cwd()


def test_settings_in_a_folder_that_everybody_may_write_to_do_not_count(project):
    project.chmod(0o1777)
    with pytest.warns(
        UserWarning, match=r"lakebatch.toml is not used, since everybody may write to its folder\."
    ):
        assert settings.project_folder() == Path.cwd()
    os.chdir(project)
    assert settings.project_folder() == project


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("given", ["lakebatch.toml", "."])
def test_settings_of_another_user_do_not_count(project, given):
    os.chown(project / given, 12345, -1)
    with pytest.warns(
        UserWarning, match=r"is not used, since it belongs to another user\. To use it, change into"
    ):
        assert settings.project_folder() == Path.cwd()


def test_settings_on_another_disk_do_not_count(project, monkeypatch):
    disk = settings._disk
    monkeypatch.setattr(settings, "_disk", lambda folder: 0 if folder == project else disk(folder))
    assert settings.project_folder() == Path.cwd()


@pytest.mark.filterwarnings("always:There is no lake")
def test_status_in_a_subfolder_shows_the_lake_of_the_project(copied_lake, monkeypatch, caplog):
    folder = Path(copied_lake.storage.uri).parent
    (folder / "lakebatch.toml").write_text("")
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    done = CliRunner().invoke(main, ["-v", "status"])
    assert "toy" in done.stdout
    assert f"lake {folder}/lake, project {folder}" in caplog.messages
    shutil.rmtree(folder / "lake")
    assert f"There is no lake in {folder}/lake" in CliRunner().invoke(main, ["status"]).stderr
