// One set of filters for every view. A setting is shown while any of its rows is.
const filters = byId("filters");
const shownLines = new Set();

function chosenFilters() {
  const chosen = Object.fromEntries([...filters.querySelectorAll("[data-filter]")].map((field) => [field.dataset.filter, field.value]));
  return { ...chosen, method: byId("filter-method").value.trim().toLowerCase() };
}

function keepsSection(section, chosen) {
  return ["dataset", "shots", "split", "preset", "weights"].every((key) => !chosen[key] || section[key] === chosen[key]);
}

function keepsLine(section, line, chosen) {
  if (chosen.device && line.device !== chosen.device) return false;
  if (chosen.method && !line.label.toLowerCase().includes(chosen.method)) return false;
  if (chosen.source === "measured") return !line.published;
  if (chosen.source === "published") return line.published;
  return chosen.source === "all" || !line.published || section.lines.some((other) => !other.published);
}

function applyFilters() {
  const chosen = chosenFilters();
  shownLines.clear();
  let settings = 0;
  for (const section of board.sections) {
    const kept = keepsSection(section, chosen) ? section.lines.filter((line) => keepsLine(section, line, chosen)) : [];
    kept.forEach((line) => shownLines.add(line.id));
    settings += kept.length > 0;
    byId(section.id).hidden = !kept.length;
    for (const line of section.lines) {
      const row = byId(line.id);
      row.hidden = !shownLines.has(line.id);
      const details = byId(`details-${line.id}`);
      if (details) details.hidden = row.hidden || row.querySelector(".unfold").getAttribute("aria-expanded") !== "true";
    }
  }
  const rows = `${shownLines.size} of ${Object.keys(lineOf).length} rows`;
  byId("shown").textContent = `${rows}, ${settings} of ${board.sections.length} settings are shown.`;
  listeners.forEach((listener) => listener());
}

const shownSections = () =>
  board.sections
    .map((section) => ({ ...section, lines: section.lines.filter((line) => shownLines.has(line.id)) }))
    .filter((section) => section.lines.length);

byId("filter-box").open = !matchMedia("(max-width: 40rem)").matches;
filters.addEventListener("input", applyFilters);
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(applyFilters));
