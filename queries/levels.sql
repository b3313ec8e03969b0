-- How prediction degrades with the level, over all feature sets and models: mean, spread and range of a metric.
-- $experiment: name of the experiment, e.g. response-noise
-- $metric: a metric of the experiment; its default one by default (optional)
WITH fits AS (
    SELECT
        assembly_id,
        {{axis}},
        error,
        {{metric}} AS value
    FROM lake.results
    WHERE experiment = $experiment
)
SELECT
    {{axis}},
    count(*) AS fits,
    count(error) AS fits_with_error,
    count(DISTINCT assembly_id) AS assemblies,
    avg(value) AS mean,
    stddev_samp(value) AS std,
    min(value) AS min,
    median(value) AS median,
    max(value) AS max
FROM fits
GROUP BY {{axis}}
ORDER BY {{axis}}
