"use strict";
// The table of assemblies: sort, filter, group, choose columns, select, save.

const Overview = (() => {
  const PAGE = 100;
  const MOST = 40; // characters of a cell
  const { element } = View;
  const block = (name) => {
    const found = document.getElementById(name);
    return found ? JSON.parse(found.textContent) : null;
  };

  class Overview {
    constructor(root) {
      this.root = root;
      this.addresses = root.dataset;
      this.part = (name) => root.querySelector(`[data-part="${name}"]`);
      this.table = root.querySelector("table");
      this.data = new Assemblies.Data(block("assemblies-data"));
      this.fixed = block("metrics-data");
      this.notices = "";
      this._listen();
      this.restore();
      this.loadMetrics();
    }

    // ---- state and address

    restore() {
      this.state = View.read(location.hash);
      this.part("filter").value = this.state.filter;
      this.draw();
    }

    // Change the state; typing changes the last entry of the history, everything else makes a new one
    change(changes, { typed = false } = {}) {
      const before = this.state.at;
      this.state = { ...this.state, page: 1, ...changes };
      const address = `${location.pathname}${location.search}${View.write(this.state) ? `#${View.write(this.state)}` : ""}`;
      if (typed && this.typing) history.replaceState(null, "", address);
      else history.pushState(null, "", address);
      this.typing = typed;
      if (!typed) this.part("filter").value = this.state.filter;
      this.draw();
      if (before !== this.state.at) this.loadMetrics();
    }

    _listen() {
      window.addEventListener("popstate", () => {
        const before = this.state.at;
        this.typing = false;
        this.restore();
        if (before !== this.state.at) this.loadMetrics();
      });
      this.part("filter").addEventListener("input", (event) => this.change({ filter: event.target.value }, { typed: true }));
      this.part("filter").addEventListener("change", () => (this.typing = false));
      this.part("at").addEventListener("change", (event) => this.change({ at: event.target.value }));
      this.part("save").addEventListener("click", () => this.save());
      this.part("reset").addEventListener("click", () => this.change(View.read("")));
      this.part("none").addEventListener("click", () => this.change({ sel: [], page: this.state.page }));
      for (const [name, step] of [["before", -1], ["after", 1]]) {
        this.part(name).addEventListener("click", () => this.change({ page: this.state.page + step }));
      }
      this.part("columns").addEventListener("change", (event) => this._choose("cols", event.target));
      this.part("groups").addEventListener("change", (event) => this._choose("group", event.target));
    }

    _choose(name, box) {
      const now = name === "cols" ? this._columns().map((each) => each.key) : this.state.group;
      this.change({ [name]: box.checked ? [...now.filter((each) => each !== box.value), box.value] : now.filter((each) => each !== box.value) });
    }

    // ---- data

    async loadMetrics() {
      const at = this.state.at;
      try {
        const found = this.fixed ? this.fixed.find((each) => each.at === at) : await this._fetch(this.addresses.metrics.replace("~at", encodeURIComponent(at)));
        if (!found) throw new Error(`There are no rows at ${at}.`);
        if (at !== this.state.at) return;
        this.notices = (found.notices || []).join(" ");
        this.data.setMetrics(found);
      } catch (error) {
        this.notices = `The metrics cannot be shown: ${error.message}`;
      }
      this.draw();
    }

    async reload() {
      this.data.replace(await this._fetch(this.addresses.rows));
      this.draw();
      await this.loadMetrics();
    }

    async _fetch(address) {
      const answer = await fetch(address);
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      return answer.json();
    }

    // ---- what is shown

    _columns() {
      const known = new Map(this.data.columns.map((each) => [each.key, each]));
      const chosen = this.state.cols.length ? this.state.cols : this.data.defaults();
      return chosen.map((key) => known.get(key)).filter(Boolean);
    }

    _grouping() {
      const known = new Map(this.data.columns.map((each) => [each.key, each]));
      return this.state.group.map((key) => known.get(key)).filter(Boolean);
    }

    _sorting(columns) {
      return this.state.sort
        .map((text) => ({ column: columns.find((each) => each.key === text.replace(/^-/, "")), down: text.startsWith("-") }))
        .filter((each) => each.column);
    }

    draw() {
      const found = Rows.filter(this.data.columns, this.state.filter, (row) => this.data.text(row));
      this.rows = found.faults.length ? [] : this.data.rows().filter(found.holds);
      const groups = this._grouping();
      this._drawControls();
      if (groups.length) this._drawGroups(groups);
      else this._drawRows();
      this._say(groups.length, found.faults);
      this._drawSelection();
    }

    _drawRows() {
      const columns = this._columns();
      const sorting = this._sorting(this.data.columns);
      this.shown = sorting.length ? Rows.order(this.rows, sorting) : this.rows;
      this._page(this.shown.length);
      const heads = columns.map((each) => this._head(each.key, each.label, Rows.isNumber(each)));
      this._fill([element("th", { scope: "col" }, element("span", { class: "hidden" }, "Chosen")), ...heads], this.shown.slice(this.first, this.last).map((row) => this._row(row, columns)));
    }

    _row(row, columns) {
      const id = this.data.id(row);
      const box = element("input", { type: "checkbox", "aria-label": `Choose ${this.data.raw.assembly[row]}` });
      box.checked = this.state.sel.includes(id);
      box.addEventListener("change", () => {
        const others = this.state.sel.filter((each) => each !== id);
        this.change({ sel: box.checked ? [...others, id] : others, page: this.state.page });
      });
      const cells = columns.map((each) => this._cell(each, row));
      return element("tr", { "data-id": id }, element("td", {}, box), ...cells);
    }

    _cell(column, row) {
      const raw = this.data.raw;
      const value = column.get(row);
      if (column.key === "assembly") {
        const link = element("a", { href: this._address("assembly", row), class: "id" }, raw.assembly[row]);
        const name = raw.name[row] ? [" ", element("span", { class: "name" }, raw.name[row])] : [];
        return element("th", { scope: "row" }, link, ...name);
      }
      if (column.key === "experiment") return element("td", {}, element("a", { href: this._address("experiment", row) }, value));
      if (column.kind === "state") return element("td", {}, View.state(value));
      if (column.kind === "progress") return element("td", { class: "parts" }, ...View.progress(raw.done[row], raw.planned[row]));
      if (column.kind === "time") return element("td", { class: "id" }, View.time(value));
      const text = Rows.shown(column, value);
      const isNumber = Rows.isNumber(column);
      const long = text.length > MOST;
      return element("td", { class: isNumber ? `number ${column.key === "duration" ? "duration" : ""}`.trim() : null, title: isNumber && typeof value === "number" ? String(value) : long ? text : null }, long ? `${text.slice(0, MOST - 1)}…` : text);
    }

    _address(kind, row) {
      const { folder, assembly } = this.data.raw;
      return this.addresses[kind].replace("~folder", encodeURIComponent(folder[row])).replace("~assembly", encodeURIComponent(assembly[row]));
    }

    // Show the durations of running assemblies anew
    tick() {
      for (const line of this.table.tBodies[0].querySelectorAll("tr[data-id]")) {
        const row = this.data.places.get(line.dataset.id);
        const cell = line.querySelector("td.duration");
        if (cell && this.data.raw.state[row] === "running") cell.textContent = Rows.duration(this.data.duration(row));
      }
    }

    _drawGroups(keys) {
      const metrics = this.data.columns.filter((each) => each.group === "metric");
      const pairs = this.data.metrics?.quantiles || [];
      this.groups = Rows.group(this.rows, keys).map(({ values, rows }) => ({
        values,
        n: rows.length,
        found: metrics.map((each) => Rows.statistics(rows.map((row) => each.get(row)), pairs)),
      }));
      const columns = [
        ...keys.map((each, place) => ({ ...each, get: (one) => one.values[place] })),
        { key: "n", label: "Assemblies", kind: "number", get: (one) => one.n },
        ...metrics.flatMap((each, place) => [
          { key: each.key, label: each.label, kind: "metric", get: (one) => one.found[place].mean },
          { key: `${each.key}.low`, label: "95 % interval", kind: "interval", get: (one) => one.found[place].low, whole: (one) => one.found[place] },
          { key: `${each.key}.n`, label: "n", kind: "number", get: (one) => one.found[place].n },
        ]),
      ];
      const sorting = this._sorting(columns);
      this.groupColumns = columns;
      this.groups = sorting.length ? Rows.order(this.groups, sorting) : this.groups;
      this._page(this.groups.length);
      const heads = columns.map((each) => this._head(each.key, each.label, Rows.isNumber(each)));
      this._fill(heads, this.groups.slice(this.first, this.last).map((one) => this._groupRow(one, columns, keys)));
    }

    _groupRow(one, columns, keys) {
      const cells = columns.map((each, place) => {
        if (each.whole) {
          const { low, high } = each.whole(one);
          return element("td", { class: "number" }, low == null ? "" : `${Rows.metric(low)} to ${Rows.metric(high)}`);
        }
        const text = Rows.shown(each, each.get(one));
        if (place === 0) {
          const button = element("button", { type: "button", class: "link", title: "Show these assemblies" }, text || "none");
          button.addEventListener("click", () => this._open(one, keys));
          return element("th", { scope: "row" }, button);
        }
        return element("td", { class: Rows.isNumber(each) ? "number" : null, title: typeof each.get(one) === "number" ? String(each.get(one)) : null }, text);
      });
      return element("tr", {}, ...cells);
    }

    _open(one, keys) {
      const terms = keys.map((each, place) => `"${each.key}=${Rows.plain(one.values[place]).replaceAll('"', "")}"`);
      this.change({ group: [], filter: [this.state.filter, ...terms].filter(Boolean).join(" ") });
    }

    // ---- elements around the rows

    _head(key, label, isNumber) {
      const place = this.state.sort.findIndex((each) => each.replace(/^-/, "") === key);
      const down = place >= 0 && this.state.sort[place].startsWith("-");
      const rank = place >= 0 && this.state.sort.length > 1 ? String(place + 1) : "";
      const mark = element("span", { class: "mark", "aria-hidden": "true" }, place < 0 ? "" : `${down ? "▼" : "▲"}${rank}`);
      const button = element("button", { type: "button", "data-sort": key }, label, mark);
      button.addEventListener("click", (event) => this._sort(key, event.shiftKey));
      const sort = place === 0 ? (down ? "descending" : "ascending") : null;
      return element("th", { scope: "col", "aria-sort": sort, class: isNumber ? "number" : null }, button);
    }

    _sort(key, add) {
      const place = this.state.sort.findIndex((each) => each.replace(/^-/, "") === key);
      const now = place < 0 ? null : this.state.sort[place];
      const next = now === null ? [key] : now === key ? [`-${key}`] : [];
      const others = add ? this.state.sort.filter((_, each) => each !== place) : [];
      const kept = add && place >= 0 ? [...others.slice(0, place), ...next, ...others.slice(place)] : [...others, ...next];
      this.change({ sort: kept });
      this.table.querySelector(`[data-sort="${CSS.escape(key)}"]`)?.focus();
    }

    _fill(heads, rows) {
      const focused = document.activeElement?.closest?.("#table tr[data-id]")?.dataset.id;
      const kind = document.activeElement?.tagName;
      this.table.tHead.replaceChildren(element("tr", {}, ...heads));
      this.table.tBodies[0].replaceChildren(...rows);
      if (focused) this.table.querySelector(`tr[data-id="${CSS.escape(focused)}"] ${kind}`)?.focus();
    }

    _page(count) {
      const pages = Math.max(1, Math.ceil(count / PAGE));
      this.state.page = Math.min(this.state.page, pages);
      this.first = (this.state.page - 1) * PAGE;
      this.last = Math.min(count, this.first + PAGE);
      this.part("pages").hidden = pages === 1;
      this.part("before").disabled = this.state.page === 1;
      this.part("after").disabled = this.state.page === pages;
      this.part("place").textContent = `Page ${this.state.page} of ${pages}`;
    }

    _say(isGrouped, faults) {
      const count = `${Rows.number(this.rows.length)} of ${Rows.number(this.data.count)} assemblies`;
      const at = this.state.at === "all" ? "all rows of an assembly" : `its rows at ${this.state.at}`;
      const values = this.data.metrics ? `Each metric of an assembly is the mean over ${at}.` : "The metrics are being read.";
      const about = isGrouped
        ? `${count} in ${Rows.number(this.groups.length)} groups. ${values} Mean and 95 % t interval are over the n assemblies of a group that have the metric.`
        : `${count}. ${values}`;
      this.part("said").textContent = faults.length ? `${faults.join(" ")} Nothing is shown.` : about;
      this.part("notices").textContent = this.notices;
    }

    _drawSelection() {
      const chosen = this.state.sel.filter((each) => this.data.places.has(each));
      const link = this.part("compare");
      this.part("selection").hidden = !chosen.length;
      this.part("chosen").textContent = `${chosen.length} chosen`;
      if (!link) return;
      const query = new URLSearchParams(location.search);
      for (const each of chosen) query.append("with", each);
      link.href = `${this.addresses.compare}?${query}`;
      link.hidden = chosen.length < 2;
    }

    _drawControls() {
      const shown = new Set(this._columns().map((each) => each.key));
      this._boxes("columns", this.data.columns, shown);
      const keys = this.data.columns.filter((each) => ["experiment", "sweep", "config", "state", "user", "name"].includes(each.key) || each.group === "config");
      this._boxes("groups", keys, new Set(this.state.group));
      const values = this.data.metrics?.values || ["all"];
      const at = this.part("at");
      const known = values.includes(this.state.at) ? values : [...values, this.state.at];
      if ([...at.options].map((each) => each.value).join("\n") !== known.join("\n")) {
        at.replaceChildren(...known.map((each) => element("option", { value: each }, each === "all" ? "all rows" : each)));
      }
      at.value = this.state.at;
    }

    _boxes(part, columns, chosen) {
      const list = this.part(part);
      const key = columns.map((each) => each.key).join("\n");
      if (this[`${part}Key`] !== key) {
        this[`${part}Key`] = key;
        list.replaceChildren(...columns.map((each) => element("label", {}, element("input", { type: "checkbox", value: each.key }), " ", each.label)));
      }
      for (const box of list.querySelectorAll("input")) box.checked = chosen.has(box.value);
    }

    save() {
      const [heads, lines] = this._grouping().length ? TableFile.groups(this) : TableFile.rows(this, this._columns());
      Csv.offer(this._grouping().length ? "groups.csv" : "assemblies.csv", Rows.csv(heads, lines));
    }
  }

  const root = document.getElementById("assemblies");
  return root && block("assemblies-data") ? new Overview(root) : null;
})();
