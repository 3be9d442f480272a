// Accuracy against training samples, for settings that differ in nothing else, and means over random splits.
const sampleOrder = (shots) => (shots === "full" ? Infinity : Number(shots));

function shotFamilies() {
  const families = new Map();
  for (const section of shownSections()) {
    const keys = [section.dataset, section.preset, section.weights];
    const splits = section.shots === "full"
      ? [...new Set(board.sections.filter((other) => keys.join() === [other.dataset, other.preset, other.weights].join() && other.shots !== "full").map((other) => other.split))]
      : [section.split];
    for (const split of splits) {
      const key = JSON.stringify([...keys, split]);
      if (!families.has(key)) families.set(key, []);
      families.get(key).push(section);
    }
  }
  const several = ([, sections]) => new Set(sections.map((section) => section.shots)).size > 1;
  return [...randomFamilies(), ...families].filter(several);
}

// Settings whose rows are means over random splits; those with all samples belong to every split.
function randomFamilies() {
  const families = new Map();
  for (const joined of board.randomSplits.filter((means) => means.lines.every((id) => shownLines.has(id)))) {
    const { dataset, preset, weights, shots, categories } = sectionOfLine.get(joined.lines[0]);
    const key = JSON.stringify([dataset, preset, weights, "random"]);
    if (!families.has(key)) families.set(key, []);
    const values = Object.fromEntries(Object.entries(joined.values).map(([id, [mean]]) => [id, mean.toFixed(3)]));
    const line = { ...lineOf[joined.lines[0]], values, joined };
    families.get(key).push({ dataset, preset, weights, shots, categories, lines: [line] });
  }
  for (const [key, members] of families) {
    const whole = shownSections().filter((section) => section.shots === "full" && [section.dataset, section.preset, section.weights, "random"].join() === JSON.parse(key).join());
    members.push(...whole.map((section) => ({ ...section, lines: section.lines.filter((line) => !line.published) })));
  }
  return families;
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
  const name = (key) => { const [data, preset, weights, split] = JSON.parse(key); const which = split === "random" ? "mean over random splits" : `split ${split}`; return preset === "as published" ? `${data}, as published` : `${data}, preset ${preset}, ${weights} weights, ${which}`; };
  setOptions(setting, all.map(([key]) => [key, name(key)]));
  const sections = (all.find(([key]) => key === setting.value) || all[0])[1];
  const metric = offerMetrics(metricBox, sections.flatMap((section) => section.lines), "1");
  plotCurves(view, sections, metric);
}

function plotCurves(view, sections, metric) {
  const series = new Map();
  for (const section of sections) {
    for (const line of section.lines.filter(({ values }) => metric.id in values)) {
      const key = JSON.stringify([line.published, line.label, ...coveredBy(line)]);
      if (!series.has(key)) series.set(key, []);
      series.get(key).push({ shots: section.shots, line, value: Number(line.values[metric.id]), over: line.joined ? line.joined.values[metric.id] : null });
    }
  }
  const curves = [...series.values()].filter((points) => points.length > 1);
  if (!curves.length) {
    view.replaceChildren(make("p", null, "No method has this metric at several numbers of training samples."));
    return;
  }
  const wide = isWide(view);
  const [width, height] = wide ? [900, 440] : [420, 400];
  const box = { left: 58, right: width - (wide ? 150 : 90), top: 34, bottom: height - 52 };
  const used = [...new Set(curves.flat().map((point) => point.shots))].sort((a, b) => (sampleOrder(a) > sampleOrder(b) ? 1 : -1));
  const position = (size) => box.left + 20 + (used.indexOf(size) / Math.max(1, used.length - 1)) * (box.right - box.left - 40);
  const x = Object.assign(position, { ticks: used, text: (size) => (size === "full" ? "all" : size) });
  const y = linear(...range(curves.flat().flatMap((point) => point.over || [point.value]), 0.1), box.bottom, box.top);
  const parts = [];
  const ends = [];
  for (const points of curves) {
    points.sort((a, b) => used.indexOf(a.shots) - used.indexOf(b.shots));
    const { label, published } = points[0].line;
    const colour = colourOf(label);
    const d = points.map((point, i) => `${i ? "L" : "M"}${x(point.shots)} ${y(point.value)}`).join("");
    const path = draw("path", { d, class: published ? "curve hollow" : "curve" });
    path.style.stroke = colour;
    parts.push(path);
    for (const point of points) {
      const mark = marker("circle", x(point.shots), y(point.value), 60, colour, published);
      if (point.over) parts.push(intervalBar(x(point.shots), y(point.over[1]), y(point.over[2]), colour));
      const samples = `${point.shots === "full" ? "all" : point.shots} training sample${point.shots === "1" ? "" : "s"}`;
      parts.push(pointLink({ line: point.line.id, mark, at: [x(point.shots), y(point.value)] }, `${label}\n${metric.title} ${point.line.values[metric.id]}\n${samples}\n${published ? "published" : "measured"}${splitsText(point)}${coverText(point.line)}`));
    }
    const last = points.at(-1);
    ends.push({ y: y(last.value), x: x(last.shots), text: published ? `${label} (publ.)` : label, colour: inkOf(label) });
  }
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `${metric.title} against training samples` },
    axes(box, x, y, "training samples", metric.title), parts, endNames(ends, box));
  view.replaceChildren(svg);
}

function intervalBar(x, low, high, colour) {
  const bar = draw("path", { d: `M${x - 5} ${low}h10M${x - 5} ${high}h10M${x} ${low}V${high}`, class: "interval" });
  bar.style.stroke = colour;
  return bar;
}

function splitsText(point) {
  if (!point.over) return "";
  const [low, high] = point.over.slice(1).map((value) => value.toFixed(3));
  return `\nmean over ${point.line.joined.lines.length} random splits, 95% interval ${low} to ${high}`;
}

function endNames(ends, box) {
  ends.sort((a, b) => a.y - b.y);
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
byId("shots-metric").addEventListener("change", drawCurves);
listeners.push(drawCurves);
