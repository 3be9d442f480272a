// Accuracy against training samples, for settings that differ in nothing else.
const sizes = ["5", "10", "50", "full"];

function shotFamilies() {
  const found = new Map();
  for (const section of shownSections()) {
    const keys = [section.dataset, section.preset, section.weights];
    const splits = section.shots === "full"
      ? [...new Set(board.sections.filter((one) => keys.join() === [one.dataset, one.preset, one.weights].join() && one.shots !== "full").map((one) => one.split))]
      : [section.split];
    for (const split of splits) {
      const key = JSON.stringify([...keys, split]);
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(section);
    }
  }
  return [...found].filter(([, sections]) => new Set(sections.map((one) => one.shots)).size > 1);
}

function drawCurves() {
  const view = byId("shots-view");
  const setting = byId("shots-setting");
  const all = shotFamilies();
  const metricBox = byId("shots-metric");
  byId("shots").querySelector(".fields").hidden = !all.length;
  if (!all.length) {
    view.replaceChildren(make("p", null, "Nothing that is shown has several numbers of training samples. Measure some with: harness run --methods cfm-t --shots 5,10,50"));
    return;
  }
  const name = (key) => { const [data, preset, weights, split] = JSON.parse(key); return preset === "as published" ? `${data}, as published` : `${data}, preset ${preset}, ${weights} weights, split ${split}`; };
  setOptions(setting, all.map(([key]) => [key, name(key)]));
  const sections = (all.find(([key]) => key === setting.value) || all[0])[1];
  const metric = offerMetrics(metricBox, sections.flatMap((section) => section.lines), "1");
  plotCurves(view, sections, metric);
}

function plotCurves(view, sections, metric) {
  const series = new Map();
  for (const section of sections) {
    for (const line of section.lines.filter((one) => metric.id in one.values)) {
      const key = JSON.stringify([line.published, line.label, ...coveredBy(line)]);
      if (!series.has(key)) series.set(key, []);
      series.get(key).push({ shots: section.shots, line, value: Number(line.values[metric.id]) });
    }
  }
  const curves = [...series.values()].filter((one) => one.length > 1);
  if (!curves.length) {
    view.replaceChildren(make("p", null, "No method has this metric at several numbers of training samples."));
    return;
  }
  const wide = isWide(view);
  const [width, height] = wide ? [900, 440] : [420, 400];
  const box = { left: 58, right: width - (wide ? 150 : 90), top: 34, bottom: height - 52 };
  const used = sizes.filter((size) => curves.some((one) => one.some((point) => point.shots === size)));
  const position = (size) => box.left + 20 + (used.indexOf(size) / Math.max(1, used.length - 1)) * (box.right - box.left - 40);
  const x = Object.assign(position, { ticks: used, text: (size) => (size === "full" ? "all" : size) });
  const y = linear(...range(curves.flat().map((point) => point.value), 0.1), box.bottom, box.top);
  const parts = [];
  const ends = [];
  for (const points of curves) {
    points.sort((one, two) => sizes.indexOf(one.shots) - sizes.indexOf(two.shots));
    const { label, published } = points[0].line;
    const colour = colourOf(label);
    const d = points.map((point, i) => `${i ? "L" : "M"}${x(point.shots)} ${y(point.value)}`).join("");
    const path = draw("path", { d, class: published ? "curve hollow" : "curve" });
    path.style.stroke = colour;
    parts.push(path);
    for (const point of points) {
      const mark = marker("circle", x(point.shots), y(point.value), 60, colour, published);
      const samples = point.shots === "full" ? "all training samples" : `${point.shots} training samples`;
      parts.push(pointLink({ line: point.line.id, mark }, `${label}\n${metric.title} ${point.line.values[metric.id]}\n${samples}\n${published ? "published" : "measured"}${tellCover(point.line)}`));
    }
    const last = points.at(-1);
    ends.push({ y: y(last.value), x: x(last.shots), text: published ? `${label} (publ.)` : label, colour });
  }
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `${metric.title} against training samples` },
    axes(box, x, y, "training samples", metric.title), parts, endNames(ends, box));
  view.replaceChildren(svg);
}

function endNames(ends, box) {
  ends.sort((one, two) => one.y - two.y);
  let floor = -Infinity;
  const placed = ends.map((end) => { floor = Math.max(end.y, floor + 14); return { ...end, at: floor }; });
  const over = Math.max(0, floor - box.bottom);
  return placed.map((end) => {
    const text = draw("text", { x: end.x + 10, y: end.at - over + 4, class: "name", "aria-hidden": "true" }, end.text);
    text.style.fill = end.colour;
    return text;
  });
}

byId("shots-setting").addEventListener("change", drawCurves);
byId("shots-metric").addEventListener("change", (event) => { event.target.dataset.chosen = "yes"; drawCurves(); });
listeners.push(drawCurves);
