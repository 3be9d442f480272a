// Rows unfold into their categories: numbers of each record, a link to it, and what a dash means.
function recordTable(line) {
  const titles = board.perRecord.map((id) => columnOf[id].title);
  const head = ["category", "status", ...titles].map((text, i) => make("th", { scope: "col", class: i > 1 ? "number" : null }, text));
  const rows = line.records.map(([category, status, address, ...values]) => {
    const link = make("a", { href: address }, category);
    const state = make("span", { class: `status ${status === "ok" ? "good" : "bad"}` }, status);
    const cells = board.perRecord.map((_, i) => make("td", { class: "number" }, values[i] ? (values[i] === "-" ? "\u2013" : values[i]) : "\u2013"));
    return make("tr", null, make("th", { scope: "row" }, link), make("td", null, state), cells);
  });
  const caption = make("caption", null, `Records of ${line.label}: each category leads to its record`);
  const whole = make("table", null, caption, make("thead", null, make("tr", null, head)), make("tbody", null, rows));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Records of ${line.label}` }, whole);
}

function detailsOf(line) {
  const section = sectionOfLine.get(line.id);
  const notes = [];
  if (line.records) {
    const ok = new Set(line.records.filter((record) => record[1] === "ok").map((record) => record[0]));
    const lacking = section.categories.filter((category) => !ok.has(category));
    if (lacking.length) notes.push(`Means lack ${lacking.join(", ")}.`);
  }
  if (line.note) notes.push(line.note);
  for (const [titles, reason] of line.reasons) notes.push(`${titles}: ${reason}`);
  const list = notes.length ? make("ul", null, notes.map((note) => make("li", null, note))) : null;
  const inside = make("div", { class: "inside" }, line.records ? recordTable(line) : null, list);
  const id = `details-${line.id}`;
  return make("tr", { id, class: "details" }, make("td", { colspan: String(board.columns.length + 2) }, inside));
}

function toggleDetails(button, line) {
  const open = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", String(open));
  button.textContent = open ? "\u25be" : "\u25b8";
  let row = byId(`details-${line.id}`);
  if (!row) {
    row = detailsOf(line);
    byId(line.id).after(row);
  }
  row.hidden = !open;
}

for (const line of Object.values(lineOf)) {
  const name = `${line.published ? "Source" : "Records"} of ${line.label}`;
  const button = make("button", { type: "button", class: "unfold", "aria-expanded": "false", "aria-label": name }, "\u25b8");
  const heading = byId(line.id).querySelector("th");
  heading.classList.add("folding");
  heading.prepend(button);
  button.addEventListener("click", () => toggleDetails(button, line));
  if (!line.records || line.records.length < 2) continue;
  byId(line.id).classList.add("several");
  byId(line.id).addEventListener("click", (event) => {
    if (event.target.closest("td.number[data-value]") && getSelection().isCollapsed) toggleDetails(button, line);
  });
}
