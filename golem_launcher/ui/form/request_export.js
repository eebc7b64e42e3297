// The form's request as a command and as a file, and a file read back.

import { copyButton, h, saveText, setText, show, tell } from "../common/dom.js";
import { filePicker, LARGEST_LIST } from "./controls.js";

/** @import { FormModel } from "../types" */

/**
 * The request as a command and as a file, and the way back from a file.
 *
 * @param {FormModel} model
 */
export function makeRequestExport(model) {
  const code = h("pre", { class: "gl-code", tabindex: 0, "aria-label": "Command" });
  const left = h("p", { class: "gl-hint", hidden: true });
  const wrong = h("p", { class: "gl-error-text", role: "alert", hidden: true });
  const copy = copyButton("Copy command", () => code.textContent, code);
  const download = h("button", { type: "button", class: "gl-button gl-small", onclick: save }, "Download as a file");
  const open = filePicker("Open a file", { accept: ".yaml,.yml,text/yaml" }, async ([file]) => {
    complain("");
    if (file.size > LARGEST_LIST) return complain("This file is too large for a request.");
    tell(model, { kind: "open file", text: await file.text() });
  });
  const element = h(
    "details",
    { class: "gl-fold gl-share" },
    h("summary", {}, "As a command or a file"),
    h(
      "p",
      { class: "gl-hint" },
      "The same session from a terminal, or another day: golem-launcher start -f request.yaml",
    ),
    code,
    left,
    h("div", { class: "gl-row" }, copy, download, open),
    wrong,
  );

  function save() {
    saveText("request.yaml", model.get("shared").yaml ?? "", "text/yaml");
  }
  function update() {
    const { command, left_out: out } = model.get("shared");
    setText(code, command ?? "");
    setText(left, out ?? "");
    show(left, Boolean(out));
  }
  /** @param {string} text */
  function complain(text) {
    setText(wrong, text);
    show(wrong, text !== "");
    if (text) element.open = true;
  }
  update();
  return { element, update, complain };
}
