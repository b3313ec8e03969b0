-- How prediction degrades with the level: Pearson r and R2 over all feature sets and models.
-- $experiment: name of the experiment, e.g. response-noise
SELECT
    level,
    count(*) AS fits,
    avg(pearson_r) AS mean_r,
    stddev_samp(pearson_r) AS std_r,
    median(r2) AS median_r2,
    count(DISTINCT assembly_id) AS assemblies
FROM lake.results
WHERE experiment = $experiment
GROUP BY level
ORDER BY level
