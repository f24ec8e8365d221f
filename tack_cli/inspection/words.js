// SPDX-License-Identifier: Apache-2.0
// What the page says: modes, legends, figures, and the buttons that go with them.
"use strict";

const STEPS = 9, TRIALS = 40;
const element = (name) => document.getElementById(name);
const percent = (share) => `${Math.round(100 * share)} %`;
const MODES = {
  heat: { head: "tack", name: "Click", what: "where TACK finds it", title: "Click a point on any picture",
    words: "TACK turns the click into a code of a few numbers and looks for it everywhere: on the same object from other sides, and on other objects of the class. Bright is where it believes the point to be.",
    colors: INFERNO, low: "a ten-thousandth of it", high: "highest belief",
    marks: ["click", "answer", "hidden", "truth", "like"] },
  distance: { head: "don", name: "Hover", what: "what looks alike to DON", title: "Move the mouse over a picture",
    words: "Each spot has a descriptor. Colours tell how far every other spot's descriptor is from the one under the mouse; the nearest on each picture is marked, with its distance.",
    colors: VIRIDIS, low: "0: the same", high: "", marks: ["here", "like"] },
  saliency: { head: "tack", name: "Why", what: "where the answer comes from", title: "What the answer hangs on",
    words: "Bright pixels change the answer most: the gradient of the logarithm of the heat at its peak with respect to the picture, averaged over 16 noisy copies (SmoothGrad). The circle around the answer holds half of it: a large one means that the network looks at the whole object, and not just at the spot.",
    colors: INFERNO, low: "no influence", high: "most in the picture", marks: ["click", "answer", "half"] },
  path: { head: "tack", name: "Between", what: "codes between two clicks", title: "Click two points on one picture",
    words: "A way leads from the one click's code to the other's, and each code on it is looked for. If codes are orderly, the points walk over every object in the same way, though nobody clicked between.",
    colors: null, marks: ["first", "last"] },
  places: { head: null, name: "Places", what: "the true places", title: "The same place has the same colour",
    words: "Not the network: this is the truth of the data set. The canonical coordinate of each surface point, x, y, z in the object's box, as red, green and blue. The map below is painted with these colours.",
    colors: null, marks: [] },
};
const MARKS = {
  click: ['<path d="M12 2v6M12 16v6M2 12h6M16 12h6" stroke="#fff" stroke-width="2.2"/>', "your click"],
  answer: [`<circle cx="12" cy="12" r="6.5" fill="none" stroke="${ANSWER}" stroke-width="2.4"/>`, "TACK's answer"],
  hidden: [`<circle cx="12" cy="12" r="6.5" fill="none" stroke="${ANSWER}" stroke-width="2" stroke-dasharray="3 3.5"/>`, "its answer, believed hidden"],
  truth: [`<circle cx="12" cy="12" r="4" fill="${TRUTH}"/>`, "the true place, where it is seen"],
  here: [`<path d="M12 2v6M12 16v6M2 12h6M16 12h6" stroke="${LIKE}" stroke-width="2.2"/>`, "under the mouse"],
  like: [`<path d="M12 5l7 7-7 7-7-7z" fill="none" stroke="${LIKE}" stroke-width="2.2"/>`, "nearest descriptor of DON to what is under the mouse"],
  half: [`<circle cx="12" cy="12" r="9" fill="none" stroke="#fff" stroke-width="1.6" stroke-dasharray="2 3"/>`, "half of the influence is inside"],
  first: [`<circle cx="12" cy="12" r="5" fill="${along(0)}"/>`, "first click, and its code's answer"],
  last: [`<circle cx="12" cy="12" r="5" fill="${along(1)}"/>`, "second click; between them the codes on the way"],
};


/** Modes, classes, heads and colours to choose from. */
function chips() {
  const { about, album } = state;
  const modes = element("modes"), classes = element("classes"), heads = element("heads"), paints = element("paints");
  for (const parent of [modes, classes, heads, paints]) parent.replaceChildren();
  for (const [mode, { name, what }] of Object.entries(MODES)) {
    const one = button(modes, `<b>${name}</b> ${what}`, null, () => choose(mode), disabled(mode));
    one.setAttribute("role", "tab"); one.setAttribute("aria-selected", mode === state.mode); one.dataset.mode = mode;
  }
  if (about.classes.length > 1) for (const name of about.classes) button(classes, escaped(name), name === album.name, () => load(name));
  for (const [head, text] of [["tack", "codes of TACK"], ["don", "descriptors of DON"]])
    button(heads, text, head === state.head, () => { state.head = head; chips(); space(); }, !album.heads.includes(head));
  for (const [kind, text] of [["place", "by place"], ["instance", "by instance"]])
    button(paints, text, kind === state.paint, () => { state.paint = kind; chips(); space(); paint(); }, kind === "place" && !album.known);
  element("foot").innerHTML = `Model <code>${escaped(about.model)}</code>, pictures from <code>${escaped(about.data)}</code>. This page is served by your own machine and asks nobody else.`;
}

const escaped = (text) => new Option(text).innerHTML;

function choose(mode) {
  state.mode = mode;
  guide(); chips(); paint();
  if (mode === "saliency") safely(explain)();
}

/** The card beside the pictures. */
function guide() {
  const { title, words, colors, low, high, marks } = MODES[state.mode];
  element("title").textContent = title; element("words").textContent = words;
  element("scale").hidden = !colors;
  if (colors) {
    const context = element("ramp").getContext("2d"), image = context.createImageData(256, 1);
    const hues = table(colors), dense = state.mode === "distance";
    for (let i = 0; i < 256; i++) image.data.set([...hues[dense ? Math.round(255 * bright(1 - i / 255)) : i], 255], 4 * i);
    context.putImageData(image, 0, 0);
    element("low").textContent = low;
    element("high").textContent = state.mode === "distance" && state.album.far ? `${state.album.far.toFixed(2)} and more: unlike` : high;
  }
  const shown = marks.filter((mark) => (mark !== "like" || state.album.heads.includes("don")) && (mark !== "truth" || state.album.known));
  element("marks").innerHTML = shown.map((mark) => `<li><svg viewBox="0 0 24 24" aria-hidden="true">${MARKS[mark][0]}</svg>${MARKS[mark][1]}</li>`).join("");
}

const middle = (values) => { const sorted = [...values].sort((a, b) => a - b); return sorted[Math.floor(sorted.length / 2)]; };

/** Figures of what is shown, below the legend. */
function readout() {
  const box = element("readout"), { mode, answer, click, album } = state, lines = [];
  if (mode === "heat" && answer) {
    lines.push(`The code of the click: <b>${answer.code.map((one) => one.toFixed(2)).join(", ")}</b>`);
    const errors = answer.truth.map((place, i) => place && i !== click.picture ? Math.hypot(place[0] - answer.pixels[i][0], place[1] - answer.pixels[i][1]) / album.size : null).filter((one) => one !== null);
    if (errors.length) lines.push(`Answer to true place: <b>${(100 * middle(errors)).toFixed(1)} %</b> of a picture's side (median of ${errors.length} where it is seen)`);
    lines.push("<i>Seen</i>: how sure it is that the point is in view. <i>Focus</i>: share of its belief near the answer.");
  }
  if (mode === "distance" && state.nearest) {
    const others = state.nearest.filter((one, i) => one !== null && i !== state.hover.picture);
    if (others.length) lines.push(`Nearest descriptor on the other pictures: <b>${middle(others).toFixed(2)}</b> away (median)`);
  }
  if (mode === "saliency") {
    const found = state.salient.filter(Boolean);
    if (found.length) lines.push(`Half of the influence lies within <b>${percent(middle(found.map((one) => one.reach)) / album.size)}</b> of the picture's side around the answer, and <b>${percent(middle(found.map((one) => one.on_object)))}</b> of it on the object, which fills ${percent(middle(found.map((one) => one.area)))} of the picture (medians).`);
  }
  if (mode === "path") return spreadBox(box);
  if (mode === "places" && album.symmetric) lines.push("Objects of this class look the same when they are turned; their places do not.");
  box.dataset.box = "";
  box.innerHTML = lines.map((line) => `<p>${line}</p>`).join("");
}

const WAYS = {
  surface: ["along the sheet", "The codes of an object's points lie on a bent sheet. This way keeps to it: over the codes of the clicked picture's own points, by short steps."],
  straight: ["straight", "The two codes are mixed in even steps. A straight line leaves the sheet on which the codes of points lie, and answers leap."],
};

/** Which way codes take, and their measured spread or the button that measures it. */
function spreadBox(box) {
  const name = state.album.name, { way } = state, found = state.spread[name]?.[way], stamp = `${name} ${way} ${Boolean(found)} ${state.measuring}`;
  if (box.dataset.box === stamp) return;
  box.dataset.box = stamp;
  const times = (value) => (value === null ? "–" : value.toFixed(2)), mm = (value) => (value === null ? "–" : `${value.toFixed(0)} mm`);
  let words = `<p class="chips" id="ways" aria-label="way"></p><p>${WAYS[way][1]}</p>`;
  if (state.album.known) words += "<p>Do codes on the way mean one place on all instances? Their answers on the instances, carried to one shape, spread so many times as widely as those of clicked points:</p>";
  if (found) words += `<p><b class="big">${times(found.ratio)} ×</b>wanted: at most ${state.about.bound} × (95 %: ${times(found.low)} to ${times(found.high)}; ${found.trials} pairs of clicks, ${found.instances} instances). Codes on the way <b>${mm(found.between_mm)}</b>, clicked points <b>${mm(found.clicked_mm)}</b>, chance ${mm(found.chance_mm)}, on a shape of ${mm(found.diagonal_mm)}.</p>`
    + (found.jump === null ? "" : `<p>How they get across: the largest of ${Math.round(1 / found.even)} steps is <b>${percent(found.jump)}</b> of the way (even steps: ${percent(found.even)}).</p>`);
  box.innerHTML = words;
  for (const [kind, [text]] of Object.entries(WAYS)) button(element("ways"), text, kind === way, safely(() => take(kind)));
  if (!found && state.album.known) button(box, state.measuring ? "measuring …" : "Measure it", null, safely(measure), state.measuring).id = "measure";
}

/** Another way between the same two clicks. */
async function take(way) {
  state.way = way; state.path = null; paint();
  if (state.ends.length === 2) await walk();
}

async function measure() {
  const name = state.album.name, { way } = state;
  state.measuring = true; paint();
  try { (state.spread[name] ??= {})[way] = await json("/api/spread", { class: name, way, trials: TRIALS }); } finally { state.measuring = false; paint(); }
}

function sayOfSpace(map) {
  const what = map.head === "tack" ? `${state.about.code} numbers of a code` : `${state.about.descriptor} numbers of a descriptor`;
  element("spaceWords").textContent = `Each dot is a spot on one of the objects above, put where the ${what} put it. If dots of one colour from all objects lie together, the network gives the same place the same name on each of them. Point at a dot to see its spot; the spot under the mouse above is ringed here.`;
  const share = (count) => `${percent(map.explained.slice(0, count).reduce((a, b) => a + b, 0))} of the variance`;
  element("explained2").textContent = share(2); element("explained3").textContent = share(3);
  element("keyWords").textContent = state.paint === "place" ? "What the colours mean: the place on the object." : "Colours: the instances, as in the headings above.";
  element("spaceNumbers").innerHTML = map.neighbour === null ? "" : `A dot's nearest neighbour on another instance is <b class="big">${(100 * map.neighbour).toFixed(0)} %</b> of the object's diagonal away from it on the object (median). Chance: ${(100 * map.chance).toFixed(0)} %; the nearest dot there is: ${(100 * map.nearest).toFixed(0)} %.`;
}
