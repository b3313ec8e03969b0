const box = document.getElementById("picture");
const phone = matchMedia("(max-width: 640px)");
const dark = matchMedia("(prefers-color-scheme: dark)");

// Colours of a dark page: only values of keys that hold colours are replaced
function recoloured(tree) {
  if (Array.isArray(tree)) return tree.map(recoloured);
  if (tree === null || typeof tree !== "object") return tree;
  return Object.fromEntries(Object.entries(tree).map(([key, value]) =>
    [key, /color$/i.test(key) && typeof value === "string" ? picture.dark[value] || value : recoloured(value)]));
}

function legendRows(data, width) {
  const shown = data.filter(each => each.showlegend);
  if (shown.length < 2) return 0;
  const longest = Math.max(...shown.map(each => each.name.length)) * 7 + 60;
  return Math.ceil(shown.length / Math.max(1, Math.floor((width - 40) / longest)));
}

function layoutOf(source, data, size) {
  const layout = dark.matches ? recoloured(source) : structuredClone(source);
  const style = getComputedStyle(document.body);
  const rows = legendRows(data, size.width);
  const titled = (layout.annotations || []).some(each => each.yref === "paper" && each.text);
  delete layout.title;
  Object.assign(layout, {
    width: size.width, height: size.height, autosize: false, showlegend: rows > 0,
    paper_bgcolor: style.backgroundColor, plot_bgcolor: style.backgroundColor, font: {color: style.color},
    modebar: {orientation: "v"},
    margin: {l: 20, r: phone.matches ? 20 : 50, b: 20, t: 20 + 24 * rows + (titled ? 28 : 0)},
    legend: {orientation: "h", x: 0.5, xanchor: "center", y: 1, yref: "container", yanchor: "top"},
  });
  const line = style.getPropertyValue("--line").trim();
  for (const [key, axis] of Object.entries(layout))
    if (/^[xy]axis/.test(key)) Object.assign(axis, {gridcolor: line, zerolinecolor: line, linecolor: line});
  return layout;
}

// The picture and its caption fill the window; the origin follows below
function size() {
  const around = document.querySelector("h1").offsetHeight + document.getElementById("caption").offsetHeight;
  const least = picture.heights[phone.matches ? 1 : 0];
  return {width: box.clientWidth, height: Math.max(least, window.innerHeight - around)};
}

function draw() {
  const data = dark.matches ? recoloured(picture.data) : structuredClone(picture.data);
  if (phone.matches)  // nodes of a diagram that would overlap
    for (const each of data) if (each.marker && each.marker.size > 36) each.marker.size = 36;
  const layout = layoutOf(picture.layouts[phone.matches ? 1 : 0], data, size());
  Plotly.react(box, data, layout, {displaylogo: false, displayModeBar: phone.matches ? false : "hover"});
}

addEventListener("resize", draw);
dark.addEventListener("change", draw);
draw();
