// Sorting within settings, and choosing columns.
const table = byId("board");
const boxes = [...document.querySelectorAll("[data-column]")];

function showColumns() {
  for (const box of boxes) {
    for (const cell of table.querySelectorAll(`[data-col="${box.dataset.column}"]`)) cell.hidden = !box.checked;
  }
  for (const kind of table.querySelectorAll(".kind")) {
    const count = boxes.filter((box) => box.checked && columnOf[box.dataset.column].kind === kind.dataset.kind).length;
    kind.hidden = !count;
    kind.colSpan = Math.max(1, count);
  }
  table.parentNode.style.setProperty("--head", `${table.tHead.offsetHeight}px`); // links to rows end below it
}
addEventListener("resize", showColumns);

// The order of rows: by a column, or as the report was written while there is none.
const sorting = { key: "", order: "" };

function firstOrder(heading) {
  return heading.hasAttribute("data-lowest") || heading.dataset.sort === "method" ? "ascending" : "descending";
}

function rowNumber(row, key) {
  const cell = row.querySelector(`td[data-col="${key}"]`);
  return cell && cell.dataset.value !== undefined ? Number(cell.dataset.value) : null;
}

function compareRows(a, b, heading) {
  const { key, order } = sorting;
  const sign = order === "ascending" ? 1 : -1;
  if (heading.hasAttribute("data-machine")) {
    const apart = a.dataset.source.localeCompare(b.dataset.source) || a.dataset.device.localeCompare(b.dataset.device);
    if (apart) return apart;
  }
  if (key === "method") return sign * a.dataset.label.localeCompare(b.dataset.label);
  const [left, right] = [rowNumber(a, key), rowNumber(b, key)];
  if (left === null || right === null) return (left === null) - (right === null);
  return sign * (left - right) || a.dataset.label.localeCompare(b.dataset.label);
}

/** Sort the rows of every setting by a column; an unknown one restores the report's order. */
function sortRows(key, order) {
  const heading = [...table.querySelectorAll("[data-sort]")].find((other) => other.dataset.sort === key);
  Object.assign(sorting, heading ? { key, order: order === "ascending" ? "ascending" : "descending" } : { key: "", order: "" });
  table.querySelectorAll("[aria-sort]").forEach((sorted) => sorted.removeAttribute("aria-sort"));
  if (heading) heading.setAttribute("aria-sort", sorting.order);
  for (const section of board.sections) {
    const body = byId(section.id);
    const rows = section.lines.map((line) => byId(line.id));
    if (heading) rows.sort((a, b) => compareRows(a, b, heading));
    for (const row of rows) body.append(...[row, byId(`details-${row.id}`)].filter(Boolean));
  }
}

/** Choose columns by their ids; without any, those that are shown at first: on a phone the ones that papers print. */
function chooseColumns(ids) {
  const first = matchMedia("(max-width: 40rem)").matches ? narrow : null;
  const wanted = ids && ids.some((id) => id in columnOf) ? ids : first;
  for (const box of boxes) box.checked = wanted ? wanted.includes(box.dataset.column) : box.defaultChecked;
  showColumns();
}

const narrow = ["i_auroc", "aupro_30_official", "aupro_1_official", "fps", "memory_mb"];
for (const box of boxes) box.addEventListener("change", showColumns);
byId("columns").hidden = false;
for (const heading of table.querySelectorAll("[data-sort]")) {
  const text = heading.querySelector(".heading");
  const button = make("button", { type: "button", class: "sort" });
  text.replaceWith(button);
  button.append(text);
  button.addEventListener("click", () => {
    const [key, first] = [heading.dataset.sort, firstOrder(heading)];
    const other = first === "ascending" ? "descending" : "ascending";
    sortRows(key, sorting.key === key && sorting.order === first ? other : first);
    keepAddress(true);
  });
}
chooseColumns(null);
