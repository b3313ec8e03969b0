"use strict";
// Tables as CSV files, which the browser makes.

const Csv = (() => {
  const field = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const plain = (cell) => cell.textContent.replace(/\s+/g, " ").trim();
  const line = (row) => [...row.cells].map((cell) => field(plain(cell))).join(",");
  const fileName = (title) => `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60).replace(/^-|-$/g, "") || "table"}.csv`;

  const offer = (name, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  // Put a button below a table that saves it as it is shown
  const addButton = (table) => {
    const title = plain(table.caption);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "csv";
    button.textContent = "Save as CSV";
    button.setAttribute("aria-label", `Save as CSV: ${title}`);
    button.addEventListener("click", () => offer(fileName(title), `${[...table.rows].map(line).join("\r\n")}\r\n`));
    table.closest(".scroll").after(button);
  };

  // that of all assemblies has a button of its own, which saves unrounded values
  document.querySelectorAll("main .scroll table:not(#table)").forEach((table) => table.caption && addButton(table));
  return { offer };
})();
