/**
 * One stream of what changed; it only says which queries to ask again. Without it the pages poll, so nothing depends
 * on it.
 */
import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { makeUrl, reachability, type Schemas } from "./client";

export type Connection = "live" | "polling" | "offline";

const SHORTEST_PAUSE = 100;
const LONGEST_PAUSE = 1000;
const RETRY = 4000;

const state = { connection: "polling" as Connection, isStreaming: false, isReached: true, listeners: new Set<() => void>() };

function update(change: Partial<Pick<typeof state, "isStreaming" | "isReached">>): void {
  Object.assign(state, change);
  const next: Connection = !state.isReached ? "offline" : state.isStreaming ? "live" : "polling";
  if (next === state.connection) return;
  state.connection = next;
  for (const listener of state.listeners) listener();
}

export function useConnection(): Connection {
  return useSyncExternalStore(
    (listener) => { state.listeners.add(listener); return () => state.listeners.delete(listener); },
    () => state.connection,
  );
}

/** How often a page asks by itself, in milliseconds. */
export function pollInterval(): number {
  return state.connection === "live" ? 20_000 : 2000;
}

/**
 * Asks again for what a key names, at once; and while that is under way and a while after it, later changes wait to be
 * asked for together. The pause grows with what the answer took, so a page takes a fifth of one connection at the most
 * however much happens, and shows a change in well under 300 ms where the database is not busy.
 */
export function makeRefresher(ask: (key: string) => Promise<unknown>): (key: string) => void {
  const underWay = new Map<string, { isAgain: boolean }>();
  const refresh = async (key: string): Promise<void> => {
    const round = underWay.get(key);
    if (round) {
      round.isAgain = true;
      return;
    }
    const current = { isAgain: false };
    underWay.set(key, current);
    const begun = performance.now();
    try {
      await ask(key);
    } catch {
      // The query itself holds and shows its error.
    }
    const pause = Math.min(LONGEST_PAUSE, Math.max(SHORTEST_PAUSE, 4 * (performance.now() - begun)));
    await new Promise((resolve) => setTimeout(resolve, pause));
    underWay.delete(key);
    if (current.isAgain) void refresh(key);
  };
  return (key) => void refresh(key);
}

export function watchChanges(client: QueryClient): void {
  reachability.onChange = (isReached) => update({ isReached });
  const refresh = makeRefresher((key) => client.invalidateQueries({ queryKey: key.split("\n") }));
  const refreshLists = () => ["runs", "stats", "children", "queues", "workflow-stats", "workers"].forEach(refresh);
  const take = (change: Schemas["StreamChange"]) => {
    switch (change.kind) {
      case "run":
        for (const id of change.ids ?? []) refresh(`run\n${id}`);
        return refreshLists();
      case "runs":
        refresh("run");
        return refreshLists();
      case "logs":
        return change.ids?.length ? change.ids.forEach((id) => refresh(`logs\n${id}`)) : refresh("logs");
      case "workers":
      case "events":
        return refresh(change.kind);
      case "schedules":
        refresh("crons");
        return refresh("scheduled");
    }
  };
  let source: EventSource | null = null;
  const open = () => {
    source = new EventSource(makeUrl("/api/v1/stream"));
    source.onopen = () => update({ isStreaming: true, isReached: true });
    source.addEventListener("change", (event) => take(JSON.parse((event as MessageEvent<string>).data)));
    source.addEventListener("reset", () => void client.invalidateQueries());
    source.onerror = () => {
      update({ isStreaming: false });
      // Refused rather than broken off: the browser does not try again by itself.
      if (source?.readyState === EventSource.CLOSED) window.setTimeout(open, RETRY);
    };
  };
  open();
  window.addEventListener("pagehide", () => source?.close());
  window.addEventListener("pageshow", (event) => { if (event.persisted) open(); });
}
