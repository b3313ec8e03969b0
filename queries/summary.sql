-- How well each feature set and model predicts at each level: mean, spread and range of Pearson r, mean R2.
-- $experiment: name of the experiment, e.g. response-noise
SELECT
    level,
    feature_set,
    model,
    count(*) AS fits,
    count(*) FILTER (WHERE error IS NOT NULL) AS fits_with_error,
    avg(pearson_r) AS mean_r,
    stddev_samp(pearson_r) AS std_r,
    min(pearson_r) AS min_r,
    max(pearson_r) AS max_r,
    avg(r2) AS mean_r2
FROM lake.results
WHERE experiment = $experiment
GROUP BY level, feature_set, model
ORDER BY level, feature_set, model
