// What the kernel and the page say to each other, for whoever edits a script: each shape names the file that sends it.
// Times are ISO 8601, amounts are text in the network's coin. Type checkers read this; no browser does.

// ---- Widgets, as anywidget and JupyterLab hand them over

/** A widget's model: its traits, and the messages that its kernel sends. */
export interface Model<Traits, Told extends Message> extends Comm<Told> {
  get<Name extends keyof Traits>(name: Name): Traits[Name];
}

/** That part of a model which does not depend on its traits. */
export interface Comm<Told extends Message> {
  send(content: object, callbacks?: undefined, buffers?: ArrayBuffer[]): void;
  on(name: "msg:custom", listener: (content: Told, buffers: DataView<ArrayBuffer>[]) => void): void;
  on(name: `change:${string}`, listener: () => void): void;
  off(name: "msg:custom", listener: (content: Told, buffers: DataView<ArrayBuffer>[]) => void): void;
  off(name: `change:${string}`, listener: () => void): void;
  widget_manager?: { kernel?: Kernel | null };
}

/** What is enough to tell the kernel something, whatever the widget. */
export type Teller = Pick<Comm<Message>, "send">;

/** What anywidget calls `render` with. */
export interface View<M> {
  model: M;
  el: HTMLElement;
}

/** JupyterLab's connection to a kernel; Voilà's manager has the same. */
export interface Kernel {
  connectionStatus?: string;
  connectionStatusChanged?: Signal<Kernel, string>;
  isDisposed?: boolean;
  reconnect?(): Promise<void>;
  status?: string;
  statusChanged?: Signal<Kernel, string>;
}

export interface Signal<Sender, Value> {
  connect(slot: (sender: Sender, value: Value) => void, receiver?: object): void;
  disconnect(slot: (sender: Sender, value: Value) => void, receiver?: object): void;
}

/** What the kernel sends to a view. */
export interface Message {
  kind: string;
}

/** `ui/common/presence.py`: everything has been sent to this view. */
export interface Here {
  kind: "here";
  view: string;
  turn: number;
}

// ---- Elements, as `ui/common/dom.js` makes them

type Handler<Event> = ((event: Event) => unknown) | null;

/** Attributes by name; those that begin with `on` are listeners. */
export interface Attributes {
  [name: string]: string | number | boolean | null | undefined | Handler<never>;
  onclick?: Handler<MouseEvent>;
  onchange?: Handler<Event>;
  oninput?: Handler<Event>;
  onkeydown?: Handler<KeyboardEvent>;
  onsubmit?: Handler<SubmitEvent>;
}

export type Child = Node | string | null | undefined;

// ---- The header: `ui/header`

export type HeaderModel = Model<{ network: Network; wallet: Wallet; place: string; problems: Problem[] }, HeaderTold>;
export type HeaderTold = Here | { kind: "file"; name: string; text: string };
export type Money = "none" | "test" | "real";

/** `header/network.py`; empty until the network was looked up. */
export interface Network {
  title?: string;
  money?: Money;
  state?: "up" | "starting" | "failed" | "down";
  detail?: string;
  mend?: string;
}

/** `common/problems.py` */
export interface Problem {
  id: number;
  title: string;
  remedy: string;
  details: string;
}

/** `header/wallet.py`: empty at first, then without an identity until the wallet was found. */
export type Wallet = UnknownWallet | KnownWallet;

export interface UnknownWallet {
  identity?: undefined;
  network?: string;
  words?: string;
  bad?: boolean;
  urgent?: undefined;
  fund?: undefined;
  asking?: undefined;
  busy?: undefined;
  said?: undefined;
}

export interface KnownWallet {
  network: string;
  settles: boolean;
  words: string;
  bad: boolean;
  urgent: boolean;
  identity: string;
  url: string;
  rows: { name: string; value: string; hint: string }[];
  problem: string;
  payments: Payment[];
  need: string;
  lacking: boolean;
  fund: string;
  asking: string;
  buy: string;
  /** Empty where no real money is paid. */
  code: QrCode | Partial<Record<keyof QrCode, undefined>>;
  back_up: BackUp | Partial<Record<keyof BackUp, undefined>>;
  busy: boolean;
  said: string;
}

export interface Payment {
  at: string;
  to: string;
  amount: string;
  url: string;
  transaction: string;
}

/** A path in a picture `size` units wide. */
export interface QrCode {
  size: number;
  path: string;
}

export interface BackUp {
  done: boolean;
  first: string;
  safe: string;
}

// ---- The form: `ui/form`

export type FormModel = Model<
  {
    groups: Group[];
    values: Values;
    presets: string[];
    shared: Shared;
    offers: Offers;
    workspaces: Saved[];
  },
  FormTold
>;

/** What is typed, by field. */
export type Values = Record<string, Value>;
export type Value = string | boolean;

/** `form/fields.py` */
export interface Group {
  name: string;
  title: string;
  sentence: string;
  folded: boolean;
  fields: Field[];
}

export interface Field {
  name: string;
  title: string;
  description: string;
  group: string;
  kind: string;
  unit: string;
  example: string;
  /** As it is typed. */
  default: Value;
  options: Option[];
  /** Shown only while another field has one of these values, or none of those. */
  when: ({ field: string; instead?: string } & ({ is: Value[]; not?: undefined } | { is?: undefined; not: Value[] })) | null;
}

export interface Option {
  value: string;
  title: string;
  sentence?: string;
  mood?: Money;
  badge?: string;
  token?: string;
  /** The least of other fields. */
  least?: Record<string, number>;
  /** What other fields are with it, where nothing is picked in them. */
  implies?: Record<string, string>;
}

/** `form/resumable_workspaces.py`: a generation that can be resumed. */
export interface Saved {
  value: string;
  older: boolean;
  at: string;
  files: number;
  bytes: number;
}

/** `form/request_export.py`; empty until the request was right for the first time. */
export interface Shared {
  command?: string;
  yaml?: string;
  left_out?: string;
}

/** `form/estimate.py`, `form/offers.py`; empty at first. */
export interface Offers {
  state?: string;
  headline?: string;
  range?: string;
  rows?: [string, string][];
  /** The price in a few words, beside Start. */
  short?: string;
  sending?: string;
  hint?: string;
  mend?: string;
  bars?: Bars;
  loosen?: Advice[];
  token?: string;
  /** The whole time that is asked for. */
  time?: string;
  /** Who would be taken now, by name. */
  best?: string[];
  machines?: MachineRow[];
  /** Those that could be asked for. */
  gpu_models?: string[];
}

/** `form/machine_rows.py` */
export interface MachineRow {
  id: string;
  name: string;
  /** By which of the words that allow providers it is meant. */
  by: string[];
  /** For the whole time that is asked for. */
  price: string;
  cost: number;
  /** More than the budget. */
  beyond: boolean;
  cpus: number;
  memory: number;
  disk: number;
  gpus: number;
  /** Cores, memory and disk in GiB. */
  sizes: [string, string, string];
  gpu: string;
  tried: number;
  /** A share, with a doubt where few were tried. */
  went_well: number;
  record: string;
  /** What Golem's reputation service says of its provider, a share; null where it says nothing. */
  score: number | null;
  /** The country that it says it is in, as two capital letters; empty where it does not. */
  place: string;
  /** Of a core when it was measured, with a usual core of a server as 1. */
  speed: number | null;
  seen: string | null;
  note: string;
}

export interface Bars {
  counts: number[];
  low: string;
  high: string;
  words: string;
}

export interface Advice {
  text: string;
  values: Values;
}

export type FormTold =
  | Here
  | Considered
  | Refused
  | { kind: "requirements"; text: string; wrong: string }
  | { kind: "failed"; order: string }
  | { kind: "accepted"; name: string; order: string }
  | { kind: "fill"; values: Values }
  | { kind: "preset"; title: string }
  | UploadsFound
  | UploadAnswer
  | UploadRefused
  | { kind: "not opened"; text: string };

/** `form/validation.py`: a sentence for each field that is wrong, and the fields that must not keep what they hold. */
interface Wrong {
  errors: [field: string, sentence: string][];
  wipe: string[];
}

export interface Considered extends Wrong {
  kind: "considered";
  asked: number;
}

/** With an `order` where it was one that is refused. */
export interface Refused extends Wrong {
  kind: "refused";
  order?: string;
}

/** `form/uploads.py` */
interface Progress {
  id: string;
  name: string;
  at: number;
  path: string | null;
}

export interface UploadAnswer extends Progress {
  kind: "upload";
  asked: number | null;
}

export interface UploadsFound {
  kind: "uploads";
  place: string;
  files: (Progress & { size: number; count: number | null })[];
}

export interface UploadRefused {
  kind: "upload refused";
  id: string;
  text: string;
}

// ---- A sweep: `ui/sweep/sweep_form.py`

export type SweepModel = Model<{ notebook: Notebook; base: string }, SweepTold>;

/** Empty until one was chosen; with `parameters`, or with what is `wrong`. */
export interface Notebook {
  name?: string;
  parameters?: Parameter[];
  /** Whether it may have some that are not among these. */
  takes_others?: boolean;
  note?: string;
  wrong?: string;
}

export interface Parameter {
  name: string;
  /** As the notebook has it. */
  default: string;
  comment: string;
}

/** The field may be a parameter; it is empty where it is nobody's. */
export type SweepTold =
  | Here
  | { kind: "considered"; asked: number; sets?: number; wrong?: [field: string, text: string]; of_name?: boolean }
  | { kind: "refused"; order: string; wrong: [field: string, text: string]; of_name: boolean }
  | { kind: "accepted"; order: string; name: string };

// ---- The sessions: `ui/cards`

export type SessionsModel = Model<
  {
    live: Session[];
    past: Session[];
    past_count: number;
    looked_for: string;
    clock: string;
    remote: boolean;
  },
  SessionsTold
>;

export type StageName =
  | "checking"
  | "allocating"
  | "negotiating"
  | "deploying"
  | "starting"
  | "ready"
  | "recovering"
  | "saving"
  | "stopping"
  | "ended"
  | "suspended"
  | "failed";

/** `cards/view_model.py` */
export interface Session {
  name: string;
  live: boolean;
  alive: boolean;
  /** Whether it is the session of a job, which a command goes on with. */
  job: boolean;
  /** What runs there, as people call it. */
  workload: string;
  /** Whether a browser can open it; else programs reach it by a tunnel. */
  has_pages: boolean;
  stage: StageName;
  reason: string;
  steps: Step[];
  network: string;
  token: string;
  provider: string | null;
  created: string;
  started: string | null;
  ended: string | null;
  deadline: string | null;
  extendable: string | null;
  money_ends: string | null;
  cost: string;
  at_most: boolean;
  budget: string;
  spent_share: number;
  /** An hour. */
  price: string | null;
  lost: number;
  notices: string[];
  /** what is kept of notebooks' variables, a line each */
  variables: string[];
  not_ended: string;
  /** What is said while nobody uses it; it is stopped at `idle_ends`, where that is known. */
  idle: string;
  idle_ends: string | null;
  /** What the Lab waits for the user's yes to; no hours where that is the end. */
  asked: { what: "extend" | "end" | "move" | "gpu"; hours: number; words: string } | null;
  /** How far a move is; whether it waits for cells, and whether it can be given up. */
  move: { words: string; waits: boolean; stays: boolean } | null;
  /** The first one's, which has the workspace. */
  usage: Usage | null;
  /** What its GPUs say of themselves, a line each. */
  gpus: string[];
  /** All of them, where there are several. */
  machines: Machine[];
  /** The machine that would take over, and the moment up to which it has what was there; null where none is wanted. */
  standby: { words: string; provider: string | null; has: string | null; price: string | null } | null;
  saving: Saving | null;
  /** Who saved in its workspace after it ended, and when. */
  newer: { by: string; at: string } | null;
  /** Open documents with changes that are not saved. */
  unsaved: number;
  /** Whether it has a view-only link. */
  shared: boolean;
  trouble: string;
  hub: string | null;
  own: boolean;
  /** What the request says, where it can be read; sizes in bytes. */
  cpus?: number;
  memory?: number;
  disk?: number;
  ssh?: boolean;
  own_image?: boolean;
  command?: string;
}

export interface Machine {
  number: number;
  provider: string | null;
  stage: StageName;
  ip: string | null;
  usage: Usage | null;
  /** How many providers were lost in its place. */
  lost: number;
  trouble: string;
}

/** A step ahead has no times. */
export interface Step {
  stage: StageName;
  status: "done" | "failed" | "current" | "ahead";
  /** How often it was begun, one after the other. */
  tries: number;
  at?: string;
  until?: string | null;
}

/** `files` and `bytes` are those of the newest generation; `at_stake` counts files that an end would lose. */
export interface Saving {
  workspace: string;
  generation: number | null;
  saved_at: string | null;
  interval: number;
  files: number;
  bytes: number;
  left_out: number;
  at_stake: number;
  problem: string;
}

export interface Usage {
  /** Of one core: two busy cores are 200. */
  cpu_percent: number;
  memory_bytes: number;
  disk_bytes: number;
  gpu_percent: number | null;
  gpu_memory_bytes: number | null;
}

/** `cards/event_digest.py`: the last that was said, what is moved, how the cost grew. */
export interface EventDigest {
  doing: string;
  progress: Transfer[];
  /** Seconds since 1970, and the cost then. */
  costs: [at: number, cost: number][];
  /** Likewise, what the first machine used, and how old the newest save was. */
  used: { [figure in "cpu_percent" | "memory_bytes" | "gpu_percent" | "save_age"]?: [at: number, value: number][] };
  /** An hour, lately. */
  rate: number | null;
}

/** `cards/jobs.py`: how far a job is. */
export interface Job {
  by: "run" | "sweep";
  state: "running" | "stopping" | "done" | "incomplete";
  tasks: number;
  done: number;
  failed: number;
  running: number;
  /** A letter each: waiting, running, done, failed, partly done. */
  cells: string;
  /** How many tasks a cell is. */
  per: number;
  /** What each task is called, where a cell is one. */
  labels: string[];
  /** The last ones. */
  failures: [label: string, reason: string][];
  providers: { name: string; done: number; failed: number; seconds: number; now: string }[];
  /** When this run of it gave out its first task, in seconds since 1970; 0 where there is none. */
  since: number;
  /** How many this run has done. */
  fresh: number;
  output: string;
  /** Of its sessions that are over, as far as they are written down, by when they were created. */
  costs: Record<string, number>;
}

export interface Transfer {
  what: string;
  done: number;
  total: number;
  figures: string;
}

export interface Alert {
  name: string;
  at: string;
  what: string;
  text: string;
}

export type LogSource = "event" | "workload" | "detail";

/** `cards/logfeed.py` */
export interface LogLine {
  source: LogSource;
  level: string;
  text: string;
  at?: string;
}

export type NumberedLine = LogLine & { n: number };

export interface LogNews {
  kind: "log";
  name: string;
  lines: NumberedLine[];
  skipped: boolean;
  after: number;
}

/** `cards/actions.py`: to one of a card's buttons. */
export type Answer = { kind: "answer"; name: string; to: string } & (
  | { ok: false; text: string; lacks?: "hours" | "budget" }
  | ({ ok: true; text?: string } & AnswerParts)
);

/** Which of them there are depends on what was asked. */
interface AnswerParts {
  link?: string;
  removed?: string;
  /** The name of the session that was started. */
  started?: string;
  /** Which machine a price is of: the kind that the Lab asks for. */
  what?: string;
  command?: string;
  websocat?: string;
  /** The port at which the workload is then, where it has one. */
  port?: number;
}

/** `cards/downloads.py` */
export type DownloadTold =
  | { kind: "unfetched"; id: string; text: string }
  | { kind: "fetching"; id: string; done: number; total: number }
  | Fetched
  | { kind: "part"; id: string; offset: number };

export interface Fetched {
  kind: "fetched";
  id: string;
  size: number;
  file: string;
  note: string;
}

export type SessionsTold =
  | Here
  | LogNews
  | { kind: "found"; name: string; text: string; lines: LogLine[] }
  | { kind: "alerts"; alerts: Alert[] }
  | Answer
  | { kind: "cleared"; removed: string[] }
  | { kind: "links"; links: Record<string, string> }
  | { kind: "digests"; digests: Record<string, EventDigest> }
  | { kind: "jobs"; jobs: Record<string, Job> }
  | DownloadTold;
