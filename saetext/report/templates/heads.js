"use strict";
{
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const n = data.n;
  const bytes = Uint8Array.from(atob(data.patterns), (c) => c.charCodeAt(0));
  const size = (n * (n + 1)) / 2;
  const buttons = [...document.querySelectorAll(".head")];
  const tokens = [...document.querySelectorAll(".token")];
  let head = 0;
  let query = n - 1;
  let pinned = false;

  const weight = (at, row, column) => (column > row ? 0 : bytes[at * size + (row * (row + 1)) / 2 + column]);
  const colour = () => getComputedStyle(document.documentElement).getPropertyValue("--a-shade").split(",").map(Number);

  const paint = (canvas, at, [red, green, blue]) => {
    canvas.width = n;
    canvas.height = n;
    const context = canvas.getContext("2d");
    const image = context.createImageData(n, n);
    for (let row = 0; row < n; row += 1) {
      for (let column = 0; column <= row; column += 1) {
        const to = 4 * (row * n + column);
        image.data[to] = red;
        image.data[to + 1] = green;
        image.data[to + 2] = blue;
        // the square root, so that little attention is seen as well
        image.data[to + 3] = Math.round(Math.sqrt(weight(at, row, column) / 255) * 255);
      }
    }
    context.putImageData(image, 0, 0);
  };

  const look = () => {
    tokens.forEach((token, column) => {
      const share = weight(head, query, column) / 255;
      const step = share > 0.004 ? Math.max(1, Math.round(8 * Math.sqrt(share))) : 0;
      token.className = step ? `token s${step}` : "token";
      token.setAttribute("aria-pressed", String(column === query));
      token.title = column > query ? "" : `${(100 * share).toFixed(0)} % of the attention of ${tokens[query].textContent}`;
    });
  };

  const show = (at) => {
    head = at;
    const button = buttons[at];
    byId("name").textContent = `Head ${button.dataset.name}`;
    byId("figures").textContent = button.dataset.told;
    buttons.forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
    paint(byId("pattern"), at, colour());
    look();
  };

  const shade = () => {
    const which = Number(byId("score").value) || 0;
    let best = [0, -Infinity];
    buttons.forEach((button, at) => {
      const step = Number(button.dataset.shades.split(" ")[which]) || 0;
      button.className = step ? `head s${step}` : "head";
      const over = Number(button.dataset.over.split(" ")[which]);
      if (over > best[1]) best = [at, over];
    });
    byId("told").textContent = "The stronger the colour of a frame, the more of the score over its control.";
    return best[0];
  };

  const draw = () => {
    const shades = colour();
    buttons.forEach((button, at) => paint(button.firstElementChild, at, shades));
    paint(byId("pattern"), head, shades);
  };

  buttons.forEach((button, at) => {
    button.addEventListener("pointerenter", (event) => { if (!pinned && event.pointerType === "mouse") show(at); });
    button.addEventListener("focus", () => { if (!pinned) show(at); });
    button.addEventListener("click", () => { pinned = !(pinned && head === at); show(at); });
  });
  tokens.forEach((token, at) => {
    for (const kind of ["pointerenter", "focus", "click"]) {
      token.addEventListener(kind, () => { query = at; look(); });
    }
  });
  byId("pattern").addEventListener("pointermove", (event) => {
    const box = byId("pattern").getBoundingClientRect();
    const place = (value, length) => Math.min(n - 1, Math.max(0, Math.floor((value / length) * n)));
    const row = place(event.clientY - box.top, box.height);
    const column = place(event.clientX - box.left, box.width);
    query = row;
    look();
    const share = ((100 * weight(head, row, column)) / 255).toFixed(0);
    byId("cell").textContent = column > row
      ? `${tokens[row].textContent} (${row}) does not see ${tokens[column].textContent} (${column})`
      : `${tokens[row].textContent} (${row}) gives ${share} % to ${tokens[column].textContent} (${column})`;
  });
  byId("score").addEventListener("change", () => { pinned = false; show(shade()); });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  byId("choose").hidden = false;
  byId("explorer").hidden = false;
  draw();
  show(shade());
}
