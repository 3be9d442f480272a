// The gallery follows the filters; samples can be ordered by how well they are separated; a picture opens a large view.
const gallerySettings = [...document.querySelectorAll(".gallery")];
const articlesOf = (node) => [...node.querySelectorAll("article.sample")];
const drawnOrder = new Map(gallerySettings.flatMap(articlesOf).map((article, place) => [article, place]));

function labelsShown(setting) {
  const section = board.sections.find(({ id }) => id === setting.dataset.setting);
  return section.lines.filter((line) => !line.published && shownLines.has(line.id)).map((line) => line.label);
}

/** Return the share of images of the other kind that a sample is separated from: by one method, or by all on average. */
function shareOf(article, method) {
  const shares = JSON.parse(article.dataset.shares);
  if (method) return method in shares ? shares[method] : null;
  const values = Object.values(shares);
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

function orderArticles(setting, order, method) {
  const sign = order === "worst" ? 1 : -1;
  for (const frame of setting.querySelectorAll(".samples")) {
    const known = new Map(articlesOf(frame).map((article) => [article, shareOf(article, method)]));
    const place = (a, b) => drawnOrder.get(a) - drawnOrder.get(b);
    const byShare = (a, b) => (known.get(a) === null) - (known.get(b) === null) || sign * (known.get(a) - known.get(b)) || place(a, b);
    frame.append(...[...known.keys()].sort(order ? byShare : place));
  }
}

function drawGallery() {
  const order = byId("gallery-order").value;
  const labels = gallerySettings.map(labelsShown);
  setOptions(byId("gallery-method"), [["", "all methods on average"], ...[...new Set(labels.flat())].map((label) => [label, label])]);
  gallerySettings.forEach((setting, i) => {
    setting.hidden = !labels[i].length;
    for (const figure of setting.querySelectorAll("figure")) figure.hidden = Boolean(figure.dataset.method) && !labels[i].includes(figure.dataset.method);
    orderArticles(setting, order, byId("gallery-method").value);
  });
  byId("gallery-none").hidden = labels.some((shown) => shown.length);
}

// The large view: a picture of the sample with a map over it.
let enlarged = null;

function showLarge(article, figure) {
  const figures = [...article.querySelectorAll("figure")].filter((other) => !other.hidden);
  const named = (wanted) => figures.filter((other) => Boolean(other.dataset.method) === wanted).map((other) => [other.querySelector("img").src, other.textContent.trim()]);
  const [picture, map] = [byId("large-picture"), byId("large-map")];
  enlarged = article;
  byId("large-title").textContent = article.querySelector("p").textContent;
  setOptions(picture, named(false));
  setOptions(map, [["", "none"], ...named(true)]);
  const chosen = figure || figures.find((other) => other.dataset.method && other.dataset.method === map.dataset.method);
  if (chosen) (chosen.dataset.method ? map : picture).value = chosen.querySelector("img").src;
  showPictures();
  if (!byId("large").open) byId("large").showModal();
}

function showPictures() {
  const [picture, map, above] = [byId("large-picture"), byId("large-map"), byId("large-above")];
  byId("large-below").src = picture.value;
  byId("large-below").alt = picture.selectedOptions[0].textContent;
  above.hidden = !map.value;
  if (map.value) above.src = map.value;
  above.alt = map.value ? map.selectedOptions[0].textContent : "";
  above.style.opacity = byId("large-strength").value / 100;
  const shown = [...enlarged.querySelectorAll("figure")].find((figure) => map.value && figure.querySelector("img").src === map.value);
  map.dataset.method = shown ? shown.dataset.method : "";
}

function stepLarge(step) {
  const all = articlesOf(enlarged.closest(".gallery"));
  showLarge(all[(all.indexOf(enlarged) + step + all.length) % all.length], null);
}

if (byId("gallery")) {
  listeners.push(drawGallery);
  for (const id of ["gallery-order", "gallery-method"]) byId(id).addEventListener("change", drawGallery);
  byId("gallery").addEventListener("click", (event) => {
    const figure = event.target.closest("figure");
    if (figure) showLarge(figure.closest("article"), figure);
  });
  for (const id of ["large-picture", "large-map", "large-strength"]) byId(id).addEventListener("input", showPictures);
  byId("large-close").addEventListener("click", () => byId("large").close());
  byId("large-before").addEventListener("click", () => stepLarge(-1));
  byId("large-next").addEventListener("click", () => stepLarge(1));
}
