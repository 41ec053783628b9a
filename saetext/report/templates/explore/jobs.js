// a page that waits for a job: shows its progress, and loads the answer once it is there
(() => {
  let source = null;
  const leave = () => { if (source) source.close(); source = null; };
  const watch = () => {
    const job = document.querySelector("#job[data-job]");
    if (!job) {
      if (!document.getElementById("job")) leave();
      return;
    }
    const from = job.dataset.job;
    job.removeAttribute("data-job");
    leave();
    const mine = source = new EventSource(from);
    const told = document.getElementById("job-told"), bar = document.getElementById("job-share");
    let lost = 0;
    mine.onmessage = (event) => {
      lost = 0;
      const state = JSON.parse(event.data);
      if (["done", "failed", "cancelled"].includes(state.state)) { mine.close(); location.reload(); return; }
      const line = state.state === "stopping" ? "stopping" : state.state === "waiting" ? "waits for its turn" : state.told || "begins";
      told.textContent = `${line} · ${Math.round(state.seconds)} s`;
      if (state.share === null) bar.removeAttribute("value");
      else bar.value = state.share;
      for (const [id, text] of Object.entries(state.texts)) {
        const shown = document.getElementById(id);
        if (shown && shown.textContent !== text) shown.textContent = text;
      }
    };
    mine.onerror = () => {
      if (++lost < 4) return;
      mine.close();
      told.textContent = "the explorer does not answer: is it still running?";
    };
  };
  new MutationObserver(watch).observe(document.body, { childList: true, subtree: true });
  addEventListener("pagehide", leave);
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
