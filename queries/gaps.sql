-- What the dataset lacks: assemblies that are left out, planned parts, baselines.
-- $experiment: name of the experiment, e.g. response-noise
SELECT assembly_id, what
FROM lake.gaps
WHERE experiment = $experiment
ORDER BY assembly_id, what
