// Two methods of a setting: paired differences, computed when the report was written, and images they disagree on.
const comparisonOf = (section) => board.comparisons[board.sections.findIndex(({ id }) => id === section.id)];
const signed = (number) => `${number > 0 ? "+" : number < 0 ? "\u2212" : ""}${Math.abs(number).toFixed(3)}`;

/** Return what is known of two methods: pairs are stored once, the method that stands first in the report first. */
function pairOf(comparison, first, second) {
  const [a, b] = [first, second].map((label) => comparison.methods.indexOf(label));
  const [low, high] = [Math.min(a, b), Math.max(a, b)];
  const place = low * comparison.methods.length - (low * (low + 1)) / 2 + high - low - 1;
  return { differences: comparison.differences[place], samples: comparison.samples[place], turned: a > b };
}

/** Return first less second with the ends of the interval: stored are numbers of second less first. */
function turnedRange(numbers, turned) {
  if (turned || !numbers.length) return numbers;
  const [value, low, high] = numbers.map((number) => (number ? -number : 0));
  return numbers.length > 1 ? [value, high, low] : [value];
}

function rangeDrawing([value, low, high], limit) {
  const x = (number) => 50 + (50 * number) / limit;
  const interval = low === undefined ? null : draw("path", { d: `M${x(low)} 6H${x(high)}` });
  return draw("svg", { viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("path", { d: "M50 0V12", class: "zero" }), interval, draw("path", { d: `M${x(value)} 6h0`, class: "dot" }));
}

function cutName([kind, name, images], comparison) {
  if (kind !== "mean") return name.replaceAll("_", " ") + (kind === "defect" ? ` (${images} images)` : "");
  return comparison.cuts.filter(([other]) => other === "category").length > 1 ? "mean over categories" : "all";
}

function differenceTable(comparison, first, second, metric) {
  const { differences, turned } = pairOf(comparison, first, second);
  const rows = differences[accuracyColumns.indexOf(metric)].map((numbers) => turnedRange(numbers, turned));
  const limit = Math.max(0.001, ...rows.flat().map(Math.abs));
  const body = rows.map((numbers, i) => {
    const [value, low, high] = numbers;
    const clear = low !== undefined && (low > 0 || high < 0);
    const text = value === undefined ? "\u2013" : signed(value);
    return make("tr", null,
      make("th", { scope: "row" }, cutName(comparison.cuts[i], comparison)),
      make("td", { class: "number" }, clear ? make("b", null, text) : text),
      [low, high].map((end) => make("td", { class: "number" }, end === undefined ? "\u2013" : signed(end))),
      make("td", { class: "range" }, value === undefined ? null : rangeDrawing(numbers, limit)));
  });
  const heads = ["part of the test set", "difference", "from", "to"].map((text, i) => make("th", { scope: "col", class: i ? "number" : null }, text));
  const picture = make("td", { class: "range" }, `\u2212${limit.toFixed(3)} to +${limit.toFixed(3)}`);
  const caption = make("caption", null, `${metric.title}: ${first} less ${second}, and the ends of the 95% interval`);
  const whole = make("table", { class: "compared" }, caption, make("thead", null, make("tr", null, heads, picture)), make("tbody", null, body));
  const unknown = rows.some((numbers) => numbers.length < 3);
  const why = "A dash: a record has no counts of its test images, the two were tested on different images, or the images give no interval.";
  return [
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Differences" }, whole),
    unknown ? make("p", { class: "hint" }, why) : null,
  ];
}

/** A button that opens the large view of a sample; nothing where it was not drawn. */
function picturesOf(section, category, sample) {
  const gallery = gallerySettings.find((setting) => setting.dataset.setting === section.id);
  const article = gallery && articlesOf(gallery).find(({ dataset }) => dataset.category === category && dataset.sample === sample);
  if (!article) return null;
  const button = make("button", { type: "button", class: "quiet small", "aria-label": `Pictures of ${category} ${sample}` }, "Pictures");
  button.addEventListener("click", () => showLarge(article, null));
  return button;
}

function disagreementList(section, samples, better, worse) {
  if (!samples.length) return make("p", { class: "hint" }, `${better} separates no image better than ${worse}.`);
  const items = samples.map(([category, sample, defect, ours, theirs]) => {
    const other = defect === "good" ? "anomalous" : "good";
    return make("li", null, make("b", null, `${category} ${sample}`), ` (${defect}): ${percent(ours)}% of the ${other} images, ${worse} ${percent(theirs)}% `, picturesOf(section, category, sample));
  });
  return make("div", null, make("h3", null, `${better} separates better`), make("ul", null, items));
}

function disagreements(section, comparison, first, second) {
  const { samples, turned } = pairOf(comparison, first, second);
  const own = samples.map(([category, sample, defect, a, b]) => (turned ? [category, sample, defect, b, a] : [category, sample, defect, a, b]));
  const [ahead, behind] = [own.filter(([, , , a, b]) => a > b), own.filter(([, , , a, b]) => a < b)];
  const byGap = (list) => list.sort((x, y) => Math.abs(y[3] - y[4]) - Math.abs(x[3] - x[4]));
  const swapped = byGap(behind).map(([category, sample, defect, a, b]) => [category, sample, defect, b, a]);
  return make("div", { class: "panels" }, disagreementList(section, byGap(ahead), first, second), disagreementList(section, swapped, second, first));
}

function drawComparison(section, metric) {
  const view = byId("compare-view");
  const comparison = section && comparisonOf(section);
  byId("compare").querySelector(".fields").hidden = !comparison;
  if (!comparison) {
    view.replaceChildren(make("p", null, "No setting that is shown has two measured methods."));
    return;
  }
  const shown = comparison.methods.filter((label) => section.lines.some((line) => !line.published && line.label === label));
  const [one, other] = [byId("compare-first"), byId("compare-second")];
  for (const select of [one, other]) setOptions(select, shown.map((label) => [label, label]));
  if (one.value === other.value) other.value = shown.find((label) => label !== one.value);
  const note = comparison.leftOut ? make("p", { class: "hint" }, `${comparison.leftOut} methods with lower numbers are left out; write a report of fewer with --methods.`) : null;
  view.replaceChildren(...[differenceTable(comparison, one.value, other.value, metric), disagreements(section, comparison, one.value, other.value), note].flat().filter(Boolean));
}

if (byId("compare")) {
  settingChooser("compare", (section) => {
    const comparison = comparisonOf(section);
    return comparison && section.lines.filter((line) => !line.published && comparison.methods.includes(line.label)).length > 1;
  }, drawComparison);
}
