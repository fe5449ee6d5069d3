// Moves the eye around the part: mouse, touch and keys; z stays up.

import { Vector3 } from "../vendor/three/three.module.min.js";

const TAP_PX = 6; // a press that moved less was no drag
const FLIGHT_MS = 400;
const STEEPEST = 0.001; // rad from straight above, where "up" would have no direction

// How far around from the front and how far up, in degrees.
export const VIEWS = {
  home: [32, 30], front: [0, 0], side: [90, 0], back: [180, 0], top: [0, 90], bottom: [0, -90],
};

const radians = (degrees) => (degrees * Math.PI) / 180;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Controls {
  /** `changed` is called when the eye moved, `tapped` with the event of a press that was no drag. */
  constructor(camera, canvas, { changed, tapped, greedy }) {
    Object.assign(this, { camera, canvas, changed, tapped, greedy });
    this.target = new Vector3();
    this.size = 1; // of the part: the radius of the ball around it
    this.place = { turn: 0, rise: 0, far: 1 };
    this.pointers = new Map();
    this.listen();
  }

  /** Take the part's middle and radius, and show all of it. */
  frame(middle, size) {
    this.home = middle.clone();
    this.size = Math.max(size, 1e-6);
    this.look("home", { jump: true });
  }

  look(name, { jump = false } = {}) {
    const [turn, rise] = VIEWS[name].map(radians);
    this.flyTo({ turn, rise, far: this.farOf(this.size), target: this.home }, jump);
  }

  /** Look at a place from outside the part, near enough to see it. */
  visit(middle, radius) {
    const out = middle.clone().sub(this.home);
    const flat = Math.hypot(out.x, out.y);
    const seen = out.length() > this.size * 0.05;
    this.flyTo({
      turn: seen && flat > 1e-6 ? Math.atan2(out.x, -out.y) : this.place.turn,
      rise: seen ? Math.max(-1.2, Math.min(1.2, Math.atan2(out.z, flat) + 0.25)) : this.place.rise,
      far: this.farOf(Math.max(radius * 1.6, this.size * 0.22)),
      target: middle,
    });
  }

  farOf(radius) {
    const narrow = Math.min(1, this.camera.aspect);
    return radius / Math.sin(radians(this.camera.fov / 2)) / narrow;
  }

  flyTo(goal, jump = false) {
    cancelAnimationFrame(this.flight);
    const from = { ...this.place, target: this.target.clone() };
    const turn = from.turn + Math.atan2(Math.sin(goal.turn - from.turn), Math.cos(goal.turn - from.turn));
    const began = performance.now();
    const step = (now) => {
      const share = jump || calm.matches ? 1 : Math.min(1, Math.max(0, now - began) / FLIGHT_MS);
      const eased = share * share * (3 - 2 * share);
      const between = (a, b) => a + (b - a) * eased;
      this.place = { turn: between(from.turn, turn), rise: between(from.rise, goal.rise), far: between(from.far, goal.far) };
      this.target.lerpVectors(from.target, goal.target, eased);
      this.apply();
      if (share < 1) this.flight = requestAnimationFrame(step);
    };
    step(began);
  }

  apply() {
    const half = Math.PI / 2 - STEEPEST;
    const place = this.place;
    place.rise = Math.max(-half, Math.min(half, place.rise));
    place.far = Math.max(this.size * 0.02, Math.min(this.size * 60, place.far));
    const flat = Math.cos(place.rise) * place.far;
    const out = new Vector3(Math.sin(place.turn) * flat, -Math.cos(place.turn) * flat, Math.sin(place.rise) * place.far);
    this.camera.position.copy(this.target).add(out);
    this.camera.near = Math.max(place.far - this.size * 8, place.far * 0.01);
    this.camera.far = place.far + this.size * 40;
    this.camera.lookAt(this.target);
    this.camera.updateProjectionMatrix();
    this.camera.updateMatrixWorld();
    this.changed();
  }

  orbit(dx, dy) {
    const whole = this.canvas.clientHeight || 1;
    this.place.turn -= (dx / whole) * Math.PI;
    this.place.rise += (dy / whole) * Math.PI;
    this.apply();
  }

  pan(dx, dy) {
    const mmPerPx = (2 * this.place.far * Math.tan(radians(this.camera.fov / 2))) / (this.canvas.clientHeight || 1);
    const right = new Vector3().setFromMatrixColumn(this.camera.matrixWorld, 0);
    const up = new Vector3().setFromMatrixColumn(this.camera.matrixWorld, 1);
    this.target.addScaledVector(right, -dx * mmPerPx).addScaledVector(up, dy * mmPerPx);
    this.apply();
  }

  zoom(factor) {
    this.place.far *= factor;
    this.apply();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.onDown(event));
    canvas.addEventListener("pointermove", (event) => this.onMove(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.onUp(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("keydown", (event) => this.onKey(event));
    canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
  }

  onDown(event) {
    cancelAnimationFrame(this.flight);
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.pointers.size === 1) this.press = { x: event.clientX, y: event.clientY, dragged: false };
    else this.press.dragged = true;
  }

  onMove(event) {
    const was = this.pointers.get(event.pointerId);
    if (!was) return;
    const now = { x: event.clientX, y: event.clientY };
    const [dx, dy] = [now.x - was.x, now.y - was.y];
    if (!this.press.dragged && Math.hypot(now.x - this.press.x, now.y - this.press.y) < TAP_PX) return;
    this.press.dragged = true;
    if (this.pointers.size === 2) {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
      const apart = (a, b) => Math.max(1, Math.hypot(a.x - b.x, a.y - b.y));
      this.pan(dx / 2, dy / 2);
      this.zoom(apart(was, other) / apart(now, other));
    } else if (event.buttons & 6 || event.shiftKey) this.pan(dx, dy);
    else this.orbit(dx, dy);
    this.pointers.set(event.pointerId, now);
  }

  onUp(event) {
    const known = this.pointers.delete(event.pointerId);
    if (known && event.type === "pointerup" && !this.press.dragged) this.tapped(event);
  }

  // A page must stay scrollable with the wheel until the viewer is what somebody works with.
  onWheel(event) {
    if (!this.greedy && document.activeElement !== this.canvas) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    this.zoom(Math.exp(Math.max(-240, Math.min(240, event.deltaY * lines)) * 0.0015));
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = (dx, dy) => (event.shiftKey ? this.pan(-dx, -dy) : this.orbit(-dx, -dy));
    const keys = {
      ArrowLeft: () => move(-24, 0), ArrowRight: () => move(24, 0), ArrowUp: () => move(0, -24), ArrowDown: () => move(0, 24),
      "+": () => this.zoom(0.85), "=": () => this.zoom(0.85), "-": () => this.zoom(1.18), Home: () => this.look("home"),
    };
    Object.keys(VIEWS).forEach((name, i) => { keys[String(i + 1)] = () => this.look(name); });
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }
}
