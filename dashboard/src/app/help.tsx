/** The list of keys. */
import { Dialog } from "../ui/dialog";
import { SECTIONS } from "./sections";

const KEYS: [string, [string, string][]][] = [
  ["Anywhere", [["Ctrl K", "go to a page or a run"], ["/", "search"], ["?", "this list"], ["Esc", "close"]]],
  ["Go to", SECTIONS.map(({ key, label }): [string, string] => [`g ${key}`, label])],
  ["In lists", [["j k", "next, previous"], ["Enter", "open"], ["x", "select"], ["Shift X", "select all shown"]]],
  ["In a run", [["1 2 3", "graph, timeline, table"], ["j k", "next, previous task"], ["l", "logs"], ["c", "cancel"], ["r", "replay"], ["e", "run again with another input"]]],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose} className="wide">
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
