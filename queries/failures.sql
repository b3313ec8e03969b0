-- What went wrong: assemblies that failed, and fits without a metric, with their errors.
-- $experiment: name of the experiment, e.g. response-noise
SELECT
    'assembly' AS what,
    assembly_id,
    NULL AS feature_set,
    NULL AS model,
    parts_planned - parts_done AS count,
    'parts' AS unit,
    error
FROM lake.assemblies
WHERE experiment = $experiment AND error IS NOT NULL
UNION ALL
SELECT 'fit', assembly_id, feature_set, model, count(*), 'fits', error
FROM lake.results
WHERE experiment = $experiment AND error IS NOT NULL
GROUP BY assembly_id, feature_set, model, error
ORDER BY assembly_id, what, count DESC, feature_set, model
