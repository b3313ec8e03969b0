"use strict";
// What the table shows, as a CSV file that the browser makes.

const TableFile = (() => {
  const texts = (fields, items) => items.map((item) => fields.map(([, get, kind]) => Rows.field(get(item), kind)));
  const names = (fields) => fields.map(([name]) => name);
  const known = ["parts_done", "parts_planned"];

  // Return the heads and the lines of all rows that pass the filter, on any page
  const rows = ({ data, shown }, columns) => {
    const parts = ["done", "planned"].map((end) => [`parts_${end}`, (row) => data.raw[end][row]]);
    // A config key that is called like another column keeps its prefix
    const taken = [...known, ...columns.filter((each) => each.group === "about").map((each) => each.key)];
    const name = (each) => (each.name && !taken.includes(each.name) ? each.name : each.key);
    const field = (each) => [each.kind === "duration" ? `${each.key}_seconds` : name(each), each.get, each.kind];
    const fields = columns.flatMap((each) => (each.kind === "progress" ? parts : [field(each)]));
    return [names(fields), texts(fields, shown)];
  };

  // Return the same of groups: their values, and n, mean and interval of each metric
  const groups = ({ groups: found, groupColumns }) => {
    const name = (key) => key.replace(/^(metric|config)\./, "").replace(/\.low$/, "").replace(/\.n$/, "_n");
    const interval = (each) => ["low", "high"].map((end) => [`${name(each.key)}_${end}`, (one) => each.whole(one)[end]]);
    const fields = groupColumns.flatMap((each) => (each.whole ? interval(each) : [[name(each.key), each.get, each.kind]]));
    return [names(fields), texts(fields, found)];
  };

  return { rows, groups };
})();
