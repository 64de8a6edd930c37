import { lazy, type ReactNode, Suspense, useEffect, useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { remove } from "./api/client";
import { useConnection } from "./api/live";
import { useQueues, useSession } from "./api/queries";
import { formatCount } from "./lib/text";
import { EventsPage } from "./pages/events";
import { Login } from "./pages/login";
import { Palette } from "./pages/palette";
import { RunsPage } from "./pages/runs";
import { WorkersPage } from "./pages/workers";
import { WorkflowsPage } from "./pages/workflows";
import { href, Link, navigate, usePlace } from "./router";
import { setTheme, type Theme, useTheme } from "./theme";
import { Empty } from "./ui/basics";
import { Dialog, notifyError, Toasts } from "./ui/dialog";
import { Brand, Glyph, type IconName } from "./ui/icons";
import { useKeys } from "./ui/keys";

const RunPage = lazy(() => import("./pages/run"));
const WorkflowPage = lazy(() => import("./pages/workflow"));
const SchedulesPage = lazy(() => import("./pages/schedules"));

export const SECTIONS: { path: string; label: string; icon: IconName; key: string }[] = [
  { path: "runs", label: "Runs", icon: "runs", key: "r" },
  { path: "workflows", label: "Workflows", icon: "workflows", key: "w" },
  { path: "workers", label: "Workers", icon: "workers", key: "k" },
  { path: "schedules", label: "Crons & scheduled", icon: "clock", key: "c" },
  { path: "events", label: "Events", icon: "events", key: "e" },
];

export function App() {
  const session = useSession();
  const [overlay, setOverlay] = useState<"help" | "palette" | null>(null);
  const connection = useConnection();
  useKeys({
    "?": () => setOverlay("help"),
    "mod+k": () => setOverlay("palette"),
    ...Object.fromEntries(SECTIONS.map(({ path, key }) => [`g ${key}`, () => navigate(href(path))])),
    "/": () => document.querySelector<HTMLInputElement>("[data-search]")?.focus(),
  });
  if (session.data && session.data.role === null) return <Login session={session.data} />;
  return (
    <>
      <a className="skip-link" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to the content</a>
      <div className="app">
        <Sidebar onHelp={() => setOverlay("help")} onPalette={() => setOverlay("palette")} />
        <div className="main">
          {connection === "offline" && (
            <div className="banner" data-tone="failed" role="alert">
              <Glyph name="warning" />
              The server cannot be reached. What is shown may be old; runs go on without the dashboard. Trying again…
            </div>
          )}
          <main id="main" tabIndex={-1} className="grow">
            <Suspense fallback={<div className="page" aria-busy="true" />}>
              <Pages />
            </Suspense>
          </main>
        </div>
      </div>
      {overlay === "help" && <Help onClose={() => setOverlay(null)} />}
      {overlay === "palette" && <Palette onClose={() => setOverlay(null)} onHelp={() => setOverlay("help")} />}
      <Toasts />
    </>
  );
}

function Pages(): ReactNode {
  const { parts } = usePlace();
  const [section = "runs", name, ...rest] = parts;
  useTitle(section, name);
  if (!rest.length) {
    if (section === "runs") return name ? <RunPage key={name} id={name} /> : <RunsPage />;
    if (section === "workflows") return name ? <WorkflowPage key={name} name={name} /> : <WorkflowsPage />;
    if (section === "workers") return <WorkersPage id={name} />;
    if (section === "schedules" && !name) return <SchedulesPage />;
    if (section === "events") return <EventsPage id={name} />;
  }
  return (
    <div className="page">
      <Empty icon="search" title="There is no such page" isPage>
        <p><Link href={href("runs")}>All runs</Link></p>
      </Empty>
    </div>
  );
}

function useTitle(section: string, name: string | undefined): void {
  const label = SECTIONS.find((one) => one.path === section)?.label ?? "Not found";
  const title = `${name ? `${name} · ` : ""}${label} · Plait`;
  useEffect(() => { document.title = title; }, [title]);
}

function Sidebar({ onHelp, onPalette }: { onHelp: () => void; onPalette: () => void }) {
  const { parts } = usePlace();
  const here = parts[0] ?? "runs";
  const connection = useConnection();
  const queues = useQueues().data;
  const session = useSession().data;
  const client = useQueryClient();
  const words = { live: "Live", polling: "Asking every 2 s", offline: "Not connected" };
  const logOut = () => {
    remove("/api/v1/session").then(() => client.invalidateQueries(), notifyError);
  };
  return (
    <header className="sidebar">
      <Link href={href("runs")} className="brand" aria-label="Plait, all runs"><Brand /><span>Plait</span></Link>
      <nav aria-label="Pages">
        <ul>
          {SECTIONS.map(({ path, label, icon }) => (
            <li key={path}>
              <Link href={href(path)} className="nav-link" aria-current={here === path ? "page" : undefined}>
                <Glyph name={icon} />
                <span>{label}</span>
                {path === "workers" && queues && (
                  <span className="count" title={`${queues.slots_in_use} of ${queues.slots} slots in use`}>{formatCount(queues.workers)}</span>
                )}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <div className="sidebar-foot">
        {session?.user && (
          <div className="connection">
            <span className="ellipsis grow">{session.user}{session.role === "read" && ", may look only"}</span>
            <button type="button" className="button quiet small" onClick={logOut}>Sign out</button>
          </div>
        )}
        <div className="connection" data-state={connection} role="status">
          <i aria-hidden="true" />
          <span className="ellipsis" title={session?.database ?? undefined}>{words[connection]}</span>
        </div>
        <div className="sidebar-tools">
          <button type="button" className="button quiet icon" onClick={onPalette} aria-label="Go to… (Ctrl K)" title="Go to… (Ctrl K)"><Glyph name="search" /></button>
          <button type="button" className="button quiet icon" onClick={onHelp} aria-label="Keys (?)" title="Keys (?)"><Glyph name="keyboard" /></button>
          <ThemeButton />
        </div>
      </div>
    </header>
  );
}

const THEMES: Record<Theme, { next: Theme; icon: IconName; label: string }> = {
  system: { next: "light", icon: "system", label: "Theme: as the system" },
  light: { next: "dark", icon: "sun", label: "Theme: light" },
  dark: { next: "system", icon: "moon", label: "Theme: dark" },
};

function ThemeButton() {
  const { next, icon, label } = THEMES[useTheme()];
  return (
    <button type="button" className="button quiet icon" aria-label={label} title={label} onClick={() => setTheme(next)}><Glyph name={icon} /></button>
  );
}

const KEYS: [string, [string, string][]][] = [
  ["Anywhere", [["Ctrl K", "go to, or do"], ["/", "search"], ["?", "these keys"], ["Esc", "close"]]],
  ["Go to", SECTIONS.map(({ key, label }): [string, string] => [`g ${key}`, label])],
  ["In lists", [["j k", "down, up"], ["Enter", "open"], ["x", "select"], ["Shift X", "select all shown"]]],
  ["In a run", [["1 2 3", "graph, timeline, table"], ["j k", "next, previous task"], ["l", "logs"], ["c", "cancel"], ["r", "replay"], ["e", "run again with another input"]]],
];

function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose} className="wide">
      <div className="keys">
        {KEYS.map(([title, keys]) => (
          <div key={title}>
            <h3>{title}</h3>
            {keys.map(([key, what]) => (
              <div key={key}>
                <span>{what}</span>
                <span className="row">{key.split(" ").map((one) => <kbd key={one}>{one}</kbd>)}</span>
              </div>
            ))}
          </div>
        ))}
      </div>
    </Dialog>
  );
}
