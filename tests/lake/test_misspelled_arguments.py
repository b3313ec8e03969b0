"""Words that no argument of a reading method has: refused with the nearest, never taken for an empty choice."""

import pytest

import lakebatch
from lakebatch.errors import ConfigError, UnknownNameError


@pytest.fixture(scope="module")
def noise(template_lake):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(template_lake)
        yield lakebatch.open_lake(template_lake / "lake")["toy"]


READS = [
    lambda noise, **options: noise.reassemble(**options),
    lambda noise, **options: noise.scan(**options),
    lambda noise, **options: list(noise.snapshot().pieces(**options)),
    lambda noise, **options: lakebatch.open_lake(noise.storage.uri).sql(
        "SELECT count(*) FROM toy.results", **options
    ),
    lambda noise, **options: lakebatch.open_lake(noise.storage.uri).connect(**options),
]


@pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning")
@pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")
@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("include", ["complete", ("complted",), ["completed", 3]])
def test_unknown_status_is_refused(noise, read, include):
    with pytest.raises(ConfigError, match=r"Unknown status .* in include"):
        read(noise, include=include)


@pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning")
@pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")
def test_one_status_may_be_a_string(noise):
    assert noise.reassemble(include="completed").equals(noise.reassemble())
    assert noise.snapshot().gaps("completed") == noise.snapshot().gaps()


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("word", ["refus", "maybe", None])
def test_unknown_word_for_gaps_is_refused(noise, read, word):
    with pytest.raises(ConfigError, match="Unknown on_gap"):
        read(noise, on_gap=word)


@pytest.mark.parametrize("version", ["5", "five", 2.0, True])
def test_version_that_is_no_integer_is_refused(noise, version):
    with pytest.raises(ConfigError, match="is not an integer"):
        noise.reassemble(version=version)


def test_misspelled_keyword_is_refused_with_the_nearest_of_all(noise):
    with pytest.raises(TypeError, match=r"'tabel'. Did you mean 'table'"):
        noise.reassemble(tabel="samples")
    with pytest.raises(TypeError, match=r"'verson'. Did you mean 'version'"):
        noise.reassemble(verson=3)


@pytest.mark.parametrize("include", [3, (), []])
def test_include_without_a_status_is_refused(noise, include):
    with pytest.raises(
        ConfigError, match=r"include\. (Known|Expected one or more of): .*completed, .*failed"
    ):
        noise.reassemble(include=include)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda noise: noise.plot(zoom=3), "The zoom is 3"),
        (lambda noise: noise.plot(zoom=("a", 1)), "The zoom is"),
        (lambda noise: noise.plot("trajectories", level="high"), "The level is 'high'"),
        (lambda noise: noise.plot(by="colour"), "Known: config, feature_set, model"),
        (lambda noise: noise.report(unit="fit"), "Expected one of: split, assembly"),
        (lambda noise: noise.snapshot(tag=3), "'3' is not a valid tag"),
        (lambda noise: noise.vacuum(keep_days="all"), "keep_days is 'all'"),
        (lambda noise: _lake(noise).sql("SELECT 1", timeout="x"), "A timeout of x s"),
        (lambda noise: _lake(noise).sql("SELECT 1", memory_limit=4), "4 is no amount of memory"),
        (lambda noise: _lake(noise).sql("SELECT 1", also=3), "also is 3. Expected snapshots"),
        (lambda noise: _lake(noise).sql("SELECT 1", also={"before": 3}), "'before' in also is 3. Expected snapshots"),
        (lambda noise: lakebatch.run(_lake(noise), "toy", seed="x"), "seed is 'x'"),
        (lambda noise: lakebatch.run(_lake(noise), "toy", jobs="all"), "jobs is 'all'"),
        (lambda noise: lakebatch.run(_lake(noise), "toy", executor="dask"), "executor is 'dask'"),
        (lambda noise: lakebatch.run(_lake(noise), "toy", shard="1/2"), "shard is '1/2'"),
        (lambda noise: lakebatch.run(_lake(noise), "toy", settings="leves=[0]"), "Unknown config key 'leves'"),
    ],
)  # fmt: skip
def test_value_that_no_option_takes_is_refused_in_one_line(noise, call, message):
    with pytest.raises(ConfigError, match=message) as error:
        call(noise)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda noise: noise.plot("level"), "Did you mean 'levels'"),
        (lambda noise: noise.plot(metric="pearson"), r"Did you mean 'pearson_r'\? Known: mse, pearson_r, r2"),
        (lambda noise: noise.scan(table="samplez"), "Known: artifacts, results, samples, trajectories"),
        (lambda noise: noise.status("x"), "is not an assembly id"),
        (lambda noise: _lake(noise).query("level"), "Did you mean 'levels'"),
    ],
)
def test_unknown_name_is_refused_with_those_that_exist(noise, call, message):
    with pytest.raises(UnknownNameError, match=message):
        call(noise)


def _lake(noise):
    return lakebatch.open_lake(noise.storage.uri)
