// Speed against accuracy: one marker a method, its area the memory, its shape the device.
function drawScatter(section, metric) {
  const view = byId("speed-view");
  const usable = section ? section.lines.filter((line) => line.values.fps && line.values[metric.id]) : [];
  if (!usable.length) {
    const text = "No row that is shown has both a speed and this metric; the details of a row say why it has none.";
    view.replaceChildren(make("p", null, text));
    return;
  }
  const wide = isWide(view);
  const [width, height] = wide ? [900, 460] : [420, 400];
  const box = { left: 58, right: width - (wide ? 70 : 26), top: 34, bottom: height - 52, limit: width - 4 };
  const speeds = usable.map((line) => Number(line.values.fps));
  const [slow, fast] = [Math.min(...speeds), Math.max(...speeds)];
  const x = fast / slow > 8 ? logarithmic(slow / 1.4, fast * 1.4, box.left, box.right) : linear(...range(speeds, 0.12), box.left, box.right);
  const y = linear(...range(usable.map((line) => Number(line.values[metric.id])), 0.12), box.bottom, box.top);
  const devices = [...new Set(usable.filter((line) => !line.published).map((line) => line.device))];
  const most = Math.max(...usable.map((line) => Number(line.values.memory_mb) || 0)) || 1;
  const area = (line) => Math.max(30, (wide ? 1500 : 900) * ((Number(line.values.memory_mb) || 0) / most));
  const points = usable.map((line) => {
    const shape = line.published ? "circle" : deviceShape(devices, line.device);
    const point = { line: line.id, name: line.label, published: line.published, colour: colourOf(line.label), source: line };
    Object.assign(point, { x: x(Number(line.values.fps)), y: y(Number(line.values[metric.id])), r: Math.sqrt(area(line) / Math.PI) });
    return Object.assign(point, { at: [point.x, point.y], mark: marker(shape, point.x, point.y, area(line), point.colour, line.published) });
  });
  const links = [...points].sort((a, b) => b.r - a.r).map((point) => pointLink(point, speedText(point.source, metric)));
  const title = `Frames a second against ${metric.title}: ${section.title}`;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": title },
    axes(box, x, y, `frames a second${fast / slow > 8 ? ", log scale" : ""}`, metric.title), speedFronts(points), links, placeNames(points, box));
  const absent = section.lines.filter((line) => !usable.includes(line));
  const names = absent.filter((line) => !line.published).map((line) => line.label);
  const printed = absent.length - names.length;
  if (printed) names.push(printed === 1 ? "one published row" : `${printed} published rows`);
  const note = names.length ? make("p", { class: "hint" }, `Not drawn, without a speed or this metric: ${names.join(", ")}.`) : null;
  view.replaceChildren(svg, speedLegend(usable, devices, most), ...(note ? [note] : []));
}

// A front for each device and for the published numbers, among rows over the same categories: the most of them.
function speedFronts(points) {
  const groups = new Map();
  for (const point of points) {
    const key = point.published ? "published" : `measured ${point.source.device}`;
    groups.set(key, [...(groups.get(key) || []), point]);
  }
  return [...groups.values()].flatMap((group) => {
    const cover = (point) => coveredBy(point.source).join();
    const most = group.reduce((a, b) => (coveredBy(b.source).length > coveredBy(a.source).length ? b : a));
    const front = paretoFront(group.filter((point) => cover(point) === cover(most)));
    if (front.length < 2) return [];
    const d = front.map((point, i) => `${i ? "L" : "M"}${point.x} ${point.y}`).join("");
    return [draw("path", { d, class: group[0].published ? "front hollow" : "front" })];
  });
}

// Points right of and above which there is no other, from right to left; y grows downwards.
function paretoFront(points) {
  const front = [];
  for (const point of [...points].sort((a, b) => b.x - a.x || a.y - b.y)) {
    if (!front.length || point.y < front.at(-1).y) front.push(point);
  }
  return front;
}

function speedText(line, metric) {
  const memory = line.values.memory_mb ? `${line.values.memory_mb} MB` : "memory unknown";
  const source = line.published ? "published, as timed by its authors" : `inference alone, measured on ${line.device}`;
  return `${line.label}\n${metric.title} ${line.values[metric.id]}\n${line.values.fps} frames a second\n${memory}\n${source}${coverText(line)}`;
}

function speedLegend(usable, devices, most) {
  const items = devices.map((device) => make("li", null, swatch(deviceShape(devices, device), "var(--soft)", false), `measured: inference alone on ${device}`));
  if (usable.some((line) => line.published)) {
    items.push(make("li", null, swatch("circle", "var(--soft)", true), "published: as timed by the authors on their machine"));
  }
  items.push(make("li", null, `largest marker: ${most} MB; area is proportional, with a least size`));
  return make("ul", { class: "legend" }, items);
}

settingChooser("speed", () => true, drawScatter, true);
