-- What each level costs against the baseline: differences to level 0 of the same assembly, feature set, model and split.
-- $experiment: name of the experiment, e.g. response-noise
-- $metric: a metric of the experiment; its default one by default (optional)
WITH fits AS (
    SELECT
        assembly_id,
        {{groups}},
        row({{groups}}) AS all_groups,
        repeat,
        {{axis}},
        coalesce({{axis}} = {{baseline}}, false) AS is_baseline,
        {{metric}} AS value
    FROM lake.results
    WHERE experiment = $experiment
),
pairs AS (
    SELECT noisy.*, baseline.value AS baseline, noisy.value - baseline.value AS change
    FROM fits AS noisy
    LEFT JOIN fits AS baseline
        ON baseline.is_baseline
        AND baseline.assembly_id = noisy.assembly_id
        AND baseline.all_groups IS NOT DISTINCT FROM noisy.all_groups
        AND baseline.repeat IS NOT DISTINCT FROM noisy.repeat
    WHERE NOT noisy.is_baseline AND noisy.{{axis}} IS NOT NULL
)
SELECT
    {{groups}},
    {{axis}},
    count(value) AS fits,
    count(change) AS pairs,
    avg(baseline) FILTER (WHERE change IS NOT NULL) AS baseline,
    avg(change) AS change,
    stddev_samp(change) AS std_change,
    -- of the means, since single baselines can lie near 0
    avg(change) / nullif(abs(avg(baseline) FILTER (WHERE change IS NOT NULL)), 0) AS relative_change,
    CASE WHEN count(change) < count(value)
        THEN format('{} of {} fits have no baseline ({}) to compare with', count(value) - count(change), count(value), {{baseline_text}})
    END AS note
FROM pairs
GROUP BY {{groups}}, {{axis}}
ORDER BY {{groups}}, {{axis}}
