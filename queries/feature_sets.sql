-- Every two feature sets (values of the first group) compared: paired differences per assembly, level, model and split, and t.
-- $experiment: name of the experiment, e.g. response-noise
-- $metric: a metric of the experiment; its default one by default (optional)
-- $level: this level, or value on the axis, alone (optional)
WITH fits AS (
    SELECT
        *,
        row({{other_groups}}) AS rest_groups,
        {{metric}} AS value
    FROM lake.results
    WHERE experiment = $experiment AND ($level IS NULL OR {{axis}} = $level)
),
splits AS ( -- levels and models of one split share its patients: they are averaged, not counted
    SELECT
        one.{{group}},
        other.{{group}} AS other,
        one.assembly_id,
        one.repeat,
        count(one.value - other.value) AS pairs,
        avg(one.value - other.value) AS difference,
        avg(one.n_test / one.n_train) AS overlap
    FROM fits AS one
    JOIN fits AS other
        ON one.assembly_id = other.assembly_id
        AND one.{{axis}} = other.{{axis}}
        AND one.rest_groups IS NOT DISTINCT FROM other.rest_groups
        AND one.repeat IS NOT DISTINCT FROM other.repeat
    WHERE one.{{group}} < other.{{group}}
    GROUP BY ALL
)
SELECT
    {{group}},
    other,
    sum(pairs) AS pairs,
    count(DISTINCT assembly_id) AS assemblies,
    count(difference) AS splits,
    avg(difference) AS difference,
    stddev_samp(difference) AS std_difference,
    avg(difference) / nullif(stddev_samp(difference) / sqrt(count(difference)), 0) AS t,
    -- splits of one cohort overlap: Nadeau & Bengio 2003, doi:10.1023/A:1024068626366; repeats without a split do not
    avg(difference) / nullif(stddev_samp(difference)
        * sqrt(1 / count(difference) + coalesce(avg(overlap), 0) / count(DISTINCT assembly_id)), 0) AS t_corrected
FROM splits
WHERE difference IS NOT NULL
GROUP BY {{group}}, other
ORDER BY {{group}}, other
