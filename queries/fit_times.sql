-- How long a fit takes, by model and feature set, longest first.
-- $experiment: name of the experiment, e.g. response-noise
SELECT
    {{groups_reversed}},
    count(fit_seconds) AS fits,
    avg(fit_seconds) AS mean_seconds,
    median(fit_seconds) AS median_seconds,
    max(fit_seconds) AS max_seconds,
    sum(fit_seconds) AS total_seconds
FROM lake.results
WHERE experiment = $experiment
GROUP BY {{groups_reversed}}
ORDER BY total_seconds DESC, {{groups_reversed}}
