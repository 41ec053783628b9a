(() => {
  // Links to clusters (#cluster-34), their rows as a file, and what the map is coloured by at first. It reads the page's data by itself, so that the map can change without it.
  const block = document.getElementById("data");
  if (!block) return;
  const data = JSON.parse(block.textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const numbers = (text, read) => {
    const raw = bytes(text), view = new DataView(raw.buffer);
    return Array.from({ length: raw.length / 4 }, (_, at) => view[read](4 * at, true));
  };
  const unpack = async (text) => {
    const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  };

  // ---- links ----
  const cards = new Map([...document.querySelectorAll(".card[data-cluster]")].map((card) => [card.dataset.cluster, card]));
  const follow = () => {
    const told = /^#cluster-(\d+)$/.exec(location.hash), card = told && cards.get(String(Number(told[1])));
    if (!card) return;
    const summary = card.querySelector("summary");
    if (!card.open) summary.click(); // as by hand: the map chooses it, closes others and shows it whatever is searched for
    card.scrollIntoView({ block: "start" });
    summary.focus({ preventScroll: true });
  };
  addEventListener("hashchange", follow);

  // ---- rows: a cell that a spreadsheet takes for a formula gets an apostrophe, as in saetext's CSV ----
  const formula = /^'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/, number = /^[+-](?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
  const cell = (value) => {
    let text = value === null || value === undefined || Number.isNaN(value) ? "" : String(value);
    if (typeof value !== "number" && formula.test(text) && !number.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const rowsOf = async (wanted) => {
    const member = numbers(data.cluster, "getInt32"), probability = numbers(data.probability, "getFloat32");
    const xs = numbers(data.x, "getFloat32"), ys = numbers(data.y, "getFloat32");
    const [ids, beginnings] = await unpack(data.texts);
    const whole = data.documents.length > 0;
    const columns = data.columns.map((column) => {
      if (column.number !== undefined) return { name: column.name, of: ((at) => (row) => at[row])(numbers(column.number, "getFloat32")) };
      const code = numbers(column.code, "getInt32");
      return { name: column.name, of: (row) => code[row] < 0 ? null : column.values[code[row]] };
    });
    const named = data.clusters.find((cluster) => cluster.number === wanted);
    const lines = [["id", "cluster", "cluster_name", "probability", "x", "y", ...columns.map((one) => one.name), whole ? "text" : "beginning"]];
    const blocks = new Map();
    for (let row = 0; row < member.length; row++) {
      if (member[row] !== wanted) continue;
      let text = beginnings[row];
      if (whole) {
        const at = Math.floor(row / data.together);
        if (!blocks.has(at)) blocks.set(at, await unpack(data.documents[at]));
        text = blocks.get(at)[row % data.together][0].map((piece) => piece[0]).join("");
      }
      lines.push([ids[row], wanted, named ? named.name : "", probability[row], xs[row], ys[row], ...columns.map((one) => one.of(row)), text]);
    }
    return lines.map((line) => line.map(cell).join(",")).join("\n") + "\n";
  };
  const save = async (wanted) => {
    const file = new Blob(["\ufeff", await rowsOf(wanted)], { type: "text/csv;charset=utf-8" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `cluster-${wanted}.csv`;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };
  for (const [key, card] of cards) {
    const wanted = Number(key), body = card.querySelector(".body");
    const line = document.createElement("p"), link = document.createElement("a"), button = document.createElement("button");
    line.className = "soft links";
    link.href = `#cluster-${wanted}`;
    link.textContent = "Link to this cluster";
    button.type = "button";
    button.className = "save-rows";
    button.textContent = "Save these rows";
    button.title = data.documents.length ? "As CSV, with whole texts" : "As CSV, with the beginnings of texts";
    button.addEventListener("click", () => save(wanted).catch(() => { button.textContent = "This browser cannot save them"; }));
    line.append(link, " ", button);
    body.append(line);
  }

  // ---- what is compared is seen first ----
  const colour = document.getElementById("colour");
  const at = data.first_column === null || data.first_column === undefined ? -1 : data.first_column;
  if (colour && at >= 0) {
    const waiting = document.getElementById("waiting");
    const ready = () => { colour.value = String(at); colour.dispatchEvent(new Event("change")); };
    const watch = new MutationObserver(() => { if (waiting.hidden) { watch.disconnect(); ready(); } });
    if (waiting.hidden) ready(); else watch.observe(waiting, { attributes: true });
  }
  follow();
})();
