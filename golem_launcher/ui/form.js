function renderForm({ model, el }) {
  el.classList.add("gl", "gl-form");
  const rows = new Map();
  const note = h("p", { class: "gl-form-error", role: "alert", hidden: true });
  const button = h("button", { type: "submit", class: "gl-button gl-primary gl-start" }, "Start JupyterLab on Golem");
  const form = h("form", { class: "gl-card", novalidate: true, onsubmit: submit, "aria-labelledby": newId("form") });
  const heading = h("h2", { id: form.getAttribute("aria-labelledby") }, "New session");
  const fields = h("div", { class: "gl-fields" });

  for (const field of model.get("fields")) {
    const row = makeRow(field, model.get("defaults")[field.name] ?? "");
    rows.set(field.name, row);
    fields.append(row.element);
  }
  form.append(heading, fields, note, button);
  el.append(form);

  function submit(event) {
    event.preventDefault();
    if (button.disabled) return;
    const values = Object.fromEntries([...rows].map(([name, row]) => [name, row.input.value.trim()]));
    clear();
    busy(true);
    if (!tell(model, { kind: "submit", values })) busy(false);
  }

  function busy(now) {
    button.disabled = now;
    form.setAttribute("aria-busy", String(now));
    setText(button, now ? "Starting …" : "Start JupyterLab on Golem");
  }

  function clear() {
    for (const row of rows.values()) row.complain("");
    show(note, false);
  }

  function onMessage(content) {
    if (!["refused", "accepted", "failed"].includes(content.kind)) return;
    busy(false);
    if (content.kind === "refused") refuse(content.errors);
    if (content.kind === "accepted") rows.get("name").input.value = model.get("defaults").name;
  }

  function refuse(errors) {
    clear();
    const general = [];
    let first = null;
    for (const [name, message] of errors) {
      const row = rows.get(name);
      if (!row) general.push(message);
      else {
        row.complain(message);
        first ??= row.input;
      }
    }
    setText(note, general.join(" "));
    show(note, general.length > 0);
    first?.focus();
  }

  model.on("msg:custom", onMessage);
  return () => model.off("msg:custom", onMessage);
}

function makeRow(field, value) {
  const id = newId(field.name);
  const hint = h("p", { class: "gl-hint", id: `${id}-hint` }, field.description);
  const error = h("p", { class: "gl-error-text", id: `${id}-error`, hidden: true });
  const input = makeInput(field, value, {
    id,
    name: field.name,
    class: "gl-input",
    "aria-describedby": `${id}-error ${id}-hint`,
  });
  const element = h(
    "div",
    { class: `gl-field gl-field-${field.name}` },
    h("label", { for: id }, field.title),
    h("div", { class: "gl-control" }, input, field.unit ? h("span", { class: "gl-unit" }, field.unit) : null),
    error,
    hint,
  );
  function complain(message) {
    setText(error, message);
    show(error, message !== "");
    if (message) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }
  input.addEventListener("input", () => complain(""));
  return { element, input, complain };
}

function makeInput(field, value, attributes) {
  if (field.kind === "choice") {
    const options = field.choices.map(([name, title]) => h("option", { value: name, selected: name === value }, title));
    return h("select", attributes, ...options);
  }
  const numeric = field.kind === "number"; // a text field all the same: what cannot be read is refused with a reason
  return h("input", {
    ...attributes,
    type: "text",
    value,
    inputmode: numeric ? "decimal" : null,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
  });
}

export default { render: renderForm };
