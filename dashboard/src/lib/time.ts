/** Times and durations as text. Times come as ISO 8601; durations are milliseconds. */

export function parseTime(iso: string | null | undefined): number | null {
  if (!iso) return null;
  const time = Date.parse(iso);
  return Number.isNaN(time) ? null : time;
}

export function formatDuration(ms: number): string {
  if (ms < 0) ms = 0;
  if (ms < 1) return "< 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A duration given in seconds, as options state them: "30 s", "1 min", "1 h 30 min". */
export function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${Number(seconds.toFixed(3))} s`;
  const parts: string[] = [];
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]] as const) {
    const count = Math.floor(seconds / size);
    if (count) parts.push(`${count} ${unit}`);
    seconds -= count * size;
  }
  return parts.slice(0, 2).join(" ");
}

export function formatRelative(time: number, now: number): string {
  const difference = time - now;
  const distance = Math.abs(difference);
  const text =
    distance < 1500
      ? "now"
      : distance < 60_000
        ? `${Math.round(distance / 1000)} s`
        : distance < 3_600_000
          ? `${Math.floor(distance / 60_000)} min`
          : distance < 86_400_000
            ? `${Math.floor(distance / 3_600_000)} h`
            : `${Math.floor(distance / 86_400_000)} d`;
  if (text === "now") return "now";
  return difference < 0 ? `${text} ago` : `in ${text}`;
}

export function formatAbsolute(time: number): string {
  const date = new Date(time);
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? "−" : "+"}${pad(Math.floor(Math.abs(offset) / 60))}:${pad(Math.abs(offset) % 60)}`;
  return `${formatDay(time)} ${formatClock(time)}.${String(date.getMilliseconds()).padStart(3, "0")} UTC${zone}`;
}

export function formatDay(time: number): string {
  const date = new Date(time);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

export function formatClock(time: number): string {
  const date = new Date(time);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

function pad(number: number): string {
  return String(number).padStart(2, "0");
}

const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
  900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000, 172_800_000, 604_800_000,
  1_209_600_000, 2_592_000_000,
];

/** Round places of an axis that spans `duration`, at most `count` of them, from 0. */
export function makeTicks(duration: number, count: number): number[] {
  const step = STEPS.find((one) => duration / one <= count) ?? Math.ceil(duration / count);
  const ticks: number[] = [];
  for (let tick = 0; tick <= duration; tick += step) ticks.push(tick);
  return ticks;
}
