// Draws where the check found something, and lifts one finding out of the others.

import * as THREE from "../vendor/three/three.module.min.js";

const THICK = 0.006; // of the part's radius
const COLOURS = { error: 0xe21c3c, warning: 0xffb000, info: 0xffd65a };

export class Marks {
  /** `size` is the radius of the ball around the part, for lines that can be seen at its scale. */
  constructor(scene, items, size) {
    this.groups = items.map((item) => {
      const group = groupOf(item, size * THICK);
      group.userData.severity = item.severity;
      scene.add(group);
      return group;
    });
    this.choose(null);
  }

  /** Show one finding and leave the others out; with no index, those that stand in the way. */
  choose(index) {
    this.groups.forEach((group, i) => { group.visible = index === null ? group.userData.severity === "error" : i === index; });
  }

  /** Cut them off where the part is cut. */
  clip(planes) {
    for (const one of this.groups.flatMap((group) => group.children)) {
      one.material.clippingPlanes = planes;
      one.material.needsUpdate = true;
    }
  }

  /** The middle of a finding's places and the radius of the ball around them. */
  whereIs(index) {
    const box = new THREE.Box3().setFromObject(this.groups[index]);
    const ball = box.getBoundingSphere(new THREE.Sphere());
    return { middle: ball.center, radius: ball.radius };
  }
}

/** Segments as rods: WebGL draws lines a pixel wide, which nobody sees on a telephone. */
function rodsOf(numbers, radius, material) {
  const count = numbers.length / 6;
  const rods = new THREE.InstancedMesh(new THREE.CylinderGeometry(radius, radius, 1, 6, 1).rotateX(Math.PI / 2), material, count);
  const [a, b, rod] = [new THREE.Vector3(), new THREE.Vector3(), new THREE.Object3D()];
  for (let i = 0; i < count; i++) {
    a.fromArray(numbers, i * 6);
    b.fromArray(numbers, i * 6 + 3);
    rod.position.lerpVectors(a, b, 0.5);
    rod.lookAt(b);
    rod.scale.set(1, 1, Math.max(a.distanceTo(b), radius));
    rod.updateMatrix();
    rods.setMatrixAt(i, rod.matrix);
  }
  return rods;
}

function groupOf({ severity, marks }, radius) {
  const corners = { 3: [], 6: [], 9: [] };
  for (const mark of marks) corners[mark.length]?.push(...mark);
  const rims = [];
  for (let i = 0; i < corners[9].length; i += 9) {
    const [a, b, c] = [0, 3, 6].map((at) => corners[9].slice(i + at, i + at + 3));
    rims.push(...a, ...b, ...b, ...c, ...c, ...a);
  }
  const group = new THREE.Group();
  const geometryOf = (numbers) => new THREE.BufferGeometry().setAttribute("position", new THREE.Float32BufferAttribute(numbers, 3));
  const color = COLOURS[severity] ?? COLOURS.info;
  // Each twice: as it is where the eye sees it, and faintly through the part.
  for (const [look, order] of [[{ color, transparent: true, opacity: 0.35, depthTest: false }, 10], [{ color }, 11]]) {
    const near = { ...look, polygonOffset: true, polygonOffsetFactor: -2, polygonOffsetUnits: -4 };
    const drawn = [
      corners[3].length && new THREE.Points(geometryOf(corners[3]), new THREE.PointsMaterial({ ...look, size: 8, sizeAttenuation: false })),
      corners[6].length && rodsOf(corners[6], radius, new THREE.MeshBasicMaterial(look)),
      rims.length && new THREE.LineSegments(geometryOf(rims), new THREE.LineBasicMaterial(look)),
      corners[9].length && new THREE.Mesh(geometryOf(corners[9]), new THREE.MeshBasicMaterial({ ...near, side: THREE.DoubleSide })),
    ];
    for (const one of drawn.filter(Boolean)) {
      one.renderOrder = order;
      one.raycast = () => {};
      group.add(one);
    }
  }
  return group;
}
