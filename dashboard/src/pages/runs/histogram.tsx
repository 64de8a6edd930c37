/** Runs over time. Dragging chooses a span. */
import { type PointerEvent, useMemo, useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { labelAxis, snapSpan, stackBars } from "../../lib/histogram";
import { lookOf } from "../../lib/status";
import { formatCount } from "../../lib/text";
import { formatAbsolute, formatClock, formatDay } from "../../lib/time";
import { Status } from "../../ui/basics";

const HEIGHT = 100;

export function Histogram({ stats, onSpan }: { stats: Schemas["RunStats"]; onSpan: (since: number, until: number) => void }) {
  const plot = useRef<HTMLDivElement>(null);
  const [hover, setHover] = useState<number | null>(null);
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const until = Date.parse(stats.until ?? "");
  const { stacks, most } = useMemo(() => stackBars(stats.bars as never, until), [stats.bars, until]);
  const count = stacks.length;
  const first = stacks[0];
  if (!first) return null;
  const placeOf = (event: PointerEvent) => {
    const box = (plot.current as HTMLElement).getBoundingClientRect();
    return Math.max(0, Math.min(count - 1, Math.floor(((event.clientX - box.left) / box.width) * count)));
  };
  const span = until - first.start;
  const label = (time: number) => (span > 2 * 864e5 ? formatDay(time).slice(5) : span < 6e5 ? formatClock(time) : formatClock(time).slice(0, 5));
  const shown = hover === null ? null : stacks[hover];
  const summary = `Runs over time, ${count} bars from ${formatAbsolute(first.start)} to ${formatAbsolute(until)}, at most ${formatCount(most)} in one`;
  return (
    <div className="histogram">
      <div
        className="histogram-plot" ref={plot} role="img" aria-label={summary}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag([placeOf(event), placeOf(event)]);
        }}
        onPointerMove={(event) => {
          setHover(placeOf(event));
          if (drag) setDrag([drag[0], placeOf(event)]);
        }}
        onPointerLeave={() => setHover(null)}
        onPointerCancel={() => setDrag(null)}
        onPointerUp={() => {
          const chosen = drag && snapSpan(stacks, drag[0], drag[1]);
          setDrag(null);
          if (chosen) onSpan(chosen[0], chosen[1]);
        }}
      >
        <svg viewBox={`0 0 ${count * 10} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          {stacks.map((stack, place) => (
            <g key={stack.start}>
              <rect className="slot" x={place * 10} y={0} width={10} height={HEIGHT} />
              {stack.parts.map((part) => {
                const height = Math.max(1.5, (part.to - part.from) * HEIGHT);
                return <rect key={part.status} data-tone={lookOf(part.status).tone} x={place * 10 + 1} width={8} y={HEIGHT - part.from * HEIGHT - height} height={height} />;
              })}
            </g>
          ))}
          <line className="base" x1={0} x2={count * 10} y1={HEIGHT} y2={HEIGHT} vectorEffect="non-scaling-stroke" />
        </svg>
        {drag && (
          <div className="brush" style={{ left: `${(Math.min(...drag) / count) * 100}%`, width: `${((Math.abs(drag[1] - drag[0]) + 1) / count) * 100}%` }} />
        )}
        {shown && hover !== null && (
          <div className="histogram-tip" style={hover > count / 2 ? { right: `${(1 - hover / count) * 100 + 1}%` } : { left: `${((hover + 1) / count) * 100 + 1}%` }}>
            <div className="muted">{label(shown.start)} – {label(shown.end)}</div>
            {shown.parts.length === 0 && <div>no runs</div>}
            {[...shown.parts].reverse().map((part) => (
              <div key={part.status} className="row"><Status status={part.status} /> <span className="num">{formatCount(part.count)}</span></div>
            ))}
          </div>
        )}
      </div>
      <div className="histogram-axis" aria-hidden="true">
        {labelAxis(first.start, span, label).map(({ share, text }) => (
          <span key={share} className={share === 0 ? "first" : share === 1 ? "last" : undefined} style={{ left: `${share * 100}%` }}>{text}</span>
        ))}
      </div>
    </div>
  );
}
