(() => {
  // ---- one arm beside the unedited one, chosen by dose or among the controls ----
  const bar = document.getElementById("steering");
  const slider = document.getElementById("slider");
  const other = document.getElementById("other");
  const told = document.getElementById("shown");
  const parts = [...document.querySelectorAll(".arm")];
  if (parts.length === 0) return;
  const words = (name) => (slider ? slider.dataset[name].trim().split(" ") : []);
  const arms = words("arms").map(Number);
  const doses = words("doses");
  const show = (arm) => {
    let name = "";
    for (const part of parts) {
      const own = Number(part.dataset.arm);
      part.hidden = own !== 0 && own !== arm;
      if (own === arm) name = part.querySelector(".name").textContent;
    }
    told.textContent = arm === 0 ? "unedited" : "unedited beside " + name;
  };
  const dosed = () => {
    if (other) other.value = "";
    document.getElementById("dose").textContent = doses[slider.value];
    slider.setAttribute("aria-valuetext", "dose " + doses[slider.value]);
    show(arms[slider.value]);
  };
  if (slider) slider.addEventListener("input", dosed);
  if (other) other.addEventListener("change", () => {
    if (other.value !== "") show(Number(other.value));
    else if (slider) dosed();
  });
  bar.hidden = false;
  if (slider && arms.length) dosed();
  else show(Number(document.currentScript.dataset.start));
})();
