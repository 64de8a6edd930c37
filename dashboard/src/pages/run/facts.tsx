/** The line of facts below the title of a run. */
import type { RunDetails } from "../../api/queries";
import { shortId } from "../../lib/text";
import { Chip, Visible } from "../../ui/basics";
import { readPairs } from "../../ui/json";
import { href, Link, navigate } from "../../ui/router";
import { Ago, Took } from "../../ui/times";

const STARTED_BY: Record<string, { word: string; section: string }> = {
  PARENT: { word: "child of", section: "runs" },
  EVENT: { word: "event", section: "events" },
  CRON: { word: "cron", section: "schedules" },
  SCHEDULED: { word: "scheduled", section: "schedules" },
  REPLAY: { word: "run again from", section: "runs" },
};

export function Facts({ run }: { run: RunDetails }) {
  const by = run.trigger === null ? undefined : STARTED_BY[run.trigger];
  const pairs = readPairs(run.metadata);
  return (
    <dl className="facts">
      <div><dt>triggered</dt><dd><Ago time={run.created_at} /></dd></div>
      <div><dt>duration</dt><dd><Took start={run.created_at} end={run.finished_at} /></dd></div>
      {by && run.trigger_id && (
        <div>
          <dt>{by.word}</dt>
          <dd>
            <Link href={by.section === "schedules" ? href("schedules") : href(by.section, run.trigger_id, { task: run.trigger_task })}>
              {run.trigger_name ? <Visible text={run.trigger_name} /> : shortId(run.trigger_id)}{run.trigger_task && <> / <Visible text={run.trigger_task} /></>}
            </Link>
          </dd>
        </div>
      )}
      {run.priority > 1 && <div><dt>priority</dt><dd>{run.priority}</dd></div>}
      <div><dt>version</dt><dd><Link href={href("workflows", run.workflow, { version: String(run.version_id) })}>{run.version_id}</Link></dd></div>
      {pairs.length > 0 && (
        <div>
          <dt>metadata</dt>
          <dd className="chips wrap">
            {pairs.slice(0, 12).map(([key, value]) => <Chip key={key} name={key} value={value} onClick={() => navigate(href("runs", { q: `meta.${key}:${/[\s"]/.test(value) ? JSON.stringify(value) : value}` }))} />)}
          </dd>
        </div>
      )}
    </dl>
  );
}
