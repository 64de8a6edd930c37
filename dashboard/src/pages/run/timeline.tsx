/** The attempts of a run on a time axis. */
import { useMemo } from "react";
import type { RunDetails } from "../../api/queries";
import { makeGantt, type Segment } from "../../lib/gantt";
import { lookOf } from "../../lib/status";
import { isBackingOff } from "../../lib/tasks";
import { makeVisible } from "../../lib/text";
import { formatDuration, makeTicks, parseTime } from "../../lib/time";
import { Visible } from "../../ui/basics";
import { StatusGlyph } from "../../ui/icons";
import { useFrames } from "../../ui/times";

const WORDS: Record<Segment["kind"], string> = { queued: "queued", running: "running", backoff: "backing off", waiting: "waiting" };

export function Timeline({ run, selected, onSelect }: { run: RunDetails; selected: string | null; onSelect: (name: string | null) => void }) {
  const isActive = run.finished_at === null;
  const now = useFrames(isActive);
  const backing = useMemo(() => new Set(run.tasks.filter(isBackingOff).map((task) => task.name)), [run.tasks]);
  const gantt = makeGantt(run.tasks, parseTime(run.created_at) ?? now, parseTime(run.finished_at), now);
  const span = (gantt.end - gantt.start) * 1.06;
  const ticks = makeTicks(span, 8);
  const place = (time: number) => `${((time - gantt.start) / span) * 100}%`;
  return (
    <>
      <div className="gantt" tabIndex={0} role="group" aria-label="Timeline of attempts">
        <div className="gantt-grid">
          <div className="gantt-corner">Task</div>
          <div className="gantt-axis" aria-hidden="true">
            {ticks.slice(0, -1).map((tick) => <span key={tick} style={{ left: `${(tick / span) * 100}%` }}>{tick === 0 ? "0" : formatDuration(tick)}</span>)}
          </div>
          {gantt.rows.map((row) => {
            const { tone, word } = lookOf(backing.has(row.name) ? "BACKING_OFF" : row.status);
            return (
            <div key={row.name} className={selected === row.name ? "gantt-row selected" : "gantt-row"}>
              <button type="button" className="gantt-name" data-tone={tone} data-task={row.name} aria-pressed={selected === row.name} onClick={() => onSelect(selected === row.name ? null : row.name)}>
                <StatusGlyph tone={tone} />
                <span className="ellipsis"><Visible text={row.name} /></span>
                <span className="sr-only">{word}</span>
              </button>
              <div className="gantt-track" onClick={() => onSelect(row.name)}>
                <div className="gantt-lines">{ticks.map((tick) => <i key={tick} style={{ left: `${(tick / span) * 100}%` }} />)}</div>
                {row.segments.map((segment, index) => (
                  <div
                    key={index} className={["segment", segment.kind, segment.isOpen && "open"].filter(Boolean).join(" ")}
                    data-tone={segment.kind === "running" ? (segment.isOpen ? "running" : lookOf(segment.outcome).tone) : undefined}
                    title={`${makeVisible(row.name)}, attempt ${segment.attempt}: ${WORDS[segment.kind]} ${formatDuration(segment.end - segment.start)}${segment.outcome ? `, ${lookOf(segment.outcome).word.toLowerCase()}` : ""}`}
                    style={{ left: place(segment.start), width: `${((segment.end - segment.start) / span) * 100}%` }}
                  />
                ))}
                <RowTime segments={row.segments} gantt={gantt} span={span} />
              </div>
            </div>
            );
          })}
        </div>
      </div>
      <div className="panel-head legend" style={{ borderTop: "1px solid var(--line)", borderBottom: 0 }}>
        <span><i className="waiting" />waiting</span>
        <span><i className="queued" />queued</span>
        <span><i data-tone="completed" />ran</span>
        <span><i data-tone="failed" />failed</span>
        <span><i className="backoff" />backing off</span>
      </div>
    </>
  );
}

/** How long its last attempt ran, beside it. */
function RowTime({ segments, gantt, span }: { segments: Segment[]; gantt: { start: number }; span: number }) {
  const last = segments.findLast((segment) => segment.kind === "running");
  // What comes after it, a back-off, would lie below the text.
  if (!last || last !== segments.at(-1)) return null;
  const text = formatDuration(last.end - last.start);
  const end = (last.end - gantt.start) / span;
  const first = ((segments[0] as Segment).start - gantt.start) / span;
  // The text takes up to 15 % of a narrow track.
  if (end > 0.85 && first < 0.15) return null;
  if (end > 0.85) return <span className="segment-time before" style={{ right: `${(1 - first) * 100}%` }}>{text}</span>;
  return <span className="segment-time" style={{ left: `${end * 100}%` }}>{text}</span>;
}
