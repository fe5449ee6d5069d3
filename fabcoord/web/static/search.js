// Search as you type keeps the address of what is shown, to be loaded again, kept or passed on.

document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target?.id !== "results") return;
  const shown = new URL(detail.xhr.responseURL);
  history.replaceState(history.state, "", shown.pathname + shown.search);
});
