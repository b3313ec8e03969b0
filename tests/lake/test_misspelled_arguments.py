"""Words that no argument of a reading method has: refused with the nearest, never taken for an empty choice."""

import pytest

import lakebatch
from lakebatch.errors import ConfigError


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
