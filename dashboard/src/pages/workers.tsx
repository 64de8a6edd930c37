import { useState } from "react";
import type { Schemas } from "../api/client";
import { useQueues, useWorker, useWorkers } from "../api/queries";
import { formatCount, plural } from "../lib/text";
import { formatSeconds } from "../lib/time";
import { Chip, Command, Empty, Failed, Rows, Visible } from "../ui/basics";
import { Glyph } from "../ui/icons";
import { readPairs } from "../ui/json";
import { useCursor } from "../ui/list";
import { href, Link, navigate } from "../ui/router";
import { Ago, Took } from "../ui/times";

type Worker = Schemas["WorkerSummary"];

export function WorkersPage({ id }: { id: string | undefined }) {
  const [ended, setEnded] = useState(false);
  const found = useWorkers(ended);
  const queues = useQueues();
  const rows = found.data?.items;
  const most = id ? 1 : 4;
  const cursor = useCursor(rows?.map((row) => row.id) ?? [], (worker) => navigate(href("workers", worker)));
  const busy = queues.data?.queues.filter((queue) => queue.ready + queue.running + queue.waiting > 0) ?? [];
  return (
    <div className="page">
      <header className="page-head">
        <div className="titles"><h1>Workers</h1></div>
        <div className="actions"><label className="check"><input type="checkbox" checked={ended} onChange={(event) => setEnded(event.target.checked)} />Show ended workers</label></div>
      </header>
      {queues.data && (
        <dl className="cards">
          <Stat label="Live workers" value={formatCount(queues.data.workers)} />
          <Stat label="Slots in use" value={<>{formatCount(queues.data.slots_in_use)} <small>of {formatCount(queues.data.slots)}</small></>} />
          <Stat label="Tasks queued" value={formatCount(queues.data.ready)} capped={queues.data.capped} />
          <Stat label="Tasks running" value={formatCount(queues.data.running)} capped={queues.data.capped} />
          <Stat label="Tasks waiting" value={formatCount(queues.data.waiting)} capped={queues.data.capped} />
        </dl>
      )}
      {found.error && <Failed error={found.error} />}
      <div className={id ? "columns" : "stack"}>
        <div className="stack-large">
          <section className="panel" aria-label="Workers">
            {rows?.length === 0 ? (
              <Empty icon="workers" title="No worker is running">
                <p>A worker is a process that runs tasks. Without one, runs stay queued. Start one where your code is:</p>
                <Command>plait dev FILE.py</Command>
                <p>or, in production, as many as you like:</p>
                <Command>plait worker FILE.py --slots 100</Command>
              </Empty>
            ) : (
              <div className="table-wrap">
                <table aria-label="Workers">
                  <thead><tr><th className="shrink">State</th><th>Worker</th><th>Host</th><th className="shrink">Slots</th><th>Serves</th><th className="right shrink">Heartbeat</th><th className="right shrink">Started</th></tr></thead>
                  <tbody>
                    {!rows && <Rows columns={7} count={3} />}
                    {rows?.map((worker) => (
                      <tr key={worker.id} data-id={worker.id} className={["link", worker.id === id && "selected", worker.id === cursor && "cursor"].filter(Boolean).join(" ")} onClick={(event) => { if (!(event.target as Element).closest("a, button")) navigate(href("workers", worker.id)); }}>
                        <td className="shrink"><State worker={worker} /></td>
                        <td className="nowrap"><Link className="main-cell" href={href("workers", worker.id)}><Visible text={worker.name} /></Link></td>
                        <td className="muted nowrap"><Visible text={worker.host} /> <span className="faint num">{worker.pid}</span></td>
                        <td className="shrink"><Slots worker={worker} /></td>
                        <td><div className="chips">{Object.entries(worker.serves).slice(0, most).map(([workflow]) => <Link key={workflow} className="chip" href={href("workflows", workflow)}><span><Visible text={workflow} /></span></Link>)}{Object.keys(worker.serves).length > most && <span className="faint">+{Object.keys(worker.serves).length - most}</span>}</div></td>
                        <td className="right shrink muted num">{worker.ended_at ? "–" : worker.heartbeat_age === null ? "–" : `${formatSeconds(Math.round(worker.heartbeat_age))} ago`}</td>
                        <td className="right shrink muted"><Ago time={worker.started_at} /></td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            )}
          </section>
          {busy.length > 0 && (
            <section className="panel" aria-label="Queues">
              <div className="panel-head"><h2>Queued, running and waiting tasks</h2></div>
              <div className="table-wrap">
                <table aria-label="Queues">
                  <thead><tr><th>Task</th><th className="right shrink">Queued</th><th className="right shrink">Running</th><th className="right shrink">Waiting</th><th className="right shrink">Oldest queued</th></tr></thead>
                  <tbody>
                    {busy.map((queue) => (
                      <tr key={`${queue.workflow}\n${queue.task}`}>
                        <td><Link href={href("workflows", queue.workflow, { task: queue.task })}><Visible text={queue.workflow} /> / <Visible text={queue.task} /></Link></td>
                        <td className="right shrink num">{formatCount(queue.ready)}{queue.capped && "+"}</td>
                        <td className="right shrink num">{formatCount(queue.running)}{queue.capped && "+"}</td>
                        <td className="right shrink num">{formatCount(queue.waiting)}{queue.capped && "+"}</td>
                        <td className="right shrink muted"><Ago time={queue.oldest_ready_at} /></td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            </section>
          )}
        </div>
        {id && <WorkerPanel key={id} id={id} />}
      </div>
    </div>
  );
}

function Stat({ label, value, capped }: { label: string; value: React.ReactNode; capped?: boolean }) {
  return <div className="panel stat"><dt>{label}</dt><dd>{value}{capped && "+"}</dd></div>;
}

const STATES = { ACTIVE: { tone: "completed", word: "Live", icon: "check" }, LATE: { tone: "queued", word: "No heartbeat", icon: "warning" }, ENDED: { tone: "neutral", word: "Ended", icon: "stop" } } as const;

function State({ worker }: { worker: Worker }) {
  const { tone, word, icon } = STATES[worker.status];
  return <span className="status" data-tone={tone} title={worker.status === "LATE" ? "No heartbeat for longer than its lease: other workers run its tasks again" : undefined}><Glyph name={icon} />{word}</span>;
}

function Slots({ worker }: { worker: Worker }) {
  const share = worker.slots ? Math.min(1, worker.slots_in_use / worker.slots) : 0;
  return (
    <span className="row nowrap">
      <span className={share >= 1 ? "meter full" : "meter"} aria-hidden="true"><i style={{ width: `${share * 100}%` }} /></span>
      <span className="num">{worker.slots_in_use}<span className="faint"> / {worker.slots}</span></span>
    </span>
  );
}

function WorkerPanel({ id }: { id: string }) {
  const found = useWorker(id);
  const worker = found.data;
  const held = worker?.running ?? [];
  return (
    <aside className="panel run-side" aria-label="Worker">
      <div className="side-head">
        <div className="row">
          <h2 className="grow ellipsis">{worker ? <Visible text={worker.name} /> : "Worker"}</h2>
          {worker && <State worker={worker} />}
          <button type="button" className="button quiet icon small" aria-label="Close the worker" onClick={() => navigate(href("workers"))}><Glyph name="close" /></button>
        </div>
      </div>
      <div className="side-body" tabIndex={0} role="group" aria-label="About the worker">
        {found.error && <Failed error={found.error} />}
        {worker && (
          <>
            <section className="stack" style={{ gap: 6 }}>
              <h3>{held.length ? `Runs ${plural(held.length, "task")} now` : "Runs no task now"}</h3>
              {held.map((one) => (
                <div key={`${one.run_id}:${one.task}`} className="row">
                  <Link className="grow ellipsis" href={href("runs", one.run_id, { task: one.task })}><Visible text={one.workflow} /> / <Visible text={one.task} /></Link>
                  {one.attempt > 1 && <span className="faint">attempt {one.attempt}</span>}
                  <Took start={one.started_at} end={null} />
                </div>
              ))}
            </section>
            <dl className="grid-facts">
              <dt>host</dt><dd><Visible text={worker.host} />, process {worker.pid}</dd>
              <dt>Plait</dt><dd>{worker.plait_version}</dd>
              <dt>started</dt><dd><Ago time={worker.started_at} /></dd>
              {worker.ended_at && <><dt>ended</dt><dd><Ago time={worker.ended_at} /></dd></>}
              <dt>worker</dt><dd><code>{worker.id}</code></dd>
              {readPairs(worker.labels).length > 0 && <><dt>labels</dt><dd className="chips wrap">{readPairs(worker.labels).map(([key, value]) => <Chip key={key} name={key} value={value} />)}</dd></>}
            </dl>
            <section className="stack" style={{ gap: 6 }}>
              <h3>Serves</h3>
              {Object.entries(worker.serves).map(([workflow, tasks]) => (
                <div key={workflow}><Link href={href("workflows", workflow)}><Visible text={workflow} /></Link> <span className="faint">{plural(tasks.length, "task")}</span></div>
              ))}
            </section>
          </>
        )}
      </div>
    </aside>
  );
}
