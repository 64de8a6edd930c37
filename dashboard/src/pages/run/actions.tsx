/** What can be done with a run: run it again, replay it, cancel it. */
import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { makeUrl, post } from "../../api/client";
import { type RunDetails, type TaskDetails, useCanWrite, useWorkflow } from "../../api/queries";
import { lookOf } from "../../lib/status";
import { plural } from "../../lib/text";
import { StartRun } from "../../parts/start-run";
import { Dialog, Menu, notify, notifyError } from "../../ui/dialog";
import { Glyph } from "../../ui/icons";
import { href, navigate } from "../../ui/router";

type Open = "cancel" | "replay" | "again" | null;

export function useActions(run: RunDetails) {
  const client = useQueryClient();
  const canWrite = useCanWrite();
  const [dialog, setDialog] = useState<Open>(null);
  const close = () => setDialog(null);
  const refresh = () => client.invalidateQueries({ queryKey: ["run", run.id] });
  const cancel = () => {
    close();
    post("/api/v1/runs/{run_id}/cancel", { path: { run_id: run.id }, body: {} }).then((answer) => notify(answer.done ? "The run is cancelled" : "The run had already ended"), notifyError).finally(refresh);
  };
  const replay = (fromStart: boolean) => {
    close();
    post("/api/v1/runs/{run_id}/replay", { path: { run_id: run.id }, body: { from_start: fromStart, tasks: [] } }).then(() => notify("The run is replayed"), notifyError).finally(refresh);
  };
  const buttons = canWrite && (
    <>
      <button type="button" className="button" onClick={() => setDialog("again")}><Glyph name="edit" />Run again…</button>
      {run.finished_at !== null && (
        <Menu
          label="Replay" icon="replay"
          items={[
            { label: "Failed and cancelled tasks", hint: "Outputs of completed tasks are kept", onSelect: () => replay(false) },
            { label: "All tasks, from the start", hint: "In this run, with the same input", onSelect: () => replay(true) },
          ]}
        >
          Replay
        </Menu>
      )}
      {run.finished_at === null && <button type="button" className="button danger" onClick={() => setDialog("cancel")}><Glyph name="stop" />Cancel</button>}
    </>
  );
  const element =
    dialog === "cancel" ? (
      <Dialog
        title="Cancel this run?" onClose={close}
        foot={<><button type="button" className="button" onClick={close}>Close</button><button type="button" className="button danger" onClick={cancel} autoFocus>Cancel the run</button></>}
      >
        <p>Every task that has not ended is cancelled{run.children > 0 && `, and so are those of its ${plural(run.children, "child run")} that are active`}. Running code is told to stop, and its results are discarded.</p>
        <TaskCounts tasks={run.tasks} />
      </Dialog>
    ) : dialog === "replay" ? (
      <Dialog
        title="Replay this run?" onClose={close}
        foot={<><button type="button" className="button" onClick={close}>Close</button><button type="button" className="button primary" onClick={() => replay(false)} autoFocus>Replay</button></>}
      >
        <p>Failed and cancelled tasks run again, and all tasks that depend on them. Outputs of completed tasks are kept.</p>
        <TaskCounts tasks={run.tasks} />
      </Dialog>
    ) : dialog === "again" ? (
      <RunAgain run={run} onClose={close} />
    ) : null;
  return { buttons, dialog: element, canWrite, open: setDialog };
}

function TaskCounts({ tasks }: { tasks: TaskDetails[] }) {
  const counts = new Map<string, number>();
  for (const task of tasks) counts.set(task.status, (counts.get(task.status) ?? 0) + 1);
  return <div className="row-wrap">{[...counts].map(([status, count]) => <span key={status} className="status" data-tone={lookOf(status).tone}>{count} {lookOf(status).word.toLowerCase()}</span>)}</div>;
}

function RunAgain({ run, onClose }: { run: RunDetails; onClose: () => void }) {
  const workflow = useWorkflow(run.workflow, run.version_id);
  const [whole, setWhole] = useState<string | null>(run.input.truncated ? null : run.input.text);
  useMemo(() => {
    // Shown in part only: the whole is fetched as text, never parsed by the browser.
    if (run.input.truncated) void fetch(makeUrl("/api/v1/runs/{run_id}/input", { run_id: run.id })).then((answer) => answer.text()).then(setWhole, notifyError);
  }, [run.input.truncated, run.id]);
  if (workflow.isPending || whole === null) return null;
  return (
    <StartRun
      title={`Run ${run.workflow} again`} note="This starts a new run of the same version with the input below. The old run stays as it is." schema={workflow.data?.input_schema ?? null} initial={whole}
      metadata={run.metadata} priority={run.priority} onClose={onClose}
      onStart={async (request) => {
        const { id } = await post("/api/v1/runs/{run_id}/replay", { path: { run_id: run.id }, body: { input: request.input, metadata: request.metadata, priority: request.priority, from_start: false, tasks: [] } });
        onClose();
        notify("A new run has started");
        navigate(href("runs", id));
      }}
    />
  );
}
