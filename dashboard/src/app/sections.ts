/** The sections of the dashboard: where the sidebar, the keys and the palette lead. */
import type { IconName } from "../ui/icons";

export const SECTIONS: { path: string; label: string; icon: IconName; key: string }[] = [
  { path: "runs", label: "Runs", icon: "runs", key: "r" },
  { path: "workflows", label: "Workflows", icon: "workflows", key: "w" },
  { path: "workers", label: "Workers", icon: "workers", key: "k" },
  { path: "schedules", label: "Schedules", icon: "clock", key: "c" },
  { path: "events", label: "Events", icon: "events", key: "e" },
];
