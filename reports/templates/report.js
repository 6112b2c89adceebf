// The page needs none of this: everything is shown without it. It filters, moves in a matrix by the
// arrow keys, opens what a link leads to, and opens everything for the printer.
(() => {
"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const letter = (td) => /(?:^| )v(\w)/.exec(td.className)[1];

// A cell: its place, the hosts and names of its row and column, and its evidence.
const cells = [];
const tables = all("table.mx:not(.heat)").map((table) => {
  const hosts = all("tr.hosts > *", table).slice(1).flatMap((th) => Array(th.colSpan).fill(th.textContent.trim()));
  const names = all("thead tr:last-child th", table).map((th) => th.textContent.trim().toLowerCase());
  const rows = [];
  for (const body of table.tBodies) {
    const host = body.rows[0].textContent.trim();
    for (const row of [...body.rows].slice(1)) {
      const name = row.cells[0].textContent.trim().toLowerCase();
      const line = [...row.cells].slice(1).map((td, column) => {
        const link = td.firstElementChild;
        if (!link) return null;
        const id = link.hash ? decodeURIComponent(link.hash.slice(1)) : "";
        const shown = id && document.getElementById(id);
        const cell = { td, link, from: host, to: hosts[column], names: [name, names[column]],
          evidence: shown ? shown.closest("details.ev") : null };
        cells.push(cell);
        return cell;
      });
      rows.push({ row, line });
    }
  }
  return { table, rows };
});

// Filter.
const form = document.getElementById("filter");
const apply = () => {
  const asked = Object.fromEntries(new FormData(form));
  const name = asked.name.trim().toLowerCase();
  const any = Object.values(asked).some(Boolean);
  const fits = ({ td, from, to, names }) => {
    const has = td.classList;
    if (asked.verdict === "bad" ? "PB".includes(letter(td))
      : asked.verdict && letter(td) !== asked.verdict && !has.contains(`q${asked.verdict}`)) return false;
    if (asked.from && from !== asked.from || asked.to && to !== asked.to) return false;
    if (asked.kind && !has.contains(asked.kind)) return false;
    return !name || names.some((one) => one.includes(name));
  };
  let shown = 0;
  for (const cell of cells) {
    const fit = fits(cell);
    shown += fit;
    cell.td.classList.toggle("no", !fit);
    if (cell.evidence) cell.evidence.hidden = !fit;
  }
  for (const { table, rows } of tables) {
    for (const { row, line } of rows) {
      row.hidden = any && !line.some((cell) => cell && !cell.td.classList.contains("no"));
    }
    for (const body of table.tBodies) body.hidden = ![...body.rows].slice(1).some((row) => !row.hidden);
  }
  for (const source of all("#evidence ~ details.source")) {
    const inside = all("details.ev", source);
    source.hidden = any && inside.every((one) => one.hidden);
  }
  const places = tables.some(({ table }) => table.querySelector("[class*=' q']")) ? "places" : "cells";
  form.querySelector("output").textContent = any ? `${shown} of ${cells.length} ${places}` : "";
  rove();
};
form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", apply);
form.addEventListener("reset", () => setTimeout(apply));

// One stop for Tab in each matrix; the arrow keys move from there.
const open = (cell) => cell && cell.link.hash && !cell.td.classList.contains("no");
const rove = () => {
  for (const { rows } of tables) {
    const there = rows.flatMap(({ line }) => line).filter(Boolean);
    const old = there.find((cell) => cell.link.tabIndex === 0 && open(cell));
    const stop = old && old.link.dataset.stop ? old : there.find(open);
    for (const cell of there) cell.link.tabIndex = cell === stop ? 0 : -1;
  }
};
const stopAt = (table, cell) => {
  for (const { line } of table.rows) for (const one of line) if (one) {
    one.link.tabIndex = one === cell ? 0 : -1;
    delete one.link.dataset.stop;
  }
  cell.link.dataset.stop = "yes";
  cell.link.focus();
};
for (const one of tables) {
  one.table.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const y = one.rows.findIndex(({ row }) => row.contains(event.target));
    if (y < 0) return;
    const x = one.rows[y].line.findIndex((cell) => cell && cell.link === event.target);
    const line = one.rows[y].line, column = one.rows.map((row) => row.line[x]);
    const to = {
      ArrowRight: () => line.slice(x + 1).find(open),
      ArrowLeft: () => line.slice(0, x).reverse().find(open),
      ArrowDown: () => column.slice(y + 1).find(open),
      ArrowUp: () => column.slice(0, y).reverse().find(open),
      Home: () => line.find(open),
      End: () => [...line].reverse().find(open),
    }[event.key];
    if (!to) return;
    event.preventDefault();
    const cell = to();
    if (cell) stopAt(one, cell);
  });
}
rove();

// A link into something closed, or filtered out, opens it.
const reveal = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.closest("[hidden]")) form.reset();
  setTimeout(() => {
    for (let up = target.closest("details"); up; up = up.parentElement.closest("details")) up.open = true;
    target.scrollIntoView();
  });
};
addEventListener("hashchange", reveal);
reveal();

// Paper gets everything, also from browsers whose style sheets cannot open a <details>.
let closed = [];
addEventListener("beforeprint", () => {
  closed = all("details:not([open])");
  for (const one of closed) one.open = true;
});
addEventListener("afterprint", () => { for (const one of closed) one.open = false; });
})();
