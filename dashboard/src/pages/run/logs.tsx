/** What tasks logged, live, searchable. */
import { useEffect, useMemo, useRef, useState } from "react";
import { useLogs } from "../../api/queries";
import { formatCount } from "../../lib/text";
import { formatAbsolute, formatClock } from "../../lib/time";
import { Failed, Visible } from "../../ui/basics";
import { Glyph } from "../../ui/icons";

export function Logs(props: { runId: string; task?: string; tall?: boolean; isActive: boolean }) {
  const [text, setText] = useState("");
  const [search, setSearch] = useState("");
  const [follow, setFollow] = useState(true);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const timer = window.setTimeout(() => setSearch(text.trim()), 250);
    return () => window.clearTimeout(timer);
  }, [text]);
  const logs = useLogs(props.runId, { task: props.task, search });
  const lines = logs.data?.lines;
  useEffect(() => {
    const element = list.current;
    if (element && follow) element.scrollTop = element.scrollHeight;
  }, [lines, follow]);
  return (
    <section className="payload" aria-label="Logs" style={props.tall ? { display: "flex", flexDirection: "column", flex: 1, minHeight: 0, border: 0 } : undefined}>
      <div className="payload-head">
        <span className="label">Logs</span>
        <span className="grow" aria-live="polite">{lines && `${formatCount(lines.length)}${logs.data?.more ? "+" : ""} ${lines.length === 1 ? "line" : "lines"}`}</span>
        <span className="search" style={{ flex: "0 1 220px" }}>
          <Glyph name="search" />
          <input className="input" style={{ height: 26, paddingRight: 8, fontSize: 12 }} aria-label="Search the logs" placeholder="Search" value={text} onChange={(event) => setText(event.target.value)} />
        </span>
        {props.isActive && (
          <button type="button" className="button quiet small" aria-pressed={follow} onClick={() => setFollow(!follow)}>Follow</button>
        )}
      </div>
      {logs.error && <Failed error={logs.error} />}
      {lines && lines.length === 0 ? (
        <p className="panel-body muted">{search ? "No line contains that." : <>Nothing was logged{props.isActive && " yet"}. <code>ctx.log("…")</code> in a task writes here.</>}</p>
      ) : (
        <div
          ref={list} className={["logs", props.tall && "tall", props.task === undefined && "named"].filter(Boolean).join(" ")} tabIndex={0} role="log" aria-label="Lines"
          onWheel={() => { const box = list.current; if (box) setFollow(box.scrollHeight - box.scrollTop - box.clientHeight < 40); }}
        >
          {lines?.map((line) => (
            <div className="log" key={line.cursor} data-level={line.level.toUpperCase()}>
              <time dateTime={line.at} title={formatAbsolute(Date.parse(line.at))}>{formatClock(Date.parse(line.at))}</time>
              <span className="who" title={`${line.task}, attempt ${line.attempt}, ${line.level.toLowerCase()}`}>
                {props.task === undefined ? <Visible text={line.task} /> : /^(INFO)?$/i.test(line.level) ? "" : line.level.toLowerCase()}
              </span>
              <span className="line"><Found text={line.text} search={search} /></span>
            </div>
          ))}
        </div>
      )}
    </section>
  );
}

function Found({ text, search }: { text: string; search: string }) {
  const parts = useMemo(() => {
    if (!search) return [text];
    const pieces: string[] = [];
    const lower = text.toLowerCase();
    const wanted = search.toLowerCase();
    let at = 0;
    // Lower case can have another length than the text (İ): then nothing is marked.
    if (lower.length !== text.length) return [text];
    for (let next = lower.indexOf(wanted); next >= 0; next = lower.indexOf(wanted, at)) {
      pieces.push(text.slice(at, next), text.slice(next, next + search.length));
      at = next + search.length;
    }
    pieces.push(text.slice(at));
    return pieces;
  }, [text, search]);
  return <>{parts.map((part, place) => (place % 2 ? <mark key={place}><Visible text={part} /></mark> : <Visible key={place} text={part} />))}</>;
}
