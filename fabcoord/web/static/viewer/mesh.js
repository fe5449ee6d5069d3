// Reads the light mesh (fabcoord/designs/meshcheck/light.py says how it is laid out).

import { BufferAttribute, BufferGeometry } from "../vendor/three/three.module.min.js";

const MOST_BODIES = 24; // that can be shown and hidden one by one
const CREASE = Math.cos((35 * Math.PI) / 180); // sharper edges stay edges, others look round

class Friendly extends Error {
  constructor(text) {
    super(text);
    this.friendly = text;
  }
}

export async function fetchMesh(fileId) {
  const answer = await fetch(`/api/v1/files/${fileId}/mesh.bin`, { credentials: "same-origin" });
  if (answer.status === 404) throw new Friendly("This model is not ready to be shown in 3D yet. Try again when its check is done.");
  if (!answer.ok) throw new Friendly("The model could not be fetched. Try again in a moment.");
  return decode(await answer.arrayBuffer());
}

export async function fetchMarks(fileId) {
  const answer = await fetch(`/api/v1/files/${fileId}/marks.json`, { credentials: "same-origin" });
  return answer.ok ? (await answer.json()).items : [];
}

const padded = (bytes) => (bytes + 3) & ~3;

/** One geometry for each body, their triangles being corners in mm; all share their numbers. */
export function decode(buffer) {
  const head = new DataView(buffer);
  const magic = String.fromCharCode(...new Uint8Array(buffer, 0, 4));
  if (magic !== "FCLM" || head.getUint32(4, true) !== 1) throw new Friendly("The model is kept in a form that this page does not know. Reload the page.");
  const [vertices, triangles, bodies] = [8, 12, 16].map((at) => head.getUint32(at, true));
  const numbers = Array.from({ length: 6 }, (_, i) => head.getFloat32(20 + 4 * i, true));
  const low = numbers.slice(0, 3);
  const step = numbers.slice(3);
  let at = 44;
  const cells = new Uint16Array(buffer, at, vertices * 3);
  at += padded(cells.byteLength);
  const index = vertices <= 65536 ? new Uint16Array(buffer, at, triangles * 3) : new Uint32Array(buffer, at, triangles * 3);
  at += padded(index.byteLength);
  const counts = new Uint32Array(buffer, at, bodies);

  const positions = new Float32Array(triangles * 9);
  for (let i = 0; i < index.length; i++) {
    for (let axis = 0; axis < 3; axis++) positions[3 * i + axis] = low[axis] + cells[3 * index[i] + axis] * step[axis];
  }
  const position = new BufferAttribute(positions, 3);
  const faces = facing(positions);
  const normal = new BufferAttribute(creased(index, vertices, faces), 3);
  const parts = counts.length > MOST_BODIES ? [triangles] : [...counts];
  let begin = 0;
  const geometries = parts.map((count) => {
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", position);
    geometry.setAttribute("normal", normal);
    geometry.setDrawRange(begin * 3, count * 3);
    begin += count;
    return geometry;
  });
  return { geometries, edges: edgesOf(positions, index, vertices, faces, parts), positions };
}

/** What lies across each face, as long as twice its area, and that length. */
function facing(positions) {
  const faces = positions.length / 9;
  const across = new Float32Array(faces * 3);
  const length = new Float32Array(faces);
  for (let face = 0; face < faces; face++) {
    const p = positions.subarray(face * 9, face * 9 + 9);
    const [ux, uy, uz, vx, vy, vz] = [p[3] - p[0], p[4] - p[1], p[5] - p[2], p[6] - p[0], p[7] - p[1], p[8] - p[2]];
    const n = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
    across.set(n, face * 3);
    length[face] = Math.hypot(n[0], n[1], n[2]) || 1;
  }
  return { across, length, bend: (a, b) => (across[a] * across[b] + across[a + 1] * across[b + 1] + across[a + 2] * across[b + 2]) };
}

/** For every corner the mean normal of those faces around its vertex that bend little from its own. */
function creased(index, vertices, { across, length, bend }) {
  const start = new Uint32Array(vertices + 1); // where the corners of each vertex begin in `around`
  for (const vertex of index) start[vertex + 1]++;
  for (let i = 0; i < vertices; i++) start[i + 1] += start[i];
  const filled = start.slice();
  const around = new Uint32Array(index.length);
  for (let corner = 0; corner < index.length; corner++) around[filled[index[corner]]++] = (corner / 3) | 0;

  const normals = new Float32Array(index.length * 3);
  for (let corner = 0; corner < index.length; corner++) {
    const own = (corner / 3) | 0;
    let [x, y, z] = [0, 0, 0];
    for (let i = start[index[corner]]; i < start[index[corner] + 1]; i++) {
      const other = around[i];
      if (bend(own * 3, other * 3) < CREASE * length[own] * length[other]) continue;
      x += across[other * 3];
      y += across[other * 3 + 1];
      z += across[other * 3 + 2];
    }
    const size = Math.hypot(x, y, z) || 1;
    normals[corner * 3] = x / size;
    normals[corner * 3 + 1] = y / size;
    normals[corner * 3 + 2] = z / size;
  }
  return normals;
}

/** The sharp and open edges of each body as line segments, so that flat parts read as shapes. */
function edgesOf(positions, index, vertices, { length, bend }, parts) {
  let corner = 0;
  return parts.map((count) => {
    const end = corner + count * 3;
    const waiting = new Map(); // an edge that one face has been seen at, and which corner begins it
    const lines = [];
    const draw = (at) => {
      const next = at % 3 === 2 ? at - 2 : at + 1;
      lines.push(...positions.subarray(at * 3, at * 3 + 3), ...positions.subarray(next * 3, next * 3 + 3));
    };
    for (; corner < end; corner++) {
      const [a, b] = [index[corner], index[corner % 3 === 2 ? corner - 2 : corner + 1]];
      const key = a < b ? a * vertices + b : b * vertices + a;
      const other = waiting.get(key);
      if (other === undefined) {
        waiting.set(key, corner);
        continue;
      }
      waiting.delete(key);
      const [own, its] = [(corner / 3) | 0, (other / 3) | 0];
      if (bend(own * 3, its * 3) < CREASE * length[own] * length[its]) draw(corner);
    }
    for (const at of waiting.values()) draw(at);
    return new BufferGeometry().setAttribute("position", new BufferAttribute(new Float32Array(lines), 3));
  });
}
