// As much of JupyterLab as the launcher's extension uses, for whoever edits it.

/** What a signal of Lumino's tells, to whoever connects. */
export interface Signal<Sender, Value> {
  connect(slot: (sender: Sender, value: Value) => void): void;
}

export interface DocumentModel {
  dirty: boolean;
  readOnly: boolean;
  collaborative?: boolean;
  contentChanged: Signal<DocumentModel, void>;
}

/** A document and its file. */
export interface DocumentContext {
  path: string;
  isReady: boolean;
  isDisposed: boolean;
  model: DocumentModel;
  saveState: Signal<DocumentContext, "started" | "completed" | "failed" | "completed manually">;
  save(): Promise<void>;
}

export interface DocumentManager {
  autosave: boolean;
  contextForWidget(widget: unknown): DocumentContext | undefined;
}

export interface Application {
  shell: { widgets(area: string): Iterable<unknown> };
  restored: Promise<void>;
}

/** The modules that the extension takes from JupyterLab, by name. */
export interface Modules {
  "@jupyterlab/docmanager": { IDocumentManager: unknown };
  "@jupyterlab/application": { IConnectionLost: unknown };
  "@jupyterlab/apputils": {
    Dialog: { okButton(options: { label: string }): unknown };
    Notification: { warning(text: string, options: { autoClose: number }): void };
    showDialog(options: { title: string; body: unknown; buttons: unknown[] }): Promise<unknown>;
  };
  "@jupyterlab/coreutils": {
    PageConfig: { getOption(name: string): string; getWsUrl(): string };
    URLExt: { join(...parts: string[]): string };
  };
  "@lumino/widgets": { Widget: new (options: { node: HTMLElement }) => unknown };
}

/** Webpack's shared modules: by name, then by version. */
export type Shared = {
  [Name in keyof Modules]: Record<string, { loaded?: unknown; get(): Promise<() => Modules[Name]> }>;
};

/** A container of module federation, as JupyterLab takes it. */
export interface Container {
  init(scope: Shared): void;
  get(name: string): Promise<() => { __esModule: true; default: unknown[] }>;
}

declare global {
  interface Window {
    _JUPYTERLAB?: Record<string, Container>;
  }
}
