-- Every two feature sets compared: paired differences per assembly, level, model and split, and Student's t over the splits.
-- $experiment: name of the experiment, e.g. response-noise
-- $metric: pearson_r, r2 or mse (default: pearson_r)
-- $level: this level alone (optional)
WITH fits AS (
    SELECT
        *,
        CASE $metric WHEN 'pearson_r' THEN pearson_r WHEN 'r2' THEN r2 WHEN 'mse' THEN mse
            ELSE error('Unknown metric ' || $metric || '. Expected pearson_r, r2 or mse.') END AS value
    FROM lake.results
    WHERE experiment = $experiment AND ($level IS NULL OR level = $level)
),
splits AS ( -- levels and models of one split share its patients: they are averaged, not counted
    SELECT
        one.feature_set,
        other.feature_set AS other,
        assembly_id,
        repeat,
        count(one.value - other.value) AS pairs,
        avg(one.value - other.value) AS difference,
        avg(one.n_test / one.n_train) AS overlap
    FROM fits AS one
    JOIN fits AS other USING (assembly_id, level, model, repeat)
    WHERE one.feature_set < other.feature_set
    GROUP BY ALL
)
SELECT
    feature_set,
    other,
    sum(pairs) AS pairs,
    count(DISTINCT assembly_id) AS assemblies,
    count(difference) AS splits,
    avg(difference) AS difference,
    stddev_samp(difference) AS std_difference,
    avg(difference) / nullif(stddev_samp(difference) / sqrt(count(difference)), 0) AS t,
    -- splits of one cohort overlap: Nadeau & Bengio 2003, doi:10.1023/A:1024068626366
    avg(difference) / nullif(stddev_samp(difference)
        * sqrt(1 / count(difference) + coalesce(avg(overlap), 0) / count(DISTINCT assembly_id)), 0) AS t_corrected
FROM splits
WHERE difference IS NOT NULL
GROUP BY feature_set, other
ORDER BY feature_set, other
