// What is chosen stands in the address: a link shows the same rows, and the back button undoes a choice.
const kept = [...document.querySelectorAll("[data-kept]")];
const filterFields = [...filters.querySelectorAll("[data-filter]")];
let columnsChosen = false;
let lastTyped = false;
let lastSearch = location.search;

const firstValue = (field) => (field.options ? ([...field.options].find((option) => option.defaultSelected) || field.options[0] || { value: "" }).value : "");

/** Return everything that is not as it is at first, as the query of an address. */
function addressQuery() {
  const query = new URLSearchParams();
  for (const field of filterFields) if (field.value !== firstValue(field)) query.set(field.dataset.filter, field.value);
  if (sorting.key) Object.entries({ sort: sorting.key, order: sorting.order }).forEach(([name, value]) => query.set(name, value));
  if (columnsChosen) query.set("columns", boxes.filter((box) => box.checked).map((box) => box.dataset.column).join(","));
  for (const select of kept) if (select.dataset.chosen) query.set(select.id, select.value);
  return query.toString();
}

/** Write what is chosen into the address; push: as a step that the back button undoes. */
function keepAddress(push) {
  const query = addressQuery();
  const search = query ? `?${query}` : "";
  if (search === lastSearch) return;
  lastSearch = search;
  try {
    history[push ? "pushState" : "replaceState"](null, "", location.pathname + search + location.hash);
  } catch { /* a browser that keeps the address of a file as it is */ }
}

/** Choose what the address says; whatever it does not name is as it is at first. */
function readAddress() {
  const query = new URLSearchParams(location.search);
  for (const field of filterFields) {
    const value = query.get(field.dataset.filter);
    field.value = value === null ? firstValue(field) : value;
    if (field.options && field.selectedIndex < 0) field.value = firstValue(field);
  }
  columnsChosen = query.has("columns");
  chooseColumns(columnsChosen ? query.get("columns").split(",") : null);
  sortRows(query.get("sort"), query.get("order"));
  for (const select of kept) {
    const value = query.get(select.id);
    delete select.dataset.chosen;
    if (value === null) {
      select.selectedIndex = 0;
      continue;
    }
    select.dataset.chosen = "yes";
    if (![...select.options].some((option) => option.value === value)) select.append(make("option", { value }, value));
    select.value = value;
  }
  lastSearch = location.search;
}

filters.addEventListener("input", (event) => {
  const typed = event.target.type === "search";
  keepAddress(!(typed && lastTyped));
  lastTyped = typed;
});
filters.addEventListener("reset", () => setTimeout(() => keepAddress(true)));
byId("columns").addEventListener("change", () => { columnsChosen = true; keepAddress(true); });
for (const select of kept) {
  select.addEventListener("change", () => { select.dataset.chosen = "yes"; keepAddress(true); }, { capture: true });
}
addEventListener("popstate", () => {
  if (location.search === lastSearch) return;
  readAddress();
  applyFilters();
});
readAddress();
applyFilters();
