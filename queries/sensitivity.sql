-- How steeply prediction falls with the level: slope of a metric on level for each feature set and model, with its R2.
-- $experiment: name of the experiment, e.g. response-noise
-- $metric: pearson_r, r2 or mse (default: pearson_r)
WITH fits AS (
    SELECT
        feature_set,
        model,
        level,
        CASE $metric WHEN 'pearson_r' THEN pearson_r WHEN 'r2' THEN r2 WHEN 'mse' THEN mse
            ELSE error('Unknown metric ' || $metric || '. Expected pearson_r, r2 or mse.') END AS value
    FROM lake.results
    WHERE experiment = $experiment
)
SELECT
    feature_set,
    model,
    regr_count(value, level) AS fits,
    count(DISTINCT level) FILTER (WHERE value IS NOT NULL) AS levels,
    regr_slope(value, level) AS slope,
    regr_intercept(value, level) AS intercept,
    regr_r2(value, level) AS regression_r2,
    CASE WHEN count(DISTINCT level) FILTER (WHERE value IS NOT NULL) < 2
        THEN 'a slope needs two levels' END AS note
FROM fits
GROUP BY feature_set, model
ORDER BY slope DESC NULLS LAST, feature_set, model
