// Shows in a notebook that is opened what its cells put out meanwhile, and go on to put out: another page ran them.
/** @import { CodeCellModel, DocumentContext, Run } from "./jupyterlab" */

const AGAIN_MS = 1000;

/**
 * Follow the cells of a notebook that run already when it is opened, to their end.
 *
 * @param {DocumentContext} context
 * @param {string} base the Lab's
 */
export async function followRuns(context, base) {
  await context.sessionContext.ready;
  const versions = /** @type {Record<string, number>} */ ({});
  for (let running = true; running && !context.isDisposed; ) {
    const kernel = context.sessionContext.session?.kernel;
    if (!kernel) return;
    const query = new URLSearchParams({ client: kernel.clientId, after: JSON.stringify(versions) });
    const answer = await fetch(`${base}api/kernels/${kernel.id}/cells?${query}`).catch(() => null);
    if (answer !== null && !answer.ok) return; // the provider's Jupyter knows none
    const runs = /** @type {Run[]} */ (answer === null ? [] : await answer.json());
    for (const run of runs) {
      versions[run.run] = run.version;
      if (run.outputs) showRun(context, run);
    }
    running = answer === null || runs.some((run) => run.running);
    if (running) await new Promise((done) => setTimeout(done, AGAIN_MS));
  }
}

/**
 * @param {DocumentContext} context
 * @param {Run} run
 */
function showRun(context, run) {
  for (let index = 0; index < (context.model.cells?.length ?? 0); index++) {
    const cell = /** @type {CodeCellModel} */ (context.model.cells?.get(index));
    if (cell.id !== run.cell || cell.type !== "code") continue;
    cell.executionState = run.running ? "running" : "idle";
    if (!run.running) cell.executionCount = run.count;
    const shown = JSON.stringify(cell.outputs.toJSON());
    if (shown !== JSON.stringify(run.outputs)) cell.outputs.fromJSON(run.outputs ?? []);
  }
}
