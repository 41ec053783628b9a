(() => {
  // ---- at a concept of the network, what is not connected with it steps back ----
  const net = document.querySelector(".net");
  if (!net) return;
  const edges = [...net.querySelectorAll(".edge")].map((element) => [element, element.dataset.ends.split(" ")]);
  const parts = [...net.querySelectorAll("[data-node]")];
  const highlight = (node) => {
    const near = new Set([node]);
    for (const [, ends] of edges) if (ends.includes(node)) for (const end of ends) near.add(end);
    for (const [element, ends] of edges) element.classList.toggle("away", node !== undefined && !ends.includes(node));
    for (const part of parts) part.classList.toggle("away", node !== undefined && !near.has(part.dataset.node));
  };
  for (const part of parts) {
    part.addEventListener("pointerenter", () => highlight(part.dataset.node));
    part.addEventListener("pointerleave", () => highlight());
  }
})();
