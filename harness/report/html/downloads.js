// Downloads of what is shown: the leaderboard as CSV and LaTeX, plots as SVG and PNG.

function save(name, type, content) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** Rows of a setting in their order, without those that filters hide. */
function shownRows(section) {
  return [...byId(section.id).querySelectorAll("tr[data-label]")].filter((row) => shownLines.has(row.id));
}

const shownColumns = () => board.columns.filter((column) => boxes.some((box) => box.checked && box.dataset.column === column.id));

// A spreadsheet takes texts that begin so for formulas; an apostrophe keeps them texts.
function csvField(value) {
  const text = /^'*[=+\-@\t\r]/.test(value) && Number.isNaN(Number(value)) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const csvText = (rows) => rows.map((row) => row.map(csvField).join(",")).join("\n") + "\n";
const decimals = (number) => (Math.abs(number) > 0 ? Number(number).toFixed(6).replace(/\.?0+$/, "") : "0");

/** One line a row: measured numbers with six decimals, published ones as printed. */
function boardCsv() {
  const keys = ["dataset", "shots", "split", "preset", "weights"];
  const columns = shownColumns();
  const rows = shownSections().flatMap((section) => shownRows(section).map((row) => {
    const line = lineOf[row.id];
    const number = (id) => (id in line.values ? (line.published ? line.values[id] : decimals(row.querySelector(`td[data-col="${id}"]`).dataset.value)) : "");
    return [...keys.map((key) => section[key]), line.published ? "published" : "measured", line.label, line.device, ...columns.map(({ id }) => number(id))];
  }));
  return csvText([[...keys, "source", "method", "device", ...columns.map(({ id }) => id)], ...rows]);
}

const noteMark = (place) => (place ? `\\textsuperscript{${place}}` : "");

/** A setting as 'harness tables --format latex' prints tables, with the rows and columns that are shown. */
function latexTable(section, columns) {
  const frame = board.latex.frame;
  const table = board.latex.tables[board.sections.findIndex(({ id }) => id === section.id)];
  const places = [...Array(table.labels).keys(), ...columns.map((column) => table.labels + board.columns.indexOf(column))];
  const headings = places.map((place) => table.headings[place]);
  const lines = board.sections.find(({ id }) => id === section.id).lines;
  const rows = shownRows(section).map((row) => places.map((place) => table.rows[lines.findIndex(({ id }) => id === row.id)][place]));
  const notes = [...new Set(rows.flat().map(([, note]) => note).filter(Boolean))];
  const [environment, placement, size] = headings.length > frame.most ? frame.many : frame.few;
  const height = Math.max(...headings.map((text) => text.length));
  const padded = headings.map((text) => [...Array(height - text.length).fill(""), ...text]);
  const row = (cells) => `${cells.join(" & ")} \\\\`;
  return [
    `\\begin{${environment}}[${placement}]`,
    `\\centering${size}`,
    `\\caption{${table.caption}}`,
    `\\label{tab:${table.name}}`,
    frame.fitted,
    `\\begin{tabular}{@{}${"l".repeat(table.labels)}${"r".repeat(columns.length)}@{}}`,
    "\\toprule",
    ...Array.from({ length: height }, (_, i) => row(padded.map((text) => text[i]))),
    "\\midrule",
    ...rows.map((cells) => row(cells.map(([text, note]) => text + noteMark(notes.indexOf(note) + 1)))),
    "\\bottomrule",
    "\\end{tabular}}",
    ...(notes.length ? ["", frame.notes + notes.map((note, i) => `${noteMark(i + 1)} ${table.notes[note - 1]}`).join(" \\\\ ")] : []),
    `\\end{${environment}}`,
  ].join("\n");
}

function boardLatex() {
  const tables = shownSections().map((section) => latexTable(section, shownColumns()));
  return `${[board.latex.frame.preamble, ...tables, board.latex.legend].filter(Boolean).join("\n\n")}\n`;
}

// The cells of a table as they are shown.
function tableCsv(whole) {
  return csvText([...whole.rows].map((row) => [...row.cells].filter((cell) => !cell.matches(".range")).map((cell) => cell.textContent.trim().replace("\u2013", "").replace("\u2212", "-"))));
}

const copiedStyles = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-weight", "font-family", "text-anchor"];

function plainCopy(node) {
  const copy = node.cloneNode(true);
  const [from, to] = [[node, ...node.querySelectorAll("*")], [copy, ...copy.querySelectorAll("*")]];
  from.forEach((original, i) => {
    const style = getComputedStyle(original);
    for (const name of copiedStyles) to[i].setAttribute(name, style.getPropertyValue(name));
    for (const name of ["class", "style", "href", "role", "aria-label", "aria-hidden"]) to[i].removeAttribute(name);
    if (original.matches(".target, .hit")) to[i].remove();
  });
  return copy;
}

/** The plots of a view side by side in the light colours, with their legend below, as one drawing. */
function drawingOf(view) {
  const root = document.documentElement;
  const theme = root.dataset.theme;
  root.dataset.theme = "light";
  const parts = [];
  let [left, height] = [0, 0];
  for (const svg of view.querySelectorAll("svg[role=group]")) {
    const { width, height: high } = svg.viewBox.baseVal;
    const copy = plainCopy(svg);
    Object.entries({ x: left, y: 0, width, height: high }).forEach(([name, value]) => copy.setAttribute(name, value));
    parts.push(copy);
    left += width;
    height = Math.max(height, high);
  }
  let [x, y] = [12, height + 16];
  for (const item of view.querySelectorAll(".legend li")) {
    const mark = item.querySelector("svg");
    const wide = (mark ? mark.viewBox.baseVal.width + 6 : 0) + item.textContent.length * 6.6;
    if (x + wide > left && x > 12) [x, y] = [12, y + 18];
    if (mark) {
      const copy = plainCopy(mark);
      Object.entries({ x, y: y - 12 }).forEach(([name, value]) => copy.setAttribute(name, value));
      parts.push(copy);
    }
    parts.push(draw("text", { x: x + (mark ? mark.viewBox.baseVal.width + 6 : 0), y, "font-size": "12px", "font-family": "sans-serif" }, item.textContent));
    x += wide + 18;
    height = y + 12;
  }
  if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
  const paper = draw("rect", { width: left, height, fill: "#fff" });
  const whole = draw("svg", { viewBox: `0 0 ${left} ${height}`, width: left, height }, paper, parts);
  return { text: new XMLSerializer().serializeToString(whole), width: left, height };
}

async function savePng(name, { text, width, height }) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = make("canvas", { width: 3 * width, height: 3 * height });
  canvas.getContext("2d").drawImage(image, 0, 0, 3 * width, 3 * height);
  canvas.toBlob((content) => save(name, "image/png", content), "image/png");
}

const downloads = {
  csv: () => save("leaderboard.csv", "text/csv", boardCsv()),
  latex: () => save("leaderboard.tex", "application/x-tex", boardLatex()),
  table: (anchor) => save(`${anchor}.csv`, "text/csv", tableCsv(byId(`${anchor}-view`).querySelector("table"))),
  svg: (anchor) => save(`${anchor}.svg`, "image/svg+xml", drawingOf(byId(`${anchor}-view`)).text),
  png: (anchor) => savePng(`${anchor}.png`, drawingOf(byId(`${anchor}-view`))),
};

for (const button of document.querySelectorAll("[data-download]")) {
  button.addEventListener("click", () => downloads[button.dataset.download](button.dataset.of));
}

// Nothing can be saved of a view that shows a sentence instead of a drawing or a table.
listeners.push(() => {
  for (const bar of document.querySelectorAll(".downloads[data-of]")) bar.hidden = !byId(`${bar.dataset.of}-view`).querySelector("svg, table");
});
