// Elements are made here and nowhere else: strings become text or attributes, never markup.

/** h("p", {class: "x", onclick: f}, "text", child, null) → an element. Attributes that are null or false are left out. */
function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Set text only when it differs, so that selections and screen readers are left in peace. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/** Send to the kernel; false when the kernel is gone. */
function tell(model, content) {
  try {
    model.send(content);
    return true;
  } catch {
    return false;
  }
}

let lastId = 0;
function newId(prefix) {
  lastId += 1;
  return `gl-${prefix}-${Math.random().toString(36).slice(2, 8)}-${lastId}`;
}
