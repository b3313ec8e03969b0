-- How the dataset grew: completed assemblies and their rows, in the order in which they were completed.
-- $experiment: name of the experiment, e.g. response-noise
SELECT
    changed_at AS at,
    assembly_id,
    rows,
    count(*) OVER up_to_then AS assemblies,
    sum(rows) OVER up_to_then AS total_rows
FROM lake.assemblies
WHERE experiment = $experiment AND status = 'completed'
WINDOW up_to_then AS (ORDER BY changed_at, assembly_id ROWS UNBOUNDED PRECEDING)
ORDER BY changed_at, assembly_id
