/** What the lists share: moving with j and k, opening with Enter. */
import { useEffect, useState } from "react";
import { useKeys } from "./keys";

export function useCursor(ids: string[], open: (id: string) => void, more: Record<string, (id: string) => void> = {}): string | null {
  const [cursor, setCursor] = useState<string | null>(null);
  const place = cursor === null ? -1 : ids.indexOf(cursor);
  const move = (step: number) => {
    const next = ids[Math.max(0, Math.min(ids.length - 1, place < 0 ? 0 : place + step))];
    if (next !== undefined) setCursor(next);
  };
  const on = (action: (id: string) => void) => () => {
    if (place >= 0 && cursor !== null) action(cursor);
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: on(open),
    o: on(open),
    Escape: () => setCursor(null),
    ...Object.fromEntries(Object.entries(more).map(([key, action]) => [key, on(action)])),
  });
  useEffect(() => {
    if (cursor !== null) document.querySelector(`tr[data-id="${CSS.escape(cursor)}"]`)?.scrollIntoView({ block: "nearest" });
  }, [cursor]);
  return place >= 0 ? cursor : null;
}
