"use strict";
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  byId("toolbar").hidden = false;
  for (const keys of all(".keys")) keys.hidden = false;

  // ---- theme ----
  const kept = "saetext-theme";
  const radios = all("input[name=theme]");
  const setTheme = (theme) => {
    root.dataset.theme = theme;
    for (const radio of radios) radio.checked = radio.value === theme;
  };
  try {
    const theme = localStorage.getItem(kept);
    setTheme(["light", "dark"].includes(theme) ? theme : "auto");
  } catch { setTheme("auto"); } // a page from a file may not store anything
  for (const radio of radios) {
    radio.addEventListener("change", () => {
      setTheme(radio.value);
      try { localStorage.setItem(kept, radio.value); } catch { /* then it is not kept */ }
    });
  }

  // ---- printing shows everything ----
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => { for (const details of closed) details.open = false; });

  const list = byId("cards");
  if (!list) return;

  // ---- filter, toggles, sort ----
  const filter = byId("filter"), sort = byId("sort"), confirmed = byId("confirmed"), length = byId("length");
  const lines = new Map(all(".lines > li").map((line) => [line.dataset.card, line]));
  const fold = (text) => text.toLowerCase().replace(/\s+/g, " ");
  const cards = all(".card", list).map((element) => {
    const line = lines.get(element.dataset.order);
    const texts = all(".find", element).concat(line ? all(".find", line) : []);
    return { element, item: element.parentElement, line, text: fold(texts.map((one) => one.textContent).join(" ")) };
  });
  const shown = () => cards.filter((card) => !card.item.hidden);

  const show = () => {
    const words = fold(filter.value).split(" ").filter(Boolean);
    for (const card of cards) {
      const data = card.element.dataset;
      card.item.hidden = (confirmed.checked && !data.confirmed) || (length.checked && Boolean(data.length))
        || !words.every((word) => card.text.includes(word));
      if (card.line) card.line.classList.toggle("off", card.item.hidden);
    }
    const many = shown().length;
    byId("count").textContent = `${many} of ${cards.length} shown`;
    byId("nothing").hidden = many > 0;
  };
  const value = (card, name, missing) => name in card.element.dataset ? Number(card.element.dataset[name]) : missing;
  const orders = {
    given: () => 0,
    size: (one, other) => value(other, "size", -1) - value(one, "size", -1),
    q: (one, other) => value(one, "q", 2) - value(other, "q", 2),
    label: (one, other) => value(one, "label", 0) - value(other, "label", 0),
    adjusted: (one, other) => value(other, "adjusted", -1) - value(one, "adjusted", -1),
  };
  const arrange = () => {
    cards.sort((one, other) => orders[sort.value](one, other) || value(one, "order", 0) - value(other, "order", 0));
    list.append(...cards.map((card) => card.item));
  };
  const clear = () => { filter.value = ""; show(); };

  filter.addEventListener("input", show);
  confirmed.addEventListener("change", show);
  length.addEventListener("change", show);
  sort.addEventListener("change", arrange);

  // ---- a line of the plot leads to its card, hidden or not ----
  const go = (card) => {
    card.element.focus({ preventScroll: true });
    card.element.scrollIntoView({ block: "start" });
  };
  for (const card of cards) {
    if (!card.line) continue;
    card.line.querySelector("a").addEventListener("click", (event) => {
      event.preventDefault();
      if (card.item.hidden) {
        confirmed.checked = length.checked = false;
        clear();
      }
      go(card);
    });
  }

  // ---- keys ----
  const step = (by) => {
    const visible = shown();
    if (!visible.length) return;
    const at = visible.findIndex((card) => card.element.contains(document.activeElement));
    const next = at < 0 ? (by > 0 ? 0 : visible.length - 1) : Math.min(Math.max(at + by, 0), visible.length - 1);
    go(visible[next]);
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const active = document.activeElement;
    if (event.key === "Escape") {
      if (active && active.closest(".plot")) active.blur();
      if (filter.value) clear();
      return;
    }
    if (active && active.matches("input[type=search], select")) return;
    if (event.key === "/") {
      event.preventDefault();
      filter.focus();
      filter.select();
    } else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
  });

  // a reloaded page keeps what was typed
  show();
  arrange();
})();
