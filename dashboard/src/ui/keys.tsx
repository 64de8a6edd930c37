/** Keys: single ones and sequences such as "g r". The page shown last in the tree wins. */
import { useEffect, useRef } from "react";

export type KeyMap = Record<string, (event: KeyboardEvent) => void>;

const layers: { current: KeyMap }[] = [];
let prefix = "";
let prefixTimer = 0;

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) &&
    !(target instanceof HTMLInputElement && /^(checkbox|radio|button)$/.test(target.type));
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  const modified = event.ctrlKey || event.metaKey;
  const name = modified ? `mod+${event.key.toLowerCase()}` : event.key;
  if (event.altKey || (isTyping(event.target) && !modified)) return;
  if (document.querySelector("dialog[open]") && !modified) return;
  if (event.target instanceof HTMLElement && name === "Enter" && event.target.closest("a, button, [role=menuitem], summary")) return;
  const sequence = prefix ? `${prefix} ${name}` : name;
  for (let place = layers.length - 1; place >= 0; place--) {
    const map = layers[place]?.current;
    const action = map?.[sequence] ?? (prefix ? undefined : map?.[name]);
    if (action) {
      prefix = "";
      event.preventDefault();
      action(event);
      return;
    }
  }
  const begins = !modified && !prefix && layers.some((layer) => Object.keys(layer.current).some((key) => key.startsWith(`${name} `)));
  prefix = begins ? name : "";
  window.clearTimeout(prefixTimer);
  if (begins) prefixTimer = window.setTimeout(() => { prefix = ""; }, 1200);
}

window.addEventListener("keydown", onKeyDown);

export function useKeys(map: KeyMap): void {
  const latest = useRef(map);
  latest.current = map;
  useEffect(() => {
    layers.push(latest);
    return () => { layers.splice(layers.indexOf(latest), 1); };
  }, []);
}
