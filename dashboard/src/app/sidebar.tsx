/** The navigation beside the pages. */
import { useQueryClient } from "@tanstack/react-query";
import { remove } from "../api/client";
import { useConnection } from "../api/live";
import { useQueues, useSession } from "../api/queries";
import { formatCount } from "../lib/text";
import { notifyError } from "../ui/dialog";
import { Brand, Glyph, type IconName } from "../ui/icons";
import { href, Link, usePlace } from "../ui/router";
import { setTheme, type Theme, useTheme } from "../ui/theme";
import { SECTIONS } from "./sections";

export function Sidebar({ onHelp, onPalette }: { onHelp: () => void; onPalette: () => void }) {
  const { parts } = usePlace();
  const here = parts[0] ?? "runs";
  const connection = useConnection();
  const queues = useQueues().data;
  const session = useSession().data;
  const client = useQueryClient();
  const words = { live: "Live", polling: "Updated every 2 s", offline: "Not connected" };
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
            <span className="ellipsis grow">{session.user}{session.role === "read" && " (read only)"}</span>
            <button type="button" className="button quiet small" onClick={logOut}>Sign out</button>
          </div>
        )}
        <div className="connection" data-state={connection} role="status">
          <i aria-hidden="true" />
          <span className="ellipsis" title={session?.database ?? undefined}>{words[connection]}</span>
        </div>
        <div className="sidebar-tools">
          <button type="button" className="button quiet icon" onClick={onPalette} aria-label="Go to… (Ctrl K)" title="Go to… (Ctrl K)"><Glyph name="search" /></button>
          <button type="button" className="button quiet icon" onClick={onHelp} aria-label="Keyboard shortcuts (?)" title="Keyboard shortcuts (?)"><Glyph name="keyboard" /></button>
          <ThemeButton />
        </div>
      </div>
    </header>
  );
}

const THEMES: Record<Theme, { next: Theme; icon: IconName; label: string }> = {
  system: { next: "light", icon: "system", label: "Theme: system" },
  light: { next: "dark", icon: "sun", label: "Theme: light" },
  dark: { next: "system", icon: "moon", label: "Theme: dark" },
};

function ThemeButton() {
  const { next, icon, label } = THEMES[useTheme()];
  return (
    <button type="button" className="button quiet icon" aria-label={label} title={label} onClick={() => setTheme(next)}><Glyph name={icon} /></button>
  );
}
