// SPDX-License-Identifier: Apache-2.0
// What the page asks for and paints, and what a person does to it.
"use strict";

const state = { about: null, album: null, tiles: [], mode: "heat", click: null, ends: [], hover: null, answer: null,
  salient: [], path: null, descriptors: null, space: {}, head: "tack", paint: "place", serial: 0, way: "surface", spread: {}, measuring: false };
const ACROSS = 6; // pictures in a row
let cloud = null, painting = false;

async function ask(path, body) {
  const answer = await fetch(path, body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (answer.ok) return answer;
  throw new Error((await answer.json().catch(() => ({}))).error || `${path}: ${answer.status}`);
}
const json = async (path, body) => (await ask(path, body)).json();
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const query = (more = {}) => "?" + new URLSearchParams({ class: state.album.name, ...more });

function trouble(error) {
  element("trouble").hidden = !error;
  element("trouble").textContent = error ? String(error.message || error) : "";
}
/** Run what may fail, and say why if it does. */
const safely = (work) => (...all) => Promise.resolve().then(() => work(...all)).catch((error) => { console.error(error); trouble(error); });

function button(parent, text, pressed, act, disabled = false) {
  const one = document.createElement("button");
  one.type = "button"; one.innerHTML = text; one.disabled = disabled;
  if (pressed !== null) one.setAttribute("aria-pressed", pressed);
  one.addEventListener("click", act);
  parent.append(one);
  return one;
}

const load = safely(async (name) => {
  document.body.dataset.ready = "";
  const serial = ++state.serial;
  const album = await json("/api/album?" + new URLSearchParams({ class: name }));
  if (serial !== state.serial) return;
  Object.assign(state, { album, click: null, ends: [], hover: null, answer: null, salient: [], path: null, descriptors: null, space: {} });
  trouble(null);
  if (!album.heads.includes(state.head)) state.head = album.heads[0];
  state.paint = album.known ? "place" : "instance";
  if (disabled(state.mode)) state.mode = Object.keys(MODES).find((mode) => !disabled(mode));
  layTiles(); guide(); chips();
  const work = state.tiles.map(async (tile) => {
    const picture = { picture: tile.number };
    tile.take(await createImageBitmap(await (await ask("/api/picture" + query(picture))).blob()));
    if (album.known) tile.places = await createImageBitmap(await (await ask("/api/places" + query(picture))).blob());
  });
  if (album.heads.includes("don")) work.push(ask("/api/descriptors" + query()).then((answer) => answer.arrayBuffer()).then((buffer) => {
    if (serial === state.serial) state.descriptors = new Descriptors(buffer, album);
  }));
  await Promise.all(work);
  if (serial !== state.serial) return;
  const { picture, ends } = album.start;
  state.hover = { picture, pixel: ends[0] };
  if (album.heads.includes("tack")) { state.ends = ends.map((pixel) => ({ picture, pixel })); await click(picture, ends[0], true); await walk(); }
  await space();
  paint();
  document.body.dataset.ready = album.name;
});

const disabled = (mode) => (MODES[mode].head && !state.album.heads.includes(MODES[mode].head)) || (mode === "places" && !state.album.known);

function layTiles() {
  const album = state.album, grid = element("tiles");
  grid.replaceChildren();
  state.tiles = album.pictures.map((info, number) => new Tile(number, info, album));
  const most = Math.max(...album.instances.map((name) => state.tiles.filter((tile) => tile.info.instance === name).length));
  const views = Math.min(most, ACROSS);
  for (const [name, value] of [["views", views], ["groups", Math.floor(ACROSS / views)], ["narrow", Math.max(1, Math.floor(3 / views))]])
    grid.style.setProperty(`--${name}`, value);
  for (const [i, instance] of album.instances.entries()) {
    const mine = state.tiles.filter((tile) => tile.info.instance === instance);
    const group = document.createElement("div"), title = document.createElement("h3"), row = document.createElement("div");
    const dot = document.createElement("i"); dot.style.background = HUES[i % HUES.length];
    group.className = "group"; row.className = "row";
    title.append(dot, instance); row.append(...mine.map((tile) => tile.figure)); group.append(title, row); grid.append(group);
  }
  for (const tile of state.tiles) {
    tile.canvas.addEventListener("click", safely((event) => pressed(tile.number, tile.pixel(event))));
    tile.canvas.addEventListener("pointermove", (event) => hover(tile.number, tile.pixel(event)));
  }
}

function pressed(picture, pixel) {
  if (state.mode === "path") {
    const whole = state.ends.length !== 1 || state.ends[0].picture !== picture;
    state.ends = whole ? [{ picture, pixel }] : [...state.ends, { picture, pixel }];
    state.path = null; paint();
    return state.ends.length === 2 ? walk() : null;
  }
  hover(picture, pixel);
  if (state.mode === "distance" || state.mode === "places") return null;
  return click(picture, pixel);
}

function hover(picture, pixel) {
  state.hover = { picture, pixel };
  const space = state.space[state.head];
  if (cloud && space) {
    let best = null, least = 36;
    space.picture.forEach((number, i) => {
      if (number !== picture) return;
      const away = (space.pixels[i][0] - pixel[0]) ** 2 + (space.pixels[i][1] - pixel[1]) ** 2;
      if (away < least) { least = away; best = i; }
    });
    cloud.mark(best);
  }
  paint();
}

async function click(picture, pixel) {
  const serial = ++state.serial;
  state.click = { picture, pixel }; state.salient = [];
  const answer = await json("/api/point", { class: state.album.name, picture, u: pixel[0], v: pixel[1] });
  if (serial !== state.serial) return;
  const heat = bytes(answer.heat), [height, width] = answer.shape;
  answer.maps = state.tiles.map((_, i) => Float32Array.from(heat.subarray(i * width * height, (i + 1) * width * height), (level) => level / 255));
  state.answer = answer;
  paint();
  if (state.mode === "saliency") await explain();
}

/** Saliency, one picture after the other, as long as the click is the same. */
async function explain() {
  const asked = state.click;
  if (!asked) return;
  const order = [...state.tiles].sort((a, b) => (b.number === asked.picture) - (a.number === asked.picture));
  for (const tile of order) {
    if (state.click !== asked || state.mode !== "saliency") return;
    if (state.salient[tile.number]) continue;
    const found = await json("/api/saliency", { class: state.album.name, picture: asked.picture, u: asked.pixel[0], v: asked.pixel[1], on: tile.number });
    if (state.click !== asked) return;
    found.values = Float32Array.from(bytes(found.map), (level) => level / 255);
    state.salient[tile.number] = found;
    paint();
  }
}

async function walk() {
  const [one, two] = state.ends, { way } = state;
  const body = { class: state.album.name, picture: one.picture, u: one.pixel[0], v: one.pixel[1], u2: two.pixel[0], v2: two.pixel[1], way, steps: STEPS };
  const path = await json("/api/path", body);
  if (state.ends[1] === two && state.way === way) { state.path = path; paint(); }
}

const space = safely(async () => {
  const head = state.head, name = state.album.name;
  if (!state.space[head]) {
    const found = await json("/api/map" + query({ head }));
    if (state.album.name !== name) return;
    state.space[head] = found;
  }
  const map = state.space[head], instances = state.album.instances, pictures = state.album.pictures;
  const inks = state.paint === "place" ? map.colors.map((rgb) => `rgb(${rgb.join(" ")})`)
    : map.picture.map((number) => HUES[instances.indexOf(pictures[number].instance) % HUES.length]);
  cloud.show(map, inks);
  sayOfSpace(map);
});

function paint() { if (!painting) { painting = true; requestAnimationFrame(() => { painting = false; draw(); }); } }

function draw() {
  const { mode, hover, answer } = state;
  const alike = state.descriptors && hover && (mode === "heat" || mode === "distance") ? state.descriptors.sample(hover.picture, hover.pixel) : null;
  state.nearest = [];
  for (const tile of state.tiles) {
    const number = tile.number, here = state.click && state.click.picture === number;
    const near = alike && state.descriptors.distances(number, alike);
    state.nearest.push(near && near.nearest);
    tile.figure.classList.toggle("chosen", Boolean((mode === "heat" || mode === "saliency") && here) || (mode === "path" && state.ends.some((end) => end.picture === number)));
    tile.note.innerHTML = "";
    PAINTERS[mode](tile, { number, here, near, answer, hover });
  }
  key(); readout();
}

const PAINTERS = {
  heat(tile, { number, here, near, answer, hover }) {
    tile.base(Boolean(answer));
    if (answer) {
      tile.over(painted(answer.maps[number], answer.shape[1], answer.shape[0], HOT, (value) => 0.9 * value ** 0.7));
      if (here) tile.cross(state.click.pixel);
      if (answer.truth[number] && !here) tile.dot(answer.truth[number], TRUTH, 6);
      tile.ring(answer.pixels[number], ANSWER, answer.seen[number] >= 0.5);
      tile.note.innerHTML = `<span>seen <b>${percent(answer.seen[number])}</b> · focus <b>${percent(answer.share[number])}</b></span>`;
    }
    if (near && hover.picture !== number) tile.diamond(near.pixel, LIKE);
  },
  distance(tile, { number, near, hover }) {
    tile.base(Boolean(near));
    if (!near) return;
    const side = state.descriptors.side, far = state.album.far;
    tile.over(painted(near.away.map((value) => bright(1 - value / far)), side, side, NEAR, () => 0.8));
    if (hover.picture === number) { tile.cross(hover.pixel, LIKE); tile.note.innerHTML = "<span>under the mouse</span>"; return; }
    tile.diamond(near.pixel, LIKE);
    tile.note.innerHTML = `<span>nearest <b>${near.nearest.toFixed(2)}</b></span>`;
  },
  saliency(tile, { number, here, answer }) {
    const found = state.salient[number];
    tile.base(Boolean(found));
    if (found) {
      tile.over(painted(found.values, tile.size, tile.size, HOT, (value) => 0.95 * Math.sqrt(value)));
      tile.stroke((c) => c.arc(...tile.at(found.pixel), (found.reach * tile.side) / tile.size, 0, 7), "#fff", 1.6, [3, 8]);
      tile.note.innerHTML = `<span>half within <b>${Math.round((100 * found.reach) / tile.size)} %</b> of the side</span>`;
    } else tile.note.innerHTML = "<span>…</span>";
    if (here) tile.cross(state.click.pixel);
    if (answer) tile.ring(answer.pixels[number], ANSWER, answer.seen[number] >= 0.5, 10);
  },
  path(tile, { number }) {
    tile.base();
    const ends = state.ends.filter((end) => end.picture === number);
    if (state.path) tile.way(state.path.pixels[number]);
    ends.forEach((end) => tile.cross(end.pixel));
    if (state.path) tile.note.innerHTML = `<span>seen <b>${state.path.seen[number].filter((one) => one >= 0.5).length}</b> of ${STEPS}</span>`;
  },
  places(tile) {
    tile.base(true);
    if (tile.places) { tile.context.imageSmoothingEnabled = false; tile.context.drawImage(tile.places, 0, 0, tile.side, tile.side); }
  },
};

/** The small picture beside the map that tells what its colours mean. */
function key() {
  const context = element("key").getContext("2d"), tile = state.tiles[state.pointed ? state.pointed.picture : state.album.start.picture];
  if (!tile || !tile.image) return;
  context.drawImage(tile.grey, 0, 0, 384, 384);
  context.imageSmoothingEnabled = false;
  if (state.pointed) {
    context.drawImage(tile.image, 0, 0, 384, 384);
    const [x, y] = tile.at(state.pointed.pixel);
    for (const [ink, wide] of [[RIM, 8], ["#fff", 4]]) { context.beginPath(); context.arc(x, y, 13, 0, 7); context.strokeStyle = ink; context.lineWidth = wide; context.stroke(); }
  } else if (tile.places && state.paint === "place") context.drawImage(tile.places, 0, 0, 384, 384);
  else context.drawImage(tile.image, 0, 0, 384, 384);
}

cloud = new Cloud(element("flat"), element("solid"), (number) => {
  const space = state.space[state.head];
  state.pointed = number === null || !space ? null : { picture: space.picture[number], pixel: space.pixels[number] };
  cloud.mark(number);
  key();
});
safely(async () => {
  state.about = await json("/api/about");
  await load(state.about.first);
})();
