"use strict";
// Heads of tables become buttons that sort: ascending, descending, then as written.
const NUMBER = /(<\s*)?(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)/i;

function numberIn(text) {
  const found = NUMBER.exec(text);
  if (!found) return null;
  // "< 0.001" is below 0.001
  return Number(found[2]) - (found[1] ? 1e-9 : 0);
}

function compare(one, other, isNumeric) {
  if (!one || !other) return 0;
  if (isNumeric) return numberIn(one) - numberIn(other);
  return one.localeCompare(other, "en", { numeric: true });
}

function sorted(rows, column, isNumeric, sign) {
  const keyed = rows.map((row) => {
    const text = row.cells[column].textContent.trim();
    return { row, text: isNumeric && numberIn(text) === null ? "" : text };
  });
  // cells without a value stay last in both directions
  keyed.sort((a, b) => (a.text === "") - (b.text === "") || sign * compare(a.text, b.text, isNumeric));
  return keyed.map((each) => each.row);
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const written = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);
  if (written.length < 2) return;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")] || "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      if (next !== "none") head.setAttribute("aria-sort", next);
      const isNumeric = head.classList.contains("number");
      const sign = next === "ascending" ? 1 : -1;
      body.append(...(next === "none" ? written : sorted(written, column, isNumeric, sign)));
    });
  });
}

document.querySelectorAll("table").forEach(makeSortable);
