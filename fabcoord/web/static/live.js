// Keeps the live part of a page fresh: when the server tells of a change, htmx reads it again.

const GATHER_MS = 250; // a burst of events is one reading
const STALE_AFTER_MS = 4000; // a stream that is renewed within this is no news
const RETRY_MS = 3000;
const TYPED = "input:not([type=checkbox]):not([type=hidden]), textarea, select";

const stale = document.getElementById("stale");
const news = document.getElementById("news");
let stream = null;
let staleTimer = 0;
let retryTimer = 0;
let refreshTimer = 0;
let touching = false;
let reading = false;
let readAt = performance.now();

const part = () => document.getElementById("live");

// A part that is swapped between finger down and finger up would lose the press.
const inUse = () => touching || Boolean(part()?.contains(document.activeElement?.closest(TYPED)));

// Further parts of the page that are read again with it, but for those where somebody writes.
function otherParts() {
  const written = (field) => (field.type === "file" ? field.value : field.value !== field.defaultValue);
  const free = (one) =>
    !one.contains(document.activeElement?.closest(TYPED)) &&
    !one.querySelector("details[open]") &&
    ![...one.querySelectorAll("textarea, input:not([type=hidden])")].some(written);
  return [...document.querySelectorAll("[data-live-part]")].filter(free).map((one) => `#${one.id}`);
}

function soon(delay = GATHER_MS) {
  refreshTimer ||= setTimeout(refresh, delay);
}

async function refresh() {
  refreshTimer = 0;
  if (document.hidden || !part()) return;
  if (reading || inUse()) return soon(500);
  reading = true;
  try {
    await window.htmx.ajax("GET", part().dataset.url, {
      target: "#live", select: "#live", swap: "outerHTML", selectOOB: otherParts().join(","),
    });
  } catch {
    markStale();
  } finally {
    reading = false;
    readAt = performance.now();
  }
}

function markStale() {
  staleTimer ||= setTimeout(() => { stale.hidden = false; }, STALE_AFTER_MS);
}

function markFresh() {
  clearTimeout(staleTimer);
  staleTimer = 0;
  stale.hidden = true;
}

function listen() {
  clearTimeout(retryTimer);
  stream?.close();
  stream = new EventSource(part().dataset.stream);
  for (const kind of part().dataset.kinds.split(" ")) stream.addEventListener(kind, () => soon());
  stream.addEventListener("open", markFresh);
  stream.addEventListener("error", () => {
    markStale();
    // The browser comes back by itself after a cut, but not after a refusal.
    if (stream.readyState === EventSource.CLOSED) retryTimer = setTimeout(comeBack, RETRY_MS);
  });
}

function comeBack() {
  listen();
  soon(0);
}

function tellNews() {
  const said = part()?.dataset.news ?? "";
  if (said && said !== news.textContent) news.textContent = said;
}

// A page that nobody sees holds no stream: a browser allows only six of them to one server.
function onVisibility() {
  if (document.hidden) stream?.close();
  else comeBack();
}

function onSwap(event) {
  const { requestConfig } = event.detail;
  if (requestConfig?.verb === "get" && event.detail.target?.id === "live" && inUse()) {
    event.detail.shouldSwap = false;
    soon(500);
  }
}

// Words about a refused press stay until another press is taken; what was shown was out of date.
function onAnswer(event) {
  const { requestConfig, xhr } = event.detail;
  if (requestConfig?.verb === "get" || requestConfig?.elt?.closest("#estimate")) return;
  if (xhr.status >= 400) soon();
  else document.getElementById("notice")?.replaceChildren();
}

document.addEventListener("htmx:beforeSwap", onSwap);
document.addEventListener("htmx:afterRequest", onAnswer);

if (part()) {
  document.addEventListener("pointerdown", () => { touching = true; });
  for (const name of ["pointerup", "pointercancel"]) {
    document.addEventListener(name, () => setTimeout(() => { touching = false; }, 300));
  }
  document.addEventListener("htmx:afterSettle", tellNews);
  document.addEventListener("htmx:sendError", markStale);
  document.addEventListener("visibilitychange", onVisibility);
  window.addEventListener("pagehide", () => stream?.close());
  window.addEventListener("pageshow", (event) => { if (event.persisted) comeBack(); });
  setInterval(() => {
    const every = Number(part()?.dataset.every) * 1000;
    if (every && performance.now() - readAt >= every) soon(0);
  }, 1000);
  listen();
}
