-- How steeply prediction falls with the level: slope of a metric on level for each feature set and model, with its R2.
-- $experiment: name of the experiment, e.g. response-noise
-- $metric: a metric of the experiment; its default one by default (optional)
WITH fits AS (
    SELECT
        {{groups}},
        {{axis}} AS axis_position,
        {{metric}} AS value
    FROM lake.results
    WHERE experiment = $experiment
)
SELECT
    {{groups}},
    regr_count(value, try_cast(axis_position AS DOUBLE)) AS fits,
    count(DISTINCT try_cast(axis_position AS DOUBLE)) FILTER (WHERE value IS NOT NULL) AS levels,
    regr_slope(value, try_cast(axis_position AS DOUBLE)) AS slope,
    regr_intercept(value, try_cast(axis_position AS DOUBLE)) AS intercept,
    regr_r2(value, try_cast(axis_position AS DOUBLE)) AS regression_r2,
    CASE WHEN count(DISTINCT try_cast(axis_position AS DOUBLE)) FILTER (WHERE value IS NOT NULL) < 2
        THEN format('a slope needs two {}', {{axis_values}}) END AS note
FROM fits
GROUP BY {{groups}}
ORDER BY CASE WHEN {{higher_is_better}} THEN slope ELSE -slope END DESC NULLS LAST, {{groups}}
