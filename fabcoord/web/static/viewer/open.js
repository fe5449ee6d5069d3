// Opens the 3D viewer where somebody asks for it; until then nothing of it is loaded.

const start = async (host) => {
  if (host.dataset.state) return;
  host.dataset.state = "loading";
  host.hidden = false;
  try {
    const { openViewer } = await import("./viewer.js");
    await openViewer(host);
    host.dataset.state = "ready";
  } catch (error) {
    host.dataset.state = "";
    host.textContent = error.friendly ?? "The model cannot be shown in 3D in this browser. The pictures show it from all sides.";
    if (!error.friendly) console.warn(error);
  }
};

// The button is a link to the viewer's own page: without this script it simply goes there.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-opens]");
  const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
  const host = link && document.getElementById(link.dataset.opens);
  if (!host || !plain) return;
  event.preventDefault();
  start(host).then(() => host.querySelector("canvas")?.focus());
});

for (const host of document.querySelectorAll("[data-viewer][data-at-once]")) start(host);
