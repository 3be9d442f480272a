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

function showTip(node, text) {
  const tip = byId("tip");
  const show = () => {
    tip.textContent = text;
    tip.hidden = false;
    const box = node.getBoundingClientRect();
    const wide = tip.offsetWidth;
    tip.style.left = `${Math.max(4, Math.min(box.left + box.width / 2 - wide / 2, innerWidth - wide - 4))}px`;
    const above = box.top - tip.offsetHeight - 8;
    tip.style.top = `${above > 4 ? above : box.bottom + 8}px`;
  };
  const hide = () => { tip.hidden = true; };
  node.addEventListener("pointerenter", show);
  node.addEventListener("focus", show);
  node.addEventListener("pointerleave", hide);
  node.addEventListener("blur", hide);
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") byId("tip").hidden = true; });
for (const node of document.querySelectorAll(".script")) node.hidden = false;
