-- What each level costs against the baseline: differences to level 0 of the same assembly, feature set, model and split.
-- $experiment: name of the experiment, e.g. response-noise
-- $metric: pearson_r, r2 or mse (default: pearson_r)
WITH fits AS (
    SELECT
        assembly_id,
        feature_set,
        model,
        repeat,
        level,
        CASE $metric WHEN 'pearson_r' THEN pearson_r WHEN 'r2' THEN r2 WHEN 'mse' THEN mse
            ELSE error('Unknown metric ' || $metric || '. Expected pearson_r, r2 or mse.') END AS value
    FROM lake.results
    WHERE experiment = $experiment
),
pairs AS (
    SELECT noisy.*, baseline.value AS baseline, noisy.value - baseline.value AS change
    FROM fits AS noisy
    LEFT JOIN fits AS baseline
        ON baseline.level = 0
        AND baseline.assembly_id = noisy.assembly_id
        AND baseline.feature_set IS NOT DISTINCT FROM noisy.feature_set
        AND baseline.model IS NOT DISTINCT FROM noisy.model
        AND baseline.repeat IS NOT DISTINCT FROM noisy.repeat
    WHERE noisy.level <> 0
)
SELECT
    feature_set,
    model,
    level,
    count(value) AS fits,
    count(change) AS pairs,
    avg(baseline) FILTER (WHERE change IS NOT NULL) AS baseline,
    avg(change) AS change,
    stddev_samp(change) AS std_change,
    -- of the means, since single baselines can lie near 0
    avg(change) / nullif(abs(avg(baseline) FILTER (WHERE change IS NOT NULL)), 0) AS relative_change,
    CASE WHEN count(change) < count(value)
        THEN format('{} of {} fits have no baseline (level 0) to compare with', count(value) - count(change), count(value))
    END AS note
FROM pairs
GROUP BY feature_set, model, level
ORDER BY feature_set, model, level
