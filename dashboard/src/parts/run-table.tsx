/** A table of runs: on the Runs page, and in short wherever runs are named. */
import type { RunSummary } from "../api/queries";
import { Chip, IdText, Rows, Status, Visible } from "../ui/basics";
import { readPairs } from "../ui/json";
import { href, Link, navigate } from "../ui/router";
import { Ago, Took } from "../ui/times";

const TRIGGERS: Record<string, string> = { PARENT: "by a run", EVENT: "by an event", CRON: "by a cron", SCHEDULED: "scheduled", REPLAY: "run again" };

export function RunTable(props: {
  runs: RunSummary[] | undefined;
  label: string;
  cursor?: string | null;
  selection?: { ids: ReadonlySet<string>; toggle: (id: string, range: boolean) => void; all: boolean; toggleAll: () => void };
  onMeta?: (key: string, value: string) => void;
  showWorkflow?: boolean;
  /** For narrow places: without metadata and the time of the trigger. */
  compact?: boolean;
}) {
  const { runs, selection, showWorkflow = true, compact = false } = props;
  const columns = (compact ? 3 : 5) + (selection ? 1 : 0) + (showWorkflow ? 1 : 0);
  return (
    <div className="table-wrap">
      <table aria-label={props.label}>
        <thead>
          <tr>
            {selection && (
              <th className="shrink">
                <input type="checkbox" aria-label="Select all shown" checked={selection.all} onChange={selection.toggleAll} />
              </th>
            )}
            <th className="shrink">Status</th>
            {showWorkflow && <th>Workflow</th>}
            <th className="shrink">Run</th>
            {!compact && <th>Metadata</th>}
            <th className="right shrink">Duration</th>
            {!compact && <th className="right shrink">Triggered</th>}
          </tr>
        </thead>
        <tbody>
          {!runs && <Rows columns={columns} count={8} />}
          {runs?.map((run) => {
            const to = href("runs", run.id);
            const isSelected = selection?.ids.has(run.id) ?? false;
            return (
              <tr
                key={run.id} data-id={run.id}
                className={["link", isSelected && "selected", props.cursor === run.id && "cursor"].filter(Boolean).join(" ")}
                onClick={(event) => { if (!(event.target as Element).closest("a, button, input")) navigate(to); }}
              >
                {selection && (
                  <td className="shrink">
                    <input
                      type="checkbox" aria-label={`Select run ${run.id}`} checked={isSelected}
                      onChange={() => {}} onClick={(event) => selection.toggle(run.id, event.shiftKey)}
                    />
                  </td>
                )}
                <td className="shrink"><Status status={run.status} /></td>
                {showWorkflow && (
                  <td className="nowrap"><Link className="main-cell" href={to}><Visible text={run.workflow} /></Link></td>
                )}
                <td className="shrink">
                  {showWorkflow ? <IdText id={run.id} /> : <Link href={to}><IdText id={run.id} /></Link>}
                </td>
                {!compact && <td>
                  <div className="chips">
                    {run.trigger && <span className="chip"><span>{TRIGGERS[run.trigger] ?? run.trigger}</span></span>}
                    {run.priority > 1 && <span className="chip"><span>priority {run.priority}</span></span>}
                    {readPairs(run.metadata).slice(0, 6).map(([key, value]) => (
                      <Chip key={key} name={key} value={value} onClick={props.onMeta && (() => props.onMeta?.(key, value))} />
                    ))}
                  </div>
                </td>}
                <td className="right shrink"><Took start={run.created_at} end={run.finished_at} /></td>
                {!compact && <td className="right shrink muted"><Ago time={run.created_at} /></td>}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
