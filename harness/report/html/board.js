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
}

function sortRows(heading) {
  const key = heading.dataset.sort;
  const first = heading.hasAttribute("data-lowest") || key === "method" ? "ascending" : "descending";
  const other = first === "ascending" ? "descending" : "ascending";
  const order = heading.getAttribute("aria-sort") === first ? other : first;
  table.querySelectorAll("[aria-sort]").forEach((sorted) => sorted.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const number = (row) => {
    const cell = row.querySelector(`td[data-col="${key}"]`);
    return cell && cell.dataset.value !== undefined ? Number(cell.dataset.value) : null;
  };
  const compare = (a, b) => {
    if (heading.hasAttribute("data-machine")) {
      const apart = a.dataset.source.localeCompare(b.dataset.source) || a.dataset.device.localeCompare(b.dataset.device);
      if (apart) return apart;
    }
    if (key === "method") return sign * a.dataset.label.localeCompare(b.dataset.label);
    const [left, right] = [number(a), number(b)];
    if (left === null || right === null) return (left === null) - (right === null);
    return sign * (left - right) || a.dataset.label.localeCompare(b.dataset.label);
  };
  for (const section of board.sections) {
    const body = byId(section.id);
    const rows = section.lines.map((line) => byId(line.id)).sort(compare);
    for (const row of rows) body.append(...[row, byId(`details-${row.id}`)].filter(Boolean));
  }
}

const narrow = ["i_auroc", "aupro_30", "aupro_1", "fps", "memory_mb"];
for (const box of boxes) {
  if (matchMedia("(max-width: 40rem)").matches) box.checked = narrow.includes(box.dataset.column);
  box.addEventListener("change", showColumns);
}
byId("columns").hidden = false;
for (const heading of table.querySelectorAll("[data-sort]")) {
  const text = heading.querySelector(".heading");
  const button = make("button", { type: "button", class: "sort" });
  text.replaceWith(button);
  button.append(text);
  button.addEventListener("click", () => sortRows(heading));
}
showColumns();
