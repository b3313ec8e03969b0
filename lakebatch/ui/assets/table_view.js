"use strict";
// The state of a table in the fragment of the address, and the elements of its cells.

const View = (() => {
  const LISTS = ["sort", "cols", "group", "sel"];

  // Return the state that a fragment such as #sort=-r2&filter=user%3Dada names
  const read = (fragment) => {
    const given = new URLSearchParams(fragment.replace(/^#/, ""));
    const list = (name) => (given.get(name) || "").split(",").filter(Boolean).map(decodeURIComponent);
    const page = Math.max(1, Number.parseInt(given.get("page") || "1", 10) || 1);
    return {
      ...Object.fromEntries(LISTS.map((name) => [name, list(name)])),
      filter: given.get("filter") || "",
      at: given.get("at") || "all",
      page,
    };
  };

  const write = (state) => {
    const given = new URLSearchParams();
    for (const name of LISTS) if (state[name].length) given.set(name, state[name].map(encodeURIComponent).join(","));
    if (state.filter) given.set("filter", state.filter);
    if (state.at !== "all") given.set("at", state.at);
    if (state.page > 1) given.set("page", state.page);
    return String(given);
  };

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === true) made.setAttribute(key, "");
      else if (value != null && value !== false) made.setAttribute(key, value);
    }
    made.append(...children.filter((each) => each != null));
    return made;
  };

  const state = (word) => element("span", { class: `state ${word}` }, word);

  const progress = (done, planned) => {
    const text = `${done ?? "?"}/${planned}`;
    const bar = element("progress", { max: Math.max(planned, 1), value: done ?? 0, "aria-label": `${text} parts` });
    return [bar, " ", element("span", { class: "count" }, text)];
  };

  const time = (ms) => {
    if (ms == null) return "";
    const text = Rows.time(ms);
    return element("time", { datetime: new Date(ms).toISOString(), title: text }, text.slice(0, 16));
  };

  return { read, write, element, state, progress, time };
})();
