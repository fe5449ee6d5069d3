// Draws a machine's build volume around the part, placed in the middle of the bed.

import * as THREE from "../vendor/three/three.module.min.js";

const FITS = 0x2f8f6b;
const TOO_LARGE = 0xc62828;

/** How the part's size (mm) goes into the build volume: "fits", "turned" (by 90° on the bed) or "too large". */
export function fitOf(size, volume) {
  const goesIn = (a, b) => a <= volume[0] && b <= volume[1];
  if (size[2] > volume[2]) return "too large";
  if (goesIn(size[0], size[1])) return "fits";
  return goesIn(size[1], size[0]) ? "turned" : "too large";
}

export class BuildVolume {
  constructor(scene) {
    this.scene = scene;
  }

  /** Draw the volume (mm) around the part's box; null takes it away. Returns how the part fits. */
  show(volume, box) {
    this.scene.remove(this.group);
    this.group = null;
    if (!volume) return null;
    const size = box.getSize(new THREE.Vector3()).toArray();
    const fit = fitOf(size, volume);
    const [width, depth, height] = fit === "turned" ? [volume[1], volume[0], volume[2]] : volume;
    const color = fit === "too large" ? TOO_LARGE : FITS;
    const outline = new THREE.LineSegments(new THREE.EdgesGeometry(new THREE.BoxGeometry(width, depth, height)), new THREE.LineBasicMaterial({ color }));
    outline.position.z = height / 2;
    this.group = new THREE.Group().add(outline, bedOf(width, depth, color));
    const middle = box.getCenter(new THREE.Vector3());
    this.group.position.set(middle.x, middle.y, box.min.z);
    this.radius = Math.hypot(width, depth, height) / 2;
    this.middle = new THREE.Vector3(middle.x, middle.y, box.min.z + height / 2);
    this.scene.add(this.group);
    return fit;
  }
}

function bedOf(width, depth, color) {
  const lines = [];
  const step = Math.max(width, depth) > 100 ? 20 : 10;
  for (let x = -width / 2; x <= width / 2 + 1e-6; x += step) lines.push(x, -depth / 2, 0, x, depth / 2, 0);
  for (let y = -depth / 2; y <= depth / 2 + 1e-6; y += step) lines.push(-width / 2, y, 0, width / 2, y, 0);
  const grid = new THREE.BufferGeometry().setAttribute("position", new THREE.Float32BufferAttribute(lines, 3));
  return new THREE.LineSegments(grid, new THREE.LineBasicMaterial({ color, transparent: true, opacity: 0.35 }));
}
