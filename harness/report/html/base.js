// Data of the page and small helpers. Text goes in as text only: nothing is parsed as HTML.
"use strict";
const board = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const columnOf = Object.fromEntries(board.columns.map((column) => [column.id, column]));
const lineOf = Object.fromEntries(board.sections.flatMap((section) => section.lines.map((line) => [line.id, line])));
const sectionOfLine = new Map(board.sections.flatMap((section) => section.lines.map((line) => [line.id, section])));
const listeners = [];

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const make = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function setOptions(select, options) {
  const before = select.value;
  select.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
  if (options.some(([value]) => value === before)) select.value = before;
}

const tip = byId("tip");
let touched = null; // whose tip a touch opened; it stays until another touch

function openTip(node, text) {
  tip.textContent = text;
  tip.hidden = false;
  const box = node.getBoundingClientRect();
  const wide = tip.offsetWidth;
  tip.style.left = `${Math.max(4, Math.min(box.left + box.width / 2 - wide / 2, innerWidth - wide - 4))}px`;
  const above = box.top - tip.offsetHeight - 8;
  tip.style.top = `${above > 4 ? above : Math.min(box.bottom + 8, innerHeight - tip.offsetHeight - 4)}px`;
}

function closeTip() {
  tip.hidden = true;
  touched = null;
}

/** Show a text while a node is pointed at or has the focus. A touch shows it; the next one on a link follows the link. */
function showTip(node, text) {
  const byMouse = (change) => (event) => { if (event.pointerType !== "touch") change(); };
  node.addEventListener("pointerenter", byMouse(() => openTip(node, text)));
  node.addEventListener("pointerleave", byMouse(closeTip));
  node.addEventListener("focus", () => openTip(node, text));
  node.addEventListener("blur", closeTip);
  node.addEventListener("click", (event) => {
    if (event.pointerType !== "touch") return;
    if (touched === node) { closeTip(); return; }
    event.preventDefault();
    touched = node;
    openTip(node, text);
  });
}

// A touch elsewhere closes a tip; one on what has a title shows the title, which a mouse sees by itself.
document.addEventListener("click", (event) => {
  if (event.pointerType !== "touch" || (touched && touched.contains(event.target))) return;
  closeTip();
  const node = event.target.closest("[title]");
  if (!node || !node.title) return;
  touched = node;
  openTip(node, node.title);
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") closeTip(); });
for (const node of document.querySelectorAll(".script")) node.hidden = false;
