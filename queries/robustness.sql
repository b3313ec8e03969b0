-- Ranking by robustness: mean of a metric under perturbation over its mean at the baseline; the inverse where less is better.
-- $experiment: name of the experiment, e.g. response-noise
-- $metric: a metric of the experiment; its default one by default (optional)
WITH fits AS (
    SELECT
        assembly_id,
        {{groups}},
        repeat,
        {{axis}} = {{baseline}} AS is_baseline,
        {{metric}} AS value
    FROM lake.results
    WHERE experiment = $experiment
),
splits AS (
    SELECT
        assembly_id,
        {{groups}},
        repeat,
        avg(value) FILTER (WHERE is_baseline) AS baseline,
        avg(value) FILTER (WHERE NOT is_baseline) AS perturbed
    FROM fits
    GROUP BY ALL
),
means AS (
    SELECT
        {{groups}},
        count(baseline + perturbed) AS splits,
        avg(baseline) FILTER (WHERE perturbed IS NOT NULL) AS baseline,
        avg(perturbed) FILTER (WHERE baseline IS NOT NULL) AS perturbed,
        CASE
            WHEN count(baseline + perturbed) = 0 THEN format('no baseline ({}) to compare with', {{baseline_text}})
            WHEN avg(baseline) FILTER (WHERE perturbed IS NOT NULL) <= 0 THEN 'the baseline is not above 0: nothing to keep'
            WHEN count(baseline + perturbed) < count(perturbed)
                THEN format('{} of {} splits have no baseline ({})', count(perturbed) - count(baseline + perturbed), count(perturbed), {{baseline_text}})
        END AS note
    FROM splits
    GROUP BY {{groups}}
),
ratios AS (
    SELECT
        *,
        CASE WHEN baseline > 0 AND {{higher_is_better}} THEN perturbed / baseline
            WHEN baseline > 0 AND perturbed > 0 THEN baseline / perturbed END AS robustness
    FROM means
)
SELECT
    rank() OVER (ORDER BY robustness DESC NULLS LAST) AS rank,
    {{groups}},
    splits,
    baseline,
    perturbed,
    robustness,
    note
FROM ratios
ORDER BY rank, {{groups}}
