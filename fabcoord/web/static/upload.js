// The upload form: files that are chosen or dropped start at once and show how far they are; the
// form is sent when all have arrived. What was left unfinished before is shown too.

import { Sending } from "./sending.js";

const form = document.querySelector("form.upload");
const input = form.querySelector("input[type=file]");
const drop = form.querySelector(".drop");
const list = form.querySelector("[data-list]");
const rowTemplate = form.querySelector("template");
const told = form.querySelector("[data-told]");
const button = form.querySelector("button.main");
const buttonWords = button.textContent;
const { endpoint, hasherUrl } = form.dataset;
const limitMb = Number(form.dataset.maxMb);
const csrf = form.elements.csrf.value;

const rows = new Set(); // {file, sending, line}
const left = new Map(); // lines of uploads from before, by their id
const STALE_MS = 4000;
let isWanted = false;

const size = (bytes) => (bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
const share = (done, all) => `${all ? Math.floor((100 * done) / all) : 100} %`;

function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s left`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min left`;
  return `${(seconds / 3600).toFixed(1)} h left`;
}

const WORDS = {
  waiting: () => "Waits for the files before it",
  hashing: () => "Looking whether the lab has it already",
  sending: ({ sent, file, rate, timeLeft }) =>
    [`${share(sent, file.size)} of ${size(file.size)}`, rate && `${size(rate)}/s`, rate && duration(timeLeft)]
      .filter(Boolean).join(" · "),
  paused: ({ sent, file }) => `Paused at ${share(sent, file.size)} of ${size(file.size)}`,
  offline: ({ sent, file }) => `No connection; goes on by itself from ${share(sent, file.size)}`,
  done: ({ recognised, file }) => (recognised ? "The lab has it already" : `${size(file.size)}, arrived`),
  failed: ({ words }) => words,
};

function makeLine(name) {
  const line = rowTemplate.content.firstElementChild.cloneNode(true);
  line.querySelector("[data-name]").textContent = name;
  line.querySelector("progress").setAttribute("aria-label", `Upload of ${name}`);
  list.append(line);
  return line;
}

function show({ sending, line }) {
  const { state } = sending;
  line.dataset.state = state;
  line.querySelector("[data-words]").textContent = WORDS[state]?.(sending) ?? "";
  const bar = line.querySelector("progress");
  bar.hidden = state === "done" || state === "failed";
  bar.value = sending.file.size ? sending.sent / sending.file.size : 0;
  const pause = line.querySelector("[data-pause]");
  pause.hidden = !["sending", "paused", "offline", "failed"].includes(state);
  pause.textContent = state === "sending" ? "Pause" : state === "failed" ? "Try again" : "Go on";
  line.querySelector("[name=upload_id]").value = sending.uploadId ?? "";
  line.querySelector("[name=upload_id]").disabled = state !== "done";
}

function add(file) {
  const line = makeLine(file.name);
  const sending = new Sending(file, { endpoint, csrf, hasherUrl });
  const row = { file, sending, line };
  rows.add(row);
  if (file.size > limitMb * 1e6) {
    sending.words = `It is larger than this lab takes (${limitMb} MB).`;
    sending.state = "failed";
  }
  sending.addEventListener("change", () => { show(row); review(); });
  line.querySelector("[data-cancel]").addEventListener("click", () => remove(row));
  line.querySelector("[data-pause]").addEventListener("click", () => {
    if (sending.state === "sending") sending.pause();
    else if (sending.upload) sending.go();
  });
  show(row);
}

async function remove(row) {
  rows.delete(row);
  row.line.remove();
  isWanted &&= rows.size > 0;
  review();
  await row.sending.cancel();
}

const inState = (...states) => [...rows].filter(({ sending }) => states.includes(sending.state));

// After each change: the next file starts, the form says what it waits for, or goes.
function review() {
  list.hidden = list.childElementCount === 0;
  input.required = rows.size === 0;
  input.toggleAttribute("name", false);
  drop.classList.toggle("chosen", rows.size > 0);
  if (inState("hashing", "sending").length < 2) {
    const [next] = inState("waiting");
    if (next) {
      next.sending.state = "hashing";
      next.sending.start();
    }
  }
  const ready = inState("done").length;
  told.textContent = rows.size ? `${ready} of ${rows.size} ${rows.size === 1 ? "file" : "files"} arrived` : "";
  for (const { sending } of rows) dropLeft(sending.uploadId ?? idOf(sending));
  if (inState("failed").length) isWanted = false;
  button.textContent = isWanted ? "Stored when all has arrived …" : buttonWords;
  if (isWanted && rows.size > 0 && ready === rows.size) {
    isWanted = false;
    button.textContent = buttonWords;
    form.requestSubmit();
  }
}

const idOf = ({ upload }) => upload?.url?.split("/").pop();

// What was left from before is on its way again: one line is enough.
function dropLeft(id) {
  left.get(id)?.remove();
  left.delete(id);
}

function onSubmit(event) {
  if (event.target !== form || rows.size === 0 || inState("done").length === rows.size) return;
  event.preventDefault();
  event.stopPropagation();
  isWanted = inState("failed").length === 0;
  for (const { sending } of inState("paused")) sending.go();
  if (!isWanted) inState("failed")[0].line.scrollIntoView({ block: "center" });
  review();
}

function take(files) {
  for (const file of files) add(file);
  input.value = "";
  review();
}

// What this member sent before and did not use: it waits in the lab for a day.
async function showLeft() {
  const answer = await fetch(endpoint, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  for (const upload of (await answer.json()).items) {
    const known = [...rows].some(({ sending }) => (sending.uploadId ?? idOf(sending)) === upload.id);
    if (!known) showOneLeft(upload);
  }
  review();
}

function showOneLeft(upload) {
  const line = makeLine(upload.name || "A file without a name");
  const use = line.querySelector("[data-pause]");
  const id = line.querySelector("[name=upload_id]");
  left.set(upload.id, line);
  line.dataset.state = "left";
  line.dataset.size = upload.size;
  id.disabled = true;
  id.value = upload.id;
  use.hidden = !upload.complete;
  use.textContent = "Use it";
  line.querySelector("progress").hidden = true;
  line.querySelector("[data-words]").textContent = upload.complete
    ? "Arrived earlier and not used yet"
    : `${share(upload.offset, upload.size)} arrived earlier: choose the file again to go on`;
  use.addEventListener("click", () => {
    const file = { name: upload.name, size: upload.size };
    const sending = Object.assign(new Sending(file, { endpoint, csrf }), { state: "done", sent: upload.size, uploadId: upload.id });
    sending.cancel = () => forget(upload.id);
    left.delete(upload.id);
    const row = { file, sending, line };
    rows.add(row);
    line.querySelector("[data-cancel]").addEventListener("click", () => remove(row));
    show(row);
    review();
  });
  line.querySelector("[data-cancel]").addEventListener("click", () => {
    if (!left.delete(upload.id)) return;
    line.remove();
    forget(upload.id);
    review();
  });
}

function forget(id) {
  return fetch(`${endpoint}/${id}`, { method: "DELETE", headers: { "Tus-Resumable": "1.0.0", "X-CSRF-Token": csrf } });
}

input.addEventListener("change", () => take([...input.files]));
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take([...event.dataTransfer.files]);
});
document.addEventListener("submit", onSubmit, true);
setInterval(() => { // a rate of long ago says nothing
  for (const row of inState("sending")) {
    if (performance.now() - row.sending.measuredAt > STALE_MS) row.sending.rate = 0;
    show(row);
  }
}, STALE_MS / 2);
window.addEventListener("online", () => { for (const { sending } of rows) sending.online(); });
if (input.files.length) take([...input.files]); // a reload may have kept the choice
showLeft();
