// A client of a Jupyter server as VS Code's Jupyter extension is one: the address that a user pastes, the questions it
// asks before, and then the library by which it starts sessions and kernels. Prints what it saw, as JSON.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { ContentsManager, KernelAPI, KernelManager, KernelSpecManager, ServerConnection, SessionManager } =
  require("@jupyterlab/services");
const WebSocket = require("ws");

const address = new URL(process.argv[2].replace(/\/(lab|tree)(\??)$/, ""));
const baseUrl = `${address.protocol}//${address.host}${address.pathname === "/lab" ? "/" : address.pathname}`;
const token = address.searchParams.get("token") || "";
const seen = { hub: (await fetch(`${baseUrl}hub/api`, { redirect: "manual" })).status };

const serverSettings = ServerConnection.makeSettings({
  baseUrl, appUrl: "", wsUrl: baseUrl.replace("http", "ws"), fetch, Headers, Request, WebSocket,
  init: { cache: "no-store", credentials: "same-origin" }, ...(token ? { token, appendToken: true } : {}),
});
const kernels = new KernelManager({ serverSettings });
const specs = new KernelSpecManager({ serverSettings });
const sessions = new SessionManager({ serverSettings, kernelManager: kernels });
await Promise.all([sessions.ready, specs.ready]);
await specs.refreshSpecs();
seen.before = (await KernelAPI.listRunning(serverSettings)).length;

const contents = new ContentsManager({ serverSettings });
const file = await contents.newUntitled({ type: "notebook" });
const session = await sessions.startNew({
  path: file.path, name: file.path, type: "notebook", kernel: { name: specs.specs.default },
});
let printed = "";
async function run(code, begun = () => {}) {
  const future = session.kernel.requestExecute({ code, allow_stdin: true, stop_on_error: false });
  future.onIOPub = (message) => {
    if (message.header.msg_type === "execute_input") begun();
    if (message.header.msg_type === "stream") printed += message.content.text;  // in pieces of any size
  };
  future.onStdin = (message) =>
    session.kernel.sendInputReply({ value: "typed", status: "ok" }, message.parent_header);
  return (await future.done).content.status;
}
seen.ran = [await run("print(6 * 7)"), await run("print(input('say '))")];
seen.ran.push(await run("while True: pass", () => setTimeout(() => session.kernel.interrupt(), 1500)));
await session.kernel.restart();
seen.ran.push(await run("print('again')"));
seen.printed = printed.trim().split(/\n+/);
await sessions.shutdown(session.id);
await contents.delete(file.path);
seen.after = (await KernelAPI.listRunning(serverSettings)).length;
console.log(JSON.stringify(seen));
process.exit(0);
