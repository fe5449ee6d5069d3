// Measures between two points of the surface; near a corner it takes the corner.

import * as THREE from "../vendor/three/three.module.min.js";

const SNAP_PX = 14;

export class Measure {
  constructor(scene, camera, canvas) {
    Object.assign(this, { camera, canvas, active: false, points: [] });
    this.ray = new THREE.Raycaster();
    const over = { depthTest: false, transparent: true };
    this.dots = new THREE.Points(new THREE.BufferGeometry(), new THREE.PointsMaterial({ color: 0xd1006c, size: 9, sizeAttenuation: false, ...over }));
    this.line = new THREE.Line(new THREE.BufferGeometry(), new THREE.LineBasicMaterial({ color: 0xd1006c, ...over }));
    for (const one of [this.dots, this.line]) {
      one.renderOrder = 20;
      one.frustumCulled = false;
      one.raycast = () => {};
      scene.add(one);
    }
    this.clear();
  }

  clear() {
    this.points = [];
    this.draw();
  }

  /** Take the point at (x, y) in page pixels; null where the part is not. A third begins anew. */
  pick(x, y, meshes, isHidden) {
    const frame = this.canvas.getBoundingClientRect();
    const at = new THREE.Vector2(((x - frame.left) / frame.width) * 2 - 1, 1 - ((y - frame.top) / frame.height) * 2);
    this.ray.setFromCamera(at, this.camera);
    const hit = this.ray.intersectObjects(meshes, false).find((one) => !isHidden(one.point));
    if (!hit) return null;
    if (this.points.length === 2) this.points = [];
    this.points.push(this.snapped(hit, at, frame));
    this.draw();
    return this.points.at(-1);
  }

  snapped(hit, at, frame) {
    const position = hit.object.geometry.getAttribute("position");
    let [best, nearest] = [hit.point.clone(), SNAP_PX];
    for (const corner of [hit.face.a, hit.face.b, hit.face.c]) {
      const point = new THREE.Vector3().fromBufferAttribute(position, corner).applyMatrix4(hit.object.matrixWorld);
      const seen = point.clone().project(this.camera);
      const apart = Math.hypot(((seen.x - at.x) * frame.width) / 2, ((seen.y - at.y) * frame.height) / 2);
      if (apart < nearest) [best, nearest] = [point, apart];
    }
    return best;
  }

  get distance() {
    return this.points.length === 2 ? this.points[0].distanceTo(this.points[1]) : null;
  }

  draw() {
    this.dots.geometry.dispose();
    this.line.geometry.dispose();
    this.dots.geometry = new THREE.BufferGeometry().setFromPoints(this.points);
    this.line.geometry = new THREE.BufferGeometry().setFromPoints(this.points);
    this.dots.visible = this.points.length > 0;
    this.line.visible = this.points.length === 2;
  }
}
