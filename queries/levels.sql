-- How prediction degrades with the level, over all feature sets and models: mean, spread and range of a metric.
-- $experiment: name of the experiment, e.g. response-noise
-- $metric: pearson_r, r2 or mse (default: pearson_r)
WITH fits AS (
    SELECT
        assembly_id,
        level,
        error,
        CASE $metric WHEN 'pearson_r' THEN pearson_r WHEN 'r2' THEN r2 WHEN 'mse' THEN mse
            ELSE error('Unknown metric ' || $metric || '. Expected pearson_r, r2 or mse.') END AS value
    FROM lake.results
    WHERE experiment = $experiment
)
SELECT
    level,
    count(*) AS fits,
    count(error) AS fits_with_error,
    count(DISTINCT assembly_id) AS assemblies,
    avg(value) AS mean,
    stddev_samp(value) AS std,
    min(value) AS min,
    median(value) AS median,
    max(value) AS max
FROM fits
GROUP BY level
ORDER BY level
