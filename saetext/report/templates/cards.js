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

  // ---- printing opens what is folded in the cards that are shown ----
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => { for (const details of closed) details.open = false; });

  const lists = all(".cards");
  if (!lists.length) return;

  // ---- filter, toggles, sort ----
  // a box with data-keep="x" leaves only cards with data-x, one with data-drop="x" only those without; an
  // option with data-by="x" sorts by the numbers in data-x, with data-down from the largest
  const filter = byId("filter"), sort = byId("sort");
  const boxes = all("input[data-keep], input[data-drop]");
  const fold = (text) => text.toLowerCase().replace(/\s+/g, " ");
  const leading = new Map(); // what leads to a card, by its number: lines of a plot, edges of a network
  for (const one of all("[data-card]")) leading.set(one.dataset.card, (leading.get(one.dataset.card) || []).concat(one));
  const cards = lists.flatMap((list, at) => all(".card", list).map((element) => {
    const leads = leading.get(element.dataset.order) || [];
    const texts = [element, ...leads].flatMap((one) => all(".find", one));
    const text = fold(texts.map((one) => one.textContent).join(" "));
    return { element, item: element.parentElement, list, at, leads, text };
  }));
  const shown = () => cards.filter((card) => !card.item.hidden);

  // ---- what is open at first: so many of each list as it is sorted; whoever searches searches all ----
  const section = byId("findings"), most = section.dataset.opened === undefined ? Infinity : Number(section.dataset.opened);
  const buttons = [byId("more"), byId("rest")];
  const total = Math.max(Number(section.dataset.total) || 0, cards.length);
  let everything = false;
  const told = (n) => n.toLocaleString("en-US");

  const show = () => {
    const words = fold(filter.value).split(" ").filter(Boolean);
    const taken = new Map();
    let matching = 0;
    for (const card of cards) {
      const data = card.element.dataset;
      card.matches = !boxes.some((box) => box.checked && (box.dataset.keep ? !data[box.dataset.keep] : Boolean(data[box.dataset.drop])))
        && words.every((word) => card.text.includes(word));
      const before = taken.get(card.list) || 0;
      card.item.hidden = !card.matches || !(everything || words.length > 0 || before < most);
      if (card.matches) matching += 1;
      if (!card.item.hidden) taken.set(card.list, before + 1);
      for (const lead of card.leads) lead.classList.toggle("off", !card.matches);
    }
    const visible = shown();
    for (const list of lists) {
      const part = list.closest(".part"); // with its heading
      if (part) part.hidden = !visible.some((card) => card.list === list);
    }
    const cut = matching - visible.length;
    const among = cut && matching < cards.length ? `the ${told(matching)} that match, of ${told(total)},` : told(total);
    byId("count").textContent = `${told(visible.length)} of ${among} shown${cut ? `; the filter searches all${total > cards.length ? " on this page" : ""}` : ""}`;
    byId("nothing").hidden = visible.length > 0;
    const open = everything && !words.length && lists.some((list) => (taken.get(list) || 0) > most);
    for (const button of buttons) {
      button.hidden = !cut && !(open && button.id === "more");
      button.textContent = open ? `Show the first ${told(most)}${lists.length > 1 ? " of each" : ""}` : `Show all ${told(matching)}`;
    }
  };
  const arrange = () => {
    const { by, down } = sort.selectedOptions[0].dataset;
    const way = down === undefined ? 1 : -1;
    const key = (card) => by === undefined ? 0 : by in card.element.dataset ? way * card.element.dataset[by] : Infinity;
    cards.sort((one, other) => one.at - other.at || key(one) - key(other) || one.element.dataset.order - other.element.dataset.order);
    for (const list of lists) list.append(...cards.filter((card) => card.list === list).map((card) => card.item));
    show();
  };
  const clear = () => { filter.value = ""; show(); };

  filter.addEventListener("input", show);
  for (const box of boxes) box.addEventListener("change", show);
  sort.addEventListener("change", arrange);
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const before = new Set(shown());
      everything = !everything;
      show();
      if (!button.hidden) return;
      // the button at the end has gone: go on reading where it stood, in the last list that has more now
      const fresh = shown().filter((card) => !before.has(card)), last = fresh.at(-1);
      if (last) go(fresh.find((card) => card.list === last.list));
    });
  }

  // ---- a line of the plot or an edge leads to its card, hidden or not ----
  const go = (card) => {
    card.element.focus({ preventScroll: true });
    card.element.scrollIntoView({ block: "start" });
  };
  const reveal = (card) => {
    if (!card.matches) {
      for (const box of boxes) box.checked = false;
      clear();
    }
    if (card.item.hidden) {
      everything = true;
      show();
    }
  };
  for (const card of cards) {
    for (const lead of card.leads) {
      lead.addEventListener("click", (event) => {
        if (!event.target.closest("a") || event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        reveal(card);
        go(card);
      });
    }
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

  // a reloaded page keeps what was typed, and an address with a finding leads to it
  arrange();
  const meant = () => {
    const card = cards.find((one) => `#${one.element.id}` === location.hash);
    if (card && card.item.hidden) {
      reveal(card);
      go(card);
    }
  };
  addEventListener("hashchange", meant);
  meant();
})();
