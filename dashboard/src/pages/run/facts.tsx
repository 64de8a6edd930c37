/** The line of facts below the title of a run. */
import type { RunView } from "../../api/queries";
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

export function Facts({ view }: { view: RunView }) {
  const { run, triggered_by: by } = view;
  const look = by && STARTED_BY[by.kind];
  const pairs = readPairs(run.metadata);
  return (
    <dl className="facts">
      <div><dt>triggered</dt><dd><Ago time={run.created_at} /></dd></div>
      <div><dt>duration</dt><dd><Took start={run.created_at} end={run.finished_at} /></dd></div>
      {by && look && (
        <div>
          <dt>{look.word}</dt>
          <dd>
            <Link href={look.section === "schedules" ? href("schedules") : href(look.section, by.id, { task: by.task })}>
              {by.name ? <Visible text={by.name} /> : shortId(by.id)}{by.task && <> / <Visible text={by.task} /></>}
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
