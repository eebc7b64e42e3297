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
  /** Of a notebook. */
  cells?: { length: number; get(index: number): { id: string; type: string } };
}

export interface CodeCellModel {
  id: string;
  type: string;
  executionState: "idle" | "running";
  executionCount: number | null;
  outputs: { toJSON(): unknown[]; fromJSON(outputs: unknown[]): void };
}

/** `agent/cell_outputs.py`: a cell that another page ran; its outputs where they have changed. */
export interface Run {
  run: string;
  cell: string;
  version: number;
  running: boolean;
  count: number | null;
  outputs?: unknown[];
}

/** A document and its file. */
export interface DocumentContext {
  path: string;
  isReady: boolean;
  isDisposed: boolean;
  model: DocumentModel;
  sessionContext: {
    ready: Promise<void>;
    session: { kernel: { id: string; clientId: string } | null } | null;
  };
  saveState: Signal<DocumentContext, "started" | "completed" | "failed" | "completed manually">;
  save(): Promise<void>;
}

export interface DocumentManager {
  autosave: boolean;
  contextForWidget(widget: unknown): DocumentContext | undefined;
}

export interface Application {
  shell: {
    widgets(area: string): Iterable<unknown>;
    add(widget: Widget, area: string, options: { rank: number }): void;
    activateById(id: string): void;
  };
  restored: Promise<void>;
}

export interface NotificationAction {
  label: string;
  callback(): void;
  displayType?: "accent";
}

export interface Widget {
  id: string;
  title: { caption: string; icon: unknown };
}

export interface StatusBar {
  registerStatusItem(id: string, item: { item: Widget; align: "left" | "right"; rank: number }): unknown;
}

/** The modules that the extension takes from JupyterLab, by name. */
export interface Modules {
  "@jupyterlab/docmanager": { IDocumentManager: unknown };
  "@jupyterlab/application": { IConnectionLost: unknown };
  "@jupyterlab/apputils": {
    Dialog: { okButton(options: { label: string }): unknown };
    Notification: {
      warning(
        text: string,
        options: { autoClose: number | false; actions?: NotificationAction[] },
      ): string;
      dismiss(id?: string): void;
    };
    showDialog(options: { title: string; body: unknown; buttons: unknown[] }): Promise<unknown>;
  };
  "@jupyterlab/coreutils": {
    PageConfig: { getOption(name: string): string; getWsUrl(): string; getBaseUrl(): string };
    URLExt: { join(...parts: string[]): string };
  };
  "@lumino/widgets": { Widget: new (options: { node: HTMLElement }) => Widget };
  "@jupyterlab/statusbar": { IStatusBar: unknown };
  "@jupyterlab/ui-components": { LabIcon: new (options: { name: string; svgstr: string }) => unknown };
}

/** Gives a module of JupyterLab's own. */
export type Jupyter = <Name extends keyof Modules>(name: Name) => Promise<Modules[Name]>;

/** Webpack's shared modules: by name, then by version. */
export type Shared = {
  [Name in keyof Modules]: Record<string, { loaded?: unknown; get(): Promise<() => Modules[Name]> }>;
};

/** A container of module federation, as JupyterLab takes it. */
export interface Container {
  init(scope: Shared): void;
  get(name: string): Promise<() => { __esModule: true; default: unknown[] }>;
}

/** What the supervisor says: that its provider is away, the number of an order to save, how the session ended … */
export interface News {
  away?: boolean;
  save?: number;
  ended?: string;
  /** Beside that: its address wakes it up. */
  suspended?: boolean;
  session?: Session;
  /** What came of what was asked for. */
  told?: string;
}

/** What a page may ask for. */
export type Wish = { what: "save" | "end" | "keep-running" | "move" | "gpu" } | { what: "extend"; hours: number };

/** `session/endpoints/lab_page_service.py`: the session as its pages show it; moments are seconds from now. */
export interface Session {
  name: string;
  /** When it was started: another of its name is another. */
  begun: string;
  stage: string;
  trouble: string;
  /** What happens to its machine: it is lost, a move is under way or was over a moment ago. */
  doing: string;
  left: number | null;
  ends: string;
  spent: string;
  rate: string;
  saved: number | null;
  saves: boolean;
  files: string;
  problem: string;
  unsaved: number;
  used: [label: string, words: string][];
  machines: string[];
  extend: { hours: number; cost: string; possible: boolean }[];
  /** Until when the provider can be kept, in a sentence; empty where that is not bounded. */
  room: string;
  /** What waits for the user's yes, and how to say it. */
  asked: string;
  /** What became of that a moment ago. */
  answer: string;
  /** That nobody seems to use it, and when it is stopped for that; empty otherwise. */
  idle: string;
}

declare global {
  interface Window {
    _JUPYTERLAB?: Record<string, Container>;
  }
}
