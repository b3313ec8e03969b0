"""Names of what is compared: as words, in the order of the configs."""

import json
from dataclasses import replace

import polars as pl

from lakebatch.analysis.data import _in_words
from lakebatch.analysis.wording import in_configured_order


def listing(record, **evaluation):
    return replace(record, config=json.dumps({"levels": [0.0], "evaluation": evaluation}))


def test_names_are_in_the_order_of_the_newest_config_that_lists_them(cohort_lake):
    (record,) = cohort_lake["response-noise"].snapshot().assemblies
    old = listing(record, models=["linear", "gp", "forest"])
    new = listing(
        record, models=["tree", {"name": "ridge", "path": "a.B"}, "forest"], feature_sets=["forest"]
    )
    assert in_configured_order(["forest", "gp", "linear", "ridge", "tree"], [old, new]) == [
        "tree", "ridge", "forest", "linear", "gp",
    ]  # fmt: skip
    assert in_configured_order(["depth 10", "depth 9", "b", "a"], [old]) == ["a", "b", "depth 9", "depth 10"]


def test_values_of_a_group_sort_as_configured_and_read_as_words(cohort_lake):
    (record,) = cohort_lake["response-noise"].snapshot().assemblies
    values = pl.Series("model", ["a_model", "random_forest", None, "gradient_boosting"])
    shown = _in_words(values, [listing(record, models=["random_forest", "gradient_boosting", "a_model"])])
    assert shown.to_list() == ["a model", "random forest", None, "gradient boosting"]
    assert shown.drop_nulls().sort().to_list() == ["random forest", "gradient boosting", "a model"]
