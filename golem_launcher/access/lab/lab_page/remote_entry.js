// The launcher's extension of JupyterLab's page: it saves open documents, shows how the session stands, and says so when
// that has ended. JupyterLab loads it as any prebuilt one (a container of webpack's module federation, by hand).
/** @import { Jupyter, Shared } from "./jupyterlab" */

(() => {
  const place = /** @type {HTMLScriptElement} */ (document.currentScript).src;
  let shared = /** @type {Shared | null} */ (null);

  /** @type {Jupyter} */
  async function jupyter(name) {
    if (shared === null) throw new Error("JupyterLab has not said yet where its modules are");
    const versions = Object.values(shared[name]);
    const factory = await (versions.find((version) => version.loaded) ?? versions[0]).get();
    return factory();
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB["golem-launcher"] = {
    init: (scope) => {
      shared = scope;
    },
    get: async () => {
      const { plugins } = await import(new URL("plugins.js", place).href);
      const made = await plugins(jupyter);
      return () => ({ __esModule: true, default: made });
    },
  };
})();
