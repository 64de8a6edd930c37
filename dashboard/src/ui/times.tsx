/** Times and durations that keep themselves up to date. */
import { useEffect, useState, useSyncExternalStore } from "react";
import { formatAbsolute, formatDuration, formatRelative, parseTime } from "../lib/time";

/* One clock for all relative times. */
const clock = { now: Date.now(), listeners: new Set<() => void>(), timer: 0 };

function subscribeClock(listener: () => void): () => void {
  clock.listeners.add(listener);
  if (clock.listeners.size === 1) {
    clock.now = Date.now();
    clock.timer = window.setInterval(() => {
      clock.now = Date.now();
      for (const one of clock.listeners) one();
    }, 1000);
  }
  return () => {
    clock.listeners.delete(listener);
    if (!clock.listeners.size) window.clearInterval(clock.timer);
  };
}

export function useNow(): number {
  return useSyncExternalStore(subscribeClock, () => clock.now);
}

/** The current time, updated `fps` times a second while `active`. */
export function useFrames(active: boolean, fps = 4): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!active) return;
    const timer = window.setInterval(() => setNow(Date.now()), 1000 / fps);
    return () => window.clearInterval(timer);
  }, [active, fps]);
  return active ? Math.max(now, Date.now() - 1000) : now;
}

export function Ago({ time }: { time: string | null | undefined }) {
  const now = useNow();
  const parsed = parseTime(time);
  if (parsed === null) return <span className="faint">–</span>;
  return (
    <time dateTime={time ?? undefined} title={formatAbsolute(parsed)} className="nowrap num">
      {formatRelative(parsed, Math.max(now, Date.now() - 1000))}
    </time>
  );
}

/** From start to end, or to now while there is no end. */
export function Took({ start, end, open = true }: { start: string | null; end: string | null; open?: boolean }) {
  const from = parseTime(start);
  const to = parseTime(end);
  const now = useNow();
  if (from === null || (to === null && !open)) return <span className="faint">–</span>;
  return <span className="num nowrap">{formatDuration((to ?? Math.max(now, from)) - from)}</span>;
}

/** When a task that backs off is tried again: "retries in 3 s". */
export function RetriesIn({ due }: { due: string | null }) {
  const now = useNow();
  const time = parseTime(due);
  if (time === null) return "Backing off";
  const left = time - Math.max(now, Date.now() - 1000);
  return <span className="num">{left < 1500 ? "Retries now" : `Retries ${formatRelative(time, time - left)}`}</span>;
}
