"use strict";
// Everything works without this script, as plain links and forms. With it, a link or form that has data-part="id id"
// fetches its page and puts only those elements in place; the address changes all the same.
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const say = (text) => { const said = byId("said"); if (said) said.textContent = text; };

  // ---- theme ----
  const radios = all("input[name=theme]");
  const setTheme = (theme) => {
    root.dataset.theme = theme;
    for (const radio of radios) radio.checked = radio.value === theme;
  };
  byId("themes").hidden = false;
  try {
    const theme = localStorage.getItem("saetext-theme");
    setTheme(["light", "dark"].includes(theme) ? theme : "auto");
  } catch { setTheme("auto"); }
  for (const radio of radios) {
    radio.addEventListener("change", () => {
      setTheme(radio.value);
      try { localStorage.setItem("saetext-theme", radio.value); } catch { /* then it is not kept */ }
    });
  }

  // ---- parts ----
  let running = null;
  const busy = (on) => { byId("busy").hidden = !on; };
  const put = (fresh, ids) => {
    for (const id of ids) {
      const now = byId(id), next = fresh.getElementById(id);
      if (now && next) now.replaceWith(next);
      else if (now) now.replaceChildren();
    }
    begin();
  };
  // ``way``: push, replace or none, of the address
  const load = async (url, ids, { way = "push", body = null, quiet = false } = {}) => {
    if (running) running.abort();
    const mine = running = new AbortController();
    const waiting = setTimeout(() => busy(true), 150);
    for (const id of ids) byId(id)?.setAttribute("aria-busy", "true");
    try {
      const asked = { signal: mine.signal, headers: { accept: "text/html" }, ...(body ? { method: "POST", body } : {}) };
      const answer = await fetch(url, asked);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!answer.ok) {
        const told = fresh.getElementById("told");
        fail(told ? told.textContent : `the explorer answered ${answer.status}`);
        return;
      }
      if (way === "push") history.pushState({}, "", answer.url);
      if (way === "replace") history.replaceState({}, "", answer.url);
      shown = place();
      document.title = fresh.title;
      const typed = document.activeElement?.closest("form") && document.activeElement.name;
      const again = document.activeElement?.dataset.again;
      all("#failed").forEach((one) => one.remove());
      put(fresh, ids);
      if (typed && document.activeElement === document.body) document.querySelector(`#main form [name="${CSS.escape(typed)}"]`)?.focus();
      if (again && document.activeElement === document.body) { // a button that is elsewhere now, or is gone
        (document.querySelector(`[data-again="${CSS.escape(again)}"]`) || byId("main")).focus();
      }
      if (!quiet) say(fresh.getElementById("result-count")?.textContent || "loaded");
    } catch (error) {
      if (error.name !== "AbortError") fail("the explorer does not answer: is it still running?");
    } finally {
      if (running === mine) { running = null; busy(false); }
      clearTimeout(waiting);
      for (const id of ids) byId(id)?.removeAttribute("aria-busy");
    }
  };
  const fail = (text) => {
    all("#failed").forEach((one) => one.remove());
    const note = document.createElement("p");
    note.id = "failed";
    note.className = "note warn";
    note.setAttribute("role", "alert");
    note.textContent = text;
    byId("main").prepend(note);
    note.scrollIntoView({ block: "nearest" });
  };
  const parts = (element) => element.dataset.part.split(" ");
  const posts = (form) => form.getAttribute("method") === "post";
  const address = (form) => {
    const data = new FormData(form);
    if (data.get("was") === data.get("corpus")) data.delete("was"); // only a change says which it was
    if (data.has("fitted")) { // what was judged in one search is not judged in another
      if (data.get("fitted") !== ["corpus", "by", "q"].map((name) => (data.get(name) ?? "").trim()).join(" ")) ["more", "less"].forEach((name) => data.delete(name));
      data.delete("fitted");
    }
    const fields = [...data].filter(([, value]) => value !== "");
    const query = new URLSearchParams(fields).toString();
    return form.getAttribute("action") + (query ? `?${query}` : "");
  };

  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest("a[data-part]");
    if (link) {
      event.preventDefault();
      load(new URL(link.getAttribute("href"), location.href).href, parts(link)); // a link in a drawing has no plain href
      return;
    }
    const word = event.target.closest("[data-word]"), words = byId("choose-word");
    if (word && words && getSelection().isCollapsed) { // who marks some text does not ask about its last word
      words.elements.word.value = word.dataset.word;
      load(address(words), parts(words)).then(() => byId("why")?.scrollIntoView({ block: "nearest" }));
      return;
    }
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      const whole = new URL(copy.dataset.copy, location.href).href;
      navigator.clipboard?.writeText(whole).then(() => { copy.textContent = "copied"; }, () => prompt("Copy this link", whole));
    }
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.part || event.defaultPrevented) return;
    event.preventDefault();
    // by their attributes: a field may be called method or action
    if (posts(form)) load(form.getAttribute("action"), parts(form), { body: new URLSearchParams(new FormData(form, event.submitter)) });
    else load(address(form), parts(form));
  });
  // a field with data-live="id" asks for these parts while one types, a choice asks once it has changed
  let typing = 0;
  document.addEventListener("input", (event) => {
    if (!event.target.matches("[data-live]")) return;
    clearTimeout(typing);
    const form = event.target.form;
    const ids = event.target.dataset.live.split(" "); // not the field itself
    typing = setTimeout(() => load(address(form), ids, { way: "replace" }), 200);
  });
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (!form || posts(form) || !event.target.matches("select, input[type=checkbox], input[type=radio]")) return;
    if (!form.matches("[data-part], .ask")) return;
    form.requestSubmit();
  });
  // a slider says its number while it moves
  document.addEventListener("input", (event) => {
    const told = event.target.dataset.told && byId(event.target.dataset.told);
    if (told) told.textContent = event.target.value;
  });
  const place = () => location.pathname + location.search;
  let shown = place();
  addEventListener("popstate", () => {
    if (place() !== shown) load(location.href, ["main"], { way: "none" }); // else only the fragment is another
    shown = place();
  });

  // ---- what comes after the first paint: an element with data-load="address" is replaced by its like from there ----
  const begin = () => {
    for (const later of all("[data-load]")) {
      const from = later.dataset.load;
      later.removeAttribute("data-load");
      if (!("keep" in later.dataset)) later.setAttribute("aria-busy", "true"); // else what is there can be used
      fetch(from, { headers: { accept: "text/html" } }).then(async (answer) => {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        const next = fresh.getElementById(later.id);
        if (answer.ok && next && later.isConnected) { later.replaceWith(next); begin(); }
        else later.textContent = fresh.getElementById("told")?.textContent || "could not be loaded";
      }, () => { later.textContent = "could not be loaded"; }).finally(() => later.removeAttribute("aria-busy"));
    }
  };

  // ---- a link to the words that are selected: pieces of the text know where they begin and end ----
  document.addEventListener("selectionchange", () => {
    const text = byId("text"), button = byId("link-passage");
    if (!text || !button) return;
    const chosen = getSelection();
    if (!chosen.rangeCount || chosen.isCollapsed || !(text.contains(chosen.anchorNode) || text.contains(chosen.focusNode))) {
      button.dataset.copy = location.href;
      button.textContent = "Copy link";
      return;
    }
    const pieces = text.children, first = Number(pieces[0].dataset.from), last = Number(pieces[pieces.length - 1].dataset.to);
    const place = (node, offset, outside) => { // where in the text of the document, in code points
      if (!text.contains(node)) return outside;
      if (node === text) return offset < pieces.length ? Number(pieces[offset].dataset.from) : last;
      const piece = (node.nodeType === 3 ? node.parentElement : node).closest("[data-from]"), before = document.createRange();
      before.setStart(piece, 0);
      before.setEnd(node, offset);
      return Math.min(Number(piece.dataset.from) + [...before.toString()].length, Number(piece.dataset.to));
    };
    const range = chosen.getRangeAt(0), from = place(range.startContainer, range.startOffset, first);
    const to = Math.max(place(range.endContainer, range.endOffset, last), from + 1);
    const url = new URL(text.dataset.link, location.href);
    url.searchParams.set("from", from);
    url.searchParams.set("to", to);
    button.dataset.copy = url.href;
    button.textContent = "Copy link to the selection";
  });

  // ---- keys ----
  const help = byId("help"), keys = byId("keys");
  help.hidden = false;
  help.addEventListener("click", () => keys.showModal());
  const step = (by) => {
    const entries = all("[data-step]").filter((entry) => entry.checkVisibility());
    if (!entries.length) return;
    const at = entries.findIndex((entry) => entry.contains(document.activeElement));
    const next = at < 0 ? (by > 0 ? 0 : entries.length - 1) : Math.min(Math.max(at + by, 0), entries.length - 1);
    entries[next].focus({ preventScroll: true });
    entries[next].scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || keys.open) return;
    const active = document.activeElement;
    const writes = active && active.matches("input:not([type=checkbox], [type=radio]), textarea, select");
    if (event.key === "Escape" && writes) { active.blur(); return; }
    if (writes) return;
    const room = /^[1-9]$/.test(event.key) && document.querySelector(`[data-room="${event.key}"]`);
    if (room) room.click();
    else if (event.key === "?") keys.showModal();
    else if (event.key === "/") {
      const field = document.querySelector("[data-search]");
      if (field) { event.preventDefault(); field.focus(); field.select(); }
    } else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "n") document.querySelector("a[rel=next]")?.click();
    else if (event.key === "p") document.querySelector("a[rel=prev]")?.click();
    else if (event.key === " " && active?.matches("a[role=button]")) { event.preventDefault(); active.click(); }
    else if (event.key === "Enter" && active?.matches("[data-step]")) active.querySelector("a[data-open], a")?.click();
  });
  begin();
  document.querySelector(".here")?.scrollIntoView({ block: "center" });
  const rooms = byId("rooms"), room = rooms.querySelector("[aria-current]"); // on a phone the row is longer than the screen
  if (room) rooms.scrollLeft = room.offsetLeft - (rooms.clientWidth - room.offsetWidth) / 2 - rooms.offsetLeft;
})();
