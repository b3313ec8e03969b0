-- Ranking by robustness: mean of a metric under perturbation over its mean at the baseline of the same assemblies and splits.
-- $experiment: name of the experiment, e.g. response-noise
-- $metric: pearson_r or r2 (default: pearson_r)
WITH fits AS (
    SELECT
        assembly_id,
        feature_set,
        model,
        repeat,
        level,
        CASE $metric WHEN 'pearson_r' THEN pearson_r WHEN 'r2' THEN r2
            ELSE error('Cannot rank by ' || $metric || '. Expected pearson_r or r2.') END AS value
    FROM lake.results
    WHERE experiment = $experiment
),
splits AS (
    SELECT
        assembly_id,
        feature_set,
        model,
        repeat,
        avg(value) FILTER (WHERE level = 0) AS baseline,
        avg(value) FILTER (WHERE level <> 0) AS perturbed
    FROM fits
    GROUP BY ALL
),
means AS (
    SELECT
        feature_set,
        model,
        count(baseline + perturbed) AS splits,
        avg(baseline) FILTER (WHERE perturbed IS NOT NULL) AS baseline,
        avg(perturbed) FILTER (WHERE baseline IS NOT NULL) AS perturbed,
        CASE
            WHEN count(baseline + perturbed) = 0 THEN 'no baseline (level 0) to compare with'
            WHEN avg(baseline) FILTER (WHERE perturbed IS NOT NULL) <= 0 THEN 'the baseline is not above 0: nothing to keep'
            WHEN count(baseline + perturbed) < count(perturbed)
                THEN format('{} of {} splits have no baseline (level 0)', count(perturbed) - count(baseline + perturbed), count(perturbed))
        END AS note
    FROM splits
    GROUP BY feature_set, model
)
SELECT
    rank() OVER (ORDER BY CASE WHEN baseline > 0 THEN perturbed / baseline END DESC NULLS LAST) AS rank,
    feature_set,
    model,
    splits,
    baseline,
    perturbed,
    CASE WHEN baseline > 0 THEN perturbed / baseline END AS robustness,
    note
FROM means
ORDER BY rank, feature_set, model
