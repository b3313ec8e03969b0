-- How well each model predicts at each level, over all feature sets: one row per model and level.
-- $experiment: name of the experiment, e.g. response-noise
-- $metric: a metric of the experiment; its default one by default (optional)
-- $feature_set: this feature set alone (optional)
WITH fits AS (
    SELECT
        {{last_group}},
        {{axis}},
        {{metric}} AS value
    FROM lake.results
    WHERE experiment = $experiment AND ($feature_set IS NULL OR feature_set = $feature_set)
)
SELECT {{last_group}}, {{axis}}, count(value) AS fits, avg(value) AS mean, stddev_samp(value) AS std
FROM fits
GROUP BY {{last_group}}, {{axis}}
ORDER BY {{last_group}}, {{axis}}
