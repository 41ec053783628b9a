(() => {
  "use strict";
  // Documents of a static copy: searched, narrowed to a feature (#f=NUMBER) or to one of them (#d=ROW), 25 at a time.
  // Texts stay text.
  const byId = (id) => document.getElementById(id), step = 25;
  const all = [...byId("documents").children];
  const texts = all.map((one) => [...one.querySelectorAll("h2, .values, .prompt, blockquote")].map((e) => e.textContent).join("\n").toLowerCase());
  const has = all.map((one) => new Set(one.dataset.features.split(" ")));
  const search = byId("search"), told = new Intl.NumberFormat("en");
  let shown = step;
  const asked = (kind) => new RegExp(`^#${kind}=(\\d+)$`).exec(location.hash)?.[1] ?? null;
  const feature = () => asked("f"), document_ = () => asked("d") && byId(`d=${asked("d")}`);
  const paged = new Set(byId("documents").dataset.paged.split(" "));
  const draw = () => {
    const words = search.value.trim().toLowerCase(), only = feature(), alone = document_();
    let found = 0;
    for (const [at, one] of all.entries()) {
      const fits = (!alone || one === alone) && (only === null || has[at].has(only)) && (!words || texts[at].includes(words));
      found += fits;
      one.hidden = !fits || found > shown;
    }
    byId("more").hidden = found <= shown;
    byId("whole").hidden = only === null && !alone;
    byId("page").hidden = !paged.has(only);
    if (paged.has(only)) byId("page").href = `${byId("documents").dataset.pages}/${only}.html`;
    let name = "";
    for (const link of document.querySelectorAll(".chips a")) {
      const on = only !== null && link.getAttribute("href") === `#f=${only}`;
      link.classList.toggle("on", on);
      if (on) name = link.textContent;
    }
    byId("count").textContent = `${told.format(found)} of ${told.format(all.length)} documents`
      + (only === null ? "" : ` have this among their most telling: ${name || `feature ${only}`}`);
  };
  const again = () => { shown = step; draw(); };
  let waits = 0;
  search.addEventListener("input", () => { clearTimeout(waits); waits = setTimeout(again, 120); });
  byId("more").addEventListener("click", () => {
    const next = all.find((one, at) => one.hidden && at > all.findLastIndex((other) => !other.hidden));
    shown += step;
    draw();
    if (next && !next.hidden) { next.tabIndex = -1; next.focus(); }
  });
  byId("whole").addEventListener("click", () => {
    history.replaceState(null, "", location.pathname + location.search);
    again();
    search.focus();
  });
  addEventListener("hashchange", () => { again(); if (feature() !== null || document_()) scrollTo(0, 0); });
  byId("narrow").hidden = false;
  draw();
})();
