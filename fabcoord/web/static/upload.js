// Makes the upload form take files that are dropped on it, and shows how far they are.

const form = document.querySelector("form.upload");
const input = form.querySelector("input[type=file]");
const drop = form.querySelector(".drop");
const told = form.querySelector("[data-chosen]");
const bar = form.querySelector("progress");
const limitMb = Number(form.dataset.maxMb);
const firstWords = told.textContent;

const megabytes = (bytes) => (bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

function tellChosen() {
  const files = [...input.files];
  const large = files.find((file) => file.size > limitMb * 1e6);
  input.setCustomValidity(large ? `${large.name} is larger than this lab takes (${limitMb} MB).` : "");
  told.textContent = files.map((file) => `${file.name}, ${megabytes(file.size)}`).join(" · ") || firstWords;
  drop.classList.toggle("chosen", files.length > 0);
  if (large) input.reportValidity();
}

function onDrop(event) {
  event.preventDefault();
  drop.classList.remove("over");
  if (!event.dataTransfer.files.length) return;
  input.files = event.dataTransfer.files;
  tellChosen();
}

input.addEventListener("change", tellChosen);
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", onDrop);

form.addEventListener("htmx:beforeRequest", () => { bar.hidden = false; bar.value = 0; });
form.addEventListener("htmx:xhr:progress", ({ detail }) => {
  if (detail.total) bar.value = detail.loaded / detail.total;
});
form.addEventListener("htmx:afterRequest", () => { bar.hidden = true; });
