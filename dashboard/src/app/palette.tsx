/** Ctrl K: go to a page, a workflow, a run by its id, or a search. */
import { useId, useState } from "react";
import { useWorkflows } from "../api/queries";
import { Visible } from "../ui/basics";
import { Dialog } from "../ui/dialog";
import { Glyph, type IconName } from "../ui/icons";
import { href, navigate } from "../ui/router";
import { setTheme } from "../ui/theme";
import { SECTIONS } from "./sections";

interface Entry {
  label: string;
  icon: IconName;
  keys?: string;
  act: () => void;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function Palette({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const id = useId();
  const workflows = useWorkflows().data?.pages.flatMap((page) => page.items) ?? [];
  const typed = text.trim();
  const go = (to: string) => () => navigate(to);
  const entries: Entry[] = [
    ...SECTIONS.map(({ path, label, icon, key }): Entry => ({ label, icon, keys: `g ${key}`, act: go(href(path)) })),
    { label: "Failed runs", icon: "runs", act: go(href("runs", { q: "status:failed" })) },
    { label: "Active runs", icon: "runs", act: go(href("runs", { q: "status:queued status:running" })) },
    ...workflows.map((workflow): Entry => ({ label: workflow.name, icon: "workflows", act: go(href("workflows", workflow.name)) })),
    ...workflows.map((workflow): Entry => ({ label: `Start a run of ${workflow.name}`, icon: "play", act: go(href("workflows", workflow.name, { start: "1" })) })),
    { label: "Light theme", icon: "sun", act: () => setTheme("light") },
    { label: "Dark theme", icon: "moon", act: () => setTheme("dark") },
    { label: "System theme", icon: "system", act: () => setTheme("system") },
    { label: "Keyboard shortcuts", icon: "keyboard", keys: "?", act: onHelp },
  ];
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const found = entries.filter((entry) => words.every((word) => entry.label.toLowerCase().includes(word))).slice(0, 60);
  if (UUID.test(typed)) found.unshift({ label: `Run ${typed}`, icon: "runs", act: go(href("runs", typed)) });
  else if (typed.includes(":")) found.unshift({ label: `Search runs for ${typed}`, icon: "search", act: go(href("runs", { q: typed })) });
  const current = Math.min(at, found.length - 1);
  const choose = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    // After the dialog gave the focus back.
    window.setTimeout(entry.act, 0);
  };
  return (
    <Dialog title="Go to" bare className="palette" onClose={onClose}>
      <input
        className="input" role="combobox" aria-expanded="true" aria-controls={id} aria-activedescendant={found.length ? `${id}-${current}` : undefined}
        aria-label="Go to a page, a workflow or a run" placeholder="Page, workflow, run id, or status:failed …" autoFocus autoComplete="off" spellCheck={false} value={text}
        onChange={(event) => { setText(event.target.value); setAt(0); }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") setAt(Math.min(current + 1, found.length - 1));
          else if (event.key === "ArrowUp") setAt(Math.max(current - 1, 0));
          else if (event.key === "Enter") choose(found[current]);
          else return;
          event.preventDefault();
        }}
      />
      <ul role="listbox" id={id} aria-label="Found">
        {found.map((entry, place) => (
          <li
            key={entry.label} id={`${id}-${place}`} role="option" aria-selected={place === current}
            ref={place === current ? (element) => element?.scrollIntoView({ block: "nearest" }) : undefined}
            onClick={() => choose(entry)} onMouseMove={() => setAt(place)}
          >
            <Glyph name={entry.icon} />
            <span className="ellipsis"><Visible text={entry.label} /></span>
            {entry.keys && <span className="after">{entry.keys.split(" ").map((key) => <kbd key={key}>{key}</kbd>)}</span>}
          </li>
        ))}
        {!found.length && <li role="option" aria-selected="false" aria-disabled="true" className="faint">Nothing found</li>}
      </ul>
    </Dialog>
  );
}
