// SPDX-License-Identifier: Apache-2.0
// The pictures: what is painted over them, and the marks on them.
"use strict";

const INFERNO = ["000004", "1b0c41", "4a0c6b", "781c6d", "a52c60", "cf4446", "ed6925", "fb9b06", "f7d13d", "fcffa4"];
const VIRIDIS = ["440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725"];
const ANSWER = "#ffffff", TRUTH = "#4cd98c", LIKE = "#54beff", CLICKED = "#ffffff", RIM = "#10131a";

/** 256 × [r, g, b] between a few colours. */
function table(stops) {
  const colors = stops.map((text) => [0, 2, 4].map((at) => parseInt(text.slice(at, at + 2), 16)));
  return Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (colors.length - 1), low = Math.min(Math.floor(at), colors.length - 2);
    return colors[low].map((value, k) => value + (at - low) * (colors[low + 1][k] - value));
  });
}
const HOT = table(INFERNO), NEAR = table(VIRIDIS);
/** Likeness as a colour's place: more of the colours for what is near. */
const bright = (likeness) => Math.max(0, likeness) ** 0.7;

/** A colour on the way from the first to the last clicked point. */
function along(share) {
  const stops = [[255, 214, 64], [255, 120, 72], [226, 72, 150], [130, 96, 240], [64, 190, 255]];
  const at = share * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2);
  const color = stops[low].map((value, k) => Math.round(value + (at - low) * (stops[low + 1][k] - value)));
  return `rgb(${color.join(" ")})`;
}

/** A map of 0 to 1 as a small canvas; `alpha` says how much each value covers. */
function painted(values, width, height, colors, alpha) {
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
  const image = context.createImageData(width, height), data = image.data;
  for (let i = 0; i < width * height; i++) {
    const value = Math.max(0, Math.min(1, values[i])), [r, g, b] = colors[Math.round(255 * value)];
    data[4 * i] = r; data[4 * i + 1] = g; data[4 * i + 2] = b; data[4 * i + 3] = 255 * alpha(value);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** One picture on the page. Pixels are those of the picture as the network sees it. */
class Tile {
  constructor(number, info, album) {
    this.number = number; this.info = info; this.size = album.size; this.side = album.sharp;
    this.figure = document.createElement("figure"); this.figure.className = "tile";
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.canvas.height = this.side;
    this.canvas.setAttribute("aria-label", `picture ${number}, ${info.instance}`);
    this.note = document.createElement("figcaption");
    this.figure.append(this.canvas, this.note);
    this.context = this.canvas.getContext("2d");
    this.image = null; this.grey = null; this.places = null;
  }

  take(image) {
    this.image = image;
    this.grey = new OffscreenCanvas(this.side, this.side);
    const context = this.grey.getContext("2d");
    context.filter = "grayscale(0.85) brightness(0.72)";
    context.drawImage(image, 0, 0, this.side, this.side);
  }

  /** The pixel under a pointer's event. */
  pixel(event) {
    const box = this.canvas.getBoundingClientRect();
    const to = (at, length) => Math.max(-0.5, Math.min(this.size - 0.5, (at / length) * this.size - 0.5));
    return [to(event.clientX - box.left, box.width), to(event.clientY - box.top, box.height)];
  }

  at([u, v]) { const k = this.side / this.size; return [(u + 0.5) * k, (v + 0.5) * k]; }

  /** The picture itself, grey where something is to be seen over it. */
  base(grey = false) {
    this.context.globalAlpha = 1;
    if (this.image) this.context.drawImage(grey ? this.grey : this.image, 0, 0, this.side, this.side);
  }

  over(layer, alpha = 1) {
    this.context.globalAlpha = alpha;
    this.context.imageSmoothingEnabled = true; this.context.imageSmoothingQuality = "high";
    this.context.drawImage(layer, 0, 0, this.side, this.side);
    this.context.globalAlpha = 1;
  }

  /** A path with a dark rim. */
  stroke(draw, color, width, dash = []) {
    const c = this.context;
    for (const [ink, wide] of [[RIM, width + 4], [color, width]]) {
      c.beginPath(); draw(c); c.strokeStyle = ink; c.lineWidth = wide; c.lineCap = "round"; c.setLineDash(dash); c.stroke();
    }
    c.setLineDash([]);
  }

  cross(pixel, color = CLICKED) {
    const [x, y] = this.at(pixel);
    this.stroke((c) => {
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) { c.moveTo(x + 9 * dx, y + 9 * dy); c.lineTo(x + 24 * dx, y + 24 * dy); }
    }, color, 3.5);
    this.dot(pixel, color, 3);
  }

  ring(pixel, color, seen = true, radius = 14) {
    const [x, y] = this.at(pixel);
    this.stroke((c) => c.arc(x, y, radius, 0, 7), color, seen ? 4 : 3, seen ? [] : [7, 8]);
  }

  dot(pixel, color, radius = 6) {
    const [x, y] = this.at(pixel), c = this.context;
    for (const [ink, wide] of [[RIM, radius + 2.5], [color, radius]]) { c.beginPath(); c.arc(x, y, wide, 0, 7); c.fillStyle = ink; c.fill(); }
  }

  diamond(pixel, color) {
    const [x, y] = this.at(pixel), r = 13;
    this.stroke((c) => { c.moveTo(x, y - r); c.lineTo(x + r, y); c.lineTo(x, y + r); c.lineTo(x - r, y); c.closePath(); }, color, 3.5);
  }

  /** A way through pixels in the colours from first to last. */
  way(pixels) {
    const places = pixels.map((pixel) => this.at(pixel)), last = places.length - 1, c = this.context;
    this.stroke((p) => places.forEach(([x, y], i) => (i ? p.lineTo(x, y) : p.moveTo(x, y))), "#ffffffb0", 2);
    places.forEach(([x, y], i) => {
      c.beginPath(); c.arc(x, y, i === 0 || i === last ? 11 : 8, 0, 7); c.fillStyle = RIM; c.fill();
      c.beginPath(); c.arc(x, y, i === 0 || i === last ? 8.5 : 6, 0, 7); c.fillStyle = along(i / last); c.fill();
    });
  }
}

/** Descriptors of all pictures: distances to the one under the mouse. */
class Descriptors {
  constructor(buffer, album) {
    const count = album.pictures.length, side = Math.round(album.size / album.stride);
    const step = new DataView(buffer).getFloat32(0, true), levels = new Int16Array(buffer, 4);
    this.side = side; this.depth = levels.length / (count * side * side); this.stride = album.stride;
    this.unit = album.unit;
    this.values = Float32Array.from(levels, (level) => level * step);
  }

  /** Between cells, bilinear, and brought back to unit length where the others have it. */
  sample(picture, [u, v]) {
    const { side, depth, stride, values } = this, found = new Float32Array(depth);
    const limit = (x) => Math.max(0, Math.min(side - 1, (x + 0.5) / stride - 0.5));
    const x = limit(u), y = limit(v), x0 = Math.floor(x), y0 = Math.floor(y), start = picture * side * side * depth;
    for (const [row, down] of [[y0, 1 - y + y0], [Math.min(y0 + 1, side - 1), y - y0]])
      for (const [column, right] of [[x0, 1 - x + x0], [Math.min(x0 + 1, side - 1), x - x0]])
        for (let k = 0; k < depth; k++) found[k] += down * right * values[start + (row * side + column) * depth + k];
    const length = Math.hypot(...found);
    return this.unit && length > 0 ? found.map((value) => value / length) : found;
  }

  /** Distance of each cell of a picture, and the nearest one as a pixel. */
  distances(picture, reference) {
    const { side, depth, values } = this, cells = side * side, away = new Float32Array(cells);
    let best = 0;
    for (let cell = 0, at = picture * cells * depth; cell < cells; cell++) {
      let sum = 0;
      for (let k = 0; k < depth; k++, at++) { const d = values[at] - reference[k]; sum += d * d; }
      away[cell] = Math.sqrt(sum);
      if (away[cell] < away[best]) best = cell;
    }
    const to = (cell) => (cell + 0.5) * this.stride - 0.5;
    return { away, nearest: away[best], pixel: [to(best % side), to(Math.floor(best / side))] };
  }
}
