"use strict";
// Tables as columns: decoding, filtering, sorting, grouping, text and CSV. Nothing here touches the page.

const Rows = (() => {
  const expand = (column, count) => {
    if (Array.isArray(column)) return column;
    if ("same" in column) return new Array(count).fill(column.same);
    return column.index.map((place) => column.values[place]);
  };

  // ---- text of values

  const pad = (number) => String(number).padStart(2, "0");

  const time = (ms) => {
    if (ms == null) return "";
    const at = new Date(ms);
    const day = `${at.getUTCFullYear()}-${pad(at.getUTCMonth() + 1)}-${pad(at.getUTCDate())}`;
    return `${day} ${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}:${pad(at.getUTCSeconds())}Z`;
  };

  const duration = (seconds) => {
    if (seconds == null) return "";
    const whole = Math.max(0, Math.round(seconds));
    if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
    if (whole < 86400) return `${Math.floor(whole / 3600)} h ${pad(Math.floor(whole / 60) % 60)} min`;
    return `${Math.floor(whole / 86400)} d ${Math.floor(whole / 3600) % 24} h`;
  };

  const number = (value) => {
    if (value == null) return "";
    if (typeof value !== "number") return String(value);
    if (Number.isInteger(value)) return Math.abs(value) < 1e15 ? value.toLocaleString("en") : String(value);
    const size = Math.abs(value);
    return size >= 1e5 || size < 1e-4 ? value.toExponential(3) : String(Number(value.toPrecision(4)));
  };

  const plain = (value) => {
    if (value == null) return "";
    return typeof value === "string" ? value : JSON.stringify(value);
  };

  // Four digits, zeros included, so that a column lines up
  const metric = (value) => {
    if (value == null || !Number.isFinite(value)) return plain(value);
    const size = Math.abs(value);
    return size >= 1e5 || (size < 1e-4 && size > 0) ? value.toExponential(3) : value.toPrecision(4);
  };

  const SHOW = { time, duration, number, metric };
  const NUMBERS = new Set(["number", "metric", "duration", "interval"]);
  const isNumber = (column) => NUMBERS.has(column.kind);
  const shown = (column, value) => (SHOW[column.kind] || plain)(value);

  // ---- filter: words, and conditions such as user=ada, rows>100, cohort.n_samples=60

  const TERM = /^([\p{L}_][\p{L}\p{N}_.@ -]*?)(!=|>=|<=|=|>|<)(.*)$/su;
  const UNITS = { s: 1, min: 60, h: 3600, d: 86400 };

  // Quotes keep words together, in a word of its own or behind a condition
  const words = (text) => (text.match(/(?:[^\s"]|"[^"]*(?:"|$))+/gu) || []).map((each) => each.replaceAll('"', ""));

  const wanted = (column, text) => {
    if (column.kind === "time") {
      const at = Date.parse(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text.replace(" ", "T"));
      return Number.isNaN(at) ? text : at;
    }
    const found = column.kind === "duration" ? /^([\d.]+) ?(s|min|h|d)$/.exec(text) : null;
    if (found) return Number(found[1]) * UNITS[found[2]];
    if (text.trim() !== "" && !Number.isNaN(Number(text))) return Number(text);
    return /^[[{]/.test(text) ? structure(text) : text;
  };

  // A list is written as people do: [0.0, 0.1] is [0,0.1]
  const structure = (text) => {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  };

  const compare = (value, other) => {
    if (typeof value === "number" && typeof other === "number") return value - other;
    const [one, two] = [value, other].map((each) => plain(each).toLowerCase().replaceAll('"', ""));
    return one < two ? -1 : one > two ? 1 : 0;
  };

  const HOLDS = {
    "=": (order) => order === 0,
    "!=": (order) => order !== 0,
    ">": (order) => order > 0,
    "<": (order) => order < 0,
    ">=": (order) => order >= 0,
    "<=": (order) => order <= 0,
  };

  const find = (columns, name) => {
    const key = name.toLowerCase();
    const named = (each) => [each.key, each.label, each.name].some((word) => word?.toLowerCase() === key);
    const exact = columns.find(named);
    if (exact) return exact;
    const ending = columns.filter((each) => each.key.toLowerCase().endsWith(`.${key}`));
    return ending.length === 1 ? ending[0] : null;
  };

  const condition = (columns, name, operator, text) => {
    const column = find(columns, name);
    if (!column) throw new Error(`There is no column ${name}.`);
    const other = wanted(column, text);
    const holds = HOLDS[operator];
    if (text === "") return (row) => holds(plain(column.get(row)) === "" ? 0 : 1);
    return (row) => {
      const value = column.get(row);
      return value == null ? operator === "!=" : holds(compare(value, other));
    };
  };

  // Return whether a row is shown, and what cannot be understood
  const filter = (columns, text, searched) => {
    const tests = [];
    const faults = [];
    for (const word of words(text)) {
      const found = TERM.exec(word);
      try {
        tests.push(found ? condition(columns, found[1], found[2], found[3]) : contains(searched, word.toLowerCase()));
      } catch (error) {
        faults.push(error.message);
      }
    }
    return { faults, holds: (row) => tests.every((each) => each(row)) };
  };

  const contains = (searched, word) => (row) => searched(row).includes(word);

  // ---- order: several columns, stable, missing values last

  const order = (rows, keys) => {
    const by = keys.map(({ column, down }) => ({ values: rows.map((row) => sortable(column.get(row))), down }));
    const precedes = (one, other) => {
      for (const { values, down } of by) {
        const [left, right] = [values[one], values[other]];
        if (left === right) continue;
        if (left === null) return 1;
        if (right === null) return -1;
        const places = typeof left === typeof right ? (left < right ? -1 : 1) : typeof left === "number" ? -1 : 1;
        return down ? -places : places;
      }
      return one - other;
    };
    const places = Uint32Array.from(rows, (_, place) => place).sort(precedes);
    return Array.from(places, (place) => rows[place]);
  };

  const sortable = (value) => {
    if (value == null || value === "") return null;
    return typeof value === "number" ? value : plain(value).toLowerCase();
  };

  // ---- statistics over assemblies

  // Quantile of t; between the given degrees of freedom it is linear in 1 / freedom
  const quantile = (pairs, freedom) => {
    const place = pairs.findIndex(([at]) => at >= freedom);
    if (place < 0) return pairs[pairs.length - 1][1];
    const [above, value] = pairs[place];
    if (above === freedom || place === 0) return value;
    const [below, before] = pairs[place - 1];
    const share = (1 / below - 1 / freedom) / (1 / below - 1 / above);
    return before + share * (value - before);
  };

  const statistics = (values, pairs) => {
    const known = values.filter((each) => typeof each === "number");
    const n = known.length;
    if (n === 0) return { n, mean: null, low: null, high: null };
    const mean = known.reduce((sum, each) => sum + each, 0) / n;
    if (n === 1 || !pairs.length) return { n, mean, low: null, high: null };
    const variance = known.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (n - 1);
    const half = quantile(pairs, n - 1) * Math.sqrt(variance / n);
    return { n, mean, low: mean - half, high: mean + half };
  };

  // Return one group per combination of values, in the order of the rows
  const group = (rows, columns) => {
    const found = new Map();
    for (const row of rows) {
      const values = columns.map((each) => each.get(row));
      const key = JSON.stringify(values);
      if (!found.has(key)) found.set(key, { values, rows: [] });
      found.get(key).rows.push(row);
    }
    return [...found.values()];
  };

  // ---- CSV: strings as they are, numbers in full, times in UTC

  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const field = (value, kind) => {
    if (value == null) return "";
    return quoted(kind === "time" ? new Date(value).toISOString() : plain(value));
  };
  const csv = (heads, lines) => [heads.map(quoted), ...lines].map((line) => line.join(",")).join("\n") + "\n";

  return { expand, shown, plain, number, metric, isNumber, time, duration, words, filter, find, order, quantile, statistics, group, field, csv };
})();
