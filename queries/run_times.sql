-- How long each assembly took: from start to end (pauses before a resume included), and in fits alone.
-- $experiment: name of the experiment, e.g. response-noise
WITH fits AS (
    SELECT assembly_id, sum(fit_seconds) AS fit_seconds, max(fit_seconds) AS longest_fit_seconds
    FROM lake.results
    WHERE experiment = $experiment
    GROUP BY assembly_id
)
SELECT
    assembly_id,
    status,
    started_at,
    CASE WHEN status = 'completed' THEN epoch(changed_at) - epoch(started_at) END AS seconds,
    rows,
    fit_seconds,
    fit_seconds / rows AS mean_fit_seconds,
    longest_fit_seconds,
    host
FROM lake.assemblies
LEFT JOIN fits USING (assembly_id)
WHERE experiment = $experiment
ORDER BY started_at
