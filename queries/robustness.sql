-- Ranking by robustness: mean of a metric under perturbation over its mean at the baseline; the inverse where less is better.
-- $experiment: name of the experiment, e.g. response-noise
-- $metric: a metric of the experiment; its default one by default (optional)
WITH fits AS (
    SELECT
        assembly_id,
        {{groups}},
        repeat,
        {{axis}} = {{baseline}} AS is_baseline,
        {{metric}} AS value,
        n_test / n_train AS overlap
    FROM lake.results
    WHERE experiment = $experiment
),
splits AS (
    SELECT
        assembly_id,
        {{groups}},
        repeat,
        avg(value) FILTER (WHERE is_baseline) AS baseline,
        avg(value) FILTER (WHERE NOT is_baseline) AS perturbed,
        avg(overlap) FILTER (WHERE value IS NOT NULL) AS overlap
    FROM fits
    GROUP BY ALL
),
means AS (
    SELECT
        {{groups}},
        count(baseline + perturbed) AS splits,
        avg(baseline) FILTER (WHERE perturbed IS NOT NULL) AS baseline,
        avg(perturbed) FILTER (WHERE baseline IS NOT NULL) AS perturbed,
        -- Squared standard errors, corrected for the overlap of splits (Nadeau and Bengio 2003)
        1 / count(baseline + perturbed) + coalesce(avg(overlap) FILTER (WHERE baseline + perturbed IS NOT NULL), 0)
            / count(DISTINCT assembly_id) FILTER (WHERE baseline + perturbed IS NOT NULL) AS scale,
        scale * var_samp(baseline) FILTER (WHERE perturbed IS NOT NULL) AS baseline_error,
        scale * var_samp(perturbed) FILTER (WHERE baseline IS NOT NULL) AS perturbed_error,
        -- Quantile of t for 97.5 %, expanded in 1 / degrees of freedom (Abramowitz and Stegun 26.7.5)
        1 / nullif(count(baseline + perturbed) - 1, 0) AS f,
        1.96 + f * (2.3722 + f * (2.8226 + f * (2.5559 + f * 1.5895))) AS t,
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
        coalesce(
            baseline > 0
            AND (
                baseline <= t * sqrt(baseline_error)
                OR (NOT {{higher_is_better}} AND abs(perturbed) <= t * sqrt(perturbed_error))
            ),
            false
        ) AS is_weak,
        CASE WHEN baseline > 0 AND {{higher_is_better}} THEN perturbed / baseline
            WHEN baseline > 0 AND perturbed > 0 THEN baseline / perturbed END AS robustness
    FROM means
)
SELECT
    CASE WHEN NOT is_weak THEN rank() OVER (PARTITION BY is_weak ORDER BY robustness DESC NULLS LAST) END AS rank,
    {{groups}},
    splits,
    baseline,
    perturbed,
    robustness,
    nullif(concat_ws('; ', CASE WHEN is_weak THEN 'no rank: the ratio is of a mean that does not differ from 0' END, note), '') AS note
FROM ratios
ORDER BY robustness IS NULL, is_weak, rank, {{groups}}
