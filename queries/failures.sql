-- What went wrong: assemblies that failed, and fits without a metric, with their errors.
-- $experiment: name of the experiment, e.g. response-noise
SELECT what, assembly_id, {{groups}}, count, unit, error
FROM (
    SELECT 'assembly' AS what, assembly_id, parts_planned - parts_done AS count, 'parts' AS unit, error
    FROM lake.assemblies
    WHERE experiment = $experiment AND error IS NOT NULL
    UNION ALL BY NAME
    SELECT 'fit' AS what, assembly_id, {{groups}}, count(*) AS count, 'fits' AS unit, error
    FROM lake.results
    WHERE experiment = $experiment AND error IS NOT NULL
    GROUP BY assembly_id, {{groups}}, error
)
ORDER BY assembly_id, what, count DESC, {{groups}}
