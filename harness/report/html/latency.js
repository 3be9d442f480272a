// Distributions of raw times: a box for each method on each device.
const timeWindows = { device: "Inference alone", end_to_end: "End to end" };
const timeRow = 36;

function timeRows(section, key) {
  const rows = section.lines.flatMap((line) => (line.times || []).map((times) => ({ line, device: times.machine, calls: times.calls[key], at: times[key] })));
  return rows.sort((a, b) => a.device.localeCompare(b.device) || a.at[3] - b.at[3] || a.line.label.localeCompare(b.line.label));
}

function timesText(row, key) {
  const [least, p5, quarter, median, threeQuarters, p95, most] = row.at.map((value) => value.toFixed(2));
  const ends = row.calls < 59 ? "" : `\n5th to 95th percentile: ${p5} to ${p95} ms`;
  const text = `median ${median} ms\nmiddle half: ${quarter} to ${threeQuarters} ms${ends}\nall ${row.calls} calls: ${least} to ${most} ms`;
  return `${row.line.label}, ${timeWindows[key].toLowerCase()}\n${text}\nmeasured on ${row.device}`;
}

function timeBox(row, key, x, y) {
  const [low, high] = row.calls < 59 ? [row.at[0], row.at[6]] : [row.at[1], row.at[5]];
  const [left, middle, right] = [2, 3, 4].map((i) => x(row.at[i]));
  const d = `M${x(low)} ${y}H${left}M${right} ${y}H${x(high)}M${left} ${y - 6}H${right}V${y + 6}H${left}zM${middle} ${y - 6}V${y + 6}`;
  const mark = draw("path", { d, class: "mark box" });
  mark.style.stroke = colourOf(row.line.label);
  mark.style.fill = colourOf(row.line.label);
  const name = draw("text", { x: x.range[0], y: y - 11, class: "name", "aria-hidden": "true" }, row.line.label);
  name.style.fill = inkOf(row.line.label);
  return [name, pointLink({ line: row.line.id, mark }, timesText(row, key))];
}

function drawTimes(section) {
  const view = byId("latency-view");
  const key = byId("latency-window").value;
  byId("latency").querySelector(".fields").hidden = !section;
  if (!section) {
    view.replaceChildren(make("p", null, "No row that is shown has raw times of an idle machine."));
    return;
  }
  const rows = timeRows(section, key);
  const devices = [...new Set(rows.map((row) => row.device))];
  const width = isWide(view) ? 900 : 420;
  const height = 20 + timeRow * (rows.length + devices.length) + 56;
  const box = { left: 14, right: width - 24, top: 8, bottom: height - 52 };
  const [low, high] = [Math.min(...rows.map((row) => row.at[0])), Math.max(...rows.map((row) => row.at[6]))];
  const far = low > 0 && high / low > 8;
  const x = far ? logarithmic(low / 1.1, high * 1.1, box.left, box.right) : linear(...range([low, high], 0.06), box.left, box.right);
  x.range = [box.left + 4, box.right];
  const parts = [];
  let y = 4;
  for (const device of devices) {
    parts.push(draw("text", { x: box.left + 4, y: y + 26, class: "tick" }, `measured on ${device}`));
    y += timeRow;
    for (const row of rows.filter((times) => times.device === device)) {
      parts.push(...timeBox(row, key, x, y + 24));
      y += timeRow;
    }
  }
  const flat = Object.assign(() => 0, { ticks: [], text: String });
  const title = `${timeWindows[key]} (ms)${far ? ", log scale" : ""}`;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `${title}: ${section.title}` }, axes(box, x, flat, title, ""), parts);
  const reasons = section.lines.map((line) => line.timesLeftOut).filter(Boolean);
  const note = reasons.length ? make("details", { class: "hint" }, make("summary", null, `Left out in ${reasons.length} rows`), make("ul", null, reasons.map((reason) => make("li", null, reason)))) : null;
  view.replaceChildren(svg, ...(note ? [note] : []));
}

setOptions(byId("latency-window"), Object.entries(timeWindows));
settingChooser("latency", (section) => section.lines.some((line) => line.times), drawTimes);
