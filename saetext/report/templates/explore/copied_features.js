(() => {
  "use strict";
  // A table of a static copy, of features or themes: searched, sorted by a column, 100 lines at a time. Texts stay text.
  const byId = (id) => document.getElementById(id), step = 100;
  const table = byId("table"), body = table.tBodies[0], first = [...body.rows];
  const texts = new Map(first.map((row) => [row, (row.dataset.search || `${row.cells[0].querySelector("bdi").textContent} ${row.cells[1].textContent}`).toLowerCase()]));
  const search = byId("search"), told = new Intl.NumberFormat("en");
  let rows = first, shown = step, by = null, down = true;
  const draw = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const row of rows) {
      const fits = words.every((word) => texts.get(row).includes(word));
      found += fits;
      row.hidden = !fits || found > shown;
    }
    byId("more").hidden = found <= shown;
    byId("count").textContent = `${told.format(found)} of ${told.format(first.length)} ${table.dataset.what}`;
  };
  const value = (row, name) => {
    const cell = row.querySelector(`[data-name="${name}"]`);
    return cell.dataset.is === undefined ? null : Number(cell.dataset.is);
  };
  const sort = (name) => {
    down = by === name ? !down : name !== "label" && name !== "feature";
    by = name;
    const way = down ? -1 : 1;
    const keyed = first.map((row) => [row, name === "label" ? row.cells[0].querySelector("bdi").textContent.toLowerCase() : value(row, name)]);
    keyed.sort(([, a], [, b]) => a === b ? 0 : a === null ? 1 : b === null ? -1 : way * (a < b ? -1 : 1)); // unknown last
    rows = keyed.map(([row]) => row);
    body.append(...rows);
    for (const head of table.tHead.rows[0].cells) {
      if (head.dataset.by === name) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    shown = step;
    draw();
  };
  for (const head of table.tHead.querySelectorAll("[data-by]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(head.dataset.by));
    head.replaceChildren(button);
  }
  let waits = 0;
  search.addEventListener("input", () => { clearTimeout(waits); waits = setTimeout(() => { shown = step; draw(); }, 80); });
  byId("more").addEventListener("click", () => { shown += step; draw(); });
  byId("narrow").hidden = false;
  draw();
})();
