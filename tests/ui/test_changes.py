"""Changes of a lake as a stream, and the one poller behind all streams."""

import asyncio
import http.client

from lakebatch.errors import StorageError
from lakebatch.ui.changes import Changes
from lakebatch.ui.watcher import Watcher, stamp


def test_stream_greets_and_ends_with_its_listener(served):
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.request("GET", f"/{served.token}/changes")
    answer = connection.getresponse()
    assert answer.getheader("Content-Type").startswith("text/event-stream")
    assert answer.readline().startswith(b"retry: ")
    answer.readline()
    assert answer.readline().startswith(b'data: {"stamp":')
    connection.close()
    assert served.ask("changes", "HEAD")[0].status == 200


def test_one_poller_serves_all_listeners_and_stops_with_the_last():
    looked = []

    def look():
        looked.append(len(looked))
        if len(looked) == 4:
            raise StorageError("The disk is gone.")
        return str(len(looked)), [{"assembly": "a"}] if len(looked) > 2 else []

    async def listen():
        changes = Changes(look, every=0.01)
        one, other = changes.listen(), changes.listen()
        for stream in (one, other):
            assert (await anext(stream)).startswith("retry")
            assert '"first":true' in await anext(stream)
        assert await anext(one) == await anext(other) == 'data: {"stamp":"3","rows":[{"assembly":"a"}]}\n\n'
        assert await anext(one) == 'data: {"problem":"The disk is gone."}\n\n'
        await one.aclose()
        assert changes.is_polling
        await other.aclose()
        await asyncio.sleep(0)
        assert not changes.is_polling
        count = len(looked)
        await asyncio.sleep(0.05)
        assert len(looked) == count
        third = changes.listen()
        await anext(third), await anext(third)
        changes.close()
        assert [each async for each in third if each.startswith("retry")] == []

    asyncio.run(listen())


def test_watcher_tells_only_what_changed(copied_lake):
    lake = copied_lake
    watcher = Watcher(lake)
    first, rows = watcher.look()
    assert (first, rows) == (stamp(lake), [])
    known = lake["toy"].assemblies()["assembly_id"][0]
    lake["toy"].note(known, "Looked at.")
    second, (row,) = watcher.look()
    assert second != first
    assert (row["assembly"], row["note"], row["state"]) == (known, "Looked at.", "completed")
    assert watcher.look() == (second, [])
