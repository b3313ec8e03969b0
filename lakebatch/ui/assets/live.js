"use strict";
// Running assemblies move by themselves: the server streams what has changed in the lake.

(() => {
  const root = document.getElementById("assemblies");
  const address = root?.dataset.changes;
  if (!address) return;
  if (!Overview) return waitForTheFirst(address);
  const said = Overview.part("live");
  const { data } = Overview;
  const PAUSE = 2000; // between two readings of the whole table
  let stamp = data.stamp;
  let source = null;
  let ignored = new Set();
  let reloading = null;

  const reload = () => {
    reloading ??= new Promise((done) => setTimeout(done, PAUSE))
      .then(() => Overview.reload())
      .catch((error) => (said.textContent = `The table cannot be read again: ${error.message}`))
      .finally(() => {
        reloading = null;
        stamp = data.stamp;
      });
    return reloading;
  };

  const take = async ({ stamp: now, rows, first, problem }) => {
    if (problem) {
      said.textContent = `The lake cannot be read: ${problem}`;
      return;
    }
    said.textContent = "";
    if (first && now !== stamp) return reload(); // something happened while nobody listened
    stamp = now;
    const ended = rows.some((each) => each.state === "completed" && data.stateOf(each) !== "completed");
    const unknown = data.update(rows).filter((each) => !ignored.has(each.assembly));
    if (unknown.length) {
      await reload();
      for (const each of unknown) ignored.add(each.assembly);
    } else if (rows.length) {
      Overview.draw();
      if (ended) await Overview.loadMetrics();
    }
  };

  const connect = () => {
    if (source || document.hidden) return;
    source = new EventSource(address);
    source.onmessage = (message) => take(JSON.parse(message.data));
    source.onerror = () => {
      said.textContent = "The connection to lakebatch ui is lost; the table shows the last state. Connecting again.";
      if (source.readyState !== EventSource.CLOSED) return;
      disconnect();
      setTimeout(connect, PAUSE);
    };
  };

  const disconnect = () => {
    source?.close();
    source = null;
  };

  // A browser allows a few connections to one server, so tabs in the background give theirs up
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  window.addEventListener("pagehide", disconnect);
  window.addEventListener("pageshow", connect);
  connect();

  // A page without assemblies is loaded again when there is one
  function waitForTheFirst(changes) {
    const source = new EventSource(changes);
    source.onmessage = ({ data: text }) => {
      if (!JSON.parse(text).stamp) return;
      source.close();
      location.reload();
    };
  }

  // Durations of running assemblies go on between two changes
  setInterval(() => {
    if (!document.hidden && data.raw.state.includes("running")) Overview.tick();
  }, 1000);
})();
