// A badge reader types like a keyboard, wherever the focus is: its digits belong into the field.

const field = document.getElementById("badge");
const typing = "input, textarea, select, [contenteditable]";

function onKey(event) {
  const plain = event.key.length === 1 && !event.ctrlKey && !event.altKey && !event.metaKey;
  if (plain && !document.activeElement?.matches(typing)) field.focus();
}

if (field) document.addEventListener("keydown", onKey, { capture: true });
