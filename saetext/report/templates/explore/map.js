// the map: zoom and move, draw around documents, see which document a dot is; its groups light up with their names
(() => {
  const begun = new WeakSet();
  const begin = () => {
    const map = document.getElementById("map");
    if (!map || begun.has(map)) return;
    begun.add(map);
    const by = (id) => document.getElementById(id);
    const whole = map.viewBox.baseVal, width = whole.width, height = whole.height;
    let box = [0, 0, width, height], drawing = false, corners = null, moving = null, asked = 0, fetched = "";
    const held = new Map();
    by("tools-of-map").hidden = false;

    // ---- what is seen ----
    const at = (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
      return [point.x, point.y];
    };
    const show = () => {
      map.setAttribute("viewBox", box.map((n) => n.toFixed(2)).join(" "));
      map.classList.toggle("zoomed", box[2] < width * .98);
      clearTimeout(asked);
      asked = setTimeout(refine, 160);
    };
    const zoom = (by, [x, y] = [box[0] + box[2] / 2, box[1] + box[3] / 2]) => {
      const wide = Math.min(width, Math.max(width / 200, box[2] * by)), factor = wide / box[2];
      move(x - (x - box[0]) * factor, y - (y - box[1]) * factor, wide);
    };
    const move = (left, top, wide = box[2]) => {
      const tall = wide * height / width;
      box = [Math.min(Math.max(left, 0), width - wide), Math.min(Math.max(top, 0), height - tall), wide, tall];
      show();
    };
    // of many documents, what is seen is drawn finer
    const refine = async () => {
      const pad = box[2] / 4, part = [box[0] - pad, box[1] - pad, box[2] + 2 * pad, box[3] + 2 * pad].map((n) => n.toFixed(1)).join(" ");
      if (part === fetched || !map.querySelector("#dots .n1, #dots .n2, #dots .n3") && !fetched) return;
      fetched = part;
      const answer = await fetch(`${map.dataset.dots}&box=${encodeURIComponent(part)}`).catch(() => null);
      if (!answer?.ok || part !== fetched) return;
      const dots = document.createElementNS(map.namespaceURI, "g");
      dots.id = "dots";
      for (const [number, strength, path] of await answer.json()) {
        const one = document.createElementNS(map.namespaceURI, "path");
        one.setAttribute("class", `${number ? `g${(number - 1) % map.dataset.colours}` : "gnone"} n${strength}`);
        one.dataset.group = number;
        one.setAttribute("d", path);
        dots.append(one);
      }
      if (part === fetched) by("dots").replaceWith(dots);
    };
    map.addEventListener("wheel", (event) => { event.preventDefault(); zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, at(event)); }, { passive: false });
    by("closer").addEventListener("click", () => zoom(1 / 1.6));
    by("wider").addEventListener("click", () => zoom(1.6));
    by("whole").addEventListener("click", () => { box = [0, 0, width, height]; show(); });

    // ---- drawing around, moving, asking ----
    const draw = by("draw"), lasso = by("lasso"), form = by("mapping");
    const setDrawing = (on) => {
      drawing = on;
      draw.setAttribute("aria-pressed", on);
      map.classList.toggle("drawing", on);
    };
    const shape = (points) => {
      form.elements.shape.value = points ? points.flat().map((n) => n.toFixed(1)).join(" ") : "";
      lasso.setAttribute("d", points ? `M${points.map((one) => one.map((n) => n.toFixed(1)).join(" ")).join("L")}Z` : "");
      by("chosen").textContent = points ? "What is inside the shape becomes the set. Escape clears it." : "Tick groups, or draw around dots.";
    };
    draw.addEventListener("click", () => setDrawing(!drawing));
    map.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      map.setPointerCapture(event.pointerId);
      held.set(event.pointerId, [event.clientX, event.clientY]);
      if (held.size > 1) { corners = moving = null; return; }
      if (drawing || event.shiftKey) corners = [at(event)];
      else moving = { from: at(event), x: event.clientX, y: event.clientY, far: false };
    });
    map.addEventListener("pointermove", (event) => {
      if (held.size === 2 && held.has(event.pointerId)) {
        const apart = () => { const [a, b] = [...held.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
        const before = apart();
        held.set(event.pointerId, [event.clientX, event.clientY]);
        const after = apart();
        if (after > 0) zoom(before / after, at(event));
        return;
      }
      if (corners) {
        const here = at(event), last = corners[corners.length - 1];
        if (Math.hypot(here[0] - last[0], here[1] - last[1]) > box[2] / 250 && corners.length < 1500) corners.push(here);
        lasso.setAttribute("d", `M${corners.map((one) => one.join(" ")).join("L")}`);
      } else if (moving) {
        if (Math.hypot(event.clientX - moving.x, event.clientY - moving.y) > 4) moving.far = true;
        if (moving.far) { const here = at(event); move(box[0] + moving.from[0] - here[0], box[1] + moving.from[1] - here[1]); }
      }
    });
    const leave = (event) => {
      held.delete(event.pointerId);
      if (corners) {
        shape(corners.length > 2 ? corners : null);
        if (corners.length > 2) form.elements.name.focus();
        corners = null;
        setDrawing(false);
      } else if (moving && !moving.far && event.type === "pointerup") ask(moving.from);
      moving = null;
    };
    map.addEventListener("pointerup", leave);
    map.addEventListener("pointercancel", leave);
    const ask = async (place) => {
      const answer = await fetch(`${map.dataset.near}&at=${encodeURIComponent(place.map((n) => n.toFixed(1)).join(" "))}`).catch(() => null);
      if (!answer?.ok) return;
      const told = await answer.json(), near = by("near");
      by("here").setAttribute("cx", told.x);
      by("here").setAttribute("cy", told.y);
      by("here").setAttribute("r", 8 * box[2] / width);
      const link = document.createElement("a");
      link.href = told.link;
      link.textContent = told.id;
      near.replaceChildren(link, ` · ${told.group} · ${told.beginning}`);
    };
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !map.isConnected) return;
      shape(null);
      setDrawing(false);
    });

    // ---- groups ----
    const light = (number) => {
      map.classList.toggle("lit", number !== null);
      for (const one of map.querySelectorAll("#dots path")) one.classList.toggle("on", one.dataset.group === number);
    };
    for (const entry of document.querySelectorAll(".list [data-group]")) {
      for (const kind of ["mouseenter", "focusin"]) entry.addEventListener(kind, () => light(entry.dataset.group));
      for (const kind of ["mouseleave", "focusout"]) entry.addEventListener(kind, () => light(null));
    }
    form.addEventListener("change", (event) => {
      if (event.target.type !== "checkbox") return;
      const ticked = form.querySelectorAll("input[type=checkbox]:checked").length;
      if (ticked) { shape(null); by("chosen").textContent = `${ticked} ticked`; } else shape(null);
    });
  };
  new MutationObserver(begin).observe(document.body, { childList: true, subtree: true });
  begin();
})();
