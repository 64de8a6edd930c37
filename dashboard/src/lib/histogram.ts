/** The bars of a histogram over time, stacked by status. */

export interface Bar {
  start: string;
  counts: Record<string, number | undefined>;
}

export interface Stack {
  start: number;
  end: number;
  total: number;
  parts: { status: string; from: number; to: number; count: number }[];
}

/** From the bottom up: failed runs first, where the bars are easy to compare. */
const STACK_ORDER = ["failed", "cancelled", "running", "queued", "completed"];

/** Heights as shares of the highest bar, 0 to 1. */
export function stackBars(bars: Bar[], until: number): { stacks: Stack[]; most: number } {
  const totals = bars.map((bar) => STACK_ORDER.reduce((sum, status) => sum + (bar.counts[status] ?? 0), 0));
  const most = Math.max(1, ...totals);
  const stacks = bars.map((bar, place) => {
    let below = 0;
    const parts: Stack["parts"] = [];
    for (const status of STACK_ORDER) {
      const count = bar.counts[status] ?? 0;
      if (!count) continue;
      parts.push({ status, from: below / most, to: (below + count) / most, count });
      below += count;
    }
    const next = bars[place + 1];
    return { start: Date.parse(bar.start), end: next ? Date.parse(next.start) : until, total: totals[place] ?? 0, parts };
  });
  return { stacks, most };
}

/** The time of all bars between two that were dragged over. */
export function snapSpan(stacks: Stack[], from: number, to: number): [number, number] | null {
  const first = stacks[Math.max(0, Math.min(from, to))];
  const last = stacks[Math.min(stacks.length - 1, Math.max(from, to))];
  return first && last ? [first.start, last.end] : null;
}

/** Five places of the axis with their texts; where several would read the same, the first of them alone. */
export function labelAxis(start: number, span: number, label: (time: number) => string): { share: number; text: string }[] {
  const places = [0, 0.25, 0.5, 0.75, 1].map((share) => ({ share, text: label(start + share * span) }));
  return places.filter(({ text }, place) => text !== places[place - 1]?.text);
}
