// SPDX-License-Identifier: Apache-2.0
// The map of the space, flat and in three dimensions.
"use strict";

const HUES = ["#ffb020", "#54beff", "#ff68a0", "#4cd98c", "#b28cff", "#ff7a4a", "#5ae0dc", "#e8dc5a", "#c0c6d0", "#9fe060", "#f0a0d8", "#80a0ff"];

class Cloud {
  /** `flat`, `solid`: canvases; `pointed`: called with the number of the point under the mouse, or null. */
  constructor(flat, solid, pointed) {
    this.flat = flat; this.solid = solid; this.pointed = pointed;
    this.map = null; this.inks = []; this.marked = null;
    this.azimuth = 0.7; this.elevation = 0.35; this.waiting = false; this.zoom = 1;
    for (const canvas of [flat, solid]) {
      canvas.addEventListener("pointermove", (event) => this.point(canvas, event));
      canvas.addEventListener("pointerleave", () => this.pointed(null));
    }
    solid.addEventListener("pointerdown", (event) => solid.setPointerCapture(event.pointerId));
    solid.addEventListener("pointermove", (event) => { if (event.buttons) this.turn(event.movementX * 0.008, event.movementY * 0.008); });
    solid.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
      if (step) { event.preventDefault(); this.turn(...step); }
    });
    new ResizeObserver(() => this.ask()).observe(flat);
  }

  turn(right, down) {
    this.azimuth += right; this.elevation = Math.max(-1.5, Math.min(1.5, this.elevation + down));
    this.ask();
  }

  show(map, inks) { this.map = map; this.inks = inks; this.marked = null; this.ask(); }
  mark(number) { if (this.marked !== number) { this.marked = number; this.ask(); } }
  ask() { if (!this.waiting) { this.waiting = true; requestAnimationFrame(() => { this.waiting = false; this.draw(); }); } }

  /** Where points are on a canvas: x, y and depth. */
  placed(canvas) {
    const { width, height } = canvas, flat = canvas === this.flat;
    const spans = [0, 1].map((k) => { const all = this.map.axes.map((p) => p[k]); return [Math.min(...all), Math.max(...all)]; });
    const pad = 0.06 * Math.min(width, height);
    if (flat) {
      const scale = Math.min(...[width, height].map((length, k) => (length - 2 * pad) / Math.max(spans[k][1] - spans[k][0], 1e-6)));
      const middle = spans.map(([low, high]) => (low + high) / 2);
      return this.map.axes.map(([x, y]) => [width / 2 + scale * (x - middle[0]), height / 2 - scale * (y - middle[1]), 0]);
    }
    const ca = Math.cos(this.azimuth), sa = Math.sin(this.azimuth), ce = Math.cos(this.elevation), se = Math.sin(this.elevation);
    const focal = 0.42 * Math.min(width, height) * 3.2;
    return this.map.axes.map(([x, y, z]) => {
      const right = ca * x - sa * y, out = sa * x + ca * y, depth = 3.2 + ce * out - se * z;
      return [width / 2 + (focal * right) / depth, height / 2 - (focal * (ce * z + se * out)) / depth, depth];
    });
  }

  draw() {
    for (const canvas of [this.flat, this.solid]) {
      const scale = devicePixelRatio, context = canvas.getContext("2d");
      canvas.width = Math.round(canvas.clientWidth * scale); canvas.height = Math.round(canvas.clientHeight * scale);
      if (!this.map || !canvas.width) continue;
      const places = this.placed(canvas), order = places.map((_, i) => i);
      if (canvas === this.solid) order.sort((a, b) => places[b][2] - places[a][2]);
      for (const i of order) {
        const [x, y, depth] = places[i], near = depth ? 3.2 / depth : 1;
        context.beginPath(); context.arc(x, y, 2.7 * scale * near, 0, 7);
        context.globalAlpha = depth ? Math.max(0.25, Math.min(1, 2.1 * near - 1.25)) : 0.85;
        context.fillStyle = this.inks[i]; context.fill();
      }
      context.globalAlpha = 1;
      if (this.marked !== null) {
        const [x, y] = places[this.marked];
        for (const [ink, wide] of [["#10131a", 5], ["#fff", 2.4]]) {
          context.beginPath(); context.arc(x, y, 8 * scale, 0, 7);
          context.strokeStyle = ink; context.lineWidth = wide * scale; context.stroke();
        }
      }
    }
  }

  point(canvas, event) {
    if (!this.map || event.buttons) return;
    const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    let best = null, least = (12 * scale) ** 2;
    this.placed(canvas).forEach(([u, v], i) => {
      const away = (u - x) ** 2 + (v - y) ** 2;
      if (away < least) { least = away; best = i; }
    });
    this.pointed(best);
  }
}
