"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const coarse = matchMedia("(pointer: coarse)");
const themes = document.getElementById("themes");
const plots = [...document.querySelectorAll(".plot")].map((box) => {
  const source = box.querySelector("script").textContent;
  box.replaceChildren();
  return { box, source };
});

// A figure is drawn for light paper; in the dark every one of its colours has a counterpart.
function paint({ box, source }) {
  let text = source;
  if (dark.matches) {
    for (const [light, night] of JSON.parse(themes.textContent)) text = text.replaceAll(`"${light}"`, `"${night}"`);
  }
  const { data, layout } = JSON.parse(text);
  if (layout.yaxis.scaleanchor) layout.height = Math.min(layout.height, box.clientWidth);
  box.style.height = `${layout.height}px`;
  if (coarse.matches) layout.dragmode = false;
  return Plotly.react(box, data, layout, {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  });
}

async function paintAll() {
  for (const plot of plots) await paint(plot);
  document.documentElement.classList.add("drawn");
}

if (plots.length) {
  paintAll();
  dark.addEventListener("change", paintAll);
}

const buttons = document.querySelectorAll(".filters button");
for (const button of buttons) {
  button.addEventListener("click", () => {
    const wanted = button.dataset.outcome;
    for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
    for (const row of document.querySelectorAll("tr[data-outcome]")) {
      row.hidden = wanted !== "" && row.dataset.outcome !== wanted;
    }
    for (const group of document.querySelectorAll(".claims tbody")) {
      group.hidden = !group.querySelector("tr[data-outcome]:not([hidden])");
    }
  });
}
