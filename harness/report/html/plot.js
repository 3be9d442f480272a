// What plots share: scales, axes, markers, labels that keep clear of each other.
const family = (label) => label.split(/[[ ]/)[0];
const colourOf = (label) => { const [mark, , dark] = board.colours[label]; return `light-dark(${mark}, ${dark})`; };
const inkOf = (label) => { const [, ink, dark] = board.colours[label]; return `light-dark(${ink}, ${dark})`; };
const shapes = ["circle", "square", "triangle", "diamond"];
const deviceShape = (devices, device) => shapes[devices.indexOf(device) % shapes.length];

function markPath(shape, x, y, area) {
  const r = Math.sqrt(area / Math.PI);
  if (shape === "square") { const a = Math.sqrt(area) / 2; return `M${x - a} ${y - a}h${2 * a}v${2 * a}h${-2 * a}z`; }
  if (shape === "triangle") { const a = 1.3 * r; return `M${x} ${y - a}L${x + a} ${y + 0.8 * a}L${x - a} ${y + 0.8 * a}z`; }
  if (shape === "diamond") { const a = 1.25 * r; return `M${x} ${y - a}L${x + a} ${y}L${x} ${y + a}L${x - a} ${y}z`; }
  return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
}

function marker(shape, x, y, area, colour, hollow) {
  const path = draw("path", { d: markPath(shape, x, y, area), class: hollow ? "mark hollow" : "mark" });
  path.style.stroke = colour;
  if (!hollow) path.style.fill = colour;
  return path;
}

function niceTicks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) ticks.push(i * step);
  return ticks;
}

function linear(low, high, from, to) {
  const scale = (value) => from + ((value - low) / (high - low)) * (to - from);
  return Object.assign(scale, { ticks: niceTicks(low, high, 5), text: (value) => String(+value.toFixed(6)) });
}

function logarithmic(low, high, from, to) {
  const scale = (value) => from + (Math.log(value / low) / Math.log(high / low)) * (to - from);
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const factor of [1, 2, 5]) ticks.push(factor * 10 ** power);
  }
  return Object.assign(scale, { ticks: ticks.filter((t) => t >= low * 0.999 && t <= high * 1.001), text: (value) => String(+value.toPrecision(3)) });
}

function range(values, share) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = (high - low || Math.abs(high) * 0.1 || 0.1) * share;
  return [low - pad, high + pad];
}

function axes(box, x, y, xTitle, yTitle) {
  const parts = [];
  for (const tick of y.ticks) {
    parts.push(draw("line", { x1: box.left, x2: box.right, y1: y(tick), y2: y(tick), class: "grid" }));
    parts.push(draw("text", { x: box.left - 8, y: y(tick) + 4, "text-anchor": "end", class: "tick" }, y.text(tick)));
  }
  for (const tick of x.ticks) {
    parts.push(draw("line", { x1: x(tick), x2: x(tick), y1: box.bottom, y2: box.bottom + 5, class: "axis" }));
    parts.push(draw("text", { x: x(tick), y: box.bottom + 19, "text-anchor": "middle", class: "tick" }, x.text(tick)));
  }
  parts.push(draw("path", { d: `M${box.left} ${box.top}V${box.bottom}H${box.right}`, class: "axis" }));
  parts.push(draw("text", { x: (box.left + box.right) / 2, y: box.bottom + 40, "text-anchor": "middle" }, xTitle));
  parts.push(draw("text", { x: box.left - 48, y: box.top - 12 }, yTitle));
  return parts;
}

// Put each name where it meets no marker and no other name; a name without such a place is left to hover and focus.
function placeNames(points, box) {
  const taken = points.map((p) => ({ left: p.x - p.r, right: p.x + p.r, top: p.y - p.r, bottom: p.y + p.r }));
  const clear = (spot) => taken.every((other) =>
    spot.right < other.left || spot.left > other.right || spot.bottom < other.top || spot.top > other.bottom);
  const names = [];
  for (const point of [...points].sort((a, b) => a.published - b.published)) {
    const wide = point.name.length * 6.9 + 2;
    const gap = point.r + 5;
    const tries = [[gap, 4], [-gap - wide, 4], [-wide / 2, -gap - 2], [-wide / 2, gap + 11], [gap * 0.7, -gap], [gap * 0.7, gap + 8],
      [-gap * 0.7 - wide, -gap], [-gap * 0.7 - wide, gap + 8]];
    for (const [dx, dy] of tries) {
      const spot = { left: point.x + dx, right: point.x + dx + wide, top: point.y + dy - 11, bottom: point.y + dy + 3 };
      if (spot.left < box.left || spot.right > box.limit || spot.top < 0 || spot.bottom > box.bottom || !clear(spot)) continue;
      taken.push(spot);
      const text = draw("text", { x: spot.left, y: point.y + dy, class: "name", "aria-hidden": "true" }, point.name);
      text.style.fill = inkOf(point.name);
      names.push(text);
      break;
    }
  }
  return names;
}

/** A link from a mark to its row. Around its middle, or along its whole path, 24 pixels of the screen can be hit. */
function pointLink(point, text) {
  const target = draw("path", { d: point.at ? `M${point.at.join(" ")}h0` : point.mark.getAttribute("d"), class: "target" });
  const link = draw("a", { href: `#${point.line}`, "aria-label": text.replaceAll("\n", ", ") }, target, point.mark);
  showTip(link, text);
  link.addEventListener("click", (event) => {
    if (!event.defaultPrevented) byId(point.line).focus({ preventScroll: true });
  });
  return link;
}

function swatch(shape, colour, hollow) {
  return draw("svg", { width: 16, height: 16, viewBox: "0 0 16 16", "aria-hidden": "true" }, marker(shape, 8, 8, 70, colour, hollow));
}

const coveredBy = (line) => (line.records || []).filter((record) => record[1] === "ok").map((record) => record[0]);

function coverText(line) {
  const all = sectionOfLine.get(line.id).categories.length;
  const own = coveredBy(line).length;
  return line.published || own === all ? "" : `\nmean over ${own} of ${all} categories`;
}

const accuracyColumns = board.columns.filter((column) => column.kind.startsWith("Accuracy"));

// On paper plots stand three in a row: they are drawn as on a phone.
let printing = false;
const isWide = (node) => !printing && (node.clientWidth || 900) > 560;
for (const [event, now] of [["beforeprint", true], ["afterprint", false]]) {
  addEventListener(event, () => { printing = now; listeners.forEach((listener) => listener()); });
}

// Until a reader chooses, published numbers decide, or the view asks for official AUPRO: papers print no other.
function offerMetrics(select, lines, limit, official = false) {
  const columns = accuracyColumns.filter((column) => lines.some((line) => column.id in line.values));
  const wanted = official || lines.some((line) => line.published) ? `aupro_${limit}_official` : `aupro_${limit}`;
  setOptions(select, columns.map((column) => [column.id, column.title]));
  if (!select.dataset.chosen && columns.some((column) => column.id === wanted)) select.value = wanted;
  return columnOf[select.value];
}

// A view has a setting, and a metric or another choice of its own.
function settingChooser(anchor, wanted, refresh, official = false) {
  const setting = byId(`${anchor}-setting`);
  const metric = byId(`${anchor}-metric`);
  const update = () => {
    const sections = shownSections().filter(wanted);
    setOptions(setting, sections.map((section) => [section.id, section.title]));
    const section = sections.find(({ id }) => id === setting.value);
    refresh(section, metric ? offerMetrics(metric, section ? section.lines : [], "30", official) : null);
  };
  setting.addEventListener("change", update);
  for (const other of byId(anchor).querySelectorAll(".fields select")) {
    if (other !== setting) other.addEventListener("change", update);
  }
  addEventListener("resize", () => { clearTimeout(update.timer); update.timer = setTimeout(update, 150); });
  listeners.push(update);
}
