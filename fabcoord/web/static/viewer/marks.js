// Draws where the check found something, and lifts one finding out of the others.

import * as THREE from "../vendor/three/three.module.min.js";

const COLOURS = { error: 0xe21c3c, warning: 0xffb000, info: 0xffd65a };

export class Marks {
  constructor(scene, items) {
    this.groups = items.map((item) => {
      const group = groupOf(item);
      scene.add(group);
      return group;
    });
  }

  /** Show one finding and leave the others out; with no index, all of them. */
  choose(index) {
    this.groups.forEach((group, i) => { group.visible = index === null || i === index; });
  }

  /** The middle of a finding's places and the radius of the ball around them. */
  whereIs(index) {
    const box = new THREE.Box3().setFromObject(this.groups[index]);
    const ball = box.getBoundingSphere(new THREE.Sphere());
    return { middle: ball.center, radius: ball.radius };
  }
}

function groupOf({ severity, marks }) {
  const corners = { 3: [], 6: [], 9: [] };
  for (const mark of marks) corners[mark.length]?.push(...mark);
  const rims = corners[6].slice();
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
