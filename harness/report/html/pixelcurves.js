// PRO and ROC curves of pixels: the whole range that is integrated, and its first percent.
const curveKinds = {
  pro: { title: "PRO curve", short: "PRO", y: "per-region overlap", ends: [0.3, 0.01] },
  roc: { title: "ROC curve of pixels", short: "True positive rate", y: "true positive rate of pixels", ends: [1, 0.01] },
};
const curveLimits = [[0.01, "aupro_1"], [0.3, "aupro_30"]];
const dashes = ["none", "8 3", "2 3", "8 3 2 3"];
const percent = (rate) => String(+(100 * rate).toFixed(3));

function curveAt(values, limit) {
  const index = board.rates.findIndex((rate) => Math.abs(rate - limit) < 1e-9);
  return values[index];
}

function curveText(line, kind, limit, metric) {
  const lines = [line.label, `${curveKinds[kind].short} ${curveAt(line.curves[kind], limit).toFixed(3)} at ${percent(limit)}% false positives`];
  if (kind === "pro" && metric in line.values) lines.push(`${columnOf[metric].title} ${line.values[metric]}`);
  return lines.join("\n") + coverText(line);
}

function curvePanel(lines, kind, end, size, whole) {
  const { short, y: yTitle } = curveKinds[kind];
  const box = { left: 58, right: size.width - (whole ? 20 : 24), top: 34, bottom: size.height - 52 };
  const x = Object.assign(linear(0, end, box.left, box.right), { text: percent });
  const y = linear(0, 1, box.bottom, box.top);
  const [limits, paths, marks] = [[], [], []];
  for (const [limit] of curveLimits.filter(([rate]) => rate <= end)) {
    limits.push(draw("line", { x1: x(limit), x2: x(limit), y1: box.top, y2: box.bottom, class: "limit" }));
    limits.push(draw("text", { x: x(limit) + (limit === end ? -4 : 4), y: box.bottom - 6, "text-anchor": limit === end ? "end" : "start", class: "tick" }, `${percent(limit)}%`));
  }
  lines.forEach((line) => {
    const shown = line.curves[kind].map((value, i) => [board.rates[i], value]).filter(([rate]) => rate <= end + 1e-9);
    const d = `M${x(0)} ${y(0)}${shown.map(([rate, value]) => `L${x(rate).toFixed(1)} ${y(value).toFixed(1)}`).join("")}`;
    const path = draw("path", { d, class: "curve" });
    path.style.stroke = colourOf(line.label);
    path.style.strokeDasharray = dashOf(line, lines);
    const hit = draw("path", { d, class: "hit" });
    showTip(hit, `${line.label}\n${curveKinds[kind].title}${coverText(line)}`);
    paths.push(path, hit);
    for (const [limit, metric] of curveLimits.filter(([rate]) => rate <= end)) {
      const at = [x(limit), y(curveAt(line.curves[kind], limit))];
      const mark = marker("circle", ...at, 40, colourOf(line.label), false);
      marks.push(pointLink({ line: line.id, mark, at }, curveText(line, kind, limit, metric)));
    }
  });
  const name = `${short} against the false positive rate up to ${percent(end)}%`;
  return draw("svg", { viewBox: `0 0 ${size.width} ${size.height}`, role: "group", "aria-label": name },
    axes(box, x, y, "false positive rate (%)", yTitle), limits, paths, marks);
}

function dashOf(line, lines) {
  const twins = lines.filter((other) => family(other.label) === family(line.label));
  return dashes[twins.indexOf(line) % dashes.length];
}

function curveSwatch(line, lines) {
  const path = draw("path", { d: "M0 8H30", class: "curve" });
  path.style.stroke = colourOf(line.label);
  path.style.strokeDasharray = dashOf(line, lines);
  return draw("svg", { width: 30, height: 16, viewBox: "0 0 30 16", "aria-hidden": "true" }, path);
}

function drawPixelCurves(section) {
  const view = byId("curves-view");
  const kind = byId("curves-kind").value;
  const measured = section ? section.lines.filter((line) => !line.published) : [];
  const lines = measured.filter((line) => line.curves);
  byId("curves").querySelector(".fields").hidden = !section;
  if (!lines.length) {
    view.replaceChildren(make("p", null, "No row that is shown has the counts that curves are drawn from. The same 'harness run' with --rerun METHOD makes them."));
    return;
  }
  const size = isWide(view) ? { width: 460, height: 400 } : { width: 420, height: 360 };
  const panels = curveKinds[kind].ends.map((end, i) => curvePanel(lines, kind, end, size, i === 0));
  const items = lines.map((line) => make("li", null, curveSwatch(line, lines), line.label));
  const without = measured.filter((line) => !line.curves).map((line) => line.whyNoCurves ? `${line.label} (${line.whyNoCurves})` : line.label);
  const note = without.length ? make("p", { class: "hint" }, `Not drawn: ${without.join(", ")}.`) : null;
  view.replaceChildren(make("div", { class: "panels" }, panels), make("ul", { class: "legend" }, items), ...(note ? [note] : []));
}

setOptions(byId("curves-kind"), Object.entries(curveKinds).map(([kind, { title }]) => [kind, title]));
settingChooser("curves", (section) => section.lines.some((line) => line.curves), drawPixelCurves);
