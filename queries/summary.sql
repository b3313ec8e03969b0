-- How well each feature set and model predicts at each level: mean, spread and range of a metric, mean of the next one.
-- $experiment: name of the experiment, e.g. response-noise
-- $metric: a metric of the experiment; its default one by default (optional)
SELECT
    {{axis}},
    {{groups}},
    count(*) AS fits,
    count(*) FILTER (WHERE error IS NOT NULL) AS fits_with_error,
    {{summary}}
FROM lake.results
WHERE experiment = $experiment
GROUP BY {{axis}}, {{groups}}
ORDER BY {{axis}}, {{groups}}
