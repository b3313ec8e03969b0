"use strict";
// The assemblies of the page as columns, and what changes in them.

const Assemblies = (() => {
  const SEARCHED = ["experiment", "assembly", "name", "state", "user", "note", "sweep", "error"];

  const column = (key, label, kind, get, more = {}) => ({ key, label, kind, get, group: "about", ...more });

  class Data {
    constructor(table) {
      this.replace(table);
      this.metrics = null;
    }

    replace(table) {
      this.count = table.count;
      this.stamp = table.stamp;
      this.raw = Object.fromEntries(
        Object.entries(table.columns).map(([name, values]) => [name, [...Rows.expand(values, table.count)]]),
      );
      this.configs = table.configs;
      this.configCount = table.configs.number.length;
      this.values = Object.fromEntries(
        Object.entries(table.configs.values).map(([key, values]) => [key, Rows.expand(values, this.configCount)]),
      );
      this.places = new Map(this.raw.assembly.map((id, row) => [`${this.raw.folder[row]}/${id}`, row]));
      this.texts = new Array(this.count);
      this.chosen = null;
      this.columns = this._columns();
      if (this.metrics) this.setMetrics(this.metrics);
    }

    rows() {
      return Array.from({ length: this.count }, (_, row) => row);
    }

    id(row) {
      return `${this.raw.folder[row]}/${this.raw.assembly[row]}`;
    }

    // What words are looked up in
    text(row) {
      this.texts[row] ??= SEARCHED.map((name) => this.raw[name][row] ?? "").join("\n").toLowerCase();
      return this.texts[row];
    }

    duration(row) {
      const begun = this.raw.started[row];
      const end = this.raw.state[row] === "running" ? Date.now() : this.raw.ended[row];
      return begun == null || end == null ? null : (end - begun) / 1000;
    }

    rate(row) {
      const left = this.raw.left[row];
      const parts = this.raw.planned[row] - this.raw.done[row];
      return left > 0 && parts > 0 ? (parts / left) * 3600 : null;
    }

    _columns() {
      const raw = (name) => (row) => this.raw[name][row];
      const share = (row) => (this.raw.planned[row] ? this.raw.done[row] / this.raw.planned[row] : null);
      const config = (row) => this.configs.number[this.raw.config[row]];
      return [
        column("experiment", "Experiment", "experiment", raw("experiment")),
        column("assembly", "Assembly", "assembly", raw("assembly")),
        column("state", "State", "state", raw("state")),
        column("progress", "Parts", "progress", share),
        column("started", "Started", "time", raw("started")),
        column("ended", "Ended", "time", raw("ended")),
        column("duration", "Duration", "duration", (row) => this.duration(row)),
        column("left", "Time left", "duration", raw("left")),
        column("doing", "Doing", "text", raw("doing")),
        column("rate", "Parts an hour", "number", (row) => this.rate(row)),
        column("rows", "Rows", "number", raw("rows")),
        column("without", "Without metric", "number", raw("without")),
        column("user", "User", "text", raw("user")),
        column("note", "Note", "text", raw("note")),
        column("error", "Error", "text", raw("error")),
        column("name", "Name", "text", raw("name")),
        column("sweep", "Sweep", "text", raw("sweep")),
        column("config", "Config", "number", config),
        ...Object.keys(this.values).map((key) => this._configColumn(key)),
      ];
    }

    _configColumn(key) {
      const values = this.values[key];
      const known = values.filter((each) => each != null);
      const kind = known.length && known.every((each) => typeof each === "number") ? "number" : "text";
      return column(`config.${key}`, key, kind, (row) => values[this.raw.config[row]] ?? null, { group: "config", name: key });
    }

    // Take the means of metrics, which come later than the table
    setMetrics(found) {
      this.metrics = found;
      this.chosen = null;
      this.means = Object.fromEntries(found.metrics.map(({ name }) => [name, new Array(this.count).fill(null)]));
      for (const [folder, columns] of Object.entries(found.folders)) {
        columns.assembly_id.forEach((id, place) => {
          const row = this.places.get(`${folder}/${id}`);
          if (row === undefined) return;
          for (const { name } of found.metrics) this.means[name][row] = columns[name]?.[place] ?? null;
        });
      }
      const own = found.metrics.map(({ name, label }) =>
        column(`metric.${name}`, label, "metric", (row) => this.means[name][row], { group: "metric", name }),
      );
      this.columns = [...this.columns.filter((each) => each.group !== "metric"), ...own];
    }

    // Columns that are shown until others are chosen: those that say something, configs where they differ, three metrics
    defaults() {
      return (this.chosen ??= this._defaults());
    }

    _defaults() {
      const several = new Set(this.raw.experiment).size > 1;
      const some = (name) => this.raw[name].some((each) => each != null && each !== 0);
      const first = ["assembly", "state", "progress", "started", "duration", ...["left", "doing"].filter(some), "rows"];
      const last = [...(some("without") ? ["without"] : []), "user", ...(some("note") ? ["note"] : [])];
      const known = (name) => this.means[name].some((each) => each != null);
      const metrics = this.columns.filter((each) => each.group === "metric" && known(each.name)).slice(0, 3);
      return [
        ...(several ? ["experiment"] : []),
        ...first,
        ...this._differing().slice(0, 4),
        ...metrics.map((each) => each.key),
        ...last,
      ];
    }

    // Config keys whose values differ within an experiment
    _differing() {
      const of = new Map();
      this.raw.config.forEach((config, row) => {
        if (!of.has(this.raw.folder[row])) of.set(this.raw.folder[row], new Set());
        of.get(this.raw.folder[row]).add(config);
      });
      const differs = (values) =>
        [...of.values()].some((configs) => new Set([...configs].map((each) => JSON.stringify(values[each] ?? null))).size > 1);
      return Object.keys(this.values).filter((key) => differs(this.values[key])).map((key) => `config.${key}`);
    }

    stateOf({ folder, assembly }) {
      return this.raw.state[this.places.get(`${folder}/${assembly}`)];
    }

    // Take new values of assemblies; return those that are not in the table
    update(changes) {
      const unknown = [];
      this.chosen = null;
      for (const change of changes) {
        const row = this.places.get(`${change.folder}/${change.assembly}`);
        if (row === undefined) unknown.push(change);
        else for (const name of Object.keys(change)) if (name in this.raw) this.raw[name][row] = change[name];
        if (row !== undefined) this.texts[row] = undefined;
      }
      return unknown;
    }
  }

  return { Data };
})();
