"""The older interface and the import of its files, on S3."""

import pickle

import pandas as pd
import pytest

import lakebatch
from lakebatch import create_batch_executor
from lakebatch.errors import IncompleteWarning, StorageError
from lakebatch.legacy.importer import plan

NAME = "response_noise_results"


def frame(level):
    return pd.DataFrame({"Model": ["Random Forest"], "R2 Score": [0.5], "Response Noise Level": [level]})


def put(s3_lake, name, data):
    key = f"{s3_lake.prefix}/old/03_v1_batch-response-noise/{name}"
    s3_lake.server.client().put_object(Bucket=s3_lake.server.bucket, Key=key, Body=data)


def test_prefix_is_imported_into_a_lake_and_read_by_the_older_interface(s3_lake):
    put(s3_lake, "assembly_list.csv", b"assembly_id,timestamp,status\n0.0,,completed\n0.1,,completed\n")
    put(s3_lake, f"{NAME}_0.pkl", pickle.dumps(frame(0)))
    put(s3_lake, "deeper/other_0.pkl", b"")
    source = f"{s3_lake.uri}/old/03_v1_batch-response-noise"
    lake = lakebatch.open_lake()
    done = lakebatch.import_legacy(lake, "response-noise", source)
    assert (done.files, done.rows) == (1, 1)
    assert not lakebatch.import_legacy(lake, "response-noise", source).batches
    executor = create_batch_executor("batch-response-noise", "03", "v1", storage_backend="s3")
    assert executor.get_pending_assemblies([0, 0.1]) == [0.1]
    executor.generate_assembly_id(0.1)
    executor.save_batch_data(frame(0.1), NAME)
    executor.mark_assembly_completed()
    with pytest.warns(IncompleteWarning, match=r"level=0\.1 is listed as completed"):
        rows = executor.sequential_reassembly(NAME)
    assert rows["Response Noise Level"].tolist() == [0.0, 0.1]
    assert s3_lake.server.secret not in repr((done, executor, lake))
    with pytest.raises(StorageError, match="NoSuchBucket"):
        plan(lake, "response-noise", "s3://not-there/old")
