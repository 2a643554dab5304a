// Tells the number under the pointer in a heat map; the page is whole without it.
for (const figure of document.querySelectorAll(".activations")) {
  const said = figure.querySelector(".value"), steps = Number(getComputedStyle(figure.querySelector(".heat")).getPropertyValue("--steps"));
  for (const map of figure.querySelectorAll("img")) {
    const values = Int8Array.from(atob(map.dataset.values), (one) => one.charCodeAt(0));
    const units = map.dataset.units.split(",");
    map.onpointermove = (event) => {
      const box = map.getBoundingClientRect(), inside = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
      const step = inside((event.clientX - box.left) / box.width, steps), unit = inside((event.clientY - box.top) / box.height, units.length);
      const value = values[unit * steps + step] * Number(map.dataset.scale);
      said.value = `${map.dataset.name}, unit ${units[unit]}, step ${step + 1}: ${value.toFixed(3)}`;
    };
    map.onpointerleave = () => { said.value = ""; };
  }
}
