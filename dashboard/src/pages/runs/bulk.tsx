/** Actions on many runs: count first, then confirm, then go on until nothing is left. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { post, type Schemas } from "../../api/client";
import type { RunQuery } from "../../api/queries";
import { formatCount, plural } from "../../lib/text";
import { Failed, Notice } from "../../ui/basics";
import { Dialog, notify } from "../../ui/dialog";
import { Glyph } from "../../ui/icons";

type Action = "cancel" | "replay";
type Target = Pick<Schemas["BulkRequest"], "ids" | "filter">;

async function perform(action: Action, target: Target, options: { dry_run?: boolean; from_start?: boolean }, onStep: (result: { matched: number; done: number }) => void) {
  const sum = { matched: 0, done: 0 };
  let before: string | null = null;
  do {
    const body: Schemas["BulkRequest"] = { ...target, ...options, before } as Schemas["BulkRequest"];
    const result: Schemas["BulkResult"] =
      action === "cancel" ? await post("/api/v1/runs/bulk/cancel", { body }) : await post("/api/v1/runs/bulk/replay", { body });
    sum.matched += result.matched;
    sum.done += result.done;
    onStep({ ...sum });
    before = result.next ?? null;
  } while (before !== null);
  return sum;
}

export function BulkBar(props: { ids: string[]; query: RunQuery; hasFilter: boolean; canAll: boolean; onDone: () => void }) {
  const [allMatching, setAllMatching] = useState(false);
  const [action, setAction] = useState<Action | null>(null);
  const target: Target = allMatching ? { filter: props.query as Schemas["RunFilterRequest"] } : { ids: props.ids };
  return (
    <>
      <div className="bulk-bar" role="region" aria-label="Selected runs">
        <span>
          {allMatching ? <b>All runs{props.hasFilter && " that match"}</b> : <><b className="num">{formatCount(props.ids.length)}</b> selected</>}
        </span>
        {!allMatching && (props.hasFilter || props.canAll) && (
          <button type="button" className="button quiet small" onClick={() => setAllMatching(true)}>Select all that match</button>
        )}
        <button type="button" className="button" onClick={() => setAction("replay")}><Glyph name="replay" />Replay</button>
        <button type="button" className="button danger" onClick={() => setAction("cancel")}><Glyph name="stop" />Cancel</button>
        <button type="button" className="button quiet icon" aria-label="Clear the selection" onClick={props.onDone}><Glyph name="close" /></button>
      </div>
      {action && (
        <BulkDialog
          action={action} target={target} onClose={() => setAction(null)}
          onDone={() => { setAction(null); props.onDone(); }}
        />
      )}
    </>
  );
}

function BulkDialog({ action, target, onClose, onDone }: { action: Action; target: Target; onClose: () => void; onDone: () => void }) {
  const client = useQueryClient();
  const [count, setCount] = useState<number | null>(null);
  const [isCounted, setCounted] = useState(false);
  const [fromStart, setFromStart] = useState(false);
  const [progress, setProgress] = useState<number | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    let current = true;
    perform(action, target, { dry_run: true }, (sum) => current && setCount(sum.matched))
      .then(() => current && setCounted(true), (failure) => current && setError(failure));
    return () => { current = false; };
    // Counted once, when the dialog opens.
  }, []);
  const word = action === "cancel" ? "Cancel" : "Replay";
  const run = async () => {
    setProgress(0);
    setError(null);
    try {
      const sum = await perform(action, target, action === "replay" ? { from_start: fromStart } : {}, (step) => setProgress(step.done));
      notify(action === "cancel" ? `${plural(sum.done, "run")} cancelled` : `${plural(sum.done, "run")} replayed`);
      onDone();
    } catch (failure) {
      setError(failure);
      setProgress(null);
    }
    void client.invalidateQueries();
  };
  const nothing = isCounted && count === 0;
  return (
    <Dialog
      title={action === "cancel" ? "Cancel runs" : "Replay runs"} onClose={onClose}
      foot={
        <>
          <button type="button" className="button" onClick={onClose}>Close</button>
          {!nothing && (
            <button type="button" className={action === "cancel" ? "button danger" : "button primary"} disabled={!isCounted || progress !== null} onClick={run} autoFocus>
              {progress !== null ? `${formatCount(progress)} done…` : `${word} ${count === null ? "…" : plural(count, "run")}`}
            </button>
          )}
        </>
      }
    >
      {error !== null && <Failed error={error} />}
      {nothing ? (
        <Notice>{action === "cancel" ? "None of these runs is active, so there is nothing to cancel." : "None of these runs failed or was cancelled, so there is nothing to replay."}</Notice>
      ) : (
        <p aria-live="polite">
          {count === null ? "Counting…" : <><b className="num">{plural(count, "run")}</b>{!isCounted && " so far"} to {action}: {action === "cancel" ? "those that are still active" : "those that failed or were cancelled"}.</>}
        </p>
      )}
      {action === "cancel" && !nothing && <p className="muted">Every task that has not ended is cancelled, in child runs too. Running code is told to stop, and its results are discarded.</p>}
      {action === "replay" && !nothing && (
        <>
          <p className="muted">Failed and cancelled tasks run again, and all tasks that depend on them. Outputs of completed tasks are kept.</p>
          <label className="check"><input type="checkbox" checked={fromStart} onChange={(event) => setFromStart(event.target.checked)} />Run completed tasks again too</label>
        </>
      )}
    </Dialog>
  );
}
