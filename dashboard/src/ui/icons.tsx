import type { ReactNode } from "react";
import type { Tone } from "../lib/status";

function Icon({ children, className }: { children: ReactNode; className?: string }) {
  return (
    <svg viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" className={className}>
      {children}
    </svg>
  );
}

const PATHS = {
  runs: <><path d="M2.500 4h7M2.500 8h11M2.500 12h5" /><circle cx="12.500" cy="4" r="1.200" /><circle cx="10.500" cy="12" r="1.200" /></>,
  workflows: <><rect x="1.500" y="6" width="4" height="4" rx="1" /><rect x="10.500" y="2" width="4" height="4" rx="1" /><rect x="10.500" y="10" width="4" height="4" rx="1" /><path d="M5.500 8c3 0 2-4 5-4M5.500 8c3 0 2 4 5 4" /></>,
  workers: <><rect x="2" y="2.500" width="12" height="4.500" rx="1.200" /><rect x="2" y="9" width="12" height="4.500" rx="1.200" /><path d="M4.700 4.750h.01M4.700 11.250h.01" /></>,
  clock: <><circle cx="8" cy="8" r="6" /><path d="M8 4.700V8l2.300 1.600" /></>,
  events: <path d="M8.700 1.800 3.500 9h4l-.700 5.200L12.500 7h-4z" />,
  search: <><circle cx="7" cy="7" r="4.500" /><path d="m10.500 10.500 3 3" /></>,
  play: <path d="M5 3.200v9.600L12.500 8z" />,
  pause: <path d="M5.500 3.500v9M10.500 3.500v9" />,
  stop: <rect x="4" y="4" width="8" height="8" rx="1.500" />,
  replay: <><path d="M3 8a5 5 0 1 0 1.600-3.700" /><path d="M3 2.500v3h3" /></>,
  edit: <path d="m10.500 3 2.500 2.500L5.700 12.800l-3.200.700.700-3.200z" />,
  close: <path d="m4 4 8 8M12 4l-8 8" />,
  copy: <><rect x="5.500" y="5.500" width="8" height="8" rx="1.500" /><path d="M10.500 5.500v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2" /></>,
  check: <path d="m3.500 8.500 3 3 6-7" />,
  download: <path d="M8 2.500v7.500M4.800 7 8 10.200 11.200 7M3 13.500h10" />,
  sun: <><circle cx="8" cy="8" r="2.800" /><path d="M8 1.500v1M8 13.500v1M1.500 8h1M13.500 8h1M3.400 3.400l.7.7M11.900 11.900l.7.7M3.400 12.600l.7-.7M11.900 4.100l.7-.7" /></>,
  moon: <path d="M13.300 9.700A5.800 5.800 0 0 1 6.300 2.700a5.800 5.800 0 1 0 7 7z" />,
  system: <><rect x="1.800" y="2.800" width="12.400" height="8.400" rx="1.200" /><path d="M5.500 13.700h5" /></>,
  keyboard: <><rect x="1.500" y="4" width="13" height="8.500" rx="1.500" /><path d="M4.500 7h.01M7 7h.01M9.500 7h.01M12 7h.01M5 9.800h6" /></>,
  graph: <><circle cx="3.500" cy="8" r="1.700" /><circle cx="12.500" cy="4" r="1.700" /><circle cx="12.500" cy="12" r="1.700" /><path d="M5.200 7.300 10.800 4.700M5.200 8.700l5.600 2.600" /></>,
  gantt: <path d="M2 3.500h5M5 8h6M9.500 12.500H14" strokeWidth="2.200" />,
  table: <><rect x="2" y="2.800" width="12" height="10.400" rx="1.200" /><path d="M2 6.500h12M6.500 6.500v6.700" /></>,
  logs: <path d="M2.500 3.500h11M2.500 6.500h8M2.500 9.500h11M2.500 12.500h6" />,
  more: <path d="M3.500 8h.01M8 8h.01M12.500 8h.01" strokeWidth="2.200" />,
  chevron: <path d="m4.500 6 3.500 4 3.500-4" />,
  warning: <><path d="M8 2.200 14.300 13H1.700z" /><path d="M8 6.500v3M8 11.300h.01" /></>,
  info: <><circle cx="8" cy="8" r="6" /><path d="M8 7.300v3.500M8 5.200h.01" /></>,
  fit: <path d="M2.500 6v-3.500H6M10 2.500h3.500V6M13.500 10v3.500H10M6 13.500H2.500V10" />,
  plus: <path d="M8 3.500v9M3.500 8h9" />,
  minus: <path d="M3.500 8h9" />,
} as const;

export type IconName = keyof typeof PATHS;

export function Glyph({ name, className }: { name: IconName; className?: string }) {
  return <Icon className={className}>{PATHS[name]}</Icon>;
}

/** One shape for each status, so that it can be told without colour. */
export function StatusGlyph({ tone }: { tone: Tone }) {
  switch (tone) {
    case "completed":
      return <Icon><circle cx="8" cy="8" r="6.200" fill="currentColor" stroke="none" opacity=".16" /><circle cx="8" cy="8" r="6.200" /><path d="m5.300 8.200 1.900 1.900 3.500-4" /></Icon>;
    case "failed":
      return <Icon><circle cx="8" cy="8" r="6.200" fill="currentColor" stroke="none" opacity=".16" /><circle cx="8" cy="8" r="6.200" /><path d="m5.800 5.800 4.400 4.400M10.200 5.800l-4.400 4.400" /></Icon>;
    case "running":
      return <Icon className="spin"><circle cx="8" cy="8" r="6.200" opacity=".28" /><path d="M8 1.800A6.200 6.200 0 0 1 14.200 8" strokeWidth="2" /></Icon>;
    case "queued":
      return <Icon><circle cx="8" cy="8" r="6.200" /><path d="M8 4.800V8l2.100 1.400" /></Icon>;
    case "cancelled":
      return <Icon><circle cx="8" cy="8" r="6.200" /><path d="m3.700 12.300 8.600-8.600" /></Icon>;
    case "skipped":
      return <Icon><circle cx="8" cy="8" r="6.200" strokeDasharray="2.400 2.400" /><path d="m5.200 5.500 2.500 2.500-2.500 2.500M8.600 5.500l2.500 2.500-2.500 2.500" /></Icon>;
    case "waiting":
      return <Icon><circle cx="8" cy="8" r="6.200" strokeDasharray="2.400 2.400" /></Icon>;
    default:
      return <Icon><circle cx="8" cy="8" r="6.200" /><path d="M5.500 8h5" /></Icon>;
  }
}

export function Brand() {
  return (
    <svg viewBox="0 0 24 24" fill="none" strokeWidth="3" strokeLinecap="round" aria-hidden="true">
      <path stroke="var(--accent)" d="M6 2c0 6 12 5 12 10S6 16 6 22" />
      <path stroke="var(--accent)" opacity=".5" d="M18 2c0 2.800-2.600 4.100-5 5.200M10.300 8.700C8 9.800 6 10.800 6 12c0 1.500 1.700 2.600 3.700 3.700M14 17.300c2.300 1.100 4 2.400 4 4.700" />
    </svg>
  );
}
