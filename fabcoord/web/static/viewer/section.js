// Cuts the part open along one axis and fills the cut, so that a solid looks solid.

import * as THREE from "../vendor/three/three.module.min.js";

const AXES = { x: [1, 0, 0], y: [0, 1, 0], z: [0, 0, 1] };

export class Section {
  /** `part` holds the bodies, and is turned with them; `box` is around it as it lies. */
  constructor(scene, part, box) {
    Object.assign(this, { part, box, counters: [] });
    this.plane = new THREE.Plane(new THREE.Vector3(0, 0, -1), 0);
    this.group = new THREE.Group();
    this.group.visible = false;
    scene.add(this.group);
    const side = box.getSize(new THREE.Vector3()).length() * 1.2 || 1;
    this.cap = new THREE.Mesh(
      new THREE.PlaneGeometry(side, side),
      new THREE.MeshBasicMaterial({
        color: 0xf2c14e, side: THREE.DoubleSide, stencilWrite: true, stencilRef: 0, stencilFunc: THREE.NotEqualStencilFunc,
        stencilFail: THREE.ReplaceStencilOp, stencilZFail: THREE.ReplaceStencilOp, stencilZPass: THREE.ReplaceStencilOp,
      }),
    );
    this.cap.renderOrder = 2;
    this.cap.onAfterRender = (renderer) => renderer.clearStencil();
    this.group.add(this.cap);
  }

  /** Count, in the stencil, where the eye looks into the cut solid. */
  addBody(mesh) {
    for (const [side, op] of [[THREE.BackSide, THREE.IncrementWrapStencilOp], [THREE.FrontSide, THREE.DecrementWrapStencilOp]]) {
      const counting = new THREE.MeshBasicMaterial({
        side, clippingPlanes: [this.plane], depthWrite: false, depthTest: false, colorWrite: false, stencilWrite: true,
        stencilFunc: THREE.AlwaysStencilFunc, stencilFail: op, stencilZFail: op, stencilZPass: op,
      });
      const counter = new THREE.Mesh(mesh.geometry, counting);
      counter.renderOrder = 1;
      counter.raycast = () => {};
      counter.visible = false;
      this.counters.push([counter, mesh]);
      this.part.add(counter);
    }
  }

  /** Cut at `share` (0 to 1) along `axis`, away from the far end; no axis: whole again. Returns mm. */
  cut(axis, share) {
    this.group.visible = Boolean(axis);
    for (const [counter, mesh] of this.counters) counter.visible = Boolean(axis) && mesh.visible;
    if (!axis) return null;
    const along = new THREE.Vector3(...AXES[axis]);
    const [low, high] = [along.dot(this.box.min), along.dot(this.box.max)];
    const at = low + (high - low) * share;
    this.plane.normal.copy(along).negate();
    this.plane.constant = at;
    const middle = this.box.getCenter(new THREE.Vector3());
    this.cap.position.copy(middle).addScaledVector(along, at - along.dot(middle));
    this.cap.quaternion.setFromUnitVectors(new THREE.Vector3(0, 0, 1), along);
    return at - low;
  }

  get planes() {
    return this.group.visible ? [this.plane] : [];
  }

  hides(point) {
    return this.group.visible && this.plane.distanceToPoint(point) < 0;
  }
}
