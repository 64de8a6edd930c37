/** The frame around the pages, and which page is shown. */
import { lazy, type ReactNode, Suspense, useEffect, useState } from "react";
import { useConnection } from "../api/live";
import { useSession } from "../api/queries";
import { EventsPage } from "../pages/events";
import { Login } from "../pages/login";
import { RunsPage } from "../pages/runs/page";
import { SchedulesPage } from "../pages/schedules";
import { WorkersPage } from "../pages/workers";
import { WorkflowsPage } from "../pages/workflows";
import { Empty } from "../ui/basics";
import { Toasts } from "../ui/dialog";
import { Glyph } from "../ui/icons";
import { useKeys } from "../ui/keys";
import { href, Link, navigate, usePlace } from "../ui/router";
import { Help } from "./help";
import { Palette } from "./palette";
import { SECTIONS } from "./sections";
import { Sidebar } from "./sidebar";

const RunPage = lazy(() => import("../pages/run/page"));
const WorkflowPage = lazy(() => import("../pages/workflow"));

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
      <a className="skip-link" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to content</a>
      <div className="app">
        <Sidebar onHelp={() => setOverlay("help")} onPalette={() => setOverlay("palette")} />
        <div className="main">
          {connection === "offline" && (
            <div className="banner" data-tone="failed" role="alert">
              <Glyph name="warning" />
              The server cannot be reached. This page may be out of date; runs go on without the dashboard. Trying again…
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
      <Empty icon="search" title="Page not found" isPage>
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
