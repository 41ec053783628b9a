// a page that waits for a job: shows its progress, and loads the answer once it is there. Its events hold a connection,
// of which a browser has six for all windows of a server. So three windows at most have events, each under a lock of the
// browser's; another that is seen, as on a second screen, asks now and then until one of them leaves its place, and one
// that is hidden asks now and then
(() => {
  const me = [...crypto.getRandomValues(new Uint32Array(2))].map((part) => part.toString(36)).join("");
  let stop = () => {}, job = null;
  const told = (text) => { const line = document.getElementById("job-told"); if (line) line.textContent = text; };
  const silent = "the explorer does not answer: is it still running?";
  const unknown = "the explorer does not know this any longer: load the page again";
  const show = (state) => {
    if (["done", "failed", "cancelled"].includes(state.state)) { stop(); location.reload(); return; }
    const line = state.state === "stopping" ? "stopping" : state.state === "waiting" ? "waits for its turn" : state.told || "begins";
    told(`${line} · ${Math.round(state.seconds)} s`);
    for (const [id, text] of Object.entries(state.texts || {})) {
      const shown = document.getElementById(id);
      if (shown && shown.textContent !== text) shown.textContent = text;
    }
    const bar = document.getElementById("job-share");
    if (!bar) return;
    if (state.share === null) bar.removeAttribute("value");
    else bar.value = state.share;
  };
  const listen = (free) => {
    const source = new EventSource(job.events);
    let lost = 0;
    stop = () => { source.close(); stop = () => {}; free(); };
    source.onmessage = (event) => { lost = 0; show(JSON.parse(event.data)); };
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) { stop(); told(unknown); return; } // it does not try again
      if (++lost < 4) return;
      stop();
      told(silent);
    };
  };
  const ask = () => {
    const from = `${job.state}&window=${me}`;
    const left = () => { fetch(`${from}&left=1`, { keepalive: true }).catch(() => {}); };
    let lost = 0, over = false;
    const once = async () => {
      try {
        const answer = await fetch(from);
        if (over) return;
        if (!answer.ok) { stop(); told(unknown); return; }
        lost = 0;
        show(await answer.json());
      } catch {
        if (!over && ++lost >= 4) { stop(); told(silent); }
      } finally {
        if (over) left(); // this question may have come after the word that the window has left
      }
    };
    const again = setInterval(once, 2000);
    stop = () => {
      over = true;
      clearInterval(again);
      left();
      stop = () => {};
    };
    once();
  };
  // the lock is held until the window stops listening; without locks, as over plain http from elsewhere, one asks
  const places = ["1", "2", "3"].map((place) => `saetext-events-${place}`);
  let begun = 0, gone = false;
  // asks until a place is free, whichever is first
  const wait = (mine) => {
    ask();
    const asking = stop, leave = new AbortController();
    stop = () => { leave.abort(); asking(); };
    for (const place of places) {
      navigator.locks.request(place, { signal: leave.signal }, () => {
        if (mine !== begun || !job || leave.signal.aborted) return undefined; // two places at once: one is enough
        stop();
        return new Promise((free) => { listen(free); });
      }).catch(() => {}); // it waits no longer
    }
  };
  const begin = () => {
    stop();
    if (!job || gone) return;
    const mine = ++begun;
    if (document.hidden || !navigator.locks) { ask(); return; }
    const attempt = ([place, ...others]) => {
      if (!place) { wait(mine); return; }
      navigator.locks.request(place, { ifAvailable: true }, (lock) => {
        if (mine !== begun || !job) return undefined; // it was hidden or has ended meanwhile
        if (!lock) { attempt(others); return undefined; }
        return new Promise((free) => { listen(free); });
      }).catch(() => { if (mine === begun) ask(); });
    };
    attempt(places);
  };
  const watch = () => {
    const card = document.querySelector("#job[data-job]");
    if (!card) {
      if (!document.getElementById("job")) { stop(); job = null; begun += 1; }
      return;
    }
    job = { events: card.dataset.job, state: card.dataset.state };
    card.removeAttribute("data-job");
    begin();
  };
  new MutationObserver(watch).observe(document.body, { childList: true, subtree: true });
  document.addEventListener("visibilitychange", begin);
  addEventListener("pagehide", () => { gone = true; stop(); }); // it is hidden after that: nobody asks then
  addEventListener("pageshow", (event) => { gone = false; if (event.persisted) begin(); });
  watch();
})();
// an address that ends in #f3 opens finding 3
(() => {
  const open = () => {
    const one = /^#f\d+$/.test(location.hash) && document.querySelector(`${location.hash} > details`);
    if (!one) return;
    one.open = true;
    one.scrollIntoView({ block: "start" });
    one.querySelector("summary").focus({ preventScroll: true });
  };
  addEventListener("hashchange", open);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#f"]');
    if (link && link.getAttribute("href") === location.hash) open();
  });
  open();
})();
