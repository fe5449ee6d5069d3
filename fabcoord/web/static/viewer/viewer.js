// The 3D viewer of one file: sets the scene, and does what the panel asks for.

import * as THREE from "../vendor/three/three.module.min.js";
import { Controls, VIEWS } from "./controls.js";
import { BuildVolume } from "./machine.js";
import { Marks } from "./marks.js";
import { Measure } from "./measure.js";
import { fetchMarks, fetchMesh } from "./mesh.js";
import { Panel } from "./panel.js";
import { Section } from "./section.js";

const BODY = 0x5a91be;
const BODY_TOO_LARGE = 0xc9584c;
const MOST_PIXELS = 2; // for each CSS pixel: more costs a phone's battery and shows nothing

const mm = (value) => `${value.toFixed(value < 10 ? 2 : 1)} mm`;

/** Fill `host` with a viewer of the file that its data name. */
export async function openViewer(host) {
  const { file, name, machines, rotation, atOnce } = host.dataset;
  const [mesh, items] = await Promise.all([fetchMesh(file), fetchMarks(file)]);
  host.replaceChildren();
  const panel = new Panel(host, { name, items, views: Object.keys(VIEWS), machines: JSON.parse(machines || "[]"), bodies: Number(host.dataset.bodies) > 1 ? mesh.geometries.length : 1, rotation });
  return new Viewer(host, panel, mesh, items, { rotation: JSON.parse(rotation || "null"), greedy: atOnce !== undefined });
}

class Viewer {
  constructor(host, panel, mesh, items, { rotation, greedy }) {
    Object.assign(this, { host, panel, rotation, machine: null });
    const canvas = panel.canvas;
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true, stencil: true });
    this.renderer.localClippingEnabled = true;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, MOST_PIXELS));
    this.scene = new THREE.Scene();
    this.camera = new THREE.PerspectiveCamera(32, 1, 0.1, 1000);
    this.camera.up.set(0, 0, 1);
    this.light();
    this.part = new THREE.Group();
    this.scene.add(this.part);
    this.material = new THREE.MeshPhongMaterial({ color: BODY, specular: 0x222222, shininess: 28, side: THREE.DoubleSide, polygonOffset: true, polygonOffsetFactor: 1, polygonOffsetUnits: 1 });
    this.bodies = mesh.geometries.map((geometry) => new THREE.Mesh(geometry, this.material));
    this.lines = new THREE.LineBasicMaterial({ color: 0x17344f, transparent: true, opacity: 0.55 });
    this.bodies.forEach((body, i) => {
      const edges = new THREE.LineSegments(mesh.edges[i], this.lines);
      edges.raycast = () => {};
      body.add(edges);
    });
    this.part.add(...this.bodies);
    this.positions = mesh.positions;
    this.box = this.boxAround();
    this.section = new Section(this.scene, this.part, this.box);
    for (const body of this.bodies) this.section.addBody(body);
    this.volume = new BuildVolume(this.scene);
    this.measure = new Measure(this.scene, this.camera, canvas);
    this.marks = new Marks(this.part, items, this.box.getBoundingSphere(new THREE.Sphere()).radius);
    const changed = () => this.invalidate();
    this.controls = new Controls(this.camera, canvas, { changed, tapped: (event) => this.tap(event.clientX, event.clientY), greedy });
    panel.connect(this);
    this.resize();
    this.frame();
    this.tellSize();
    this.watcher = new ResizeObserver(() => this.resize());
    this.watcher.observe(canvas.parentElement);
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", changed);
    this.draw();
  }

  light() {
    const sky = new THREE.HemisphereLight(0xffffff, 0x7d8b96, 1.7);
    sky.position.set(0, 0, 1); // up is Z here
    const key = new THREE.DirectionalLight(0xffffff, 1.5);
    key.position.set(-0.7, 0.8, 0.8);
    const fill = new THREE.DirectionalLight(0xffffff, 0.5);
    fill.position.set(0.9, -0.1, 0.6);
    this.camera.add(key, fill);
    this.scene.add(this.camera);
  }

  /** The box around the part as it lies, of its corners and not of its first box. */
  boxAround() {
    this.part.updateMatrixWorld(true);
    const box = new THREE.Box3();
    const point = new THREE.Vector3();
    for (let i = 0; i < this.positions.length; i += 3) box.expandByPoint(point.fromArray(this.positions, i).applyMatrix4(this.part.matrixWorld));
    return box;
  }

  frame() {
    const ball = this.box.getBoundingSphere(new THREE.Sphere());
    const { group, middle, radius } = this.volume;
    this.controls.frame(group ? middle : ball.center, group ? Math.max(radius, ball.radius) : ball.radius);
  }

  resize() {
    const { clientWidth, clientHeight } = this.panel.canvas.parentElement;
    if (!clientWidth || !clientHeight) return;
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.camera.aspect = clientWidth / clientHeight;
    this.camera.updateProjectionMatrix();
    this.invalidate();
  }

  invalidate() {
    this.waiting ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.waiting);
    this.waiting = null;
    this.renderer.render(this.scene, this.camera);
    this.panel.placeLabels(this.camera, this.box, this.measure);
    this.host.dataset.drawn = String(Number(this.host.dataset.drawn ?? 0) + 1);
  }

  // What the panel asks for.

  look(name) {
    this.controls.look(name);
  }

  cut(axis, share) {
    const at = this.section.cut(axis, share);
    for (const material of [this.material, this.lines]) {
      material.clippingPlanes = this.section.planes;
      material.needsUpdate = true;
    }
    this.marks.clip(this.section.planes);
    this.panel.tellCut(at === null ? "" : mm(at));
    this.invalidate();
  }

  setWireframe(on) {
    this.material.wireframe = on;
    this.invalidate();
  }

  setMeasuring(on) {
    this.measure.active = on;
    if (!on) this.measure.clear();
    this.panel.tellMeasure(on ? "Tap two points of the part." : "");
    this.invalidate();
  }

  tap(x, y) {
    if (!this.measure.active) return;
    const shown = this.bodies.filter((body) => body.visible);
    const point = this.measure.pick(x, y, shown, (at) => this.section.hides(at));
    if (!point) return;
    const { distance, points } = this.measure;
    if (distance === null) this.panel.tellMeasure("Now tap the second point.");
    else {
      const [dx, dy, dz] = points[1].clone().sub(points[0]).toArray().map((value) => mm(Math.abs(value)));
      this.panel.tellMeasure(`${mm(distance)} (X ${dx}, Y ${dy}, Z ${dz})`);
    }
    this.invalidate();
  }

  /** Measure without a pointer: the point in the middle of the view. */
  tapMiddle() {
    const frame = this.panel.canvas.getBoundingClientRect();
    this.tap(frame.left + frame.width / 2, frame.top + frame.height / 2);
  }

  showMachine(machine) {
    this.machine = machine;
    const fit = this.volume.show(machine?.size ?? null, this.box);
    this.material.color.set(fit === "too large" ? BODY_TOO_LARGE : BODY);
    this.panel.tellFit(machine, fit);
    this.frame();
    this.invalidate();
  }

  showBody(index, on) {
    this.bodies[index].visible = on;
    this.panel.repeatCut();
    this.invalidate();
  }

  chooseMark(index) {
    this.marks.choose(index);
    if (index !== null) {
      const { middle, radius } = this.marks.whereIs(index);
      this.controls.visit(middle, radius);
    }
    this.invalidate();
  }

  /** Lay the part as the check advises, or as it is in the file. */
  turn(on) {
    const [x, y, z] = on ? this.rotation.map((degrees) => (degrees * Math.PI) / 180) : [0, 0, 0];
    this.part.rotation.set(x, y, z, "ZYX"); // about X first, then Y, then Z
    this.box = this.section.box = this.boxAround();
    this.measure.clear();
    this.tellSize();
    this.panel.repeatCut();
    this.showMachine(this.machine);
  }

  tellSize() {
    const [x, y, z] = this.box.getSize(new THREE.Vector3()).toArray();
    this.panel.tellSize(`${mm(x)} × ${mm(y)} × ${mm(z)}`);
  }

  close() {
    this.watcher.disconnect();
    this.scene.traverse((one) => one.geometry?.dispose());
    this.renderer.dispose();
    this.renderer.forceContextLoss();
    delete this.host.dataset.state;
    delete this.host.dataset.drawn;
    this.host.replaceChildren();
    this.host.hidden = true;
  }
}
