-- How well each model predicts at each level, over all feature sets: one row per model and level.
-- $experiment: name of the experiment, e.g. response-noise
-- $metric: pearson_r, r2 or mse (default: pearson_r)
-- $feature_set: this feature set alone (optional)
WITH fits AS (
    SELECT
        model,
        level,
        CASE $metric WHEN 'pearson_r' THEN pearson_r WHEN 'r2' THEN r2 WHEN 'mse' THEN mse
            ELSE error('Unknown metric ' || $metric || '. Expected pearson_r, r2 or mse.') END AS value
    FROM lake.results
    WHERE experiment = $experiment AND ($feature_set IS NULL OR feature_set = $feature_set)
)
SELECT model, level, count(value) AS fits, avg(value) AS mean, stddev_samp(value) AS std
FROM fits
GROUP BY model, level
ORDER BY model, level
