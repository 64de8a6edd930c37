import { useQueryClient } from "@tanstack/react-query";
import { post, remove, type Schemas } from "../api/client";
import { useCanWrite, useCrons, useScheduled } from "../api/queries";
import { formatAbsolute, formatClock, formatDay, parseTime } from "../lib/time";
import { Command, Empty, Failed, Rows, Visible } from "../ui/basics";
import { Menu, notify, notifyError } from "../ui/dialog";
import { Glyph } from "../ui/icons";
import { href, Link, navigate } from "../ui/router";
import { Ago } from "../ui/times";

type Cron = Schemas["CronDetails"];

export function SchedulesPage() {
  const crons = useCrons();
  const scheduled = useScheduled();
  const canWrite = useCanWrite();
  const rows = crons.data?.pages.flatMap((page) => page.items);
  const later = scheduled.data?.pages.flatMap((page) => page.items);
  return (
    <div className="page">
      <header className="page-head"><div className="titles"><h1>Schedules</h1></div></header>
      {crons.error && <Failed error={crons.error} />}
      <section className="panel" aria-label="Crons">
        <div className="panel-head"><h2>Crons</h2><span className="faint">Start runs again and again, at set times</span></div>
        {rows?.length === 0 ? (
          <Empty icon="clock" title="No crons yet">
            <p>Declare one with the workflow; it starts as soon as a worker serves it.</p>
            <Command>{'plait.workflow(name="Report", on_crons=["0 7 * * mon-fri"])'}</Command>
          </Empty>
        ) : (
          <div className="table-wrap">
            <table aria-label="Crons">
              <thead><tr><th className="shrink">State</th><th>Workflow</th><th>When</th><th>Next</th><th className="right shrink">Last</th>{canWrite && <th className="shrink"><span className="sr-only">Actions</span></th>}</tr></thead>
              <tbody>
                {!rows && <Rows columns={5} count={3} />}
                {rows?.map((cron) => <CronRow key={cron.id} cron={cron} canWrite={canWrite} />)}
              </tbody>
            </table>
          </div>
        )}
        {crons.hasNextPage && <div className="more"><button type="button" className="button small" onClick={() => crons.fetchNextPage()}>Load more</button></div>}
      </section>
      {scheduled.error && <Failed error={scheduled.error} />}
      <section className="panel" aria-label="Scheduled runs">
        <div className="panel-head"><h2>Scheduled runs</h2><span className="faint">Start once, at a given time</span></div>
        {later?.length === 0 ? (
          <Empty icon="clock" title="Nothing is scheduled">
            <p>A program schedules a run for later:</p>
            <Command>{"workflow.schedule(run_at, input)"}</Command>
          </Empty>
        ) : (
          <div className="table-wrap">
            <table aria-label="Scheduled runs">
              <thead><tr><th>Workflow</th><th>Time</th><th className="shrink">Run</th><th className="right shrink">Created</th>{canWrite && <th className="shrink"><span className="sr-only">Actions</span></th>}</tr></thead>
              <tbody>
                {!later && <Rows columns={4} count={3} />}
                {later?.map((one) => <ScheduledRow key={one.id} item={one} canWrite={canWrite} />)}
              </tbody>
            </table>
          </div>
        )}
        {scheduled.hasNextPage && <div className="more"><button type="button" className="button small" onClick={() => scheduled.fetchNextPage()}>Load more</button></div>}
      </section>
    </div>
  );
}

function useAction(key: string) {
  const client = useQueryClient();
  return (promise: Promise<unknown>, said: string) => {
    promise.then(() => notify(said), notifyError).finally(() => client.invalidateQueries({ queryKey: [key] }));
  };
}

function CronRow({ cron, canWrite }: { cron: Cron; canWrite: boolean }) {
  const act = useAction("crons");
  const path = { cron_id: cron.id };
  const runNow = () => {
    post("/api/v1/crons/{cron_id}/run", { path }).then(({ id }) => { notify("A run has started"); navigate(href("runs", id)); }, notifyError);
  };
  return (
    <tr>
      <td className="shrink">
        <span className="status" data-tone={cron.paused ? "neutral" : "completed"}><Glyph name={cron.paused ? "pause" : "play"} />{cron.paused ? "Paused" : "Active"}</span>
      </td>
      <td><Link className="main-cell" href={href("workflows", cron.workflow)}><Visible text={cron.workflow} /></Link><div className="faint">{cron.name !== cron.expression && <><Visible text={cron.name} />, </>}{cron.declared ? "declared in code" : "created at run time"}</div></td>
      <td><div>{cron.explanation}</div><div className="faint"><code><Visible text={cron.expression} /></code> {cron.timezone}</div></td>
      <td><NextTimes cron={cron} /></td>
      <td className="right shrink muted"><Ago time={cron.last_at} /></td>
      {canWrite && (
        <td className="shrink">
          <div className="row">
            <button type="button" className="button small" onClick={runNow}><Glyph name="play" />Run now</button>
            {cron.paused ? (
              <button type="button" className="button small" onClick={() => act(post("/api/v1/crons/{cron_id}/unpause", { path }), "The cron is active again")}>Resume</button>
            ) : (
              <button type="button" className="button small" onClick={() => act(post("/api/v1/crons/{cron_id}/pause", { path }), "The cron is paused")}>Pause</button>
            )}
            {!cron.declared && <Menu label="More" icon="more" items={[{ label: "Delete", hint: "It starts no more runs", onSelect: () => act(remove("/api/v1/crons/{cron_id}", { path }), "The cron is deleted") }]} />}
          </div>
        </td>
      )}
    </tr>
  );
}

function NextTimes({ cron }: { cron: Cron }) {
  const times = cron.next_times.map((time) => parseTime(time) ?? 0);
  const first = times[0];
  if (first === undefined) return <span className="faint">never</span>;
  const year = String(new Date().getFullYear());
  const day = (time: number) => formatDay(time).replace(`${year}-`, "");
  return (
    <div className={cron.paused ? "faint" : undefined}>
      <span className="num" title={formatAbsolute(first)}>{cron.paused ? <>if resumed: {formatDay(first)} {formatClock(first).slice(0, 5)}</> : <Ago time={cron.next_times[0]} />}</span>
      <div className="faint num" style={{ fontSize: 12 }}>
        {times.map((time, place) => <span key={time} title={formatAbsolute(time)}>{place > 0 && ", "}{place > 0 && day(time) === day(first) ? "" : `${day(time)} `}{formatClock(time).slice(0, 5)}</span>)}
      </div>
    </div>
  );
}

function ScheduledRow({ item, canWrite }: { item: Schemas["ScheduledRun"]; canWrite: boolean }) {
  const act = useAction("scheduled");
  const at = parseTime(item.run_at) ?? 0;
  return (
    <tr>
      <td><Link className="main-cell" href={href("workflows", item.workflow)}><Visible text={item.workflow} /></Link></td>
      <td className="nowrap"><Ago time={item.run_at} /> <span className="faint num">{formatDay(at)} {formatClock(at)}</span></td>
      <td className="shrink">{item.run_id ? <Link href={href("runs", item.run_id)}>Open</Link> : <span className="faint">not yet</span>}</td>
      <td className="right shrink muted"><Ago time={item.created_at} /></td>
      {canWrite && <td className="shrink">{!item.run_id && <button type="button" className="button small danger" onClick={() => act(remove("/api/v1/scheduled/{scheduled_id}", { path: { scheduled_id: item.id } }), "The scheduled run is deleted")}>Delete</button>}</td>}
    </tr>
  );
}
