(() => {
  // The map: deck.gl draws the points, this script moves it, names it and answers. What came from texts is only ever put into the page as text.
  const byId = (id) => document.getElementById(id);
  const stage = byId("stage");
  if (!byId("points")) return;
  const root = document.documentElement;
  const make = (name, given = {}, ...inside) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(given)) {
      if (key === "text") element.textContent = value;
      else if (key === "class") element.className = value;
      else if (key in element) element[key] = value;
      else element.setAttribute(key, value);
    }
    element.append(...inside.filter((one) => one !== null));
    return element;
  };
  const told = new Intl.NumberFormat("en");
  const fail = (why) => { byId("waiting").textContent = why; byId("waiting").hidden = false; };

  // ---- the data ----
  const data = JSON.parse(byId("data").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const array = (text, kind) => {
    const raw = bytes(text), view = new DataView(raw.buffer), found = new kind(raw.length / 4);
    const read = kind === Int32Array ? "getInt32" : "getFloat32"; // little-endian wherever it is read
    for (let at = 0; at < found.length; at++) found[at] = view[read](4 * at, true);
    return found;
  };
  const unpack = async (text) => {
    const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  };
  const points = data.points;
  const xs = array(data.x, Float32Array), ys = array(data.y, Float32Array);
  const probability = array(data.probability, Float32Array);
  const columns = data.columns.map((column) => column.number === undefined
    ? { name: column.name, values: column.values, code: array(column.code, Int32Array) }
    : { name: column.name, number: array(column.number, Float32Array) });
  const clusters = data.clusters;
  const order = new Map(clusters.map((cluster, at) => [cluster.number, at]));
  const member = Int32Array.from(array(data.cluster, Int32Array), (number) => order.has(number) ? order.get(number) : -1);
  // levels, the coarsest first; the clusters are one of them
  const levels = data.levels.length ? data.levels.map((level) => ({ code: array(level.number, Int32Array), parts: level.parts }))
    : [{ code: array(data.cluster, Int32Array), parts: clusters.map((cluster) => [cluster.number, cluster.name, 0, cluster.number, cluster.at]) }];
  const nodes = [], nodeOf = levels.map(() => new Map());
  for (const [level, { parts }] of levels.entries()) {
    for (const [number, name, parent, cluster, at] of parts) {
      const node = { at: nodes.length, level, number, name, place: at, cluster: cluster === null ? null : order.get(cluster) ?? null, parent: level ? nodeOf[level - 1].get(parent) ?? null : null, inner: [], size: 0 };
      nodes.push(node);
      nodeOf[level].set(number, node);
      if (node.parent) node.parent.inner.push(node);
    }
  }
  for (const [level, { code }] of levels.entries()) {
    for (let row = 0; row < points; row++) {
      const node = nodeOf[level].get(code[row]);
      if (node) node.size += 1;
    }
  }
  const shaped = (node) => { while (node.inner.length === 1) node = node.inner[0]; return node; }; // what has one part is that part
  const isIn = (node, row) => levels[node.level].code[row] === node.number;
  const ofCluster = (at) => nodeOf[data.base].get(clusters[at].number) ?? null;
  const partsOf = (row) => levels.slice(data.base + 1).map((level, at) => nodeOf[data.base + 1 + at].get(level.code[row])).filter((node, at) => node && node.parent.inner.length > 1);
  let ids = [], beginnings = [], folded = null;
  const blocks = new Map();
  const documentOf = async (row) => {
    const block = Math.floor(row / data.together);
    if (!data.documents.length) return null;
    if (!blocks.has(block)) blocks.set(block, unpack(data.documents[block]));
    return (await blocks.get(block))[row % data.together];
  };
  const there = (row) => Number.isFinite(xs[row]) && Number.isFinite(ys[row]);

  // ---- the view: a centre in data, and pixels for one unit of data ----
  let wide = 1, tall = 1;
  const view = { x: 0, y: 0, scale: 1 };
  const boundsOf = (rows, share) => { // the box of the middle part of points; share cut at each end
    const box = (values) => {
      const sorted = Float32Array.from(rows, (row) => values[row]).sort();
      const cut = Math.floor(share * (sorted.length - 1));
      return [sorted[cut], sorted[sorted.length - 1 - cut]];
    };
    return rows.length ? [...box(xs), ...box(ys)] : [0, 1, 0, 1];
  };
  const everywhere = [];
  for (let row = 0; row < points; row++) if (there(row)) everywhere.push(row);
  const world = boundsOf(everywhere, 0);
  const span = Math.max(world[1] - world[0], world[3] - world[2]) || 1;
  const fitted = ([left, right, low, high], margin) => {
    const least = span / 60; // a single point is not the whole world
    const scale = Math.min((wide - 2 * margin) / Math.max(right - left, least), (tall - 2 * margin) / Math.max(high - low, least));
    return { x: (left + right) / 2, y: (low + high) / 2, scale: Math.max(scale, 1e-9) };
  };
  const whole = () => fitted(world, Math.min(48, wide / 12));
  const across = (x) => wide / 2 + (x - view.x) * view.scale;
  const down = (y) => tall / 2 - (y - view.y) * view.scale;
  const clamp = () => {
    const base = whole().scale;
    view.scale = Math.min(Math.max(view.scale, base / 2), base * 400);
    view.x = Math.min(Math.max(view.x, world[0]), world[1]);
    view.y = Math.min(Math.max(view.y, world[2]), world[3]);
  };

  // ---- drawing: one WebGL point a document, in an order that no cluster is always on top of another ----
  const base = byId("points");
  const size = points > 50000 ? 3.2 : points > 15000 ? 3.8 : points > 4000 ? 4.8 : points > 600 ? 6.5 : 9;
  const solid = points > 20000 ? 0.62 : points > 4000 ? 0.72 : 0.82, faint = 0.1;
  const drawn = Uint32Array.from(everywhere); // rows as they are drawn
  {
    let seed = 1;
    for (let at = drawn.length - 1; at > 0; at--) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      const other = Math.floor(seed / 4294967296 * (at + 1));
      [drawn[at], drawn[other]] = [drawn[other], drawn[at]];
    }
  }
  const middle = [(world[0] + world[1]) / 2, (world[2] + world[3]) / 2]; // single precision is finest around zero
  const places = new Float32Array(2 * drawn.length), inks = new Uint8Array(4 * drawn.length), widths = new Float32Array(drawn.length);
  for (const [at, row] of drawn.entries()) places.set([xs[row] - middle[0], ys[row] - middle[1]], 2 * at);
  let engine = null, model = null, ink = null, wideness = null, share = 1;
  const seen = {
    name: "seen",
    vs: `layout(std140) uniform seenUniforms {
  vec2 centre;
  vec2 scale;
  float size;
  float part;
} seen;
`,
    uniformTypes: { centre: "vec2<f32>", scale: "vec2<f32>", size: "f32", part: "f32" },
  };
  const layered = () => {
    class Points extends deck.Layer {
      initializeState() {
        const { device } = this.context;
        ink = device.createBuffer({ data: inks });
        wideness = device.createBuffer({ data: widths });
        model = new luma.Model(device, {
          id: "points", modules: [seen], topology: "point-list", vertexCount: drawn.length,
          vs: `#version 300 es
in vec2 place;
in vec4 ink;
in float wide;
out vec4 shown;
void main() {
  bool faint = ink.a < 0.3;
  gl_Position = vec4((place - seen.centre) * seen.scale, 0.0, 1.0);
  if ((seen.part == 1.0 && !faint) || (seen.part == 2.0 && faint)) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = seen.size * wide;
  shown = ink;
}`,
          fs: `#version 300 es
precision highp float;
in vec4 shown;
out vec4 colour;
void main() {
  float away = 2.0 * length(gl_PointCoord - 0.5);
  colour = vec4(shown.rgb, shown.a * (1.0 - smoothstep(0.7, 1.0, away)));
}`,
          bufferLayout: [{ name: "place", format: "float32x2" }, { name: "ink", format: "unorm8x4" }, { name: "wide", format: "float32" }],
          attributes: { place: device.createBuffer({ data: places }), ink, wide: wideness },
        });
      }
      draw() {
        const canvas = base.querySelector("canvas");
        const grown = Math.min(Math.max((view.scale / whole().scale) ** 0.3, 1), 2.6);
        const props = {
          centre: [view.x - middle[0], view.y - middle[1]], scale: [2 * view.scale / wide, 2 * view.scale / tall],
          size: size * grown * (canvas.width / canvas.clientWidth || 1),
        };
        for (const part of shown === null ? [0] : [1, 2]) { // what is found comes on top
          model.setVertexCount(part === 2 ? drawn.length : Math.ceil(share * drawn.length));
          model.shaderInputs.setProps({ seen: { ...props, part } });
          model.draw(this.context.renderPass);
        }
      }
    }
    Points.layerName = "Points";
    return new Points({ id: "points" });
  };
  let groupOf = new Uint8Array(points), groups = []; // a colour each
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const channels = (colour) => colour.startsWith("#") ? [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)) : colour.match(/\d+/g).slice(0, 3).map(Number);
  let shown = null; // rows that are found; null where nothing is looked for
  let found = null; // a flag for each row
  const paint = () => {
    const paints = groups.map((group) => channels(group.colour));
    for (let at = 0; at < drawn.length; at++) {
      const row = drawn[at], group = groups[groupOf[row]];
      inks.set(paints[groupOf[row]], 4 * at);
      inks[4 * at + 3] = 255 * (found !== null && !found[row] ? faint : group.small ? Math.max(0.4, solid - 0.2) : solid);
      widths[at] = group.small && (found === null || !found[row]) ? 0.7 : 1;
    }
    if (ink === null) return;
    ink.write(inks);
    wideness.write(widths);
    move();
  };
  let asked = false, frames = 0, last = 0, rest = 0;
  const render = () => {
    clamp();
    if (engine) engine.redraw("moved");
    place();
    frames += 1;
    stage.dataset.frames = frames;
  };
  const move = () => { // one drawing a frame, however often it is asked for
    if (asked) return;
    asked = true;
    requestAnimationFrame((now) => {
      asked = false;
      // where drawing is slow, fewer points are drawn while the map moves, and all of them when it rests
      const took = now - last;
      last = now;
      if (took > 60 && took < 3000 && rest) share = Math.max(0.05, share * 0.6);
      else if (took < 25 && share < 1) share = Math.min(1, share * 1.2);
      const kept = share;
      clearTimeout(rest);
      rest = setTimeout(() => {
        rest = 0;
        if (share === 1) return;
        share = 1;
        render();
        share = kept;
      }, 200);
      if (took >= 3000) share = 1;
      render();
    });
  };
  let flight = 0;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const fly = (aim) => {
    const from = { ...view }, begun = performance.now(), mine = ++flight;
    const step = (now) => {
      if (mine !== flight) return;
      const part = still.matches ? 1 : Math.min(Math.max((now - begun) / 350, 0), 1), eased = part * part * (3 - 2 * part);
      view.scale = from.scale * (aim.scale / from.scale) ** eased;
      // the centre moves with the scale, so that the aim does not leave the stage on the way
      const done = Math.abs(aim.scale / from.scale - 1) < 1e-3 ? eased : (1 / from.scale - 1 / view.scale) / (1 / from.scale - 1 / aim.scale);
      view.x = from.x + (aim.x - from.x) * done;
      view.y = from.y + (aim.y - from.y) * done;
      move();
      if (part < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  };

  // ---- names on the map, the largest clusters' first, as many as there is room for ----
  const names = byId("names");
  let picked = null; // a node of a level
  const rowsOf = (node) => everywhere.filter((row) => isIn(node, row));
  const labels = nodes.map((node) => {
    if (node.place === null || node.inner.length === 1) return null; // its one part has the name
    const known = node.cluster !== null;
    const element = make("button", { type: "button", class: `${known ? `p${clusters[node.cluster].colour}` : "group"} away`, tabIndex: -1, title: node.name },
      known ? make("span", { class: "dot" }) : null, make("bdi", { text: node.name }));
    element.dataset.node = node.at;
    if (known && shaped(ofCluster(node.cluster)) === node) element.dataset.cluster = node.cluster;
    names.append(element);
    return { element, node, x: node.place[0], y: node.place[1], wide: 0, tall: 0 };
  });
  const tops = nodes.filter((node) => node.level === 0).map(shaped);
  let fences = []; // boxes of the stage that no name may be over
  const measure = () => {
    for (const label of labels) if (label !== null) [label.wide, label.tall] = [label.element.offsetWidth, label.element.offsetHeight];
    const stands = stage.getBoundingClientRect();
    fences = ["zoom", "legend", "crumbs", "count"].map(byId).filter((box) => !box.hidden && box.offsetWidth).map((box) => {
      const { left, top, right, bottom } = box.getBoundingClientRect();
      return [left - stands.left, top - stands.top, right - stands.left, bottom - stands.top];
    });
  };
  const extent = (node) => { // of most of its points, in data
    if (!node.extent) {
      const [left, right, low, high] = boundsOf(rowsOf(node), 0.05);
      node.extent = [right - left, high - low];
    }
    return node.extent;
  };
  // a name gives way to those of its parts where it fills much of the stage, or was clicked
  const opens = (node) => {
    if (!node.inner.length) return false;
    for (let one = picked; one; one = one.parent) if (shaped(one) === node) return true;
    const [across, up] = extent(node);
    return Math.max(across * view.scale / wide, up * view.scale / tall) > 0.6;
  };
  const named = () => {
    const found = [];
    const visit = (node) => { if (opens(node)) node.inner.map(shaped).forEach(visit); else if (labels[node.at] !== null) found.push(labels[node.at]); };
    tops.forEach(visit);
    const first = (label) => picked !== null && (shaped(picked) === label.node || isWithin(label.node, picked));
    return found.sort((one, other) => first(other) - first(one) || other.node.size - one.node.size || one.node.at - other.node.at);
  };
  const isWithin = (node, other) => { for (let one = node; one; one = one.parent) if (one === other) return true; return false; };
  const ring = byId("ring");
  let opened = null, pointed = null;
  // a name is whole and on the stage: at its place, else beside it, else not there
  const spots = [[0, 0], [0, -0.8], [0, 0.8], [0, -1.4], [0, 1.4], [0.55, 0], [-0.55, 0], [0.4, -1], [-0.4, -1], [0.4, 1], [-0.4, 1], [0, -2.1], [0, 2.1]];
  let onStage = [];
  const place = () => {
    const placed = [...fences];
    const free = (left, upper, label) => placed.every((box) => left > box[2] + 6 || left + label.wide < box[0] - 6 || upper > box[3] + 4 || upper + label.tall < box[1] - 4);
    const visible = [];
    for (const label of named()) {
      const x = across(label.x), y = down(label.y);
      if (x < 0 || x > wide || y < 0 || y > tall || label.wide > wide - 8) continue;
      for (const [by, up] of spots) {
        const left = Math.max(4, Math.min(x - label.wide / 2 + by * label.wide, wide - label.wide - 4));
        const upper = Math.max(4, Math.min(y - label.tall / 2 + up * label.tall, tall - label.tall - 4));
        if (!free(left, upper, label)) continue;
        placed.push([left, upper, left + label.wide, upper + label.tall]);
        label.element.style.transform = `translate(${left.toFixed(1)}px, ${upper.toFixed(1)}px)`;
        visible.push(label);
        break;
      }
    }
    for (const label of onStage) if (!visible.includes(label)) label.element.classList.add("away");
    for (const label of visible) {
      label.element.classList.remove("away");
      label.element.classList.toggle("picked", picked !== null && shaped(picked) === label.node);
    }
    onStage = visible;
    const marked = pointed === null ? opened : pointed;
    ring.hidden = marked === null || !there(marked);
    if (!ring.hidden) ring.style.transform = `translate(${across(xs[marked]).toFixed(1)}px, ${down(ys[marked]).toFixed(1)}px)`;
  };

  // ---- which point is where: a grid of cells ----
  const cells = Math.max(1, Math.min(400, Math.ceil(Math.sqrt(points / 4))));
  const cellOf = (value, low) => Math.min(cells - 1, Math.max(0, Math.floor((value - low) / span * cells)));
  const starts = new Uint32Array(cells * cells + 1), inCells = new Uint32Array(everywhere.length);
  {
    const cell = (row) => cellOf(xs[row], world[0]) * cells + cellOf(ys[row], world[2]);
    for (const row of everywhere) starts[cell(row) + 1] += 1;
    for (let at = 0; at < cells * cells; at++) starts[at + 1] += starts[at];
    const next = starts.slice();
    for (const row of everywhere) inCells[next[cell(row)]++] = row;
  }
  const nearest = (left, upper, reach) => {
    const x = view.x + (left - wide / 2) / view.scale, y = view.y - (upper - tall / 2) / view.scale, far = reach / view.scale;
    let best = null, least = far * far;
    for (let i = cellOf(x - far, world[0]); i <= cellOf(x + far, world[0]); i++) {
      for (let j = cellOf(y - far, world[2]); j <= cellOf(y + far, world[2]); j++) {
        for (let at = starts[i * cells + j]; at < starts[i * cells + j + 1]; at++) {
          const row = inCells[at];
          if (found !== null && !found[row]) continue;
          const away = (xs[row] - x) ** 2 + (ys[row] - y) ** 2;
          if (away <= least) { least = away; best = row; }
        }
      }
    }
    return best;
  };

  // ---- colours ----
  const shades = 16;
  const ramp = () => {
    const stops = Array.from({ length: 7 }, (_, at) => channels(css(`--q${at}`)));
    return Array.from({ length: shades }, (_, at) => {
      const place = at / (shades - 1) * 6, low = Math.min(5, Math.floor(place)), part = place - low;
      return `rgb(${stops[low].map((value, one) => Math.round(value + (stops[low + 1][one] - value) * part)).join(",")})`;
    });
  };
  const brief = (value) => {
    const size = Math.abs(value);
    const text = size !== 0 && (size >= 1e7 || size < 1e-3) ? value.toExponential(1) : told.format(Number(value.toPrecision(size >= 1000 ? 6 : 3)));
    return text.replace("-", "−");
  };
  const most = 12;
  let by = "cluster", category = null, legend = null;
  const colour = () => {
    const rest = { colour: css("--none"), small: true, label: "unknown" };
    legend = null;
    if (by === "cluster") {
      groups = [rest, ...Array.from({ length: most }, (_, at) => ({ colour: css(`--p${at}`) }))];
      for (let row = 0; row < points; row++) groupOf[row] = member[row] < 0 ? 0 : clusters[member[row]].colour + 1;
      return;
    }
    const column = by === "probability" ? { name: "probability", number: probability } : columns[Number(by)];
    if (column.number) {
      const known = column.number.filter(Number.isFinite).sort();
      let [low, high] = by === "probability" ? [0, 1] : [known[0], known[known.length - 1]];
      let [less, more] = ["", ""];
      if (known.length > 100 && by !== "probability") { // a few outliers would take all of the scale
        const ends = [known[Math.floor(0.01 * known.length)], known[Math.ceil(0.99 * known.length) - 1]];
        if (ends[1] > ends[0] && (ends[1] - ends[0]) < 0.9 * (high - low)) {
          if (ends[0] > low) less = "≤ ";
          if (ends[1] < high) more = "≥ ";
          [low, high] = ends;
        }
      }
      const colours = ramp();
      groups = [rest, ...colours.map((one) => ({ colour: one }))];
      for (let row = 0; row < points; row++) {
        const value = column.number[row];
        groupOf[row] = Number.isFinite(value) ? 1 + Math.min(shades - 1, Math.max(0, Math.floor((value - low) / (high - low || 1) * shades))) : 0;
      }
      legend = { name: column.name, colours, ends: known.length ? [less + brief(low), more + brief(high)] : null, unknown: points - known.length };
      return;
    }
    const counts = new Uint32Array(column.values.length);
    let unknown = 0;
    for (const code of column.code) if (code < 0) unknown += 1; else counts[code] += 1;
    const frequent = [...counts.keys()].filter((code) => counts[code]).sort((one, other) => counts[other] - counts[one] || one - other);
    const own = new Map(frequent.slice(0, most).map((code, at) => [code, at + 2]));
    groups = [rest, { colour: css("--soft"), label: "other" }, ...frequent.slice(0, most).map((code, at) => ({ colour: css(`--p${at}`), label: column.values[code] }))];
    for (let row = 0; row < points; row++) groupOf[row] = column.code[row] < 0 ? 0 : own.get(column.code[row]) ?? 1;
    const numbers = groups.map((_, at) => at === 0 ? unknown : at === 1 ? 0 : counts[frequent[at - 2]]);
    numbers[1] = points - numbers.reduce((sum, one) => sum + one, 0);
    legend = { name: column.name, numbers };
  };
  const explain = () => {
    const box = byId("legend");
    box.hidden = legend === null;
    box.replaceChildren();
    if (legend === null) return;
    box.append(make("p", {}, make("bdi", { text: legend.name })));
    if (legend.colours) {
      const row = make("div", { class: "ramp" });
      for (const one of legend.colours) { const step = make("span"); step.style.background = one; row.append(step); }
      if (legend.ends) box.append(row, make("div", { class: "ends" }, ...legend.ends.map((end) => make("span", { text: end }))));
      if (legend.unknown) box.append(make("div", { class: "ends soft", text: `${told.format(legend.unknown)} unknown, grey` }));
      return;
    }
    for (const at of [...groups.keys()].slice(2).concat(1, 0)) {
      if (!legend.numbers[at]) continue;
      const dot = make("span", { class: "dot" });
      dot.style.background = groups[at].colour;
      const line = make("button", { type: "button", "aria-pressed": String(category === at) }, dot,
        make("bdi", { text: groups[at].label || "empty" }), make("span", { class: "n", text: told.format(legend.numbers[at]) }));
      line.addEventListener("click", () => { category = category === at ? null : at; seek(); explain(); });
      box.append(line);
    }
  };
  const recolour = () => {
    colour();
    explain();
    names.classList.toggle("plain", by !== "cluster"); // or the dots of names would be of other colours' meaning
    measure();
    paint();
    place();
  };

  // ---- what is looked for: words, a cluster, a category ----
  const search = byId("search"), count = byId("count");
  const cards = [...document.querySelectorAll(".card")].map((element) => ({ element, at: order.get(Number(element.dataset.cluster)) }));
  const linked = (name, does) => {
    const button = make("button", { type: "button", class: "link name" }, make("bdi", { text: name.textContent }));
    button.addEventListener("click", does);
    return button;
  };
  const headings = [...document.querySelectorAll("[data-group]")].map((element) => {
    const node = data.base ? nodeOf[data.base - 1].get(Number(element.dataset.group)) : null;
    if (!node) return null;
    const button = linked(element.querySelector(".name"), () => {});
    element.querySelector(".name").replaceWith(button);
    return { element, node, button };
  }).filter((heading) => heading !== null);
  const isOwn = (card) => picked !== null && picked.cluster === card.at;
  const inPicked = (card) => picked === null || picked.level >= data.base || isWithin(ofCluster(card.at), picked);
  const fold = (text) => text.toLowerCase().replace(/\s+/g, " ");
  const most_results = 30;
  const seek = () => {
    const words = fold(search.value).split(" ").filter(Boolean);
    if (!words.length && picked === null && category === null) [shown, found] = [null, null];
    else {
      if (words.length && folded === null) {
        const called = nodes.map((node) => fold(node.name));
        const around = (row) => levels.map((level, at) => nodeOf[at].get(level.code[row])).map((node) => node ? called[node.at] : "").join("\n");
        folded = ids.map((id, row) => `${fold(id)}\n${fold(beginnings[row])}\n${around(row)}`);
      }
      shown = [];
      found = new Uint8Array(points);
      for (const row of everywhere) {
        if (picked !== null && !isIn(picked, row)) continue;
        if (category !== null && groupOf[row] !== category) continue;
        if (words.length && !words.every((word) => folded[row].includes(word))) continue;
        shown.push(row);
        found[row] = 1;
      }
    }
    count.textContent = shown === null ? `${told.format(points)} ${points === 1 ? "document" : "documents"}` : `${told.format(shown.length)} of ${told.format(points)} documents`;
    const hits = new Uint32Array(clusters.length);
    if (words.length) for (const row of shown) if (member[row] >= 0) hits[member[row]] += 1;
    for (const card of cards) {
      card.element.parentElement.hidden = (words.length > 0 && !hits[card.at] && !isOwn(card)) || !inPicked(card);
      card.element.querySelector(".hits").textContent = words.length ? `${told.format(hits[card.at])} found` : "";
    }
    for (const heading of headings) {
      const mine = cards.filter((card) => isWithin(ofCluster(card.at), heading.node));
      heading.element.hidden = mine.every((card) => card.element.parentElement.hidden);
    }
    if (byId("nothing")) byId("nothing").hidden = !words.length || shown.length > 0;
    const results = byId("results");
    results.hidden = !words.length || !shown.length;
    const list = results.querySelector("ol");
    list.replaceChildren();
    if (words.length) {
      results.querySelector("h3").textContent = shown.length > most_results ? `The first ${most_results} of ${told.format(shown.length)} documents found` : "Documents found";
      for (const row of shown.slice(0, most_results)) {
        const one = make("button", { type: "button" }, make("bdi", { class: "id", text: ids[row] }), make("bdi", { class: "text", text: beginnings[row] }));
        one.addEventListener("click", () => { open(row, one); reveal(row); });
        list.append(make("li", {}, one));
      }
    }
    paint();
    measure();
    place();
  };
  let waits = 0;
  search.addEventListener("input", () => { clearTimeout(waits); waits = setTimeout(seek, points > 5000 ? 180 : 0); });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    clearTimeout(waits);
    seek();
    if (shown !== null && shown.length) fly(fitted(boundsOf(shown, 0.02), 60));
  });
  byId("colour").addEventListener("change", () => {
    by = byId("colour").value;
    if (category !== null) { category = null; colour(); seek(); }
    recolour();
  });

  // ---- clusters ----
  const beside = byId("beside");
  const bring = (element) => { // without moving the page where the cards have a place of their own
    if (getComputedStyle(beside).overflowY === "visible") element.scrollIntoView({ block: "nearest" });
    else beside.scrollTop += element.getBoundingClientRect().top - beside.getBoundingClientRect().top - 4;
  };
  const crumbs = byId("crumbs");
  const trail = () => { // from all documents down to what is picked
    const path = [];
    for (let node = picked; node; node = node.parent) if (!node.parent || node.parent.inner.length > 1) path.unshift(shaped(node));
    const link = (text, aim) => {
      const one = make("button", { type: "button", class: "link" }, make("bdi", { text }));
      one.addEventListener("click", () => choose(aim));
      return one;
    };
    crumbs.replaceChildren(...path.length ? [link("All", null), ...path.flatMap((node, at) => [make("span", { class: "soft", text: " › " }), at === path.length - 1 ? make("bdi", { text: node.name }) : link(node.name, node)])] : []);
    crumbs.hidden = !path.length;
    measure();
  };
  const choose = (node, from = null) => {
    const before = picked;
    picked = node;
    const at = node === null ? null : node.cluster;
    for (const card of cards) card.element.open = at !== null && card.at === at;
    trail();
    seek();
    const own = at === null ? null : cards.find((card) => card.at === at);
    if (own && from !== own.element) bring(own.element);
    if (node !== null) {
      const rows = rowsOf(node);
      if (rows.length) fly(fitted(boundsOf(rows, 0.03), Math.min(wide, tall) / 8));
    } else if (before !== null && levels.length > 1) fly(whole());
  };
  const upwards = () => { // to what the picked part is in
    let node = picked.parent;
    while (node && node.inner.length === 1) node = node.parent;
    choose(node);
  };
  const pick = (at, from = null) => choose(at === null ? null : ofCluster(at), from);
  for (const heading of headings) heading.button.addEventListener("click", () => choose(heading.node));
  for (const element of document.querySelectorAll("[data-part]")) {
    const node = levels.length > data.base + 1 ? nodeOf[data.base + 1].get(Number(element.dataset.part)) : null;
    if (node) element.querySelector(".name").replaceWith(linked(element.querySelector(".name"), () => choose(node, element.closest(".card"))));
  }
  for (const card of cards) {
    card.element.querySelector("summary").addEventListener("click", (event) => {
      event.preventDefault(); // one is open at a time, the one on the map
      pick(card.element.open ? null : card.at, card.element);
    });
  }
  for (const element of document.querySelectorAll("[data-row]")) {
    const row = Number(element.dataset.row);
    if (!(row >= 0 && row < points)) continue;
    const link = make("button", { type: "button", class: "link", text: "open" });
    link.addEventListener("click", () => { open(row, link); reveal(row); });
    element.after(link);
  }

  // ---- a document ----
  const panel = byId("panel");
  let opener = null;
  const marked = (pieces) => {
    const quote = make("blockquote", { dir: "auto" });
    for (const [text, shade] of pieces) quote.append(shade ? make("mark", { class: `s${shade}`, text }) : text);
    return quote;
  };
  const valueOf = (column, row) => column.number ? (Number.isFinite(column.number[row]) ? brief(column.number[row]) : "unknown")
    : column.code[row] < 0 ? "unknown" : column.values[column.code[row]];
  const open = async (row, from = null) => {
    const whole = await documentOf(row);
    opened = row;
    opener = from;
    byId("panel-title").replaceChildren(make("bdi", { text: ids[row] }));
    const body = byId("panel-body");
    const cluster = member[row] < 0 ? null : clusters[member[row]];
    panel.className = `panel ${cluster ? `p${cluster.colour}` : "pnone"}`;
    const belongs = make("p", { class: "belongs" }, make("span", { class: "dot" }));
    if (cluster) {
      const link = make("button", { type: "button", class: "link" }, make("bdi", { text: cluster.name }));
      link.addEventListener("click", () => { shut(false); pick(member[row]); });
      belongs.append(link);
      for (const part of partsOf(row)) {
        const deeper = make("button", { type: "button", class: "link" }, make("bdi", { text: part.name }));
        deeper.addEventListener("click", () => { shut(false); choose(part); });
        belongs.append(make("span", { class: "soft", text: "›" }), deeper);
      }
      if (Number.isFinite(probability[row])) belongs.append(make("span", { class: "soft", text: probability[row].toFixed(2).replace(/^0/, ""), title: "probability of membership" }));
    } else belongs.append(make("span", { text: "in no cluster" }));
    body.replaceChildren(belongs);
    if (whole && whole[2]) body.append(make("p", { class: "prompt", dir: "auto", text: whole[2] }));
    if (whole) body.append(marked(whole[0]));
    else if (beginnings[row]) body.append(marked([[beginnings[row], 0]]), make("p", { class: "soft", text: "This page has only the beginning of the text." }));
    if (!(whole ? whole[0].length : beginnings[row])) body.append(make("p", { class: "none", text: "The text is not stored." }));
    if (whole && whole[1].length) {
      const highest = Math.max(...whole[1].map(([, strength]) => strength || 0)) || 1;
      const list = make("ul", { class: "features" });
      for (const [label, strength] of whole[1]) {
        const bar = make("span");
        bar.style.width = `${100 * Math.min(Math.max((strength || 0) / highest, 0), 1)}%`;
        list.append(make("li", {},
          make("p", { class: "rates" }, make("bdi", { text: label || "not labelled" }), make("span", { class: "pair soft", text: strength === null ? "–" : brief(strength) })),
          make("div", { class: "meter" }, bar)));
      }
      body.append(make("h3", { text: "Strongest features" }), list);
    }
    if (columns.length) {
      const list = make("dl", { class: "columns" });
      for (const column of columns) list.append(make("div", {}, make("dt", {}, make("bdi", { text: column.name })), make("dd", {}, make("bdi", { text: valueOf(column, row) }))));
      body.append(list);
    }
    panel.hidden = false;
    panel.scrollTop = 0;
    byId("panel-title").focus({ preventScroll: true });
    place();
  };
  const shut = (back = true) => {
    panel.hidden = true;
    opened = null;
    if (back && opener && opener.isConnected) opener.focus({ preventScroll: true });
    opener = null;
    place();
  };
  const reveal = (row) => {
    if (!there(row)) return;
    const x = across(xs[row]), y = down(ys[row]);
    if (x < 30 || x > wide - 30 || y < 30 || y > tall - 30) fly({ x: xs[row], y: ys[row], scale: view.scale });
  };
  byId("close").addEventListener("click", () => shut());

  // ---- pointing, moving, zooming ----
  const tip = byId("tip");
  const hint = (row, left, upper) => {
    const changed = row !== pointed;
    pointed = row;
    tip.hidden = row === null;
    stage.classList.toggle("pointing", row !== null);
    if (row !== null) {
      if (changed) {
        const cluster = member[row] < 0 ? null : clusters[member[row]];
        tip.replaceChildren(
          make("p", { class: "id" }, make("bdi", { text: ids[row] || "" })),
          make("p", { class: `belongs ${cluster ? `p${cluster.colour}` : "pnone"}` }, make("span", { class: "dot" }), make("bdi", { text: cluster ? [cluster.name, ...partsOf(row).map((part) => part.name)].join(" › ") : "in no cluster" })),
          make("p", { dir: "auto", text: beginnings[row] || "" }),
          ...by === "cluster" ? [] : [make("p", { class: "value" }, make("bdi", { text: by === "probability" ? `probability ${brief(probability[row])}` : `${columns[Number(by)].name}: ${valueOf(columns[Number(by)], row)}` }))],
        );
      }
      const x = left + 16 + tip.offsetWidth > wide ? Math.max(4, left - 16 - tip.offsetWidth) : left + 16;
      const y = Math.max(4, Math.min(upper + 14, tall - tip.offsetHeight - 4));
      tip.style.transform = `translate(${x.toFixed(0)}px, ${y.toFixed(0)}px)`;
    }
    if (changed) place();
  };
  const placeOf = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left - stage.clientLeft, event.clientY - box.top - stage.clientTop];
  };
  const zoomAt = (factor, left, upper) => {
    const before = view.scale;
    flight += 1;
    view.scale *= factor;
    const x = view.x + (left - wide / 2) / before, y = view.y - (upper - tall / 2) / before;
    const limits = whole().scale;
    view.scale = Math.min(Math.max(view.scale, limits / 2), limits * 400);
    view.x = x - (left - wide / 2) / view.scale;
    view.y = y + (upper - tall / 2) / view.scale;
    move();
  };
  const held = new Map(); // pointers that are down
  let travelled = 0, began = null;
  const ours = (event) => !event.target.closest("#zoom, #legend, #crumbs");
  stage.addEventListener("pointerdown", (event) => {
    if (!ours(event) || (event.pointerType === "mouse" && event.button !== 0)) return;
    held.set(event.pointerId, placeOf(event));
    if (held.size === 1) { travelled = 0; began = event.target; }
    flight += 1;
  });
  stage.addEventListener("pointermove", (event) => {
    const [x, y] = placeOf(event);
    if (!held.has(event.pointerId)) {
      if (event.pointerType !== "touch") hint(ours(event) && !event.target.closest(".names button") ? nearest(x, y, size / 2 + 6) : null, x, y);
      return;
    }
    const [was, from] = held.get(event.pointerId);
    const others = [...held].filter(([id]) => id !== event.pointerId);
    travelled += Math.hypot(x - was, y - from);
    if (travelled > 4 && !stage.classList.contains("moving")) {
      stage.classList.add("moving");
      try { stage.setPointerCapture(event.pointerId); } catch { /* it is up already */ }
      hint(null);
    }
    if (travelled <= 4 && held.size === 1) return;
    held.set(event.pointerId, [x, y]);
    if (others.length) {
      const [, [px, py]] = others[0];
      const before = Math.hypot(was - px, from - py), after = Math.hypot(x - px, y - py);
      view.x -= (x - was) / 2 / view.scale;
      view.y += (y - from) / 2 / view.scale;
      if (before > 5 && after > 5) zoomAt(after / before, (x + px) / 2, (y + py) / 2);
      travelled += 9;
    } else {
      view.x -= (x - was) / view.scale;
      view.y += (y - from) / view.scale;
    }
    move();
  });
  const up = (event) => {
    if (!held.delete(event.pointerId) || held.size) return;
    stage.classList.remove("moving");
    if (event.type === "pointercancel" || travelled > 4) return;
    const name = began && began.closest(".names button");
    if (name) { choose(nodes[Number(name.dataset.node)]); return; }
    const row = nearest(...placeOf(event), size / 2 + (event.pointerType === "touch" ? 14 : 6));
    if (row !== null) open(row, stage);
    else if (!panel.hidden) shut(false);
    else if (picked !== null) upwards();
  };
  stage.addEventListener("pointerup", up);
  stage.addEventListener("pointercancel", up);
  stage.addEventListener("pointerleave", () => hint(null));
  stage.addEventListener("wheel", (event) => {
    if (!ours(event)) return;
    event.preventDefault();
    const step = event.deltaY * (event.deltaMode === 1 ? 20 : event.deltaMode === 2 ? 400 : 1);
    hint(null);
    zoomAt(Math.exp(-Math.max(-300, Math.min(300, step)) * (event.ctrlKey ? 0.008 : 0.002)), ...placeOf(event));
  }, { passive: false });
  const step = (factor) => fly({ x: view.x, y: view.y, scale: Math.min(Math.max(view.scale * factor, whole().scale / 2), whole().scale * 400) });
  byId("nearer").addEventListener("click", () => step(1.8));
  byId("farther").addEventListener("click", () => step(1 / 1.8));
  byId("all").addEventListener("click", () => fly(whole()));

  // ---- keys ----
  const next = (by) => {
    const visible = cards.filter((card) => !card.element.parentElement.hidden);
    if (!visible.length) return;
    const at = visible.findIndex((card) => card.element.contains(document.activeElement));
    const to = visible[at < 0 ? (by > 0 ? 0 : visible.length - 1) : Math.min(Math.max(at + by, 0), visible.length - 1)].element;
    to.querySelector("summary").focus({ preventScroll: true });
    const [upper, lower] = [to.getBoundingClientRect(), beside.getBoundingClientRect()];
    if (upper.top < Math.max(lower.top, 0) || upper.top > Math.min(lower.bottom, innerHeight) - 60) bring(to);
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const active = document.activeElement;
    if (event.key === "Escape") {
      clearTimeout(waits);
      if (!panel.hidden) shut();
      else if (search.value) { search.value = ""; seek(); }
      else if (category !== null) { category = null; seek(); explain(); }
      else if (picked !== null) upwards();
      return;
    }
    if (active && active.matches("input[type=search], select")) return;
    if (event.key === "/") {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "j") next(1);
    else if (event.key === "k") next(-1);
    else if (active === stage) {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (by) {
        event.preventDefault();
        flight += 1;
        view.x += by[0] * 0.12 * wide / view.scale;
        view.y += by[1] * 0.12 * tall / view.scale;
        move();
      } else if (event.key === "+" || event.key === "=") step(1.5);
      else if (event.key === "-") step(1 / 1.5);
      else if (event.key === "0") fly(whole());
    }
  });

  // ---- beginning ----
  const resize = () => {
    if (!stage.clientWidth || !stage.clientHeight) return false;
    const changed = wide !== stage.clientWidth || tall !== stage.clientHeight;
    [wide, tall] = [stage.clientWidth, stage.clientHeight];
    return changed;
  };
  const begin = async () => {
    const why = "The map needs WebGL 2, which this browser does not support. The clusters are listed next to it.";
    if (!window.deck) return fail(why);
    try { [ids, beginnings] = await unpack(data.texts); } catch {
      ids = beginnings = Array.from({ length: points }, () => "");
      byId("count").title = "This browser cannot decompress the texts of this page. A newer browser can.";
    }
    resize();
    Object.assign(view, whole());
    colour();
    explain();
    measure();
    seek();
    try {
      await new Promise((resolve, reject) => {
        engine = new deck.Deck({
          parent: base, width: "100%", height: "100%", views: [new deck.OrthographicView({ controller: false })],
          initialViewState: { target: [0, 0, 0], zoom: 0 }, layers: [layered()], onLoad: resolve, onError: reject,
        });
      });
    } catch {
      engine = null;
      return fail(why);
    }
    // deck.gl makes its part a stop of the Tab key, which is hidden from screen readers: the stage takes the keys
    for (const one of [base, ...base.querySelectorAll("[tabindex]")]) one.tabIndex = -1;
    byId("waiting").hidden = true;
    byId("zoom").hidden = false;
    measure(); // no name is over it
    stage.dataset.loaded = Math.round(performance.now());
    render();
    requestAnimationFrame(() => setTimeout(() => { stage.dataset.drawn = Math.round(performance.now()); }));
    new ResizeObserver(() => {
      const far = view.scale / whole().scale;
      if (!resize()) return;
      view.scale = whole().scale * far; // as much is seen as before
      measure();
      move();
    }).observe(stage);
    for (const radio of document.querySelectorAll("input[name=theme]")) radio.addEventListener("change", recolour);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  };
  begin();
})();
