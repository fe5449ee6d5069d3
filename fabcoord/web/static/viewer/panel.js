// What surrounds the canvas: buttons, fields, the list of findings, and the lengths on the part.

import { Vector3 } from "../vendor/three/three.module.min.js";

const VIEW_WORDS = { home: "Reset", front: "Front", side: "Side", back: "Back", top: "Top", bottom: "Bottom" };
const SEVERITY_WORDS = { error: "In the way", warning: "Look at this", info: "Good to know" };

const make = (tag, attributes = {}, ...children) => {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) one.setAttribute(name, "");
    else if (value !== false && value != null) one.setAttribute(name, value);
  }
  one.append(...children);
  return one;
};

export class Panel {
  constructor(host, { name, items, views, machines, bodies, rotation }) {
    this.machines = machines;
    const id = (what) => `${host.id}-${what}`;
    this.canvas = make("canvas", {
      tabindex: "0", role: "application", "aria-label": `${name} in 3D`, "aria-describedby": id("keys"),
    });
    this.size = make("p", { class: "view-size" });
    this.labels = ["x", "y", "z", "between"].map((axis) => make("span", { class: `view-label ${axis}`, "aria-hidden": "true" }));
    this.cross = make("span", { class: "view-cross", "aria-hidden": "true" });
    const stage = make("div", { class: "view-stage" }, this.canvas, ...this.labels, this.cross, this.size);

    this.views = make("div", { class: "view-row views", role: "group", "aria-label": "From where" });
    for (const view of views) this.views.append(make("button", { type: "button", "data-look": view }, VIEW_WORDS[view]));

    this.measuring = make("button", { type: "button", "aria-pressed": "false" }, "Measure");
    this.wire = make("button", { type: "button", "aria-pressed": "false" }, "Triangles");
    this.turned = rotation ? make("button", { type: "button", "aria-pressed": "false" }, "As advised for printing") : null;
    this.closing = make("button", { type: "button", class: "quiet" }, "Close 3D");
    const tools = make("div", { class: "view-row", role: "group", "aria-label": "Tools" }, this.measuring, this.wire, ...(this.turned ? [this.turned] : []), ...("atOnce" in host.dataset ? [] : [this.closing]));
    this.measured = make("p", { class: "view-told", role: "status" });

    this.axis = make("select", { id: id("axis") }, ...[["", "Whole"], ["x", "Cut along X"], ["y", "Cut along Y"], ["z", "Cut along Z"]].map(([value, words]) => make("option", { value }, words)));
    this.share = make("input", { type: "range", min: "0", max: "1", step: "0.005", value: "0.5", "aria-label": "Where to cut" });
    this.cutAt = make("output", { class: "view-told" });
    this.cutting = make("div", { class: "view-cut", hidden: true }, this.share, this.cutAt);
    const cut = make("div", { class: "view-field" }, make("label", { for: id("axis") }, "Section"), this.axis, this.cutting);

    this.machine = make("select", { id: id("machine") }, make("option", { value: "" }, "None"), ...machines.map((one, i) => make("option", { value: String(i) }, one.name)));
    this.fit = make("p", { class: "view-told", role: "status" });
    const machine = machines.length ? [make("div", { class: "view-field" }, make("label", { for: id("machine") }, "Build volume"), this.machine, this.fit)] : [];

    this.keys = make("p", { class: "view-keys", id: id("keys") }, "Drag turns, two fingers or the right button move, wheel or pinch zooms. Keys: arrows, + and −, Shift with arrows, 1 to 6, Home; Enter measures at the cross.");
    this.side = make("div", { class: "view-side" }, this.views, tools, this.measured, cut, ...machine, ...this.listOf(items), ...this.bodiesOf(bodies), this.keys);
    host.append(stage, this.side);
  }

  listOf(items) {
    this.findings = items.map((item, index) => make(
      "button", { type: "button", class: `view-finding ${item.severity}`, "aria-pressed": "false", "data-finding": String(index) },
      make("span", { class: "unseen" }, `${SEVERITY_WORDS[item.severity] ?? ""}: `), item.message,
    ));
    if (!items.length) return [];
    return [make("div", { class: "view-list", role: "group", "aria-label": "Where the check found something" }, make("h3", {}, "Marked on the part"), ...this.findings)];
  }

  bodiesOf(count) {
    this.bodies = [];
    if (count < 2) return [];
    const ticks = Array.from({ length: count }, (_, i) => {
      const tick = make("input", { type: "checkbox", checked: true });
      this.bodies.push(tick);
      return make("label", { class: "view-body" }, tick, ` Body ${i + 1}`);
    });
    return [make("details", {}, make("summary", {}, `Bodies (${count})`), make("div", { class: "view-row" }, ...ticks))];
  }

  /** Pass on to the viewer what somebody does here. */
  connect(viewer) {
    this.viewer = viewer;
    const toggles = (button, told) => button?.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      told(on);
    });
    this.views.addEventListener("click", ({ target }) => target.dataset.look && viewer.look(target.dataset.look));
    toggles(this.measuring, (on) => {
      viewer.setMeasuring(on);
      this.canvas.parentElement.classList.toggle("measuring", on);
    });
    toggles(this.wire, (on) => viewer.setWireframe(on));
    toggles(this.turned, (on) => viewer.turn(on));
    this.closing.addEventListener("click", () => viewer.close());
    this.axis.addEventListener("change", () => this.repeatCut());
    this.share.addEventListener("input", () => this.repeatCut());
    this.machine.addEventListener("change", () => viewer.showMachine(this.machines[this.machine.value] ?? null));
    this.bodies.forEach((tick, i) => tick.addEventListener("change", () => viewer.showBody(i, tick.checked)));
    this.findings.forEach((button, i) => button.addEventListener("click", () => this.choose(i)));
    this.canvas.addEventListener("keydown", (event) => {
      if (event.key === "Enter") viewer.tapMiddle();
    });
  }

  choose(index) {
    const on = this.findings[index].getAttribute("aria-pressed") !== "true";
    this.findings.forEach((button, i) => button.setAttribute("aria-pressed", String(on && i === index)));
    this.viewer.chooseMark(on ? index : null);
  }

  repeatCut() {
    this.cutting.hidden = !this.axis.value;
    this.viewer.cut(this.axis.value, Number(this.share.value));
  }

  tellCut(words) { this.cutAt.textContent = words; }
  tellMeasure(words) { this.measured.textContent = words; }
  tellSize(words) { this.size.textContent = words; }

  tellFit(machine, fit) {
    const words = { fits: "It fits.", turned: "It fits when turned by 90° on the bed.", "too large": "It does not fit." };
    this.fit.textContent = machine ? `${words[fit]} ${machine.name} takes ${machine.size.join(" × ")} mm.` : "";
    this.fit.classList.toggle("wrong", fit === "too large");
  }

  /** Write the lengths beside the near edges of the box, and the measured one on its line. */
  placeLabels(camera, box, measure) {
    const { clientWidth, clientHeight } = this.canvas;
    const size = box.getSize(new Vector3());
    const middle = box.getCenter(new Vector3());
    const near = (axis) => (camera.position[axis] > middle[axis] ? box.max[axis] : box.min[axis]);
    const far = (axis) => (camera.position[axis] > middle[axis] ? box.min[axis] : box.max[axis]);
    const places = [
      [new Vector3(middle.x, near("y"), box.min.z), size.x],
      [new Vector3(near("x"), middle.y, box.min.z), size.y],
      [new Vector3(near("x"), far("y"), middle.z), size.z],
      measure.distance === null ? null : [measure.points[0].clone().lerp(measure.points[1], 0.5), measure.distance],
    ];
    places.forEach((place, i) => {
      const label = this.labels[i];
      label.hidden = !place || (i < 3 && (measure.active || this.machine.value !== ""));
      if (label.hidden) return;
      const at = place[0].project(camera);
      label.textContent = `${i < 3 ? `${"XYZ"[i]} ` : ""}${place[1].toFixed(place[1] < 10 ? 2 : 1)}`;
      label.style.transform = `translate(-50%, -50%) translate(${((at.x + 1) / 2) * clientWidth}px, ${((1 - at.y) / 2) * clientHeight}px)`;
    });
  }
}
