// Numbers by category on colours; the text is black or white, whichever has more contrast.
const stops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

function heatColour(share) {
  const at = Math.min(0.9999, Math.max(0, share)) * (stops.length - 1);
  const [low, high] = [stops[Math.floor(at)], stops[Math.floor(at) + 1]];
  return low.map((value, i) => Math.round(value + (at % 1) * (high[i] - value)));
}

function luminance(colour) {
  const [r, g, b] = colour.map((value) => { const v = value / 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const inkOn = (colour) => (1.05 / (luminance(colour) + 0.05) > (luminance(colour) + 0.05) / 0.05 ? "#fff" : "#000");

function paint(cell, share) {
  const colour = heatColour(share);
  cell.style.backgroundColor = `rgb(${colour.join(",")})`;
  cell.style.color = inkOn(colour);
}

function drawHeat(section, metric) {
  const view = byId("categories-view");
  if (!section) {
    view.replaceChildren(make("p", null, "No measured setting is shown."));
    return;
  }
  const index = 3 + board.perRecord.indexOf(metric.id);
  const lines = section.lines.filter((line) => line.records);
  const numbers = lines.flatMap((line) => line.records.map((record) => Number.parseFloat(record[index]))).filter(Number.isFinite);
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const share = (text) => (high > low ? (Number(text) - low) / (high - low) : 1);
  const rows = lines.map((line) => make("tr", null, make("th", { scope: "row" }, line.label), heatCells(line, section, index, share), meanCell(line, section, metric)));
  const head = ["method", ...section.categories, "mean"].map((text) => make("th", { scope: "col" }, text.replaceAll("_", " ")));
  const caption = make("caption", null, `${metric.title} by category: ${section.title}`);
  const whole = make("table", { class: "heat" }, caption, make("thead", null, make("tr", null, head)), make("tbody", null, rows));
  const frame = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${metric.title} by category` }, whole);
  view.replaceChildren(frame, heatScale(low, high));
}

function heatCells(line, section, index, share) {
  return section.categories.map((category) => {
    const record = line.records.find(([name]) => name === category);
    if (!record) return make("td", { title: "not run" }, "\u2013");
    const text = record[index] && record[index] !== "-" ? record[index] : null;
    const name = `${line.label}, ${category}: ${text || record[1]}`;
    const cell = make("td", null, make("a", { href: record[2], "aria-label": name }, text || record[1]));
    if (text) paint(cell, share(text));
    return cell;
  });
}

function meanCell(line, section, metric) {
  const ok = line.records.filter((record) => record[1] === "ok").length;
  const text = metric.id in line.values ? line.values[metric.id] : "\u2013";
  const over = ok < section.categories.length ? ` (of ${ok})` : "";
  return make("td", { class: "mean" }, text + over);
}

function heatScale(low, high) {
  if (!Number.isFinite(low)) return make("p");
  const canvas = make("canvas", { width: 120, height: 1, role: "img", "aria-label": "colour scale, from the lowest to the highest number" });
  const context = canvas.getContext("2d");
  for (let i = 0; i < 120; i += 1) {
    context.fillStyle = `rgb(${heatColour(i / 119).join(",")})`;
    context.fillRect(i, 0, 1, 1);
  }
  return make("p", { class: "scale" }, low.toFixed(3), canvas, high.toFixed(3));
}

settingChooser("categories", (section) => section.lines.some((line) => line.records), drawHeat);
